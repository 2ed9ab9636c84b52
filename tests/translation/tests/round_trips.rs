//! What a dialect can say survives the way through the canonical conversation and back, in requests,
//! answers and streams.
//!
//! Where both sides speak one dialect the gateway passes bytes on and goes no such way. That it loses
//! nothing shows that the canonical conversation has a place for all of it.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a case that cannot be built or is refused fails the test"
)]

use adapters_canonical::dialect::Dialect;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use tests_translation::heard::level;
use tests_translation::{Client, Outcome, Provider, clients, providers};

fn sides(dialect: Dialect) -> (Client, Provider) {
    let client = clients().into_iter().find(|it| it.ingress.dialect() == dialect).unwrap();
    let provider = providers().into_iter().find(|it| it.dialect == dialect).unwrap();
    (client, provider)
}

/// The answer comes back, whole and as a stream; `meant` takes away what is each writer's own.
#[track_caller]
fn answer_survives(dialect: Dialect, answer: &Value, meant: fn(&mut Value)) {
    let (client, provider) = sides(dialect);
    let leveled = |answer: &Value| {
        let mut answer = level(dialect, answer);
        meant(&mut answer);
        answer
    };
    let whole = client.hear(answer, &provider).unwrap();
    assert_eq!(leveled(&whole.body), leveled(answer), "whole, of {answer:#}");
    // Each citation of Anthropic's names a place that no other dialect has words for.
    let lost: Vec<_> =
        whole.losses.iter().filter(|loss| !loss.path.ends_with(".citations")).collect();
    assert!(lost.is_empty(), "{lost:?} of {answer:#}");
    let streamed = client.hear_streamed(answer, &provider).unwrap();
    assert_eq!(leveled(&streamed.body), leveled(answer), "streamed, of {answer:#}");
    assert_eq!(streamed.told().losses, whole.told().losses, "{answer:#}");
}

/// The request comes back; `meant` takes away what is each writer's own.
#[track_caller]
fn request_survives(dialect: Dialect, request: &Value, meant: fn(&mut Value)) {
    let (client, provider) = sides(dialect);
    let leveled = |request: &Value| {
        let mut request = request.clone();
        request.as_object_mut().unwrap().remove("model");
        meant(&mut request);
        request
    };
    match client.ask(request, &provider) {
        Outcome::Asked { body, losses } => {
            assert_eq!(leveled(&body), leveled(request), "of {request:#}");
            assert!(losses.is_empty(), "{losses:?} of {request:#}");
        }
        Outcome::Refused(error) => panic!("{error} of {request:#}"),
        Outcome::Fetched { .. } => panic!("an address of {request:#}"),
    }
}

fn words() -> impl Strategy<Value = String> {
    "[a-z\"\\\\\n é]{0,9}x"
}

fn seal() -> impl Strategy<Value = String> {
    "[A-Za-z0-9]{4}([A-Za-z0-9]{4}){0,2}"
}

/// The arguments of a call, with their members in order.
fn arguments() -> impl Strategy<Value = Value> {
    let some = words().prop_map(|word| json!({"a": [1.5, null], "z": word}));
    prop_oneof![3 => some, 1 => Just(json!({}))]
}

