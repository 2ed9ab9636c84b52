//! What a client calls what the canonical request names in other words.

use adapters_canonical::ingress::Ingress;
use adapters_responses::ingress::Responses;

use crate::drive::{decode_request, fixture};

#[track_caller]
fn check(path: &str, expected: &str) {
    let request = decode_request(&fixture("request_conversation", "request.json")).unwrap().value;
    assert_eq!(Responses.client_path(&request, path), expected, "{path}");
}

#[test]
fn members_have_the_names_of_this_dialect() {
    check("max_completion_tokens", "max_output_tokens");
    check("reasoning_effort", "reasoning.effort");
    check("reasoning.max_tokens", "reasoning.max_tokens");
    check("response_format.json_schema.schema", "text.format.schema");
    check("response_format", "text.format");
    check("verbosity", "text.verbosity");
    check("tools[1].function.strict", "tools[1].strict");
    check("tools[1].custom.format.grammar", "tools[1].format");
    check("tool_choice.function.name", "tool_choice.name");
    check("temperature", "temperature");
    check("top_k", "top_k");
}

#[test]
fn messages_are_items() {
    check("messages[0].content", "instructions");
    check("messages[0].content[0].text", "instructions");
    check("messages[1].content", "input[0].content");
    check("messages[2].content[0].text", "input[1].content[0].text");
    // A thought, a message and three calls are one turn.
    check("messages[3].reasoning_content", "input[2]");
    check("messages[3].content[0]", "input[3].content[0]");
    check("messages[3].tool_calls[0].function.arguments", "input[4].arguments");
    check("messages[3].tool_calls[1].id", "input[5].call_id");
    check("messages[3].tool_calls[2].custom.input", "input[6].input");
    check("messages[4].tool_call_id", "input[7].call_id");
    check("messages[5].content[1].image_url.url", "input[8].output[1].image_url");
    check("messages[99].content", "messages[99].content");
}

#[test]
fn an_input_that_is_a_string_is_one_message() {
    let request = decode_request(br#"{"model":"m","input":"x"}"#).unwrap().value;
    assert_eq!(Responses.client_path(&request, "messages[0].content[0].text"), "input");
}
