//! Promise: a client that drops what its dialect does not know still gets the provider's thoughts back to
//! where they came from, byte for byte and in order; nobody else does.

use bytes::Bytes;
use serde_json::{Value, json};
use tests_mock::{MockUpstream, Reply, Script, Step};

use crate::clients::{CLIENTS, Client, Heard};
use crate::gateway::Gateway;

const CALLS: [&str; 2] = ["toolu_mock_0001", "toolu_mock_0002"];
const WORDS: &str = "Let me see.";
const ANSWER: &str = "It rains.";
/// Two that must come back byte for byte.
const SEALS: [&str; 2] = ["RXJzdGVzIFNpZWdlbA/+==", "WndlaXRlcyBTaWVnZWw="];
const LAST_SEAL: &str = "RHJpdHRlcyBTaWVnZWw=";
/// One that fits into no call's id.
fn long_seal() -> String {
    "QUJD".repeat(1500)
}

/// Who answers, and seals its answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sealing {
    Anthropic,
    Gemini,
    Responses,
}

const SEALING: [Sealing; 3] = [Sealing::Anthropic, Sealing::Gemini, Sealing::Responses];

impl Sealing {
    fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Responses => "responses",
        }
    }

    fn model(self) -> &'static str {
        match self {
            Self::Anthropic => "claude-sonnet-4-5",
            Self::Gemini => "gemini-3-flash",
            Self::Responses => "gpt-5",
        }
    }

    /// Whether bytes pass from it to this client.
    fn passes(self, client: Client) -> bool {
        matches!(
            (self, client),
            (Self::Anthropic, Client::Messages)
                | (Self::Gemini, Client::Gemini)
                | (Self::Responses, Client::Responses)
        )
    }

    /// What the model says first, with what it thinks before and in between, and two calls; then, to their
    /// results, what it says last.
    fn said(self, last: bool) -> Vec<Value> {
        let call = |nth: usize| (CALLS[nth], json!({ "city": "Oslo", "nth": nth }));
        match (self, last) {
            (Self::Anthropic, false) => vec![
                json!({"type": "thinking", "thinking": "Hm, a place.", "signature": SEALS[0]}),
                json!({"type": "text", "text": WORDS}),
                json!({"type": "redacted_thinking", "data": SEALS[1]}),
                json!({"type": "tool_use", "id": call(0).0, "name": "look", "input": call(0).1}),
                json!({"type": "tool_use", "id": call(1).0, "name": "look", "input": call(1).1}),
            ],
            (Self::Anthropic, true) => vec![
                json!({"type": "thinking", "thinking": "Well.", "signature": LAST_SEAL}),
                json!({"type": "text", "text": ANSWER}),
            ],
            (Self::Gemini, false) => vec![
                json!({"text": WORDS, "thoughtSignature": SEALS[1]}),
                json!({"functionCall": {"id": call(0).0, "name": "look", "args": call(0).1},
                    "thoughtSignature": long_seal()}),
                json!({"functionCall": {"id": call(1).0, "name": "look", "args": call(1).1}}),
            ],
            (Self::Gemini, true) => vec![json!({"text": ANSWER, "thoughtSignature": LAST_SEAL})],
            (Self::Responses, false) => vec![
                reasoning("rs_1", "Hm, a place.", SEALS[0]),
                message("msg_1", WORDS),
                reasoning("rs_2", "There.", SEALS[1]),
                function_call("fc_1", call(0).0, &call(0).1),
                function_call("fc_2", call(1).0, &call(1).1),
            ],
            (Self::Responses, true) => {
                vec![reasoning("rs_3", "Well.", LAST_SEAL), message("msg_2", ANSWER)]
            }
        }
    }

    fn whole(self, parts: &[Value]) -> Value {
        match self {
            Self::Anthropic => json!({"id": "msg_mock", "type": "message", "role": "assistant",
                "model": "claude-mock", "content": parts, "stop_reason": "end_turn",
                "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}}),
            Self::Gemini => json!({"responseId": "mock", "candidates": [{"index": 0,
                "finishReason": "STOP", "content": {"role": "model", "parts": parts}}]}),
            Self::Responses => json!({"id": "resp_mock", "object": "response", "created_at": 1,
                "status": "completed", "model": "gpt-mock", "output": parts,
                "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}}),
        }
    }

    fn events(self, parts: &[Value]) -> Vec<Bytes> {
        let named = |name: &str, mut data: Value| -> Bytes {
            data["type"] = name.into();
            format!("event: {name}\ndata: {data}\n\n").into()
        };
        let mut events = Vec::new();
        match self {
            Self::Anthropic => {
                events.push(named("message_start", json!({"message": self.whole(&[])})));
                for (index, part) in parts.iter().enumerate() {
                    anthropic_block(index, part, &mut |name, data| events.push(named(name, data)));
                }
                let delta = json!({"delta": {"stop_reason": "end_turn"},
                    "usage": {"output_tokens": 1}});
                events.push(named("message_delta", delta));
                events.push(named("message_stop", json!({})));
            }
            Self::Gemini => {
                for part in parts {
                    let mut chunk = self.whole(std::slice::from_ref(part));
                    chunk["candidates"][0]["finishReason"] = Value::Null;
                    events.push(format!("data: {chunk}\n\n").into());
                }
                events.push(format!("data: {}\n\n", self.whole(&[])).into());
            }
            Self::Responses => {
                let mut begun = self.whole(&[]);
                begun["status"] = "in_progress".into();
                events.push(named("response.created", json!({ "response": begun })));
                for (index, item) in parts.iter().enumerate() {
                    let event = json!({"output_index": index, "item": item});
                    events.push(named("response.output_item.added", event.clone()));
                    events.push(named("response.output_item.done", event));
                }
                let done = json!({"response": self.whole(parts)});
                events.push(named("response.completed", done));
            }
        }
        events
    }

    /// Answers results of calls with the last words, and all else with the first.
    fn script(self) -> Script {
        Script::new(move |request, _| {
            let (body, text) = (request.json(), String::from_utf8_lossy(&request.body));
            let results = ["tool_result", "functionResponse", "function_call_output"];
            let said = self.said(results.iter().any(|result| text.contains(result)));
            let streamed =
                body["stream"] == true || request.path.contains(":streamGenerateContent");
            match streamed {
                true => Reply::sse(self.events(&said).into_iter().map(Step::Event).collect()),
                false => Reply::json(200, &[], &self.whole(&said)),
            }
        })
    }

    /// The model's turns as the provider gets them back, without what is no part of them.
    fn turns(self, body: &Value) -> Vec<Value> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        match self {
            Self::Anthropic => list(&body["messages"])
                .iter()
                .filter(|turn| turn["role"] == "assistant")
                .flat_map(|turn| list(&turn["content"]))
                .collect(),
            Self::Gemini => list(&body["contents"])
                .iter()
                .filter(|turn| turn["role"] == "model")
                .flat_map(|turn| list(&turn["parts"]))
                .collect(),
            Self::Responses => list(&body["input"])
                .into_iter()
                .filter(|it| it["type"] != "function_call_output" && it["role"] != "user")
                .map(|mut item| {
                    // It is said in fewer words.
                    match item["type"].as_str() {
                        Some("message") => message("", said(&item["content"])),
                        Some("function_call") => {
                            item["status"] = Value::Null;
                            item["id"] = Value::Null;
                            item
                        }
                        _ => item,
                    }
                })
                .collect(),
        }
    }

    /// The same of what it said.
    fn given_back(self, parts: Vec<Value>) -> Vec<Value> {
        let body = match self {
            Self::Anthropic => json!({"messages": [{"role": "assistant", "content": parts}]}),
            Self::Gemini => json!({"contents": [{"role": "model", "parts": parts}]}),
            Self::Responses => json!({ "input": parts }),
        };
        self.turns(&body)
    }

    /// Whether the model was told to think.
    fn thinks(self, body: &Value) -> bool {
        match self {
            Self::Anthropic => body["thinking"]["type"] == "enabled",
            Self::Gemini => body["generationConfig"]["thinkingConfig"].is_object(),
            Self::Responses => body["reasoning"]["effort"].is_string(),
        }
    }
}

fn said(content: &Value) -> &str {
    content.as_str().or(content[0]["text"].as_str()).unwrap_or_default()
}

fn reasoning(id: &str, summary: &str, seal: &str) -> Value {
    json!({"id": id, "type": "reasoning", "encrypted_content": seal,
        "summary": [{"type": "summary_text", "text": summary}]})
}

fn message(id: &str, text: &str) -> Value {
    json!({"id": id, "type": "message", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}]})
}

