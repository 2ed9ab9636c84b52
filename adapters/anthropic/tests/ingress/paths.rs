//! What a client calls what others name by its canonical path.

use adapters_anthropic::ingress::{Messages, decode_request};
use adapters_canonical::chat::ChatRequest;
use adapters_canonical::ingress::Ingress as _;

fn request() -> ChatRequest {
    let body = br#"{"model":"m","max_tokens":9,
        "system":[{"type":"text","text":"a"},{"type":"text","text":"b"}],
        "messages":[
            {"role":"user","content":"x"},
            {"role":"assistant","content":[
                {"type":"thinking","thinking":"t","signature":"s"},
                {"type":"text","text":"b"},
                {"type":"thinking","thinking":"","signature":"penstock:gemini:of=block&sig=s"},
                {"type":"tool_use","id":"t1","name":"f","input":{}},
                {"type":"text","text":"c"},
                {"type":"tool_use","id":"t2","name":"f","input":{}}]},
            {"role":"user","content":[
                {"type":"text","text":"first"},
                {"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"r"}]},
                {"type":"tool_result","tool_use_id":"t2"},
                {"type":"text","text":"then"}]}],
        "output_config":{"effort":"low"}}"#;
    decode_request(body).unwrap().value
}

#[track_caller]
fn check(canonical: &str, expected: &str) {
    assert_eq!(Messages.client_path(&request(), canonical), expected, "{canonical}");
}

#[test]
fn members_have_the_names_the_client_knows() {
    check("max_completion_tokens", "max_tokens");
    check("stop", "stop_sequences");
    check("stop[1]", "stop_sequences[1]");
    check("user", "metadata.user_id");
    check("reasoning_effort", "output_config.effort");
    check("reasoning.max_tokens", "thinking.budget_tokens");
    check("parallel_tool_calls", "tool_choice.disable_parallel_tool_use");
    check("response_format", "output_config.format");
    check("response_format.json_schema.strict", "output_config.format");
    check("tools[0].function.parameters", "tools[0].input_schema");
    check("tools[0].function.strict", "tools[0].strict");
    check("tools[2]", "tools[2]");
    check("tool_choice.allowed_tools", "tool_choice");
    check("temperature", "temperature");
    check("top_k", "top_k");
}

#[test]
fn an_effort_nobody_named_is_the_way_to_think() {
    let body = br#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],
        "thinking":{"type":"disabled"}}"#;
    let request = decode_request(body).unwrap().value;
    assert_eq!(Messages.client_path(&request, "reasoning_effort"), "thinking");
}

#[test]
fn content_is_found_where_it_stood() {
    check("messages[0].content[1]", "system[1]");
    check("messages[1].content[0]", "messages[0].content[0]");
    check("messages[1].role", "messages[0].role");
    // The thought before and the carrier of a seal between are blocks of the client's.
    check("messages[2].reasoning_content", "messages[1].content[0]");
    check("messages[2].content[0]", "messages[1].content[1]");
    check("messages[2].tool_calls[0]", "messages[1].content[3]");
    check("messages[2].content[1]", "messages[1].content[4]");
    check("messages[2].tool_calls[1].function.arguments", "messages[1].content[5].input");
}

#[test]
fn results_stand_inside_the_turn_of_the_user() {
    check("messages[3].content[0]", "messages[2].content[0]");
    check("messages[4].content[0]", "messages[2].content[1].content[0]");
    check("messages[4].content", "messages[2].content[1].content");
    check("messages[5].is_error", "messages[2].content[2].is_error");
    check("messages[5].cache_control", "messages[2].content[2].cache_control");
    check("messages[6].content[0]", "messages[2].content[3]");
}

#[test]
fn what_is_not_there_keeps_its_name() {
    check("messages[9].content[0]", "messages[9].content[0]");
    check("messages[1].content[7]", "messages[0].content[7]");
    check("messagesque", "messagesque");
}
