//! Whole answers, as a client of this dialect reads them.

use adapters_anthropic::egress::Anthropic;
use adapters_anthropic::ingress::encode_response;
use adapters_canonical::annotation::{Citation, CitedSource};
use adapters_canonical::chat::{
    ChatResponse, Choice, Finish, FinishReason, Media, MediaSource, Opaque, Part, Text, Thought,
    ToolCall, ToolKind,
};
use adapters_canonical::dialect::{AnswerContext, Dialect, Egress as _};
use adapters_canonical::usage::Usage;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::requests::losses;

pub(crate) fn context() -> AnswerContext {
    AnswerContext {
        request_id: "req_1".to_owned(),
        model: "team/fast".to_owned(),
        include_usage: true,
        ..AnswerContext::default()
    }
}

fn answer(parts: Vec<Part>, reason: FinishReason) -> ChatResponse {
    let choice = Choice { index: 0, parts, finish: Finish::from(reason), logprobs: None };
    ChatResponse { choices: vec![choice], ..ChatResponse::default() }
}

fn written(response: &ChatResponse) -> (Value, Vec<String>) {
    let got = encode_response(response, &context());
    (serde_json::from_slice(&got.value).unwrap(), losses(&got.losses))
}

#[track_caller]
fn check(case: &str, response: &ChatResponse) {
    let (message, losses) = written(response);
    let dir = tests_golden::fixture("anthropic").join(case);
    tests_golden::assert_json(dir.join("message.expected.json"), &message);
    tests_golden::assert_json(dir.join("losses.expected.json"), &json!(losses));
    // The provider's side understands what the client's side writes.
    Anthropic.decode_response(message.to_string().as_bytes()).unwrap();
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn call(id: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: id.to_owned(),
        name: "f".to_owned(),
        arguments: arguments.to_owned(),
        ..ToolCall::default()
    }
}

#[test]
fn words_are_a_text_and_the_tokens_are_counted_apart() {
    let usage = Usage {
        input: Some(5),
        cache_read: Some(0),
        cache_write: Some(12),
        cache_write_5m: Some(12),
        output: Some(7),
        reasoning: Some(3),
        web_searches: Some(2),
        ..Usage::default()
    };
    let response = ChatResponse {
        id: "chatcmpl-9".to_owned(),
        model: "gpt-9".to_owned(),
        usage: Some(usage),
        service_tier: Some("default".to_owned()),
        ..answer(vec![Part::Text(Text::from("Hello."))], FinishReason::Stop)
    };
    check("client_response_text", &response);
}

#[test]
fn what_the_provider_does_not_say_is_made_up_or_absent() {
    check("client_response_bare", &answer(vec![], FinishReason::Stop));
    check("client_response_blocked", &ChatResponse::default());
}

// Field 24, 31, 32.
#[test]
fn blocks_keep_their_order_and_thoughts_their_seals() {
    let thought = |text: &str, origin, signature: Option<&str>, redacted: Option<&str>, id| {
        Part::Reasoning(Thought {
            text: text.to_owned(),
            origin,
            signature: signature.map(str::to_owned),
            redacted: redacted.map(str::to_owned),
            id,
        })
    };
    let own = Some(Dialect::Anthropic);
    let (gemini, responses) = (Some(Dialect::Gemini), Some(Dialect::Responses));
    let web = r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"moss"}}"#;
    let sealed =
        ToolCall { signature: Some("Y2FsbA==".to_owned()), ..call("call_1", "{\"a\": 1}") };
    let parts = vec![
        thought("Hm.", own, Some("c2ln+/=="), None, None),
        thought("", own, Some("empty"), None, None),
        thought("", own, None, Some("ZW5j"), None),
        thought("From elsewhere.", gemini, Some("R2Vt"), None, None),
        thought("Summary.", responses, None, Some("gAAA="), Some("rs_1".to_owned())),
        thought("", responses, None, Some("gBBB="), Some("rs_2".to_owned())),
        thought("Unsealed.", None, None, None, None),
        Part::Opaque(Opaque { dialect: Dialect::Anthropic, json: raw(web) }),
        Part::Opaque(Opaque { dialect: Dialect::Gemini, json: raw("{}") }),
        Part::Text(Text { signature: Some("dGV4dA==".to_owned()), ..Text::from("Calling.") }),
        Part::ToolCall(sealed),
        Part::ToolCall(call("call_2", "")),
        Part::ToolCall(call("call_3", "{\"cut\":")),
        Part::ToolCall(ToolCall { kind: ToolKind::Custom, ..call("call_4", "SELECT 1") }),
        Part::Image(Media {
            source: MediaSource::Base64("iVBORw0KGgo=".to_owned()),
            mime_type: None,
            name: None,
            detail: None,
            cache: None,
        }),
    ];
    check("client_response_blocks", &answer(parts, FinishReason::ToolCalls));
}

