//! Requests: a canonical request in, `request.expected.json` out.

use adapters_anthropic::egress::{Anthropic, encode_count_request};
use adapters_canonical::annotation::Citation;
use adapters_canonical::chat::{
    CacheBreakpoint, ChatRequest, CustomTool, Function, JsonSchema, Media, MediaSource, Message,
    Opaque, OutputFormat, Part, Reasoning, Role, Sampling, StreamOptions, Text, Thought, Tool,
    ToolCall, ToolChoice, ToolKind, ToolResult,
};
use adapters_canonical::dialect::{Dialect, Egress as _, Target, UpstreamRequest};
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use serde_json::value::RawValue;
use serde_json::{Value, json};

const SONNET: &str = "claude-sonnet-4-5";
const OPUS: &str = "claude-opus-4-8";

pub(crate) fn losses(losses: &[Loss]) -> Vec<String> {
    losses.iter().map(|loss| format!("{:?} {}: {}", loss.kind, loss.path, loss.reason)).collect()
}

fn encode(
    request: &ChatRequest,
    model: &str,
    api_version: Option<&str>,
) -> Result<Translated<UpstreamRequest>, DecodeError> {
    Anthropic.encode_request(request, &Target { model, api_version })
}

#[track_caller]
fn check(case: &str, request: &ChatRequest, model: &str) {
    check_version(case, request, model, None);
}

#[track_caller]
fn check_version(case: &str, request: &ChatRequest, model: &str, version: Option<&str>) {
    let got = encode(request, model, version).unwrap();
    let headers: Vec<_> = got
        .value
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    let shown = json!({
        "path": got.value.path,
        "headers": headers,
        "body": serde_json::from_slice::<Value>(&got.value.body).unwrap(),
        "losses": losses(&got.losses),
    });
    let dir = tests_golden::fixture("anthropic").join(case);
    tests_golden::assert_json(dir.join("request.expected.json"), &shown);
}

#[track_caller]
fn body(request: &ChatRequest, model: &str) -> String {
    String::from_utf8(encode(request, model, None).unwrap().value.body).unwrap()
}

#[track_caller]
fn lost(request: &ChatRequest, model: &str) -> Vec<String> {
    let got = encode(request, model, None).unwrap();
    got.losses.into_iter().map(|loss| loss.path.into_owned()).collect()
}

#[track_caller]
fn refused(parts: Vec<Part>, role: Role) -> String {
    let request = asking(vec![user("Hello."), message(role, parts)]);
    encode(&request, SONNET, None).unwrap_err().path().unwrap().to_owned()
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: None }
}

fn says(role: Role, words: &str) -> Message {
    message(role, vec![text(words)])
}

fn user(words: &str) -> Message {
    says(Role::User, words)
}

fn text(words: &str) -> Part {
    Part::Text(Text::from(words))
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        ..ToolCall::default()
    })
}

fn result(id: &str, parts: Vec<Part>) -> Message {
    let result = ToolResult { call_id: id.to_owned(), parts, is_error: Some(false), cache: None };
    message(Role::Tool, vec![Part::ToolResult(result)])
}

fn media(source: MediaSource, mime_type: Option<&str>) -> Media {
    let mime_type = mime_type.map(str::to_owned);
    Media { source, mime_type, name: None, detail: None, cache: None }
}

fn base64(data: &str, mime_type: Option<&str>) -> Media {
    media(MediaSource::Base64(data.to_owned()), mime_type)
}

fn asking(messages: Vec<Message>) -> ChatRequest {
    ChatRequest { model: "team/fast".to_owned(), messages, ..ChatRequest::default() }
}

fn hello() -> ChatRequest {
    asking(vec![user("Hello.")])
}

fn function(name: &str) -> Tool {
    Tool::Function(Function { name: name.to_owned(), ..Function::default() })
}

fn thinking(effort: Option<&str>, max_tokens: Option<u64>, visible: Option<bool>) -> ChatRequest {
    let reasoning = Reasoning { effort: effort.map(str::to_owned), max_tokens, visible };
    ChatRequest { reasoning: Some(reasoning), ..hello() }
}