fn function_call(id: &str, call_id: &str, arguments: &Value) -> Value {
    json!({"id": id, "type": "function_call", "call_id": call_id, "name": "look",
        "arguments": arguments.to_string(), "status": "completed"})
}

fn anthropic_block(index: usize, block: &Value, send: &mut dyn FnMut(&'static str, Value)) {
    let mut opened = block.clone();
    let mut deltas = Vec::new();
    match block["type"].as_str() {
        Some("thinking") => {
            (opened["thinking"], opened["signature"]) = ("".into(), "".into());
            deltas.push(json!({"type": "thinking_delta", "thinking": block["thinking"]}));
            deltas.push(json!({"type": "signature_delta", "signature": block["signature"]}));
        }
        Some("text") => {
            opened["text"] = "".into();
            deltas.push(json!({"type": "text_delta", "text": block["text"]}));
        }
        Some("tool_use") => {
            opened["input"] = json!({});
            let input = block["input"].to_string();
            deltas.push(json!({"type": "input_json_delta", "partial_json": input}));
        }
        _ => {}
    }
    send("content_block_start", json!({"index": index, "content_block": opened}));
    for delta in deltas {
        send("content_block_delta", json!({"index": index, "delta": delta}));
    }
    send("content_block_stop", json!({ "index": index }));
}

/// How far a conversation has come.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Stage {
    Asked,
    /// The model has called, and has its results.
    Called,
    /// It has answered, and somebody thanks it.
    Answered,
}