#[test]
fn citations_of_any_provider_are_citations_of_the_client() {
    let own = r#"{"type":"page_location","cited_text":"a","document_index":0,"document_title":null,"start_page_number":1,"end_page_number":2}"#;
    let page = CitedSource::Url("https://moss.example".to_owned());
    let citations = vec![
        Citation { native: Some(raw(own)), ..Citation::default() },
        Citation {
            source: page,
            title: Some("Moss".to_owned()),
            native: Some(raw(r#"{"type":"url_citation"}"#)),
            ..Citation::default()
        },
        Citation { source: CitedSource::File("file_1".to_owned()), ..Citation::default() },
    ];
    let text = Text { citations, ..Text::from("Green.") };
    check("client_response_citations", &answer(vec![Part::Text(text)], FinishReason::Stop));
}

#[test]
fn a_refusal_is_a_text_and_the_reason_to_stop() {
    let mut response = answer(vec![Part::Refusal("I will not.".to_owned())], FinishReason::Stop);
    response.choices[0].finish.message = Some("Not this.".to_owned());
    check("client_response_refusal", &response);
}

#[test]
fn each_reason_to_stop_has_its_word() {
    let stop = |finish: Finish, parts: Vec<Part>| {
        let mut response = answer(parts, FinishReason::Stop);
        response.choices[0].finish = finish;
        let message = written(&response).0;
        (message["stop_reason"].clone(), message["stop_sequence"].clone())
    };
    let native =
        |reason, word: &str| Finish { native: Some(word.to_owned()), ..Finish::from(reason) };
    let plain = |finish| stop(finish, vec![]).0;
    assert_eq!(plain(Finish::from(FinishReason::Stop)), "end_turn");
    assert_eq!(plain(native(FinishReason::Stop, "stop")), "end_turn");
    assert_eq!(plain(Finish::from(FinishReason::Pause)), "pause_turn");
    assert_eq!(plain(Finish::from(FinishReason::Length)), "max_tokens");
    let window = "model_context_window_exceeded";
    assert_eq!(plain(native(FinishReason::Length, window)), window);
    assert_eq!(plain(Finish::from(FinishReason::ToolCalls)), "tool_use");
    assert_eq!(plain(native(FinishReason::ContentFilter, "SAFETY")), "refusal");
    // A word that says something else than what all dialects share.
    assert_eq!(plain(native(FinishReason::Length, "end_turn")), "max_tokens");
    assert_eq!(plain(Finish::from(FinishReason::Error)), Value::Null);
    let sequence = Some("END".to_owned());
    let met = Finish { stop_sequence: sequence, ..Finish::from(FinishReason::Stop) };
    assert_eq!(stop(met, vec![]), (json!("stop_sequence"), json!("END")));
    // Field 24: who called a tool waits for its result, whatever else is said.
    let called = vec![Part::ToolCall(call("c", "{}"))];
    assert_eq!(stop(native(FinishReason::Stop, "end_turn"), called).0, "tool_use");
}

#[test]
fn every_answer_but_the_first_is_reported() {
    let mut response = answer(vec![Part::Text(Text::from("a"))], FinishReason::Stop);
    response.choices.push(response.choices[0].clone());
    response.choices[1].index = 1;
    assert_eq!(written(&response).1, ["Dropped choices[1]: a message is one answer"]);
}

#[test]
fn sealed_thoughts_survive_the_client() {
    let parts = vec![
        Part::Reasoning(Thought {
            text: "From elsewhere.".to_owned(),
            origin: Some(Dialect::Responses),
            redacted: Some("g&%=".to_owned()),
            id: Some("rs_1".to_owned()),
            signature: None,
        }),
        Part::Text(Text { signature: Some("t".to_owned()), ..Text::from("Calling.") }),
        Part::ToolCall(ToolCall { signature: Some("c".to_owned()), ..call("call_1", "{}") }),
    ];
    let message = written(&answer(parts.clone(), FinishReason::ToolCalls)).0;
    let body = json!({"model": "m", "max_tokens": 1, "messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": message["content"]},
    ]});
    let back = adapters_anthropic::ingress::decode_request(body.to_string().as_bytes()).unwrap();
    assert_eq!(format!("{:?}", back.value.messages[1].parts), format!("{parts:?}"));
}