/// Some of these members.
fn members(all: Vec<(&'static str, Vec<Value>)>) -> impl Strategy<Value = Map<String, Value>> {
    let one = |(name, values): (&'static str, Vec<Value>)| {
        prop::option::of(select(values)).prop_map(move |value| (name, value))
    };
    all.into_iter().map(one).collect::<Vec<_>>().prop_map(|members| {
        let named = |(name, value): (&str, Option<Value>)| Some((name.to_owned(), value?));
        members.into_iter().filter_map(named).collect()
    })
}

fn with(mut value: Value, members: Map<String, Value>) -> Value {
    value.as_object_mut().unwrap().extend(members);
    value
}

// Chat completions.

fn chat_message() -> impl Strategy<Value = (Value, bool)> {
    let call = ("[a-z0-9]{9}", arguments(), any::<bool>()).prop_map(|(id, given, custom)| {
        let id = format!("call_{id}");
        match custom {
            true => {
                json!({"id": id, "type": "custom", "custom": {"name": "f", "input": given["z"]}})
            }
            false => json!({"id": id, "type": "function",
                "function": {"name": "f", "arguments": given.to_string()}}),
        }
    });
    let annotation = (words(), 0_u64..3, 0_u64..3).prop_map(|(title, from, long)| {
        json!({"type": "url_citation", "url_citation": {"url": "https://a.example/1",
            "title": title, "start_index": from, "end_index": from + long}})
    });
    let image = json!({"type": "image_url", "image_url": {"url": "https://a.example/b.png"}});
    (
        prop::option::of(words()),
        prop::option::of((words(), prop::collection::vec(annotation, 0..3))),
        prop::option::of(words()),
        prop::collection::vec(call, 0..3),
        prop::collection::vec(Just(image), 0..2),
    )
        .prop_map(|(thought, content, refusal, mut calls, images)| {
            let mut message = json!({"role": "assistant"});
            if let Some(thought) = thought {
                message["reasoning_content"] = thought.into();
            }
            if let Some((content, annotations)) = content {
                message["content"] = content.into();
                message["annotations"] = annotations.into();
            }
            if let Some(refusal) = refusal {
                message["refusal"] = refusal.into();
            }
            for call in &mut calls {
                if call["custom"]["input"].is_null() && call["type"] == "custom" {
                    call["custom"]["input"] = "x".into();
                }
            }
            let called = !calls.is_empty();
            message["tool_calls"] = calls.into();
            message["images"] = images.into();
            (message, called)
        })
}

fn chat_answer() -> impl Strategy<Value = Value> {
    let choice = (chat_message(), any::<bool>(), any::<bool>()).prop_map(
        |((message, called), cut, likely)| {
            let end = if called { "tool_calls" } else { "stop" };
            let mut choice =
                json!({"message": message, "finish_reason": if cut { "length" } else { end }});
            if likely {
                let token = |text: &str, top: Value| {
                    json!({"token": text, "logprob": -0.5, "bytes": text.as_bytes(),
                        "top_logprobs": top})
                };
                let top = json!([{"token": "b", "logprob": -1.5, "bytes": [98]}]);
                choice["logprobs"] =
                    json!({"content": [token("a", top), token("b", json!([]))], "refusal": null});
            }
            choice
        },
    );
    let usage = (0_u64..9, 0_u64..9, 0_u64..9, any::<bool>()).prop_map(|(a, b, c, detailed)| {
        let mut usage = json!({"prompt_tokens": a + b, "completion_tokens": c,
            "total_tokens": a + b + c});
        if detailed {
            usage["prompt_tokens_details"] = json!({"cached_tokens": a, "audio_tokens": 0});
            usage["completion_tokens_details"] =
                json!({"audio_tokens": 1, "accepted_prediction_tokens": c});
        }
        usage
    });
    let more = members(vec![("service_tier", vec![json!("default"), json!("flex")])]);
    (prop::collection::vec(choice, 1..3), usage, more).prop_map(|(mut choices, usage, more)| {
        for (index, choice) in choices.iter_mut().enumerate() {
            choice["index"] = index.into();
        }
        let answer = json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 7,
            "model": "gpt-5.2", "choices": choices, "usage": usage});
        with(answer, more)
    })
}