/// The request of a client that keeps only what its dialect has always had.
fn request(client: Client, stage: Stage, streamed: bool) -> Value {
    let (called, answered) = (stage >= Stage::Called, stage >= Stage::Answered);
    let input = |nth: usize| json!({ "city": "Oslo", "nth": nth });
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"},
        "nth": {"type": "integer"}}});
    let turns = |question: Value, calls: Vec<Value>, answer: Value, thanks: Value| {
        let mut turns = vec![question];
        turns.extend(calls.into_iter().filter(|_| called));
        turns.extend([answer, thanks].into_iter().filter(|_| answered));
        Value::from(turns)
    };
    let spoken = |role: &str, words: &str| json!({"role": role, "content": words});
    match client {
        Client::Chat => {
            let call = |nth: usize| {
                let function = json!({"name": "look", "arguments": input(nth).to_string()});
                json!({"id": CALLS[nth], "type": "function", "function": function})
            };
            let result =
                |nth: usize| json!({"role": "tool", "tool_call_id": CALLS[nth], "content": "Rain"});
            let calls =
                json!({"role": "assistant", "content": WORDS, "tool_calls": [call(0), call(1)]});
            let tool = json!({"name": "look", "parameters": schema});
            json!({"model": "m", "stream": streamed, "reasoning_effort": "high",
                "tools": [{"type": "function", "function": tool}],
                "messages": turns(spoken("user", "Oslo?"), vec![calls, result(0), result(1)],
                    spoken("assistant", ANSWER), spoken("user", "Thanks"))})
        }
        Client::Responses => {
            let call = |nth: usize| {
                json!({"type": "function_call", "call_id": CALLS[nth], "name": "look",
                    "arguments": input(nth).to_string()})
            };
            let result = |nth: usize| json!({"type": "function_call_output", "call_id": CALLS[nth], "output": "Rain"});
            let calls = vec![spoken("assistant", WORDS), call(0), call(1), result(0), result(1)];
            json!({"model": "m", "stream": streamed, "reasoning": {"effort": "high"},
                "tools": [{"type": "function", "name": "look", "parameters": schema, "strict": false}],
                "input": turns(spoken("user", "Oslo?"), calls, spoken("assistant", ANSWER),
                    spoken("user", "Thanks"))})
        }
        Client::Messages => {
            let call = |nth: usize| json!({"type": "tool_use", "id": CALLS[nth], "name": "look", "input": input(nth)});
            let result = |nth: usize| json!({"type": "tool_result", "tool_use_id": CALLS[nth], "content": "Rain"});
            let calls = json!([{"type": "text", "text": WORDS}, call(0), call(1)]);
            let calls = json!({"role": "assistant", "content": calls});
            let results = json!({"role": "user", "content": [result(0), result(1)]});
            json!({"model": "m", "stream": streamed, "max_tokens": 8000,
                "thinking": {"type": "enabled", "budget_tokens": 2048},
                "tools": [{"name": "look", "input_schema": schema}],
                "messages": turns(spoken("user", "Oslo?"), vec![calls, results],
                    spoken("assistant", ANSWER), spoken("user", "Thanks"))})
        }
        Client::Gemini => {
            let text = |role: &str, words: &str| json!({"role": role, "parts": [{"text": words}]});
            let call = |nth: usize| json!({"functionCall": {"id": CALLS[nth], "name": "look", "args": input(nth)}});
            let result = |nth: usize| {
                json!({"functionResponse": {"id": CALLS[nth], "name": "look",
                    "response": {"output": "Rain"}}})
            };
            let calls = json!({"role": "model", "parts": [{"text": WORDS}, call(0), call(1)]});
            let results = json!({"role": "user", "parts": [result(0), result(1)]});
            json!({"generationConfig": {"thinkingConfig":
                    {"thinkingBudget": 2048, "includeThoughts": true}},
                "tools": [{"functionDeclarations": [{"name": "look", "parametersJsonSchema": schema}]}],
                "contents": turns(text("user", "Oslo?"), vec![calls, results],
                    text("model", ANSWER), text("user", "Thanks"))})
        }
    }
}

