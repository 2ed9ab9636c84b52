//! Requests: `request.json` in; what it means, and how Anthropic would be asked the same, out.

use adapters_anthropic::egress::Anthropic;
use adapters_anthropic::ingress::{Messages, decode_count_request, decode_request};
use adapters_canonical::chat::{ChatRequest, OutputFormat, Tool, ToolChoice};
use adapters_canonical::dialect::{Dialect, Egress as _, Target};
use adapters_canonical::ingress::{Asked, Framing, Ingress as _};
use adapters_canonical::loss::Loss;
use serde_json::{Value, json};

pub(crate) fn losses(losses: &[Loss]) -> Vec<String> {
    losses.iter().map(|loss| format!("{:?} {}: {}", loss.kind, loss.path, loss.reason)).collect()
}

/// How the provider would be asked the same.
pub(crate) fn sent_back(request: &ChatRequest, model: &str) -> (Value, Vec<String>) {
    let target = Target { model, api_version: None };
    let asked = Anthropic.encode_request(request, &target).unwrap();
    let lost = losses(&asked.losses);
    (serde_json::from_slice(&asked.value.body).unwrap(), lost)
}

#[track_caller]
fn check(case: &str) {
    let dir = tests_golden::fixture("anthropic").join(case);
    let body = tests_golden::read(dir.join("request.json"));
    let envelope = Messages.read_envelope(&Asked::default(), &body).unwrap();
    let got = Messages.decode_request(&body, &envelope).unwrap();
    let mut request = got.value;
    let messages: Vec<_> = request
        .messages
        .iter()
        .zip(&request.message_paths)
        .map(|(message, path)| {
            let parts: Vec<_> = message.parts.iter().map(|part| format!("{part:?}")).collect();
            json!({"path": path, "role": format!("{:?}", message.role), "parts": parts})
        })
        .collect();
    let (body, lost) = sent_back(&request, "claude-opus-4-6");
    request.messages.clear();
    request.message_paths.clear();
    let rest: Vec<_> = format!("{request:#?}")
        .lines()
        .filter(|line| !line.contains(": None,") && !line.contains(": [],"))
        .map(str::trim)
        .map(str::to_owned)
        .collect();
    let shown = json!({
        "messages": messages,
        "rest": rest.join(" "),
        "losses": losses(&got.losses),
        "sent_back": body,
        "lost_on_the_way_back": lost,
    });
    tests_golden::assert_json(dir.join("request.expected.json"), &shown);
}

#[test]
fn a_greeting_is_short() {
    check("client_request_hello");
}

#[test]
fn every_scalar_has_its_place() {
    check("client_request_scalars");
}

// Field 25, 27: results stay results; what other providers lack is said.
#[test]
fn tools_their_calls_and_their_results_are_read() {
    check("client_request_tools");
}

#[test]
fn pictures_and_documents_have_their_sources() {
    check("client_request_media");
}

// Field 31, 32, 34.
#[test]
fn thoughts_keep_their_seals_and_know_their_origin() {
    check("client_request_thoughts");
}

#[test]
fn what_no_other_provider_has_is_reported() {
    check("client_request_losses");
}

fn with(members: &str) -> String {
    let separator = if members.is_empty() { "" } else { "," };
    format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"x"}}]{separator}{members}}}"#
    )
}