fn chat_request() -> impl Strategy<Value = Value> {
    let system = (select(vec!["system", "developer"]), words())
        .prop_map(|(role, text)| json!({"role": role, "content": text}));
    let part = prop_oneof![
        words().prop_map(|text| json!({"type": "text", "text": text})),
        Just(json!({"type": "image_url",
            "image_url": {"url": "https://a.example/b.png", "detail": "low"}})),
        Just(json!({"type": "image_url",
            "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}})),
        Just(json!({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}})),
        Just(json!({"type": "file", "file": {"file_id": "file_1"}})),
    ];
    let user = prop::collection::vec(part, 1..4)
        .prop_map(|content| json!({"role": "user", "content": content}));
    let said = words().prop_map(|text| vec![json!({"role": "assistant", "content": text})]);
    let called = (arguments(), words()).prop_map(|(given, result)| {
        let function = json!({"name": "f", "arguments": given.to_string()});
        let call = json!({"id": "call_1", "type": "function", "function": function});
        vec![
            json!({"role": "assistant", "tool_calls": [call]}),
            json!({"role": "tool", "tool_call_id": "call_1", "content": result}),
        ]
    });
    let turn =
        (user, prop_oneof![said, called]).prop_map(|(user, rest)| [vec![user], rest].concat());
    let function = json!({"type": "function", "function": {"name": "f", "description": "Does.",
        "parameters": {"type": "object", "properties": {"z": {"type": "string"}}},
        "strict": false}});
    let custom = json!({"type": "custom", "custom": {"name": "g", "description": "Does too."}});
    let schema = json!({"name": "s", "schema": {"type": "object"}, "strict": true});
    let more = members(vec![
        ("tools", vec![json!([function]), json!([function, custom])]),
        ("parallel_tool_calls", vec![json!(false), json!(true)]),
        ("max_completion_tokens", vec![json!(9)]),
        ("stop", vec![json!(["END"]), json!(["a", "b"])]),
        ("seed", vec![json!(7)]),
        ("n", vec![json!(2)]),
        ("service_tier", vec![json!("flex")]),
        ("verbosity", vec![json!("low")]),
        ("reasoning_effort", vec![json!("low"), json!("high")]),
        (
            "response_format",
            vec![
                json!({"type": "json_object"}),
                json!({"type": "json_schema", "json_schema": schema}),
            ],
        ),
        ("metadata", vec![json!({"a": "b"})]),
        ("store", vec![json!(false)]),
        ("prompt_cache_key", vec![json!("k")]),
        ("prompt_cache_retention", vec![json!("24h")]),
        ("user", vec![json!("u")]),
    ]);
    (prop::option::of(system), prop::collection::vec(turn, 1..3), more).prop_map(
        |(system, turns, more)| {
            let messages: Vec<Value> = system.into_iter().chain(turns.concat()).collect();
            with(json!({"model": "m", "messages": messages}), more)
        },
    )
}

/// A lone text is a string, and a call without words has none.
fn chat_meant(request: &mut Value) {
    for message in request["messages"].as_array_mut().into_iter().flatten() {
        let lone = match message["content"].as_array().map(Vec::as_slice) {
            Some([part]) if part["type"] == "text" => Some(part["text"].clone()),
            _ => None,
        };
        if let Some(text) = lone {
            message["content"] = text;
        }
        let message = message.as_object_mut().unwrap();
        if message.get("content").is_some_and(Value::is_null) {
            message.remove("content");
        }
    }
}

// Responses.

fn item() -> impl Strategy<Value = Value> {
    let annotation = json!({"type": "url_citation", "url": "https://a.example/1", "title": "t",
        "start_index": 0, "end_index": 1});
    let text = (words(), any::<bool>()).prop_map(move |(text, cited)| {
        let mut part = json!({"type": "output_text", "text": text, "annotations": []});
        if cited {
            part["annotations"] = json!([annotation]);
        }
        part
    });
    let refusal = words().prop_map(|text| json!({"type": "refusal", "refusal": text}));
    let message = prop_oneof![4 => text, 1 => refusal]
        .prop_map(|part| json!({"type": "message", "role": "assistant", "content": [part]}));
    prop_oneof![
        3 => message,
        1 => (words(), prop::option::of(seal())).prop_map(|(text, seal)| {
            let mut item = json!({"type": "reasoning", "id": "rs_1",
                "summary": [{"type": "summary_text", "text": text}]});
            if let Some(seal) = seal {
                item["encrypted_content"] = seal.into();
            }
            item
        }),
        1 => arguments().prop_map(|given| json!({"type": "function_call", "call_id": "call_1",
            "name": "f", "arguments": given.to_string()})),
        1 => words().prop_map(|text| json!({"type": "custom_tool_call", "call_id": "call_1",
            "name": "g", "input": text})),
        1 => Just(json!({"type": "web_search_call", "action": {"type": "search", "query": "q"}})),
        1 => Just(json!({"type": "brand_new", "text": 7})),
    ]
}

fn response_answer() -> impl Strategy<Value = Value> {
    let more = members(vec![
        ("service_tier", vec![json!("default"), json!("flex")]),
        ("tool_usage", vec![json!({"web_search": {"num_requests": 2}})]),
    ]);
    let usage = (0_u64..9, 0_u64..9, 0_u64..9).prop_map(|(cached, fresh, output)| {
        json!({"input_tokens": cached + fresh, "output_tokens": output,
            "total_tokens": cached + fresh + output,
            "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": output}})
    });
    (prop::collection::vec(item(), 1..5), usage, more, any::<[bool; 2]>()).prop_map(
        |(mut output, usage, more, [cut, likely])| {
            // Texts that follow each other share a message.
            output.dedup_by(|a, b| a["type"] == "message" && b["type"] == "message");
            for (at, item) in output.iter_mut().enumerate() {
                if item["id"].is_null() {
                    item["id"] = format!("it_{at}").into();
                }
                if likely {
                    give_likelihoods(item);
                }
            }
            let mut answer = json!({"id": "resp_1", "object": "response", "created_at": 7,
                "status": "completed", "model": "gpt-5.2", "output": output, "usage": usage});
            if cut {
                answer["status"] = "incomplete".into();
                answer["incomplete_details"] = json!({"reason": "max_output_tokens"});
            }
            with(answer, more)
        },
    )
}

/// Each text gets those of its tokens: one for all of it.
fn give_likelihoods(item: &mut Value) {
    for part in item["content"].as_array_mut().into_iter().flatten() {
        if let Some(text) = part["text"].as_str().map(str::to_owned) {
            part["logprobs"] = json!([{"token": text, "logprob": -0.5, "bytes": text.as_bytes(),
                "top_logprobs": [{"token": "b", "logprob": -1.5, "bytes": [98]}]}]);
        }
    }
}

/// What a response repeats of its request, and the names of its items, are the writer's own.
fn response_meant(answer: &mut Value) {
    let kept = [
        "id",
        "object",
        "created_at",
        "status",
        "model",
        "output",
        "usage",
        "service_tier",
        "incomplete_details",
    ];
    answer.as_object_mut().unwrap().retain(|name, _| kept.contains(&name.as_str()));
    // Without one, it is the one asked for.
    if answer["service_tier"].is_null() || answer["service_tier"] == "auto" {
        answer.as_object_mut().unwrap().remove("service_tier");
    }
    for item in answer["output"].as_array_mut().into_iter().flatten() {
        let own = item["type"] != "reasoning";
        let item = item.as_object_mut().unwrap();
        item.remove("status");
        if own {
            item.remove("id");
        }
    }
}

fn response_request() -> impl Strategy<Value = Value> {
    let part = prop_oneof![
        words().prop_map(|text| json!({"type": "input_text", "text": text})),
        Just(json!({"type": "input_image", "image_url": "https://a.example/b.png",
            "detail": "low"})),
        Just(json!({"type": "input_file", "file_id": "file_1"})),
    ];
    let user = prop::collection::vec(part, 1..4)
        .prop_map(|content| json!({"type": "message", "role": "user", "content": content}));
    let said = words().prop_map(|text| {
        let content = json!([{"type": "output_text", "text": text}]);
        vec![json!({"type": "message", "role": "assistant", "content": content})]
    });
    let called = (arguments(), words()).prop_map(|(given, result)| {
        vec![
            json!({"type": "function_call", "call_id": "call_1", "name": "f",
                "arguments": given.to_string()}),
            json!({"type": "function_call_output", "call_id": "call_1", "output": result}),
        ]
    });
    let turn =
        (user, prop_oneof![said, called]).prop_map(|(user, rest)| [vec![user], rest].concat());
    let function = json!({"type": "function", "name": "f", "description": "Does.",
        "parameters": {"type": "object", "properties": {}}, "strict": false});
    let custom = json!({"type": "custom", "name": "g", "description": "Does too."});
    let more = members(vec![
        ("instructions", vec![json!("Be brief.")]),
        ("tools", vec![json!([function]), json!([function, custom])]),
        ("parallel_tool_calls", vec![json!(false)]),
        ("max_output_tokens", vec![json!(99)]),
        ("service_tier", vec![json!("flex")]),
        ("metadata", vec![json!({"a": "b"})]),
        ("prompt_cache_key", vec![json!("k")]),
        ("user", vec![json!("u")]),
    ]);
    (prop::collection::vec(turn, 1..3), more).prop_map(|(turns, more)| {
        let input: Vec<Value> = turns.concat();
        with(json!({"model": "m", "store": false, "input": input}), more)
    })
}

/// A message need not say that it is one, and a lone text is a string; instructions are a message.
fn response_request_meant(request: &mut Value) {
    request.as_object_mut().unwrap().remove("include");
    for item in request["input"].as_array_mut().into_iter().flatten() {
        let lone = match item["content"].as_array().map(Vec::as_slice) {
            Some([part]) => part.get("text").cloned(),
            _ => None,
        };
        if let Some(text) = lone {
            item["content"] = text;
        }
        let item = item.as_object_mut().unwrap();
        if item.get("type").is_some_and(|kind| kind == "message") {
            item.remove("type");
        }
    }
    let first = &request["input"][0];
    let system = first["role"] == "system" || first["role"] == "developer";
    if system && request["instructions"].is_null() {
        request["instructions"] = first["content"].clone();
        request["input"].as_array_mut().unwrap().remove(0);
    }
    let request = request.as_object_mut().unwrap();
    if request.get("instructions").is_some_and(Value::is_null) {
        request.remove("instructions");
    }
}

// Messages.

fn block() -> impl Strategy<Value = Value> {
    let page = json!({"type": "web_search_result_location", "cited_text": "w",
        "url": "https://a.example/1", "title": "t", "encrypted_index": "c2VhbA=="});
    let place = json!({"type": "char_location", "cited_text": "w", "document_index": 0,
        "document_title": "t", "start_char_index": 0, "end_char_index": 1});
    let citations = prop::collection::vec(select(vec![page, place]), 0..3);
    prop_oneof![
        3 => (words(), citations).prop_map(|(text, citations)| {
            json!({"type": "text", "text": text, "citations": citations})
        }),
        1 => (words(), seal()).prop_map(|(text, seal)| {
            json!({"type": "thinking", "thinking": text, "signature": seal})
        }),
        1 => seal().prop_map(|data| json!({"type": "redacted_thinking", "data": data})),
        2 => ("[a-z0-9]{9}", arguments()).prop_map(|(id, input)| {
            json!({"type": "tool_use", "id": format!("toolu_{id}"), "name": "f", "input": input})
        }),
        1 => arguments().prop_map(|input| {
            json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": input})
        }),
        1 => Just(json!({"type": "brand_new", "text": 7})),
    ]
}

fn message_answer() -> impl Strategy<Value = Value> {
    let ends = select(vec![
        json!({"stop_reason": "end_turn"}),
        json!({"stop_reason": "max_tokens"}),
        json!({"stop_reason": "stop_sequence", "stop_sequence": "END"}),
    ]);
    let usage = members(vec![
        ("cache_read_input_tokens", vec![json!(0), json!(9)]),
        ("cache_creation_input_tokens", vec![json!(3)]),
        ("output_tokens_details", vec![json!({"thinking_tokens": 2})]),
        ("server_tool_use", vec![json!({"web_search_requests": 2, "web_fetch_requests": 0})]),
        ("service_tier", vec![json!("standard"), json!("priority"), json!("batch")]),
    ]);
    (prop::collection::vec(block(), 1..5), ends, usage).prop_map(|(content, ends, usage)| {
        let called = content.iter().any(|block| block["type"] == "tool_use");
        let usage = with(json!({"input_tokens": 4, "output_tokens": 7}), usage);
        let mut message = json!({"id": "msg_1", "type": "message", "role": "assistant",
            "model": "claude-sonnet-5", "content": content, "usage": usage});
        message.as_object_mut().unwrap().extend(ends.as_object().unwrap().clone());
        if called && message["stop_reason"] != "max_tokens" {
            message["stop_reason"] = "tool_use".into();
            message["stop_sequence"] = Value::Null;
        }
        message
    })
}

// generateContent.

fn part() -> impl Strategy<Value = Value> {
    let sealed = |mut part: Value, seal: Option<String>| {
        if let Some(seal) = seal {
            part["thoughtSignature"] = seal.into();
        }
        part
    };
    prop_oneof![
        3 => (words(), prop::option::of(seal()))
            .prop_map(move |(text, seal)| sealed(json!({"text": text}), seal)),
        1 => (words(), prop::option::of(seal()))
            .prop_map(move |(text, seal)| sealed(json!({"text": text, "thought": true}), seal)),
        2 => ("[a-z0-9]{9}", arguments(), prop::option::of(seal())).prop_map(
            move |(id, args, seal)| {
                sealed(json!({"functionCall": {"id": id, "name": "f", "args": args}}), seal)
            },
        ),
        1 => Just(json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}})),
        1 => Just(json!({"executableCode": {"language": "PYTHON", "code": "1"}})),
        1 => Just(json!({"brandNew": {"text": 7}})),
    ]
}