async fn serving(sealing: Sealing, more: &str) -> (Gateway, MockUpstream) {
    let upstream = MockUpstream::start(sealing.script()).await.unwrap();
    let (name, model) = (sealing.name(), sealing.model());
    let base = if sealing == Sealing::Responses { "/v1" } else { "" };
    let config = format!(
        "providers: [{{name: up, dialect: {name}, base_url: \"{}{base}\", \
         accounts: [{{name: main, api_key: sk-upstream-0123456789}}]}}]\n\
         models: [{{name: m, targets: [{{provider: up, model: {model}}}]}}]\n{more}",
        upstream.url(),
    );
    (Gateway::start(&config).await, upstream)
}

/// Asks, and gives what the client heard and what the provider was sent.
async fn ask(
    (gateway, upstream): (&Gateway, &MockUpstream),
    (client, stage, streamed): (Client, Stage, bool),
    key: Option<&str>,
) -> (Heard, Value) {
    let body = request(client, stage, streamed);
    let mut asked = gateway.client.post(gateway.url(&client.path("m", streamed))).json(&body);
    if let Some(key) = key {
        asked = asked.bearer_auth(key);
    }
    let answer = asked.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    assert_eq!(status, 200, "{client:?}: {text}");
    let sent = upstream.requests().last().unwrap().json();
    (Heard { client, status, headers, text }, sent)
}

