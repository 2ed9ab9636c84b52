//! Requests.

use std::collections::BTreeMap;

use adapters_canonical::chat::{
    CacheBreakpoint, ChatRequest, CustomTool, Function, JsonSchema, Media, MediaSource, Message,
    Opaque, OutputFormat, Part, Reasoning, Role, Sampling, StreamOptions, Text, Thought, Tool,
    ToolCall, ToolChoice, ToolKind, ToolResult,
};
use adapters_canonical::dialect::{Dialect, Egress, Target};
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use adapters_gemini::egress::Gemini;
use serde_json::value::RawValue;
use serde_json::{Value, json};

fn encode(
    request: &ChatRequest,
    model: &str,
) -> Result<Translated<adapters_canonical::dialect::UpstreamRequest>, DecodeError> {
    Gemini.encode_request(request, &Target { model, api_version: None })
}

/// Path, body and losses.
#[track_caller]
fn told(request: &ChatRequest, model: &str) -> (String, Value, Vec<Loss>) {
    let encoded = encode(request, model).unwrap();
    let body = serde_json::from_slice(&encoded.value.body).unwrap();
    (encoded.value.path, body, encoded.losses)
}

/// Compares with `request.expected.json`.
#[track_caller]
fn check(case: &str, model: &str, request: &ChatRequest) {
    let (path, body, losses) = told(request, model);
    let losses: Vec<_> = losses
        .iter()
        .map(|loss| format!("{:?} {}: {}", loss.kind, loss.path, loss.reason))
        .collect();
    let got = json!({"path": path, "body": body, "losses": losses});
    let file = tests_golden::fixture("gemini").join(case).join("request.expected.json");
    tests_golden::assert_json(file, &got);
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: None }
}

fn say(role: Role, text: &str) -> Message {
    message(role, vec![Part::Text(Text::from(text))])
}

fn ask(messages: Vec<Message>) -> ChatRequest {
    ChatRequest { messages, ..ChatRequest::default() }
}

fn call(id: &str, name: &str, arguments: &str, signature: Option<&str>) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        kind: ToolKind::Function,
        signature: signature.map(str::to_owned),
    })
}

fn result(call_id: &str, parts: Vec<Part>, is_error: Option<bool>) -> Message {
    let result = ToolResult { call_id: call_id.to_owned(), parts, is_error, cache: None };
    message(Role::Tool, vec![Part::ToolResult(result)])
}

fn answer(call_id: &str, text: &str) -> Message {
    result(call_id, vec![Part::Text(Text::from(text))], None)
}

fn media(source: MediaSource, mime_type: Option<&str>) -> Media {
    let mime_type = mime_type.map(str::to_owned);
    Media { source, mime_type, name: None, detail: None, cache: None }
}