#[track_caller]
fn refused(body: &str, path: &str) {
    let error = decode_request(body.as_bytes()).unwrap_err();
    assert_eq!(error.path(), Some(path), "{body}: {error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
fn what_does_not_fit_is_named_by_its_path() {
    refused(r#"{"model":"m","messages":[]}"#, "max_tokens");
    refused(r#"{"max_tokens":1,"messages":[{"role":"user","content":"x"}]}"#, "model");
    refused(r#"{"model":"m","max_tokens":1}"#, "messages");
    refused(r#"{"model":"m","max_tokens":1,"messages":[]}"#, "messages");
    refused(r#"{"model":"m","max_tokens":-1,"messages":[]}"#, "max_tokens");
    refused(r#"{"model":"m","max_tokens":1,"max_tokens":2,"messages":[]}"#, "max_tokens");
    refused("[]", "$");
    refused(&with(r#""temperature":"secret""#), "temperature");
    refused(&with(r#""thinking":{"type":"secret"}"#), "thinking.type");
    refused(&with(r#""thinking":{"type":"enabled"}"#), "thinking.budget_tokens");
    refused(&with(r#""thinking":{"type":"adaptive","display":"secret"}"#), "thinking.display");
    refused(&with(r#""output_config":{"effort":"secret"}"#), "output_config.effort");
    refused(&with(r#""output_config":{"format":{"type":"x"}}"#), "output_config.format.type");
    let format = r#""output_config":{"format":{"type":"json_schema"}}"#;
    refused(&with(format), "output_config.format.schema");
    refused(&with(r#""service_tier":"flex""#), "service_tier");
    refused(&with(r#""tool_choice":{"type":"secret"}"#), "tool_choice.type");
    refused(&with(r#""tool_choice":{"type":"tool"}"#), "tool_choice.name");
    refused(&with(r#""tools":[{"name":"f"}]"#), "tools[0].input_schema");
    refused(&with(r#""tools":[{"input_schema":{}}]"#), "tools[0].name");
    refused(&with(r#""tools":["secret"]"#), "tools[0]");
    refused(&with(r#""stop_sequences":"secret""#), "stop_sequences");
    refused(&with(r#""system":[{"type":"tool_result"}]"#), "system[0]");
}

#[track_caller]
fn block_refused(role: &str, block: &str, path: &str) {
    let body = format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"{role}","content":[{block}]}}]}}"#
    );
    refused(&body, path);
}

#[test]
fn a_block_that_does_not_fit_is_named_by_its_path() {
    block_refused("secret", r#"{"type":"text","text":"x"}"#, "messages[0].role");
    block_refused("user", r#""secret""#, "messages[0].content[0]");
    block_refused("user", "[]", "messages[0].content[0]");
    block_refused("user", "{}", "messages[0].content[0].type");
    block_refused("user", r#"{"type":"text"}"#, "messages[0].content[0].text");
    block_refused("user", r#"{"type":"text","text":7}"#, "messages[0].content[0].text");
    block_refused("user", r#"{"type":"image"}"#, "messages[0].content[0].source");
    let source = |source: &str| format!(r#"{{"type":"image","source":{source}}}"#);
    block_refused("user", &source("7"), "messages[0].content[0].source");
    block_refused("user", &source("{}"), "messages[0].content[0].source.type");
    block_refused("user", &source(r#"{"type":"url"}"#), "messages[0].content[0].source.url");
    let call = |members: &str| format!(r#"{{"type":"tool_use",{members}}}"#);
    let bare = call(r#""id":"t","name":"f""#);
    block_refused("assistant", &bare, "messages[0].content[0].input");
    let listed = call(r#""id":"t","name":"f","input":[]"#);
    block_refused("assistant", &listed, "messages[0].content[0].input");
    let nameless = call(r#""id":"t","name":"","input":{}"#);
    block_refused("assistant", &nameless, "messages[0].content[0].name");
    let result = r#"{"type":"tool_result","tool_use_id":"t","content":[{"type":"text"}]}"#;
    block_refused("user", result, "messages[0].content[0].content[0].text");
    block_refused("assistant", result, "messages[0].content[0]");
    block_refused("user", r#"{"type":"tool_result"}"#, "messages[0].content[0].tool_use_id");
}

#[test]
fn what_only_anthropic_knows_is_kept_whatever_its_shape() {
    let tool = r#"{"type":"brand_new","name":7,"input_examples":7}"#;
    let body = with(&format!(r#""tools":[{tool}]"#));
    let request = decode_request(body.as_bytes()).unwrap().value;
    let [Tool::Opaque(kept)] = request.tools.as_slice() else { panic!("one tool") };
    assert_eq!((kept.dialect, kept.json.get()), (Dialect::Anthropic, tool));
}

#[test]
fn each_choice_of_tools_has_its_meaning() {
    let read = |choice: &str| {
        let body = with(&format!(r#""tool_choice":{choice}"#));
        let request = decode_request(body.as_bytes()).unwrap().value;
        (request.tool_choice, request.parallel_tool_calls)
    };
    assert_eq!(read("null"), (None, None));
    assert_eq!(read(r#"{"type":"auto"}"#), (Some(ToolChoice::Auto), None));
    let one = r#"{"type":"any","disable_parallel_tool_use":true}"#;
    assert_eq!(read(one), (Some(ToolChoice::Required), Some(false)));
    let many = r#"{"type":"tool","name":"f","disable_parallel_tool_use":false}"#;
    assert_eq!(read(many), (Some(ToolChoice::Named("f".to_owned())), Some(true)));
    assert_eq!(read(r#"{"type":"none"}"#), (Some(ToolChoice::None), None));
}

#[test]
fn each_way_to_think_has_its_meaning() {
    let read = |members: &str| {
        let request = decode_request(with(members).as_bytes()).unwrap().value;
        request.reasoning.map(|it| (it.effort, it.max_tokens, it.visible))
    };
    let word = |word: &str| Some(word.to_owned());
    assert_eq!(read(""), None);
    assert_eq!(read(r#""output_config":{"effort":"max"}"#), Some((word("max"), None, None)));
    let budget = r#""thinking":{"type":"enabled","budget_tokens":2048,"display":"omitted"}"#;
    assert_eq!(read(budget), Some((None, Some(2048), Some(false))));
    let adaptive = r#""thinking":{"type":"adaptive"},"output_config":{"effort":"low"}"#;
    assert_eq!(read(adaptive), Some((word("low"), None, Some(true))));
    assert_eq!(read(r#""thinking":{"type":"disabled"}"#), Some((word("none"), None, None)));
}

#[test]
fn the_older_name_of_the_output_format_is_read_too() {
    let body = with(r#""output_format":{"type":"json_schema","schema":{"b":1,"a":2}}"#);
    let request = decode_request(body.as_bytes()).unwrap().value;
    let OutputFormat::JsonSchema(format) = request.output_format else { panic!("a schema") };
    assert_eq!((format.schema.unwrap().get(), format.strict), (r#"{"b":1,"a":2}"#, Some(true)));
}

#[test]
fn a_count_needs_no_bound_on_the_answer() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;
    assert!(decode_request(body).is_err());
    assert_eq!(decode_count_request(body).unwrap().value.max_output_tokens, None);
    assert_eq!(adapters_anthropic::ingress::encode_count(7), br#"{"input_tokens":7}"#);
}

#[test]
fn nothing_to_write_warms_the_cache() {
    let body = with("").replace("\"max_tokens\":9", "\"max_tokens\":0");
    assert_eq!(decode_request(body.as_bytes()).unwrap().value.max_output_tokens, Some(0));
}

#[test]
fn it_is_the_dialect_it_says() {
    assert_eq!(Messages.dialect(), Dialect::Anthropic);
    assert_eq!(Messages.heartbeat(Framing::Events), b"event: ping\ndata: {\"type\": \"ping\"}\n\n");
}
