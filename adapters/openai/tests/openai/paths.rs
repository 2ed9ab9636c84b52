//! A request that does not fit is answered with the place where it does not.

use adapters_canonical::loss::DecodeError;
use adapters_openai::ingress::decode_request;

#[track_caller]
fn refused(body: &str, path: &str, reason: &str) {
    match decode_request(body.as_bytes()) {
        Err(DecodeError::Shape { path: p, reason: r }) => assert_eq!((&*p, &*r), (path, reason)),
        other => panic!("{other:?}"),
    }
}

/// A request whose messages are these.
#[track_caller]
fn refused_messages(messages: &str, path: &str, reason: &str) {
    refused(&format!(r#"{{"model":"m","messages":{messages}}}"#), path, reason);
}

/// A request with this beside its messages.
#[track_caller]
fn refused_member(member: &str, path: &str, reason: &str) {
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],{member}}}"#);
    refused(&body, path, reason);
}

#[test]
fn the_body_itself() {
    refused("[]", "$", "invalid type, expected an object");
    refused("{}", "messages", "is missing");
    refused(r#"{"messages":[{"role":"user","content":"x"}]}"#, "model", "is missing");
    refused(r#"{"model":7,"messages":[]}"#, "model", "invalid type, expected a string");
    refused(
        r#"{"model":"","messages":[{"role":"user","content":""}]}"#,
        "model",
        "must not be empty",
    );
    refused(r#"{"model":"a","model":"b"}"#, "model", "is there twice");
    refused_messages("[]", "messages", "must not be empty");
    refused_messages("null", "messages", "is missing");
    refused_messages("\"hi\"", "messages", "invalid type, expected a sequence");
}

#[test]
fn a_message() {
    let roles = "must be one of `system`, `developer`, `user`, `assistant`, `tool`, `function`";
    refused_messages(r#"[{"content":"x"}]"#, "messages[0].role", "is missing");
    refused_messages(r#"[{"role":"god","content":"x"}]"#, "messages[0].role", roles);
    refused_messages(r#"["hi"]"#, "messages[0]", "invalid type, expected an object");
    refused_messages(r#"[["user","hi"]]"#, "messages[0]", "invalid type, expected an object");
    refused_messages(r#"[{"role":"user"}]"#, "messages[0].content", "is missing");
    refused_messages(
        r#"[{"role":"user","content":7}]"#,
        "messages[0].content",
        "invalid type, expected a string or an array of content parts",
    );
    refused_messages(
        r#"[{"role":"tool","content":"x"}]"#,
        "messages[0].tool_call_id",
        "is missing",
    );
    refused_messages(r#"[{"role":"function","content":"x"}]"#, "messages[0].name", "is missing");
}

#[test]
fn a_content_part() {
    let part = |part: &str| {
        let text = r#"{"role":"user","content":"x"}"#;
        format!(r#"[{text},{{"role":"user","content":[{part}]}}]"#)
    };
    let at = |member: &str| format!("messages[1].content[0]{member}");
    for (bad, member, reason) in [
        (r#"{"text":"x"}"#, ".type", "is missing"),
        (r#""x""#, "", "invalid type, expected an object"),
        (r#"{"type":"text"}"#, ".text", "is missing"),
        (r#"{"type":"text","text":[]}"#, ".text", "invalid type, expected a string"),
        (r#"{"type":"image_url"}"#, ".image_url", "is missing"),
        (r#"{"type":"image_url","image_url":{}}"#, ".image_url.url", "is missing"),
        (r#"{"type":"image_url","image_url":{"url":""}}"#, ".image_url.url", "must not be empty"),
        (
            r#"{"type":"image_url","image_url":{"url":7}}"#,
            ".image_url.url",
            "invalid type, expected a string",
        ),
        (r#"{"type":"input_audio","input_audio":{}}"#, ".input_audio.data", "is missing"),
        (r#"{"type":"file","file":{}}"#, ".file.file_data", "is missing"),
        (r#"{"type":"refusal"}"#, ".refusal", "is missing"),
    ] {
        refused_messages(&part(bad), &at(member), reason);
    }
}

#[test]
fn a_tool_call() {
    let call = |call: &str| format!(r#"[{{"role":"assistant","tool_calls":[{call}]}}]"#);
    for (bad, member, reason) in [
        (r#"{"function":{"name":"f"}}"#, ".id", "is missing"),
        (r#"{"id":"","function":{"name":"f"}}"#, ".id", "must not be empty"),
        (r#"{"id":"a"}"#, ".function", "is missing"),
        (r#"{"id":"a","function":{}}"#, ".function.name", "is missing"),
        (
            r#"{"id":"a","function":{"name":"f","arguments":{}}}"#,
            ".function.arguments",
            "invalid type, expected a string",
        ),
    ] {
        refused_messages(&call(bad), &format!("messages[0].tool_calls[0]{member}"), reason);
    }
}

#[test]
fn a_tool() {
    for (member, path, reason) in [
        (r#""tools":[{}]"#, "tools[0].type", "is missing"),
        (r#""tools":["x"]"#, "tools[0]", "invalid type, expected an object"),
        (r#""tools":[{"type":"function"}]"#, "tools[0].function", "is missing"),
        (r#""tools":[{"type":"function","function":{}}]"#, "tools[0].function.name", "is missing"),
        (
            r#""tools":[{"type":"function","function":{"name":"f","strict":"yes"}}]"#,
            "tools[0].function.strict",
            "invalid type, expected a boolean",
        ),
        (r#""tools":[{"type":"custom"}]"#, "tools[0].custom", "is missing"),
        (r#""functions":[{}]"#, "functions[0].name", "is missing"),
        (
            r#""tool_choice":"maybe""#,
            "tool_choice",
            "must be `auto`, `none`, `required` or an object",
        ),
        (
            r#""tool_choice":{"type":"x"}"#,
            "tool_choice.type",
            "must be one of `function`, `custom`, `allowed_tools`",
        ),
        (r#""tool_choice":{"type":"function"}"#, "tool_choice.function", "is missing"),
        (
            r#""tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{}]}}"#,
            "tool_choice.allowed_tools.tools[0].function",
            "is missing",
        ),
        (r#""function_call":"required""#, "function_call", "must be `auto`, `none` or an object"),
    ] {
        refused_member(member, path, reason);
    }
}

#[test]
fn a_number_a_word_or_a_form() {
    let efforts = "must be one of `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`";
    for (member, path, reason) in [
        (r#""temperature":"hot""#, "temperature", "invalid type, expected f64"),
        (r#""max_tokens":-1"#, "max_tokens", "invalid value, expected u64"),
        (r#""n":0"#, "n", "must be at least 1"),
        (r#""stop":[1]"#, "stop[0]", "invalid type, expected a string"),
        (r#""stop":{}"#, "stop", "invalid type, expected a string or an array of strings"),
        (r#""logit_bias":{"7":"x"}"#, "logit_bias.7", "invalid type, expected f64"),
        (r#""metadata":{"a":1}"#, "metadata.a", "invalid type, expected a string"),
        (r#""reasoning_effort":"huge""#, "reasoning_effort", efforts),
        (r#""reasoning":{"effort":"huge"}"#, "reasoning.effort", efforts),
        (r#""verbosity":"loud""#, "verbosity", "must be one of `low`, `medium`, `high`"),
        (
            r#""response_format":{"type":"xml"}"#,
            "response_format.type",
            "must be one of `text`, `json_object`, `json_schema`",
        ),
        (
            r#""response_format":{"type":"json_schema","json_schema":{}}"#,
            "response_format.json_schema.name",
            "is missing",
        ),
    ] {
        refused_member(member, path, reason);
    }
}

#[test]
fn broken_json_is_located_by_line_and_column() {
    match decode_request(b"{\n\"model\": oops}") {
        Err(DecodeError::Syntax { line, column, .. }) => assert_eq!((line, column), (2, 10)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_said_is_never_quoted() {
    for body in [
        r#"{"model":"m","messages":[{"role":"my secret","content":"x"}]}"#,
        r#"{"model":"m","messages":[{"role":"user","content":{"my secret":1}}]}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":"my secret"}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"x"}],"tool_choice":"my secret"}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"x"}],"verbosity":"my secret"}"#,
        r#"{"model":"m","messages":"my secret"}"#,
    ] {
        let said = decode_request(body.as_bytes()).unwrap_err().to_string();
        assert!(!said.contains("secret"), "{said}");
    }
}
