//! What the four client dialects have in common: how each asks, and where each says what.

use serde_json::{Value, json};

use crate::gateway::Gateway;

/// What a client speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Client {
    Chat,
    Responses,
    Messages,
    Gemini,
}

/// All of them.
pub(crate) const CLIENTS: [Client; 4] =
    [Client::Chat, Client::Responses, Client::Messages, Client::Gemini];

/// An answer, read to its end.
pub(crate) struct Heard {
    pub(crate) client: Client,
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Client {
    /// Asks `model` one line.
    pub(crate) async fn ask(self, gateway: &Gateway, model: &str, stream: bool) -> Heard {
        self.send(gateway, model, stream, &self.request(model, "Hello", stream)).await
    }

    /// A request of one line.
    pub(crate) fn request(self, model: &str, words: &str, stream: bool) -> Value {
        match self {
            Self::Chat => json!({"model": model, "stream": stream,
                "stream_options": if stream { json!({"include_usage": true}) } else { Value::Null },
                "messages": [{"role": "user", "content": words}]}),
            Self::Responses => json!({"model": model, "stream": stream, "input": words}),
            Self::Messages => json!({"model": model, "stream": stream, "max_tokens": 100,
                "messages": [{"role": "user", "content": words}]}),
            Self::Gemini => json!({"contents": [{"role": "user", "parts": [{"text": words}]}]}),
        }
    }

    /// Where it asks.
    pub(crate) fn path(self, model: &str, stream: bool) -> String {
        match (self, stream) {
            (Self::Chat, _) => "/v1/chat/completions".to_owned(),
            (Self::Responses, _) => "/v1/responses".to_owned(),
            (Self::Messages, _) => "/v1/messages".to_owned(),
            (Self::Gemini, false) => format!("/v1beta/models/{model}:generateContent"),
            (Self::Gemini, true) => {
                format!("/v1beta/models/{model}:streamGenerateContent?alt=sse")
            }
        }
    }

    pub(crate) async fn send(
        self,
        gateway: &Gateway,
        model: &str,
        stream: bool,
        body: &Value,
    ) -> Heard {
        let answer = gateway
            .client
            .post(gateway.url(&self.path(model, stream)))
            .json(body)
            .send()
            .await
            .unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.expect("an answer is never cut");
        Heard { client: self, status, headers, text }
    }
}

impl Heard {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{}", self.text))
    }

    /// The JSON of each event of a stream.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).expect(data))
            .collect()
    }

    /// The words of an answer in one piece.
    pub(crate) fn whole_words(&self) -> String {
        let answer = self.json();
        let list = match self.client {
            Client::Chat => return text(&answer["choices"][0]["message"]["content"]),
            Client::Responses => answer["output"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|item| item["type"] == "message")
                .flat_map(|item| item["content"].as_array().cloned().unwrap_or_default())
                .collect(),
            Client::Messages => answer["content"].as_array().cloned().unwrap_or_default(),
            Client::Gemini => {
                let parts = &answer["candidates"][0]["content"]["parts"];
                parts.as_array().cloned().unwrap_or_default()
            }
        };
        list.iter().filter(|part| part["thought"] != true).map(|part| text(&part["text"])).collect()
    }

    /// The words of a streamed answer.
    pub(crate) fn streamed_words(&self) -> String {
        let of = |event: &Value| match self.client {
            Client::Chat => text(&event["choices"][0]["delta"]["content"]),
            Client::Responses if event["type"] == "response.output_text.delta" => {
                text(&event["delta"])
            }
            Client::Messages => text(&event["delta"]["text"]),
            Client::Gemini => text(&event["candidates"][0]["content"]["parts"][0]["text"]),
            Client::Responses => String::new(),
        };
        self.events().iter().map(of).collect()
    }

    /// Input and output tokens.
    pub(crate) fn tokens(&self, streamed: bool) -> (u64, u64) {
        let events = if streamed { self.events() } else { vec![self.json()] };
        let newest = |of: &dyn Fn(&Value) -> &Value| {
            events.iter().rev().find_map(|event| of(event).as_u64()).unwrap_or_default()
        };
        match self.client {
            Client::Chat => (
                newest(&|it| &it["usage"]["prompt_tokens"]),
                newest(&|it| &it["usage"]["completion_tokens"]),
            ),
            Client::Responses => {
                fn whole(it: &Value) -> &Value {
                    if it["response"].is_object() { &it["response"] } else { it }
                }
                (
                    newest(&|it| &whole(it)["usage"]["input_tokens"]),
                    newest(&|it| &whole(it)["usage"]["output_tokens"]),
                )
            }
            Client::Messages => {
                let of = |name: &str| {
                    newest(&|it: &Value| &it["usage"][name])
                        .max(newest(&|it: &Value| &it["message"]["usage"][name]))
                };
                let input =
                    ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
                (input.iter().map(|name| of(name)).sum(), of("output_tokens"))
            }
            Client::Gemini => (
                newest(&|it| &it["usageMetadata"]["promptTokenCount"]),
                // Thoughts are counted apart.
                newest(&|it| &it["usageMetadata"]["candidatesTokenCount"])
                    + newest(&|it| &it["usageMetadata"]["thoughtsTokenCount"]),
            ),
        }
    }

    /// Whether a stream says that it is complete and went well.
    pub(crate) fn ended_well(&self) -> bool {
        let events = self.events();
        let last = events.last().cloned().unwrap_or_default();
        match self.client {
            Client::Chat => {
                let stopped = events.iter().any(|it| it["choices"][0]["finish_reason"] == "stop");
                stopped && self.text.ends_with("data: [DONE]\n\n")
            }
            Client::Responses => last["type"] == "response.completed",
            Client::Messages => last["type"] == "message_stop",
            Client::Gemini => last["candidates"][0]["finishReason"] == "STOP",
        }
    }

    /// Whether a stream says, in its dialect's own form, that it broke off.
    pub(crate) fn broke_off(&self) -> bool {
        let events = self.events();
        let last = events.last().cloned().unwrap_or_default();
        match self.client {
            Client::Chat => {
                let reasons =
                    events.iter().filter(|it| it["choices"][0]["finish_reason"] == "error");
                reasons.count() == 1 && self.text.ends_with("data: [DONE]\n\n")
            }
            Client::Responses => {
                last["type"] == "response.failed" && last["response"]["error"]["code"].is_string()
            }
            Client::Messages => last["type"] == "error" && last["error"]["type"].is_string(),
            Client::Gemini => last["error"]["code"].is_u64() && last["error"]["status"].is_string(),
        }
    }

    /// The words of an error.
    pub(crate) fn error_message(&self) -> String {
        text(&self.json()["error"]["message"])
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