fn content_answer() -> impl Strategy<Value = Value> {
    let reason = select(vec!["STOP", "MAX_TOKENS", "SAFETY"]);
    let message = prop::option::of(words());
    let candidate = (prop::collection::vec(part(), 1..5), reason, message).prop_map(
        |(parts, reason, message)| {
            let content = json!({"parts": parts, "role": "model"});
            let mut candidate = json!({"content": content, "finishReason": reason});
            if let Some(message) = message {
                candidate["finishMessage"] = message.into();
            }
            candidate
        },
    );
    let usage = (0_u64..9, 0_u64..9, 0_u64..9, any::<bool>()).prop_map(|(a, b, c, detailed)| {
        let mut usage = json!({"promptTokenCount": a + b, "cachedContentTokenCount": a,
            "candidatesTokenCount": c, "thoughtsTokenCount": b,
            "totalTokenCount": a + b + c + b, "serviceTier": "standard"});
        if detailed {
            usage["promptTokensDetails"] = json!([{"modality": "TEXT", "tokenCount": a + b},
                {"modality": "AUDIO", "tokenCount": 0}]);
        }
        usage
    });
    (prop::collection::vec(candidate, 1..3), usage).prop_map(|(mut candidates, usage)| {
        for (index, candidate) in candidates.iter_mut().enumerate() {
            candidate["index"] = index.into();
        }
        json!({"candidates": candidates, "usageMetadata": usage, "modelVersion": "gemini-3-pro",
            "responseId": "r1", "createTime": "2026-11-28T09:15:30Z"})
    })
}