/// A conversation in which two functions were called at once, then one more.
fn with_calls() -> ChatRequest {
    ask(vec![
        say(Role::System, "You know the tides."),
        say(Role::Developer, "Be brief."),
        say(Role::User, "When is high water in Brest and Cork?"),
        message(
            Role::Assistant,
            vec![
                Part::Text(Text::from("Looking.")),
                call("own-1", "tide", r#"{"port":"Brest", "n":1.0}"#, Some("c2VhbA==")),
                call("call_gm_0123456789abcdef_0_1", "tide", r#"{"port":"Cork"}"#, None),
            ],
        ),
        answer("own-1", r#" {"high": "04:10",  "m": 6.20} "#),
        answer("call_gm_0123456789abcdef_0_1", "no such port"),
        message(Role::Assistant, vec![call("own-2", "ports", "", None)]),
        result("own-2", vec![Part::Text(Text::from("[\"Cobh\"]"))], Some(true)),
        say(Role::User, "Then Cobh."),
    ])
}

#[test]
fn results_answer_calls_by_name_and_steps_without_a_seal_get_the_sentinel() {
    let mut request = with_calls();
    // Up to the answer that the user has not gone on from: calls of the current turn are checked.
    request.messages.pop();
    check("request_tools_gemini_3", "gemini-3-flash-preview", &request);
}

#[test]
fn older_models_get_neither_ids_nor_the_sentinel() {
    check("request_tools_gemini_2_5", "gemini-2.5-flash", &with_calls());
}

#[test]
fn every_wish_is_granted_or_reported() {
    let function = Function {
        name: "tide".to_owned(),
        description: Some("High water.".to_owned()),
        parameters: Some(raw(r#"{"type":"object","additionalProperties":false}"#)),
        strict: Some(true),
        cache: Some(CacheBreakpoint::default()),
    };
    let custom = CustomTool { name: "note".to_owned(), description: None, format: None };
    let search = |dialect| Tool::Opaque(Opaque { dialect, json: raw(r#"{"googleSearch":{}}"#) });
    let request = ChatRequest {
        messages: vec![Message { name: Some("Ann".into()), ..say(Role::User, "Hello") }],
        tools: vec![
            Tool::Function(function),
            Tool::Custom(custom),
            search(Dialect::Gemini),
            search(Dialect::OpenAi),
        ],
        tool_choice: Some(ToolChoice::Named("tide".to_owned())),
        parallel_tool_calls: Some(false),
        max_output_tokens: Some(1 << 40),
        sampling: Sampling {
            temperature: Some(0.5),
            top_p: Some(0.9),
            top_k: Some(40),
            seed: Some(7),
            presence_penalty: Some(0.25),
            frequency_penalty: Some(-0.25),
            logit_bias: BTreeMap::from([("50256".to_owned(), -100.0)]),
            logprobs: Some(true),
            top_logprobs: Some(3),
        },
        stop: ["a", "b", "c", "d", "e", "f"].map(str::to_owned).to_vec(),
        output_format: OutputFormat::JsonSchema(JsonSchema {
            name: "answer".to_owned(),
            description: Some("The answer.".to_owned()),
            schema: Some(raw(r#"{"type":"object","properties":{"h":{"const":1}}}"#)),
            strict: Some(true),
        }),
        reasoning: Some(Reasoning {
            effort: Some("max".to_owned()),
            max_tokens: Some(100),
            visible: Some(true),
        }),
        choices: Some(2),
        service_tier: Some("scale".to_owned()),
        verbosity: Some("low".to_owned()),
        user: Some("u-1".to_owned()),
        prompt_cache_key: Some("k".to_owned()),
        metadata: BTreeMap::from([("team".to_owned(), "tides".to_owned())]),
        store: Some(true),
        stream: Some(StreamOptions { include_usage: true }),
        ..ChatRequest::default()
    };
    check("request_every_wish", "gemini-3-flash-preview", &request);
}

// field 27
#[test]
fn what_gemini_does_anyway_is_no_loss() {
    let request = ChatRequest {
        parallel_tool_calls: Some(true),
        choices: Some(1),
        verbosity: Some("medium".to_owned()),
        service_tier: Some("auto".to_owned()),
        tool_choice: Some(ToolChoice::Auto),
        sampling: Sampling { logprobs: Some(false), ..Sampling::default() },
        ..ask(vec![say(Role::User, "Hello")])
    };
    let (path, body, losses) = told(&request, "gemini-2.5-pro");
    assert_eq!(path, "/v1beta/models/gemini-2.5-pro:generateContent");
    assert_eq!(body, json!({"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}));
    assert_eq!(losses, []);
}

#[test]
fn the_version_of_the_target_is_asked_for() {
    let target = Target { model: "gemini-2.5-pro", api_version: Some("v1") };
    let encoded = Gemini.encode_request(&ask(vec![say(Role::User, "Hello")]), &target).unwrap();
    assert_eq!(encoded.value.path, "/v1/models/gemini-2.5-pro:generateContent");
}

#[test]
fn schemas_and_arguments_and_results_pass_byte_for_byte() {
    let schema = r##"{ "type" : "object", "const": 1.50, "$ref":"#/x" }"##;
    let form = r##"{ "type" : "object", "minItems": 1.50, "title":"pattern" }"##;
    let mut request = with_calls();
    request.tools = vec![Tool::Function(Function {
        name: "tide".to_owned(),
        parameters: Some(raw(schema)),
        ..Function::default()
    })];
    request.output_format = OutputFormat::JsonSchema(JsonSchema {
        name: "x".to_owned(),
        description: None,
        schema: Some(raw(form)),
        strict: None,
    });
    let body = String::from_utf8(encode(&request, "gemini-3-pro").unwrap().value.body).unwrap();
    assert!(body.contains(&format!(r#""parametersJsonSchema":{schema}"#)), "{body}");
    assert!(body.contains(&format!(r#""responseJsonSchema":{form}"#)), "{body}");
    assert!(body.contains(r#""args":{"port":"Brest", "n":1.0}"#), "{body}");
    assert!(body.contains(r#""response":{"high": "04:10",  "m": 6.20}"#), "{body}");
}

#[test]
fn every_tool_choice_has_its_mode() {
    let config = |choice| {
        let request = ChatRequest {
            tools: vec![Tool::Function(Function { name: "f".to_owned(), ..Function::default() })],
            tool_choice: Some(choice),
            ..ask(vec![say(Role::User, "Hello")])
        };
        told(&request, "gemini-3-pro").1["toolConfig"]["functionCallingConfig"].clone()
    };
    let names = || vec!["f".to_owned()];
    let allowed = |required| ToolChoice::Allowed { names: names(), required };
    assert_eq!(config(ToolChoice::Auto), Value::Null);
    assert_eq!(config(ToolChoice::None), json!({"mode": "NONE"}));
    assert_eq!(config(ToolChoice::Required), json!({"mode": "ANY"}));
    let one = json!({"mode": "ANY", "allowedFunctionNames": ["f"]});
    assert_eq!(config(ToolChoice::Named("f".to_owned())), one);
    assert_eq!(config(allowed(true)), one);
    let may = json!({"mode": "VALIDATED", "allowedFunctionNames": ["f"]});
    assert_eq!(config(allowed(false)), may);
}

#[test]
fn media_go_inline_or_by_address() {
    let jpeg = media(MediaSource::Base64("/9j/4AAQ".to_owned()), Some("image/jpeg"));
    let detailed = Media { detail: Some("high".to_owned()), ..jpeg.clone() };
    let parts = vec![
        Part::Text(Text::from("What is this?")),
        Part::Image(jpeg),
        Part::Image(detailed),
        Part::Audio(media(MediaSource::Base64("UklGRg==".to_owned()), Some("audio/wav"))),
        Part::Document(media(MediaSource::Url("https://a.example/r.pdf".to_owned()), None)),
        Part::Video(media(MediaSource::Url("https://youtu.be/abc".to_owned()), None)),
        Part::Image(media(MediaSource::Url("https://a.example/77".to_owned()), None)),
    ];
    check("request_media", "gemini-3-pro", &ask(vec![message(Role::User, parts)]));
}

#[test]
fn pictures_of_a_result_are_within_it_since_gemini_3_and_beside_it_before() {
    let request = ask(vec![
        say(Role::User, "Show me."),
        message(Role::Assistant, vec![call("a", "show", "{}", Some("c2VhbA=="))]),
        result(
            "a",
            vec![
                Part::Text(Text::from("Here:")),
                Part::Text(Text::from("{}")),
                Part::Image(media(MediaSource::Base64("AAAA".to_owned()), Some("image/png"))),
            ],
            None,
        ),
    ]);
    let (_, body, losses) = told(&request, "gemini-3-pro");
    let blob = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
    let within = json!({"id": "a", "name": "show", "response": {"result": "Here:\n{}"},
        "parts": [blob]});
    assert_eq!(body["contents"][2]["parts"], json!([{"functionResponse": within}]));
    assert_eq!(losses, []);

    let (_, body, losses) = told(&request, "gemini-2.5-pro");
    let bare = json!({"name": "show", "response": {"result": "Here:\n{}"}});
    assert_eq!(body["contents"][2]["parts"], json!([{"functionResponse": bare}, blob]));
    assert_eq!(losses[0].path, "messages[2].content[2]");
}

#[test]
fn a_seal_returns_to_the_words_it_came_with() {
    let seal = || {
        let signature = Some("c2VhbA==".to_owned());
        Part::Reasoning(Thought { signature, ..Thought::default() })
    };
    let words = || Part::Text(Text::from("Seven."));
    let thought =
        || Part::Reasoning(Thought { text: "Counting.".to_owned(), ..Thought::default() });
    let sealed = json!({"text": "Seven.", "thoughtSignature": "c2VhbA=="});
    let counting = json!({"text": "Counting.", "thought": true});
    for (parts, expected) in [
        (vec![thought(), words(), seal()], json!([counting, sealed])),
        (vec![thought(), seal(), words()], json!([counting, sealed])),
        (vec![seal()], json!([{"text": "", "thoughtSignature": "c2VhbA=="}])),
    ] {
        let request = ask(vec![say(Role::User, "Bridges?"), message(Role::Assistant, parts)]);
        let (_, body, losses) = told(&request, "gemini-3-pro");
        assert_eq!(body["contents"][1]["parts"], expected);
        assert_eq!(losses, []);
    }
}

#[test]
fn turns_of_one_side_are_merged_and_empty_words_left_out() {
    let request = ask(vec![
        say(Role::User, "One."),
        say(Role::User, ""),
        say(Role::User, "Two."),
        say(Role::Assistant, ""),
        say(Role::Assistant, "Three."),
    ]);
    let (_, body, _) = told(&request, "gemini-3-pro");
    let expected = json!([
        {"role": "user", "parts": [{"text": "One."}, {"text": "Two."}]},
        {"role": "model", "parts": [{"text": "Three."}]},
    ]);
    assert_eq!(body["contents"], expected);
}

#[test]
fn a_late_instruction_goes_to_the_front_with_a_loss() {
    let request = ask(vec![say(Role::User, "Hi."), say(Role::System, "Be kind.")]);
    let (_, body, losses) = told(&request, "gemini-3-pro");
    assert_eq!(body["systemInstruction"], json!({"parts": [{"text": "Be kind."}]}));
    assert_eq!(losses.len(), 1);
    assert_eq!(losses[0].path, "messages[1].role");
}

#[test]
fn an_instruction_alone_is_said_as_the_users_words() {
    let (_, body, losses) = told(&ask(vec![say(Role::System, "Sing.")]), "gemini-3-pro");
    let expected = json!({"contents": [{"role": "user", "parts": [{"text": "Sing."}]}]});
    assert_eq!(body, expected);
    assert_eq!(losses.len(), 1);
}

#[test]
fn arguments_that_are_no_object_are_sent_as_one_argument() {
    for arguments in ["{\"cut\":", "[1]", "7", "words"] {
        let request = ask(vec![
            say(Role::User, "Hi."),
            message(Role::Assistant, vec![call("a", "f", arguments, None)]),
        ]);
        let (_, body, losses) = told(&request, "gemini-2.5-pro");
        let args = &body["contents"][1]["parts"][0]["functionCall"]["args"];
        assert_eq!(args, &json!({"input": arguments}));
        assert_eq!(losses[0].path, "messages[1].tool_calls[0].function.arguments");
    }
}

#[test]
fn what_only_another_provider_knows_is_dropped_with_a_loss() {
    let redacted = Thought { redacted: Some("x".to_owned()), ..Thought::default() };
    let foreign = Opaque { dialect: Dialect::Anthropic, json: raw("{\"type\":\"x\"}") };
    let own = Opaque { dialect: Dialect::Gemini, json: raw("{\"executableCode\":{}}") };
    let parts = vec![
        Part::Reasoning(redacted),
        Part::Opaque(foreign),
        Part::Opaque(own),
        Part::Refusal("No.".to_owned()),
    ];
    let request = ask(vec![say(Role::User, "Hi."), message(Role::Assistant, parts)]);
    let (_, body, losses) = told(&request, "gemini-3-pro");
    let expected = json!([{"executableCode": {}}, {"text": "No."}]);
    assert_eq!(body["contents"][1]["parts"], expected);
    let paths: Vec<_> = losses.iter().map(|loss| &*loss.path).collect();
    let expected =
        ["messages[1].reasoning_details", "messages[1].content[0]", "messages[1].refusal"];
    assert_eq!(paths, expected);
}

#[test]
fn the_wish_to_keep_nothing_is_passed_on_where_it_is_understood() {
    let request = ChatRequest { store: Some(false), ..ask(vec![say(Role::User, "Hi.")]) };
    assert_eq!(told(&request, "gemini-3-pro").1["store"], json!(false));
    assert_eq!(told(&request, "publishers/google/models/gemini-3-pro").1["store"], Value::Null);
}

#[test]
fn what_cannot_be_sent_is_named_in_the_clients_words() {
    let image = || Part::Image(media(MediaSource::File("file-1".to_owned()), None));
    for (messages, path) in [
        (vec![], "messages"),
        (vec![say(Role::User, "")], "messages"),
        (vec![say(Role::User, "Hi."), answer("never", "x")], "messages[1].tool_call_id"),
        (vec![message(Role::User, vec![image()])], "messages[0].content[0].image_url"),
        (vec![message(Role::System, vec![image()])], "messages[0].content[0]"),
    ] {
        let error = encode(&ask(messages), "gemini-3-pro").unwrap_err();
        assert_eq!(error.path(), Some(path));
    }
}
