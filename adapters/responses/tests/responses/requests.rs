//! What a client asks, and how we ask a provider the same.

use adapters_canonical::chat::{Part, Role};
use adapters_canonical::dialect::{Egress, Target};
use adapters_canonical::ingress::{Asked, Ingress};
use adapters_canonical::loss::DecodeError;
use adapters_responses::egress::ResponsesUpstream;
use adapters_responses::ingress::Responses;
use serde_json::{Value, json};

use crate::drive::{decode_request, fixture};

const TARGET: Target<'static> = Target { model: "upstream-1", api_version: None };

/// Compares the canonical request, what was lost on the way in, the request to the provider and
/// what was lost on the way out.
#[track_caller]
fn check(case: &str) {
    let dir = tests_golden::fixture("responses").join(case);
    let read = decode_request(&fixture(case, "request.json")).unwrap();
    tests_golden::assert_text(dir.join("canonical.expected.txt"), &format!("{read:#?}\n"));
    let (body, losses) = match ResponsesUpstream.encode_request(&read.value, &TARGET) {
        Ok(written) => {
            assert_eq!(written.value.path, "/responses");
            (serde_json::from_slice(&written.value.body).unwrap(), written.losses)
        }
        Err(error) => (Value::String(error.to_string()), Vec::new()),
    };
    tests_golden::assert_json(dir.join("upstream.expected.json"), &body);
    tests_golden::assert_text(dir.join("losses.expected.txt"), &format!("{losses:#?}\n"));
}

/// field 25, 26
#[test]
fn every_item_has_its_place() {
    check("request_conversation");
}

/// field 27, 29
#[test]
fn every_wish_is_kept_or_reported() {
    check("request_every_wish");
}

/// field 30, 34
#[test]
fn seals_of_other_providers_go_back_to_what_they_seal_and_not_to_openai() {
    check("request_seals");
}

/// field 26
#[test]
fn consecutive_calls_are_one_turn_of_the_model() {
    let body = json!({"model": "m", "input": [
        {"role": "user", "content": "go"},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "function_call_output", "call_id": "b", "output": "2"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ]});
    let request = decode_request(body.to_string().as_bytes()).unwrap().value;
    let turns: Vec<_> = request.messages.iter().map(|it| (it.role, it.parts.len())).collect();
    let (tool, model) = (Role::Tool, Role::Assistant);
    assert_eq!(turns, [(Role::User, 1), (model, 2), (tool, 1), (tool, 1), (model, 1)]);
    assert_eq!(request.message_paths, ["input[0]", "input[1]", "input[3]", "input[4]", "input[5]"]);
}

#[test]
fn what_needs_a_store_is_refused_by_name() {
    for (member, value) in [
        ("previous_response_id", json!("resp_1")),
        ("conversation", json!({"id": "conv_1"})),
        ("background", json!(true)),
    ] {
        let body = json!({"model": "m", "input": "x", member: value}).to_string();
        match decode_request(body.as_bytes()) {
            Err(DecodeError::Shape { path, reason }) => {
                assert_eq!(path, member);
                assert!(reason.contains("no store"), "{reason}");
            }
            other => panic!("{member}: {other:?}"),
        }
    }
    let body = br#"{"model":"m","prompt":{"id":"pmpt_1"}}"#;
    assert_eq!(decode_request(body).unwrap_err().path(), Some("prompt"));
}