/// What the answer says of thoughts that were lost.
fn losses_of_thoughts(heard: &Heard) -> Vec<String> {
    let losses = heard.headers.get_all("x-penstock-losses").iter();
    let losses = losses.flat_map(|value| value.to_str().unwrap().split(',').map(str::trim));
    losses
        .filter(|loss| ["reason", "think"].iter().any(|word| loss.contains(word)))
        .filter(|loss| loss.ends_with(";dropped"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn what_a_client_forgets_comes_back_byte_for_byte_and_in_order_whoever_sealed_it() {
    for sealing in SEALING {
        for client in CLIENTS.into_iter().filter(|client| !sealing.passes(*client)) {
            for streamed in [false, true] {
                let what = format!("{client:?} {sealing:?} streamed: {streamed}");
                let (gateway, upstream) = serving(sealing, "").await;
                let both = (&gateway, &upstream);
                let (heard, _) = ask(both, (client, Stage::Asked, streamed), None).await;
                assert!(heard.text.contains(CALLS[1]), "{what}: {}", heard.text);

                let (heard, sent) = ask(both, (client, Stage::Called, streamed), None).await;
                let first = sealing.said(false);
                assert_eq!(sealing.turns(&sent), sealing.given_back(first.clone()), "{what}");
                assert!(sealing.thinks(&sent), "{what}: {sent}");
                assert_eq!(losses_of_thoughts(&heard), [""; 0], "{what}");

                let (heard, sent) = ask(both, (client, Stage::Answered, streamed), None).await;
                let all = [first, sealing.said(true)].concat();
                assert_eq!(sealing.turns(&sent), sealing.given_back(all), "{what}");
                assert_eq!(losses_of_thoughts(&heard), [""; 0], "{what}");

                for (how, count) in [("call", 2.0), ("content", 1.0), ("unknown", 0.0)] {
                    let labels = [&*format!("result=\"{how}\""), "provider=\"up\""];
                    let found = gateway.metric("penstock_reasoning_recalls_total", &labels).await;
                    assert_eq!(found, count, "{what}: {how}");
                }
                let kept = gateway.metric("penstock_reasoning_turns_kept_total", &["up"]).await;
                assert_eq!(kept, 3.0, "{what}");
            }
        }
    }
}

/// Some clients of Gemini leave the ids of calls out.
#[tokio::test]
async fn calls_without_ids_are_known_by_what_they_call_where() {
    for sealing in [Sealing::Anthropic, Sealing::Responses] {
        let (gateway, upstream) = serving(sealing, "").await;
        ask((&gateway, &upstream), (Client::Gemini, Stage::Asked, true), None).await;
        let mut body = request(Client::Gemini, Stage::Called, false);
        for nth in 0..2 {
            for (turn, part) in [(1, "functionCall"), (2, "functionResponse")] {
                let at = nth + usize::from(turn == 1);
                let part = &mut body["contents"][turn]["parts"][at][part];
                assert!(part.as_object_mut().unwrap().remove("id").is_some());
            }
        }
        let heard = Client::Gemini.send(&gateway, "m", false, &body).await;
        assert_eq!(heard.status, 200, "{}", heard.text);
        let sent = upstream.requests().last().unwrap().json();
        let kinds =
            |turns: Vec<Value>| turns.iter().map(|it| it["type"].clone()).collect::<Vec<_>>();
        let expected = kinds(sealing.given_back(sealing.said(false)));
        assert_eq!(kinds(sealing.turns(&sent)), expected, "{sent}");
        assert!(SEALS.iter().all(|seal| sent.to_string().contains(seal)), "{sent}");
        let found = gateway.metric("penstock_reasoning_recalls_total", &["\"content\""]).await;
        assert_eq!(found, 1.0);
    }
}

/// As without a memory: what the provider can do without is left out, and said.
fn assert_bare(sealing: Sealing, sent: &Value, heard: &Heard, what: &str) {
    let text = sent.to_string();
    for seal in SEALS.into_iter().chain([LAST_SEAL, &*long_seal()]) {
        assert!(!text.contains(seal), "{what}: {text}");
    }
    match sealing {
        Sealing::Anthropic => {
            assert!(!sealing.thinks(sent), "{what}: {sent}");
            assert_ne!(losses_of_thoughts(heard), [""; 0], "{what}");
        }
        Sealing::Gemini => {
            assert!(text.contains("skip_thought_signature_validator"), "{what}: {text}");
        }
        Sealing::Responses => {}
    }
}

#[tokio::test]
async fn another_key_or_session_gets_nothing_of_it() {
    let keys = "auth: {mode: keys, keys: [{name: a, key: pk-a}, {name: b, key: pk-b}]}\n";
    for sealing in SEALING {
        let (gateway, upstream) = serving(sealing, keys).await;
        let both = (&gateway, &upstream);
        ask(both, (Client::Chat, Stage::Asked, false), Some("pk-a")).await;
        let (heard, sent) = ask(both, (Client::Chat, Stage::Called, false), Some("pk-b")).await;
        assert_bare(sealing, &sent, &heard, "another key");
        let body = request(Client::Chat, Stage::Called, false);
        let url = gateway.url("/v1/chat/completions");
        let other = gateway.client.post(url).json(&body).bearer_auth("pk-a");
        let answer = other.header("x-session-id", "another").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let sent = upstream.requests().last().unwrap().json();
        assert!(!sent.to_string().contains(SEALS[1]), "{sent}");
        let (_, sent) = ask(both, (Client::Chat, Stage::Called, false), Some("pk-a")).await;
        assert!(sent.to_string().contains(SEALS[1]), "{sent}");
    }
}

#[tokio::test]
async fn what_was_forgotten_or_never_kept_is_done_without_as_before() {
    for sealing in SEALING {
        // Room for one: the next conversation takes it.
        for (memory, kept) in [("turns: 1", true), ("turns: 0", false), ("bytes: 100B", false)] {
            let more = format!("reasoning_memory: {{{memory}}}\n");
            let (gateway, upstream) = serving(sealing, &more).await;
            let both = (&gateway, &upstream);
            ask(both, (Client::Chat, Stage::Asked, false), None).await;
            if kept {
                let (_, sent) = ask(both, (Client::Chat, Stage::Called, false), None).await;
                assert!(sent.to_string().contains(SEALS[1]), "{sent}");
                let gone = "penstock_reasoning_turns_forgotten_total";
                gateway.until_metric(gone, &["reason=\"room\""], 1.0).await;
                assert_eq!(gateway.metric("penstock_reasoning_turns", &[]).await, 1.0);
            }
            let (heard, sent) = ask(both, (Client::Chat, Stage::Called, false), None).await;
            assert_bare(sealing, &sent, &heard, memory);
        }
    }
}

/// What passes through is the client's own to send.
#[tokio::test]
async fn nothing_is_added_where_bytes_pass() {
    for (sealing, client) in [
        (Sealing::Anthropic, Client::Messages),
        (Sealing::Gemini, Client::Gemini),
        (Sealing::Responses, Client::Responses),
    ] {
        let (gateway, upstream) = serving(sealing, "").await;
        let both = (&gateway, &upstream);
        ask(both, (client, Stage::Asked, false), None).await;
        let (_, mut sent) = ask(both, (client, Stage::Called, false), None).await;
        let mut asked = request(client, Stage::Called, false);
        for body in [&mut sent, &mut asked] {
            body["model"] = Value::Null;
        }
        assert_eq!(sent, asked, "{sealing:?}");
        assert_eq!(gateway.metric("penstock_reasoning_turns_kept_total", &[]).await, 0.0);
    }
}

/// A count is of what will be asked.
#[tokio::test]
async fn tokens_are_counted_with_what_the_client_forgot() {
    let (gateway, upstream) = serving(Sealing::Anthropic, "").await;
    ask((&gateway, &upstream), (Client::Gemini, Stage::Asked, false), None).await;
    let mut body = request(Client::Gemini, Stage::Called, false);
    body.as_object_mut().unwrap().remove("generationConfig");
    let url = gateway.url("/v1beta/models/m:countTokens");
    gateway.client.post(url).json(&body).send().await.unwrap();
    let sent = upstream.requests().last().unwrap().clone();
    assert_eq!(sent.path, "/v1/messages/count_tokens");
    assert!(String::from_utf8_lossy(&sent.body).contains(SEALS[1]));
}

#[tokio::test]
async fn what_is_remembered_is_in_no_log() {
    let (gateway, upstream) = serving(Sealing::Anthropic, "").await;
    for stage in [Stage::Asked, Stage::Called] {
        ask((&gateway, &upstream), (Client::Chat, stage, false), None).await;
    }
    gateway.access_log(2).await;
    let (log, metrics) = (gateway.log(), gateway.metrics().await);
    for secret in [SEALS[0], SEALS[1], LAST_SEAL, "Hm, a place.", CALLS[0]] {
        assert!(!log.contains(secret) && !metrics.contains(secret), "{secret}");
    }
}
