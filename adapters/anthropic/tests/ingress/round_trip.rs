//! What this dialect can say survives the way through the canonical chat and back.

use adapters_anthropic::ingress::decode_request;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::requests::sent_back;

const MODEL: &str = "claude-opus-4-6";

fn words() -> impl Strategy<Value = String> {
    "[a-z\"\\\\\n é]{0,8}x"
}

fn cached(block: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let ttl = prop_oneof![
        3 => Just(None),
        1 => Just(Some(json!({"type": "ephemeral"}))),
        1 => Just(Some(json!({"type": "ephemeral", "ttl": "1h"}))),
    ];
    (block, ttl).prop_map(|(mut block, control)| {
        if let Some(control) = control {
            block["cache_control"] = control;
        }
        block
    })
}

fn text() -> impl Strategy<Value = Value> {
    cached(words().prop_map(|text| json!({"type": "text", "text": text})))
}

fn image() -> impl Strategy<Value = Value> {
    let source = prop_oneof![
        Just(json!({"type": "url", "url": "https://a.example/b.png"})),
        Just(json!({"type": "file", "file_id": "file_1"})),
        Just(json!({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="})),
    ];
    cached(source.prop_map(|source| json!({"type": "image", "source": source})))
}

fn document() -> impl Strategy<Value = Value> {
    let source = prop_oneof![
        Just(json!({"type": "url", "url": "https://a.example/b.pdf"})),
        Just(json!({"type": "file", "file_id": "file_1"})),
        Just(json!({"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="})),
        words().prop_map(|data| json!({"type": "text", "media_type": "text/plain", "data": data})),
    ];
    let block = (source, prop::option::of(words())).prop_map(|(source, title)| {
        let mut block = json!({"type": "document", "source": source});
        if let Some(title) = title {
            block["title"] = title.into();
        }
        block
    });
    cached(block)
}

fn result() -> impl Strategy<Value = Value> {
    let content = prop::collection::vec(prop_oneof![text(), image(), document()], 0..3);
    let block = ("[a-zA-Z0-9_-]{1,9}", content, any::<bool>()).prop_map(|(id, content, failed)| {
        let mut block = json!({"type": "tool_result", "tool_use_id": id});
        if !content.is_empty() {
            block["content"] = content.into();
        }
        if failed {
            block["is_error"] = true.into();
        }
        block
    });
    cached(block)
}

fn said() -> impl Strategy<Value = Value> {
    let location = json!({"type": "char_location", "cited_text": "a", "document_index": 0,
        "document_title": null, "start_char_index": 0, "end_char_index": 1});
    prop_oneof![
        text(),
        words()
            .prop_map(move |text| json!({"type": "text", "text": text, "citations": [location]})),
        (words(), "[A-Za-z0-9+/]{1,9}").prop_map(
            |(text, seal)| json!({"type": "thinking", "thinking": text, "signature": seal})
        ),
        "[A-Za-z0-9+/]{1,9}".prop_map(|data| json!({"type": "redacted_thinking", "data": data})),
        ("[a-zA-Z0-9_-]{1,9}", words()).prop_map(|(id, value)| json!({
            "type": "tool_use", "id": id, "name": "f", "input": {"z": value, "a": [1.5, null]},
        })),
        Just(json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})),
        Just(json!({"type": "brand_new", "text": 7})),
    ]
}

fn user() -> impl Strategy<Value = Value> {
    (
        prop::collection::vec(result(), 0..3),
        prop::collection::vec(prop_oneof![text(), image(), document()], 1..3),
    )
        .prop_map(|(results, rest)| {
            let content: Vec<_> = results.into_iter().chain(rest).collect();
            json!({"role": "user", "content": content})
        })
}

fn conversation() -> impl Strategy<Value = Vec<Value>> {
    let assistant = prop::collection::vec(said(), 1..4)
        .prop_map(|content| json!({"role": "assistant", "content": content}));
    (prop::collection::vec((user(), assistant), 0..3), user()).prop_map(|(turns, last)| {
        turns.into_iter().flat_map(|(user, assistant)| [user, assistant]).chain([last]).collect()
    })
}

fn members() -> impl Strategy<Value = Map<String, Value>> {
    let maybe = |name: &'static str, values: Vec<Value>| {
        prop::option::of(prop::sample::select(values)).prop_map(move |value| (name, value))
    };
    let tool = json!({"name": "f", "description": "Does.", "strict": true, "input_schema":
        {"type": "object", "properties": {"z": {"type": "string"}}, "additionalProperties": false},
        "cache_control": {"type": "ephemeral"}});
    let server = json!({"type": "web_search_20260209", "name": "web_search", "max_uses": 3});
    let schema = json!({"type": "json_schema", "schema":
        {"type": "object", "properties": {}, "additionalProperties": false}});
    (
        maybe(
            "system",
            vec![
                json!("Be brief."),
                json!([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]),
            ],
        ),
        maybe("tools", vec![json!([tool.clone()]), json!([tool, server])]),
        maybe("stop_sequences", vec![json!(["END"]), json!(["a", "b"])]),
        maybe("top_k", vec![json!(5)]),
        maybe("service_tier", vec![json!("auto"), json!("standard_only")]),
        maybe("metadata", vec![json!({"user_id": "u"})]),
        maybe("cache_control", vec![json!({"type": "ephemeral", "ttl": "1h"})]),
        maybe("stream", vec![json!(true)]),
        maybe("output_config", vec![json!({ "format": schema })]),
        maybe("temperature", vec![json!(0.25), json!(1.0)]),
    )
        .prop_map(|(a, b, c, d, e, f, g, h, i, j)| {
            let members = [a, b, c, d, e, f, g, h, i, j];
            let named = |(name, value): (&str, Option<Value>)| Some((name.to_owned(), value?));
            members.into_iter().filter_map(named).collect()
        })
}