#[test]
fn what_does_not_fit_is_named_by_its_path() {
    for (body, path) in [
        (r#"{"model":"m"}"#, "input"),
        (r#"{"model":"m","input":7}"#, "input"),
        (r#"{"model":"m","input":[7]}"#, "input[0]"),
        (r#"{"model":"m","input":[{"role":"judge","content":"x"}]}"#, "input[0].role"),
        (r#"{"model":"m","input":[{"role":"user"}]}"#, "input[0].content"),
        (
            r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_text"}]}]}"#,
            "input[0].content[0].text",
        ),
        (
            r#"{"model":"m","input":[{"type":"function_call","name":"f","arguments":"{}"}]}"#,
            "input[0].call_id",
        ),
        (
            r#"{"model":"m","input":[{"type":"function_call_output","call_id":"c"}]}"#,
            "input[0].output",
        ),
        (r#"{"model":"m","input":"x","tools":[{"type":"function"}]}"#, "tools[0].name"),
        (r#"{"model":"m","input":"x","tool_choice":"maybe"}"#, "tool_choice"),
        (r#"{"model":"m","input":"x","text":{"format":{"type":"xml"}}}"#, "text.format.type"),
        (r#"{"model":"m","input":"x","reasoning":{"effort":"huge"}}"#, "reasoning.effort"),
        (r#"{"model":"m","input":"x","temperature":"hot"}"#, "temperature"),
    ] {
        let error = decode_request(body.as_bytes()).unwrap_err();
        assert_eq!(error.path(), Some(path), "{body}: {error}");
    }
}

/// field 27
#[test]
fn every_form_of_tool_choice_is_read_and_written_again() {
    let tools = json!([
        {"type": "function", "name": "f", "parameters": {}, "strict": false},
        {"type": "custom", "name": "c"},
    ]);
    for choice in [
        json!("auto"),
        json!("none"),
        json!("required"),
        json!({"type": "function", "name": "f"}),
        json!({"type": "custom", "name": "c"}),
        json!({"type": "allowed_tools", "mode": "auto", "tools": [
            {"type": "function", "name": "f"}, {"type": "custom", "name": "c"},
        ]}),
    ] {
        let body = json!({"model": "m", "input": "x", "tools": tools, "tool_choice": choice});
        let read = decode_request(body.to_string().as_bytes()).unwrap();
        let written = ResponsesUpstream.encode_request(&read.value, &TARGET).unwrap();
        let body: Value = serde_json::from_slice(&written.value.body).unwrap();
        assert_eq!((&body["tool_choice"], &body["tools"]), (&choice, &tools));
        assert!(read.losses.is_empty() && written.losses.is_empty());
    }
    let body = br#"{"model":"m","input":"x","tool_choice":{"type":"web_search"}}"#;
    let read = decode_request(body).unwrap();
    assert_eq!(read.losses.iter().map(|loss| &*loss.path).collect::<Vec<_>>(), ["tool_choice"]);
}

#[test]
fn what_we_write_we_read_as_the_same_request() {
    for case in ["request_every_wish", "request_conversation"] {
        let mut first = decode_request(&fixture(case, "request.json")).unwrap().value;
        for message in &mut first.messages {
            // A breakpoint of the cache is reported and not sent.
            for part in &mut message.parts {
                if let Part::Text(text) = part {
                    text.cache = None;
                    text.citations.clear();
                }
            }
        }
        let target = Target { model: &first.model, api_version: None };
        let written = ResponsesUpstream.encode_request(&first, &target).unwrap().value;
        let second = decode_request(&written.body).unwrap().value;
        let shown = |parts: &[Part]| {
            let parts = parts.iter().filter(|part| !matches!(part, Part::Opaque(_)));
            parts.map(|part| format!("{part:?}")).collect::<Vec<_>>()
        };
        let all = |request: &adapters_canonical::chat::ChatRequest| {
            let parts = request.messages.iter().flat_map(|message| shown(&message.parts));
            parts
                .filter(|part| !part.contains("auto") && !part.contains("detail: None"))
                .collect::<Vec<_>>()
        };
        assert_eq!(all(&first), all(&second), "{case}");
        assert_eq!(first.tool_choice, second.tool_choice);
        assert_eq!(format!("{:?}", first.output_format), format!("{:?}", second.output_format));
        assert_eq!(format!("{:?}", first.sampling), format!("{:?}", second.sampling));
        assert_eq!(first.metadata, second.metadata);
    }
}

#[test]
fn more_than_one_answer_cannot_be_asked_for() {
    let mut request = decode_request(br#"{"model":"m","input":"x"}"#).unwrap().value;
    request.choices = Some(2);
    let error = ResponsesUpstream.encode_request(&request, &TARGET).unwrap_err();
    assert_eq!(error.path(), Some("n"));
}

#[test]
fn a_request_passes_with_another_name_of_the_model_and_no_other_change() {
    let body = b"{ \"model\" : \"a\\u0062\", \"input\":[ ],\"x\":1 }";
    let envelope = Responses.read_envelope(&Asked::default(), body).unwrap();
    let passed = Responses.pass_request(body, &envelope, &TARGET, true);
    assert_eq!(passed.path, "/responses");
    assert_eq!(passed.body, b"{ \"model\" : \"upstream-1\", \"input\":[ ],\"x\":1 }");
    let same = Target { model: "ab", api_version: None };
    assert_eq!(Responses.pass_request(body, &envelope, &same, false).body, body);
}

#[test]
fn the_credential_is_a_bearer_token_and_marked_sensitive() {
    let (name, value) = ResponsesUpstream.credential("sk-1").unwrap();
    assert_eq!((name.as_str(), value.as_bytes()), ("authorization", b"Bearer sk-1".as_slice()));
    assert!(value.is_sensitive());
    assert!(ResponsesUpstream.credential("two\nlines").is_err());
}