#[test]
fn a_greeting_is_short() {
    check("request_hello", &hello(), SONNET);
}

#[test]
fn the_credential_is_sensitive() {
    let (name, value) = Anthropic.credential("sk-secret").unwrap();
    assert_eq!(name, "x-api-key");
    assert!(value.is_sensitive());
    assert!(!format!("{value:?}").contains("secret"));
    assert!(Anthropic.credential("line\nbreak").is_err());
}

#[test]
fn every_scalar_has_its_place() {
    let request = ChatRequest {
        max_output_tokens: Some(500),
        sampling: Sampling { temperature: Some(1.6), top_k: Some(40), ..Sampling::default() },
        stop: vec!["END".to_owned(), "\n".to_owned()],
        service_tier: Some("default".to_owned()),
        user: Some("user-7".to_owned()),
        stream: Some(StreamOptions { include_usage: true }),
        ..hello()
    };
    check("request_scalars", &request, SONNET);
}

#[test]
fn what_has_no_field_is_reported() {
    let request = ChatRequest {
        sampling: Sampling {
            seed: Some(7),
            presence_penalty: Some(0.5),
            frequency_penalty: Some(-0.5),
            logit_bias: [("50256".to_owned(), -100.0)].into(),
            logprobs: Some(true),
            top_logprobs: Some(3),
            ..Sampling::default()
        },
        service_tier: Some("flex".to_owned()),
        verbosity: Some("low".to_owned()),
        prompt_cache_key: Some("key".to_owned()),
        metadata: [("team".to_owned(), "blue".to_owned())].into(),
        store: Some(true),
        ..hello()
    };
    check("request_losses", &request, SONNET);
}

#[test]
fn several_answers_are_refused_and_one_is_not() {
    let asked = |choices| {
        let request = ChatRequest { choices: Some(choices), ..hello() };
        Anthropic.encode_request(&request, &Target { model: SONNET, api_version: None })
    };
    let refused = asked(2).unwrap_err();
    assert_eq!(refused, DecodeError::shape("n", "this provider gives one answer only"));
    assert!(asked(1).unwrap().losses.is_empty());
}

#[test]
fn a_value_that_means_what_happens_anyway_is_no_loss() {
    let request = ChatRequest {
        sampling: Sampling {
            temperature: Some(1.0),
            top_p: Some(1.0),
            presence_penalty: Some(0.0),
            frequency_penalty: Some(0.0),
            logprobs: Some(false),
            top_logprobs: Some(0),
            ..Sampling::default()
        },
        choices: Some(1),
        verbosity: Some("medium".to_owned()),
        store: Some(false),
        parallel_tool_calls: Some(true),
        service_tier: Some("auto".to_owned()),
        ..hello()
    };
    assert_eq!(lost(&request, SONNET), Vec::<String>::new());
    assert_eq!(lost(&request, OPUS), Vec::<String>::new());
}