/// The same request, as it is written by who writes a lone text as a string.
fn short(value: &mut Value) {
    let lone = |content: &Value| match content.as_array().map(Vec::as_slice) {
        Some([block]) if block["type"] == "text" && block.as_object().unwrap().len() == 2 => {
            Some(block["text"].clone())
        }
        _ => None,
    };
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if matches!(name.as_str(), "content" | "system")
                    && let Some(text) = lone(member)
                {
                    *member = text;
                }
                short(member);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(short),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[track_caller]
fn check(body: &Value) {
    let read = decode_request(body.to_string().as_bytes()).unwrap();
    assert_eq!(read.losses, [], "{body:#}");
    let (mut back, lost) = sent_back(&read.value, MODEL);
    assert_eq!(lost, Vec::<String>::new(), "{body:#}");
    let mut expected = body.clone();
    short(&mut expected);
    short(&mut back);
    assert_eq!(back, expected);
}

#[test]
fn thinking_and_choices_of_tools_survive() {
    let tools = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    let one = |members: Value| {
        let mut body = json!({"model": MODEL, "max_tokens": 9000,
            "messages": [{"role": "user", "content": "x"}], "tools": tools});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        check(&body);
    };
    one(json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}));
    one(json!({"thinking": {"type": "enabled", "budget_tokens": 2048, "display": "omitted"},
        "output_config": {"effort": "low"}}));
    one(json!({"thinking": {"type": "adaptive", "display": "summarized"}}));
    one(json!({"thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "high"}}));
    one(json!({"tool_choice": {"type": "auto"}}));
    one(json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}));
    one(json!({"tool_choice": {"type": "any"}}));
    one(json!({"tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true}}));
    one(json!({"tool_choice": {"type": "none"}}));
}

proptest! {
    #[test]
    fn what_the_dialect_can_say_survives(conversation in conversation(), members in members()) {
        let mut body = json!({"model": MODEL, "max_tokens": 9000, "messages": conversation});
        body.as_object_mut().unwrap().extend(members);
        check(&body);
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(decode_request(&bytes).is_err());
    }
}