fn content_request() -> impl Strategy<Value = Value> {
    let asked = prop_oneof![
        words().prop_map(|text| json!({"text": text})),
        Just(json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}})),
        Just(json!({"fileData": {"mimeType": "video/mp4", "fileUri": "https://a.example/f"}})),
    ];
    let user = prop::collection::vec(asked, 1..4)
        .prop_map(|parts| json!({"role": "user", "parts": parts}));
    let said = (words(), prop::option::of(seal())).prop_map(|(text, seal)| {
        let mut part = json!({"text": text});
        if let Some(seal) = seal {
            part["thoughtSignature"] = seal.into();
        }
        vec![json!({"role": "model", "parts": [part]})]
    });
    let called = (arguments(), seal(), words()).prop_map(|(args, seal, result)| {
        let call = json!({"functionCall": {"id": "c1", "name": "f", "args": args},
            "thoughtSignature": seal});
        let result = json!({"functionResponse": {"id": "c1", "name": "f",
            "response": {"output": result}}});
        vec![json!({"role": "model", "parts": [call]}), json!({"role": "user", "parts": [result]})]
    });
    let said = (user.clone(), said).prop_map(|(user, rest)| [vec![user], rest].concat());
    let called = (user.clone(), called, words()).prop_map(|(user, rest, text)| {
        [vec![user], rest, vec![json!({"role": "model", "parts": [{"text": text}]})]].concat()
    });
    let generation = members(vec![
        ("temperature", vec![json!(0.5)]),
        ("topP", vec![json!(0.25)]),
        ("topK", vec![json!(5)]),
        ("maxOutputTokens", vec![json!(9)]),
        ("stopSequences", vec![json!(["END"])]),
        ("seed", vec![json!(7)]),
        ("candidateCount", vec![json!(2)]),
    ]);
    let more = members(vec![
        ("systemInstruction", vec![json!({"parts": [{"text": "Be brief."}]})]),
        (
            "tools",
            vec![json!([{"functionDeclarations": [{"name": "f", "description": "Does.",
            "parametersJsonSchema": {"type": "object", "properties": {}}}]}])],
        ),
    ]);
    (prop::collection::vec(prop_oneof![said, called], 0..3), user, generation, more).prop_map(
        |(turns, last, generation, more)| {
            let mut contents: Vec<Value> = turns.concat();
            contents.push(last);
            let mut request = with(json!({ "contents": contents }), more);
            if !generation.is_empty() {
                request["generationConfig"] = generation.into();
            }
            request
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn an_answer_of_chat_completions_survives_whole_and_streamed(answer in chat_answer()) {
        answer_survives(Dialect::OpenAi, &answer, |_| {});
    }

    #[test]
    fn a_response_survives_whole_and_streamed(answer in response_answer()) {
        answer_survives(Dialect::Responses, &answer, response_meant);
    }

    #[test]
    fn a_message_survives_whole_and_streamed(answer in message_answer()) {
        answer_survives(Dialect::Anthropic, &answer, |_| {});
    }

    #[test]
    fn generated_content_survives_whole_and_streamed(answer in content_answer()) {
        answer_survives(Dialect::Gemini, &answer, |_| {});
    }

    #[test]
    fn a_request_for_a_chat_completion_survives(request in chat_request()) {
        request_survives(Dialect::OpenAi, &request, chat_meant);
    }

    #[test]
    fn a_request_for_a_response_survives(request in response_request()) {
        request_survives(Dialect::Responses, &request, response_request_meant);
    }

    #[test]
    fn a_request_for_content_survives(request in content_request()) {
        request_survives(Dialect::Gemini, &request, |_| {});
    }
}