// Field 25, 32: results stay results, and come first.
#[test]
fn turns_alternate_and_results_come_first() {
    let request = asking(vec![
        says(Role::System, "Be brief."),
        says(Role::Developer, "Use metric units."),
        user("Weather in Oslo and Rome?"),
        message(
            Role::Assistant,
            vec![
                text("Looking."),
                call("toolu_1", "weather", r#"{"city": "Oslo"}"#),
                call("toolu_2", "weather", ""),
            ],
        ),
        result("toolu_1", vec![text("4 degrees")]),
        user("And Paris?"),
        result("toolu_2", vec![text("21"), Part::Image(base64("iVBORw0KGgo=", None))]),
        says(Role::Assistant, "Cold and warm."),
        says(Role::Assistant, "Paris next."),
        user(""),
        user("Thanks."),
    ]);
    check("request_turns", &request, SONNET);
}

#[test]
fn instructions_in_mid_conversation_keep_their_rank_where_the_model_allows_it() {
    let request = asking(vec![
        user("One."),
        says(Role::System, "From now on, rhyme."),
        says(Role::Assistant, "Done."),
        says(Role::Developer, "No rhymes."),
        user("Two."),
        says(Role::System, "In French."),
    ]);
    check("request_system_turns", &request, OPUS);
    check("request_system_folded", &request, SONNET);
}

#[test]
fn instructions_alone_are_said_by_the_user() {
    let request = asking(vec![says(Role::System, "Tell a joke.")]);
    check("request_system_only", &request, SONNET);
}

// Field 31, 32: byte-equal signatures, nothing reordered or merged.
#[test]
fn thoughts_go_back_as_they_came_and_others_are_dropped() {
    let thought = |text: &str, signature: Option<&str>, redacted: Option<&str>| {
        Part::Reasoning(Thought {
            text: text.to_owned(),
            signature: signature.map(str::to_owned),
            redacted: redacted.map(str::to_owned),
            ..Thought::default()
        })
    };
    let web = r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}"#;
    let own = Part::Opaque(Opaque { dialect: Dialect::Anthropic, json: raw(web) });
    let foreign = Part::Opaque(Opaque { dialect: Dialect::Gemini, json: raw("{}") });
    let request = asking(vec![
        user("Why?"),
        message(
            Role::Assistant,
            vec![
                thought("First,\n", Some("c2ln+/=="), None),
                thought("", Some("hidden"), None),
                thought("", None, Some("cmVkYWN0ZWQ=")),
                thought("unsigned", None, None),
                own,
                foreign,
                text("Because."),
                Part::Refusal("No more.".to_owned()),
            ],
        ),
        user("Really?"),
    ]);
    check("request_thoughts", &request, SONNET);
}

#[test]
fn pictures_and_documents_have_their_sources() {
    let named = |mut media: Media, name: &str| {
        media.name = Some(name.to_owned());
        media.detail = Some("high".to_owned());
        media
    };
    let request = asking(vec![message(
        Role::User,
        vec![
            text("Compare."),
            Part::Image(base64("aGVsbG8=", Some("image/jpg"))),
            Part::Image(named(
                media(MediaSource::Url("https://pics.example/a.png".to_owned()), None),
                "a.png",
            )),
            Part::Image(media(MediaSource::File("file_1".to_owned()), None)),
            Part::Document(named(base64("JVBERi0xLjc=", None), "b.pdf")),
            Part::Document(media(MediaSource::Url("https://docs.example/c.pdf".to_owned()), None)),
            Part::Document(media(MediaSource::File("file_2".to_owned()), None)),
            Part::Document(base64("bm90ZXM=", Some("text/markdown"))),
        ],
    )]);
    check("request_media", &request, SONNET);
}

#[test]
fn content_that_cannot_be_sent_is_refused_by_its_path() {
    let wav = || base64("AAAA", Some("audio/wav"));
    assert_eq!(refused(vec![Part::Audio(wav())], Role::User), "messages[1].content[0]");
    assert_eq!(
        refused(vec![text("See:"), Part::Video(wav())], Role::User),
        "messages[1].content[1]"
    );
    assert_eq!(refused(vec![Part::Image(wav())], Role::User), "messages[1].content[0]");
    assert_eq!(refused(vec![Part::Document(wav())], Role::User), "messages[1].content[0]");
    let png = || Part::Image(base64("aGVsbG8=", Some("image/png")));
    assert_eq!(refused(vec![png()], Role::Assistant), "messages[1].content[0]");
    assert_eq!(refused(vec![text("x"), png()], Role::System), "messages[1].content[1]");
    assert_eq!(refused(vec![call("a", "f", "")], Role::User), "messages[1].tool_calls[0]");
    let nothing = encode(&asking(vec![user("")]), SONNET, None).unwrap_err();
    assert_eq!(nothing.path(), Some("messages"));
    let blank = asking(vec![user(" \n"), user("Hello.")]);
    assert_eq!(lost(&blank, SONNET), ["messages[0].content[0]"]);
}

// Field 41.
#[test]
fn cache_breakpoints_stand_where_they_stood() {
    let cache = |ttl: Option<&str>| Some(CacheBreakpoint { ttl: ttl.map(str::to_owned) });
    let cached = |words: &str, ttl| Part::Text(Text { cache: cache(ttl), ..Text::from(words) });
    let answer = ToolResult {
        call_id: "toolu_1".to_owned(),
        parts: vec![text("42")],
        is_error: Some(true),
        cache: cache(Some("24h")),
    };
    let tool = Function { name: "f".to_owned(), cache: cache(Some("1h")), ..Function::default() };
    let request = ChatRequest {
        tools: vec![Tool::Function(tool)],
        ..asking(vec![
            message(Role::System, vec![cached("Long.", Some("1h"))]),
            message(Role::User, vec![cached("Question.", None)]),
            message(Role::Assistant, vec![call("toolu_1", "f", "{}")]),
            message(Role::Tool, vec![Part::ToolResult(answer)]),
        ])
    };
    check("request_cache", &request, SONNET);
}

// Field 27: strict, const and parallel_tool_calls are never lost silently.
#[test]
fn tools_keep_their_schemas() {
    let weather = Function {
        name: "weather".to_owned(),
        description: Some("Looks outside.".to_owned()),
        parameters: Some(raw(
            r#"{"type":"object","properties":{"unit":{"const":"C"}},"additionalProperties":false}"#,
        )),
        strict: Some(true),
        cache: None,
    };
    let grammar = CustomTool {
        name: "sql".to_owned(),
        description: None,
        format: Some(raw(r#"{"type":"grammar"}"#)),
    };
    let search = r#"{"type":"web_search_20250305","name":"web_search"}"#;
    let request = ChatRequest {
        tools: vec![
            Tool::Function(weather),
            function("ping"),
            Tool::Custom(grammar),
            Tool::Opaque(Opaque { dialect: Dialect::Anthropic, json: raw(search) }),
            Tool::Opaque(Opaque { dialect: Dialect::Gemini, json: raw("{}") }),
        ],
        parallel_tool_calls: Some(false),
        ..hello()
    };
    check("request_tools", &request, SONNET);
    assert!(lost(&request, "claude-3-5-haiku-latest").contains(&"tools[0].function.strict".into()));
}

#[test]
fn the_choice_of_tools_is_said_in_its_words() {
    let choice = |choice: Option<ToolChoice>, parallel: Option<bool>, model: &str| {
        let request = ChatRequest {
            tools: vec![function("a"), function("b")],
            tool_choice: choice,
            parallel_tool_calls: parallel,
            ..hello()
        };
        let body: Value = serde_json::from_str(&body(&request, model)).unwrap();
        let offered = body["tools"].as_array().unwrap().len();
        (body["tool_choice"].clone(), offered)
    };
    let allowed = |required| Some(ToolChoice::Allowed { names: vec!["b".to_owned()], required });
    let named = Some(ToolChoice::Named("b".to_owned()));
    assert_eq!(choice(None, None, SONNET), (Value::Null, 2));
    assert_eq!(choice(None, Some(true), SONNET), (Value::Null, 2));
    assert_eq!(
        choice(None, Some(false), SONNET),
        (json!({"type": "auto", "disable_parallel_tool_use": true}), 2)
    );
    assert_eq!(choice(Some(ToolChoice::Auto), None, SONNET), (json!({"type": "auto"}), 2));
    assert_eq!(choice(Some(ToolChoice::None), None, SONNET), (json!({"type": "none"}), 2));
    assert_eq!(
        choice(Some(ToolChoice::Required), Some(false), SONNET),
        (json!({"type": "any", "disable_parallel_tool_use": true}), 2)
    );
    assert_eq!(choice(named.clone(), None, SONNET), (json!({"type": "tool", "name": "b"}), 2));
    assert_eq!(choice(allowed(true), None, SONNET), (json!({"type": "any"}), 1));
    assert_eq!(choice(allowed(false), None, SONNET), (json!({"type": "auto"}), 1));
    assert_eq!(choice(named, None, "claude-opus-5-5"), (json!({"type": "auto"}), 2));
}

#[test]
fn without_tools_there_is_no_choice_to_make() {
    let request = ChatRequest {
        tool_choice: Some(ToolChoice::Auto),
        parallel_tool_calls: Some(false),
        ..hello()
    };
    assert!(!body(&request, SONNET).contains("tool_choice"));
}

#[test]
fn a_custom_call_in_the_history_fits_the_tool_that_stands_for_it() {
    let custom = ToolCall {
        id: "call:1".to_owned(),
        name: "sql".to_owned(),
        arguments: "SELECT 1".to_owned(),
        kind: ToolKind::Custom,
        signature: None,
    };
    let request = asking(vec![
        user("Count."),
        message(Role::Assistant, vec![Part::ToolCall(custom)]),
        result("call:1", vec![]),
    ]);
    check("request_custom_call", &request, SONNET);
}

#[test]
fn samplers_go_where_they_are_taken() {
    let request = ChatRequest {
        sampling: Sampling {
            temperature: Some(0.2),
            top_p: Some(0.9),
            top_k: Some(5),
            ..Sampling::default()
        },
        ..hello()
    };
    assert!(
        body(&request, "claude-sonnet-4-0").contains(r#""temperature":0.2,"top_p":0.9,"top_k":5"#)
    );
    assert!(body(&request, SONNET).contains(r#""temperature":0.2,"top_k":5"#));
    assert_eq!(lost(&request, SONNET), ["top_p"]);
    assert_eq!(lost(&request, OPUS), ["temperature", "top_p", "top_k"]);
    let mut plain = request.clone();
    plain.sampling.temperature = Some(1.0);
    assert!(body(&plain, SONNET).contains(r#""top_p":0.9,"top_k":5"#));
    assert_eq!(lost(&plain, SONNET), Vec::<String>::new());
    check("request_samplers_refused", &request, OPUS);
    check_version("request_version", &request, SONNET, Some("2026-10-21"));
}

#[test]
fn samplers_give_way_to_thinking() {
    let sampling = Sampling {
        temperature: Some(0.2),
        top_p: Some(0.97),
        top_k: Some(5),
        ..Sampling::default()
    };
    let request = ChatRequest { sampling, ..thinking(Some("low"), None, None) };
    assert_eq!(lost(&request, SONNET), ["temperature", "top_k"]);
    assert!(body(&request, SONNET).contains(r#""top_p":0.97"#));
}

#[test]
fn an_api_version_that_no_header_can_hold_is_an_error() {
    assert!(encode(&hello(), SONNET, Some("2023\n")).is_err());
}

#[test]
fn a_schema_is_enforced_where_it_can_be() {
    let schema = JsonSchema {
        name: "answer".to_owned(),
        description: Some("The answer.".to_owned()),
        schema: Some(raw(r#"{"type":"object","properties":{"b":{},"a":{}}}"#)),
        strict: Some(true),
    };
    let output_format = OutputFormat::JsonSchema(schema);
    let request = ChatRequest { output_format, ..hello() };
    assert!(body(&request, SONNET).contains(
        r#""output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"b":{},"a":{}},"additionalProperties":false}}}"#
    ));
    check("request_schema", &request, SONNET);
    check("request_schema_in_words", &request, "claude-3-7-sonnet-20250219");
    let request = ChatRequest { output_format: OutputFormat::JsonObject, ..hello() };
    check("request_json_object", &request, SONNET);
}

/// What is said about thinking: `thinking`, `output_config`, `max_tokens` and the losses' paths.
#[track_caller]
fn thought(request: &ChatRequest, model: &str) -> (Value, Value, u64, Vec<String>) {
    let body: Value = serde_json::from_str(&body(request, model)).unwrap();
    let max_tokens = body["max_tokens"].as_u64().unwrap();
    (body["thinking"].clone(), body["output_config"].clone(), max_tokens, lost(request, model))
}

fn budget(tokens: u64) -> Value {
    json!({"type": "enabled", "budget_tokens": tokens})
}

fn paths(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|&path| path.to_owned()).collect()
}

#[test]
fn older_models_think_with_a_budget_that_fits() {
    let none = Value::Null;
    let effort = |effort| thinking(Some(effort), None, None);
    let got = thought(&effort("high"), SONNET);
    assert_eq!(got, (budget(16_384), none.clone(), 48_384, vec![]));
    let got = thought(&effort("none"), SONNET);
    assert_eq!(got, (none.clone(), none.clone(), 32_000, vec![]));
    let got = thought(&effort("high"), "claude-3-5-sonnet-latest");
    assert_eq!(got, (none.clone(), none.clone(), 8_192, paths(&["reasoning_effort"])));

    let small = |max| ChatRequest { max_output_tokens: Some(max), ..effort("low") };
    assert_eq!(thought(&small(2_000), SONNET).0, budget(1_500));
    assert_eq!(thought(&small(1_025), SONNET).0, budget(1_024));
    assert_eq!(
        thought(&small(1_024), SONNET),
        (none, Value::Null, 1_024, paths(&["reasoning_effort"]))
    );

    let tokens = |tokens| thinking(None, Some(tokens), None);
    assert_eq!(thought(&tokens(5_000), SONNET), (budget(5_000), Value::Null, 37_000, vec![]));
    assert_eq!(thought(&tokens(10), SONNET).3, paths(&["reasoning.max_tokens"]));
    let got = thought(&tokens(1_000_000), SONNET);
    assert_eq!(got, (budget(48_000), Value::Null, 64_000, paths(&["reasoning.max_tokens"])));
}

#[test]
fn newer_models_think_by_their_own_measure() {
    let adaptive = json!({"type": "adaptive", "display": "summarized"});
    let effort = |level: &str| json!({ "effort": level });
    let ask = |effort| thinking(Some(effort), None, None);
    assert_eq!(thought(&ask("high"), OPUS), (adaptive.clone(), effort("high"), 64_000, vec![]));
    let got = thought(&ask("minimal"), OPUS);
    assert_eq!(got, (adaptive.clone(), effort("low"), 64_000, paths(&["reasoning_effort"])));
    let got = thought(&ask("xhigh"), "claude-opus-4-6");
    assert_eq!(got, (adaptive.clone(), effort("max"), 64_000, paths(&["reasoning_effort"])));
    let got = thought(&ask("heroic"), OPUS);
    assert_eq!(got, (adaptive, Value::Null, 64_000, paths(&["reasoning_effort"])));
    let tokens = thinking(None, Some(4_000), None);
    assert_eq!(thought(&tokens, "claude-opus-4-6").0, budget(4_000));
    assert_eq!(thought(&tokens, OPUS).3, paths(&["reasoning.max_tokens"]));
}

#[test]
fn no_thinking_is_said_in_the_words_of_each_model() {
    let none = thinking(Some("none"), None, None);
    assert_eq!(thought(&none, OPUS).0, Value::Null);
    assert_eq!(thought(&none, "claude-opus-5").0, json!({"type": "disabled"}));
    assert_eq!(thought(&none, "claude-sonnet-5-5").0, json!({"type": "between_tools"}));
    let (thinking, config, _, lost) = thought(&none, "claude-fable-5");
    assert_eq!((thinking, config), (Value::Null, json!({"effort": "low"})));
    assert_eq!(lost, paths(&["reasoning_effort"]));
}

// Field 33.
#[test]
fn thoughts_are_shown_to_who_asks_for_them() {
    let shown = json!({"type": "adaptive", "display": "summarized"});
    let hidden = json!({"type": "adaptive", "display": "omitted"});
    assert_eq!(thought(&thinking(Some("low"), None, Some(true)), OPUS).0, shown);
    assert_eq!(thought(&thinking(None, None, Some(true)), OPUS).0, shown);
    assert_eq!(thought(&thinking(Some("low"), None, Some(false)), OPUS).0, hidden);
    assert_eq!(thought(&thinking(None, None, Some(false)), OPUS).0, Value::Null);
    assert_eq!(thought(&thinking(None, None, Some(false)), "claude-opus-5").0, hidden);
    assert_eq!(thought(&thinking(None, None, None), "claude-opus-5").0, Value::Null);
}

#[test]
fn a_forced_call_goes_before_thinking() {
    let forced = |model: &str| {
        let request = ChatRequest {
            tools: vec![function("f")],
            tool_choice: Some(ToolChoice::Required),
            ..thinking(Some("low"), None, None)
        };
        let (thinking, config, _, lost) = thought(&request, model);
        (thinking, config, lost)
    };
    assert_eq!(forced(SONNET), (Value::Null, Value::Null, paths(&["reasoning_effort"])));
    assert_eq!(forced(OPUS), (Value::Null, json!({"effort": "low"}), paths(&["reasoning_effort"])));
    let (thinking, _, lost) = forced("claude-opus-5-5");
    let adaptive = json!({"type": "adaptive", "display": "summarized"});
    assert_eq!((thinking, lost), (adaptive, paths(&["tool_choice"])));
}

#[test]
fn a_turn_that_began_without_a_thought_goes_on_without_one() {
    let history = |thought: Option<Part>| {
        let mut parts = vec![call("toolu_1", "f", "{}")];
        parts.splice(0..0, thought);
        let messages =
            vec![user("Go."), message(Role::Assistant, parts), result("toolu_1", vec![text("ok")])];
        ChatRequest { messages, ..thinking(Some("low"), None, None) }
    };
    let sealed = Thought { signature: Some("seal".to_owned()), ..Thought::default() };
    let sealed = history(Some(Part::Reasoning(sealed)));
    assert_eq!(thought(&sealed, SONNET).0, budget(2_048));
    assert_eq!(thought(&history(None), SONNET).3, paths(&["reasoning_effort"]));
    let adaptive = json!({"type": "adaptive", "display": "summarized"});
    assert_eq!(thought(&history(None), OPUS).0, adaptive);
}

#[test]
fn more_output_than_the_model_writes_is_cut_to_what_it_does() {
    let request = ChatRequest { max_output_tokens: Some(100_000), ..hello() };
    let (_, _, max_tokens, lost) = thought(&request, SONNET);
    assert_eq!((max_tokens, lost), (64_000, paths(&["max_completion_tokens"])));
    assert_eq!(thought(&request, "glm-5").2, 100_000);
    assert_eq!(thought(&hello(), "glm-5").2, 8_192);
}

#[test]
fn white_space_at_the_end_of_a_prefill_is_cut() {
    let request = asking(vec![user("Sun?"), says(Role::Assistant, "It is \n")]);
    assert!(body(&request, SONNET).contains(r#""content":"It is""#));
    assert_eq!(lost(&request, SONNET), ["messages[1].content"]);
}

#[test]
fn what_the_model_cannot_go_on_from_is_answered_by_the_user() {
    let request = asking(vec![user("Sun?"), says(Role::Assistant, "It is")]);
    assert_eq!(lost(&request, SONNET), Vec::<String>::new());
    assert!(body(&request, OPUS).contains(
        r#"{"role":"assistant","content":"It is"},{"role":"user","content":"Continue."}]"#
    ));
    assert_eq!(lost(&request, OPUS), ["messages[1].role"]);
}

// Field 34: no seal of another provider is ever sent.
#[test]
fn thoughts_of_other_providers_stay_away() {
    let thought = |origin| {
        let signature = Some("seal".to_owned());
        Part::Reasoning(Thought { origin, signature, ..Thought::default() })
    };
    let thoughts = vec![
        thought(None),
        thought(Some(Dialect::Anthropic)),
        thought(Some(Dialect::Gemini)),
        thought(Some(Dialect::Responses)),
    ];
    let request = asking(vec![user("Why?"), message(Role::Assistant, thoughts), user("Oh?")]);
    assert_eq!(body(&request, SONNET).matches(r#""signature":"seal""#).count(), 2);
    assert_eq!(lost(&request, SONNET), ["messages[1].reasoning_content"; 2]);
}

#[test]
fn citations_go_back_to_who_wrote_them() {
    let cited = |native: &str| Citation { native: Some(raw(native)), ..Citation::default() };
    let own = r#"{"type":"char_location","cited_text":"a","document_index":0,"document_title":null,"start_char_index":0,"end_char_index":1}"#;
    let made_up = r#"{"type":"web_search_result_location","cited_text":"","encrypted_index":"","title":null,"url":"https://a.example"}"#;
    let foreign = r#"{"type":"url_citation","url":"https://a.example"}"#;
    let citations = vec![cited(own), cited(made_up), cited(foreign), Citation::default()];
    let said = Part::Text(Text { citations, ..Text::from("Moss.") });
    let request = asking(vec![user("?"), message(Role::Assistant, vec![said]), user("!")]);
    assert!(body(&request, SONNET).contains(&format!(r#""citations":[{own}]"#)));
    assert_eq!(lost(&request, SONNET), ["messages[1].content[0].annotations"]);
}

// Field 41.
#[test]
fn the_whole_prefix_is_cached_where_that_is_wanted() {
    let marked = |ttl: Option<&str>, retention: Option<&str>| {
        let cache = ttl.map(|ttl| CacheBreakpoint { ttl: Some(ttl.to_owned()) });
        let prompt_cache_retention = retention.map(str::to_owned);
        let request = ChatRequest { cache, prompt_cache_retention, ..hello() };
        let body: Value = serde_json::from_str(&body(&request, SONNET)).unwrap();
        (body["cache_control"]["ttl"].clone(), lost(&request, SONNET))
    };
    assert_eq!(marked(None, None), (Value::Null, vec![]));
    assert_eq!(marked(Some("1h"), None), (json!("1h"), vec![]));
    assert_eq!(marked(None, Some("in_memory")), (Value::Null, vec![]));
    assert_eq!(marked(None, Some("24h")), (json!("1h"), paths(&["prompt_cache_retention"])));
    assert_eq!(marked(Some("5m"), Some("24h")).0, json!("5m"));
    assert_eq!(marked(None, Some("2w")), (Value::Null, paths(&["prompt_cache_retention"])));
}

#[test]
fn a_count_is_asked_for_without_what_has_no_tokens() {
    let request = ChatRequest {
        max_output_tokens: Some(9),
        stop: vec!["END".to_owned()],
        user: Some("u".to_owned()),
        service_tier: Some("auto".to_owned()),
        tools: vec![function("f")],
        stream: Some(StreamOptions::default()),
        ..asking(vec![says(Role::System, "Be brief."), user("Hello.")])
    };
    let target = Target { model: SONNET, api_version: None };
    let asked = encode_count_request(&request, &target).unwrap();
    assert_eq!(asked.value.path, "/v1/messages/count_tokens");
    let body: Value = serde_json::from_slice(&asked.value.body).unwrap();
    let members: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["messages", "model", "system", "tools"]);
}

// Field 27: what a strict schema cannot hold is told, and said to be.
#[test]
fn strict_schemas_are_adapted_and_others_left_alone() {
    let schema = r#"{"type":"object","properties":{"n":{"type":"integer","minimum":1}}}"#;
    let tool = |strict| {
        let parameters = Some(raw(schema));
        Tool::Function(Function { name: "f".to_owned(), parameters, strict, ..Function::default() })
    };
    let request = ChatRequest { tools: vec![tool(Some(true)), tool(None)], ..hello() };
    assert!(body(&request, SONNET).contains(&format!(
        r#"{{"name":"f","input_schema":{},"strict":true}},{{"name":"f","input_schema":{schema}}}"#,
        r#"{"type":"object","properties":{"n":{"type":"integer","description":"{minimum: 1}"}},"additionalProperties":false}"#,
    )));
    assert_eq!(lost(&request, SONNET), ["tools[0].function.parameters"]);
}

#[test]
fn a_name_is_an_ornament() {
    let mut named = hello();
    named.messages[0].name = Some("alice".to_owned());
    assert_eq!(lost(&named, SONNET), ["messages[0].name"]);
}
