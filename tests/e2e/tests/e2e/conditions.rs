//! Promise: a target answers only the requests that its conditions on headers, keys and metadata
//! name, and a request that fits none of them is told so.

use serde_json::{Value, json};
use tests_mock::{MockUpstream, Script, openai};

use crate::clients::{CLIENTS, Client};
use crate::dialects::Dialect;
use crate::gateway::Gateway;

/// Three upstreams, each of which says its own name.
struct World {
    gateway: Gateway,
    _upstreams: Vec<MockUpstream>,
}

const MODELS: &str = "
  - name: m
    targets:
      - {provider: gold, model: x, when: {headers: {X-Tier: [gold, silver]}}}
      - {provider: team, model: x, when: {keys: [ci], metadata: {team: [a, b]}}}
    fallbacks: {context_window: [ops-only, long]}
  - name: ops-only
    targets: [{provider: gold, model: x, when: {keys: [ops]}}]
  - name: long
    targets:
      - {provider: gold, model: x, when: {metadata: {team: [none]}}}
      - {provider: any, model: x}
";

impl World {
    async fn start(team: Script) -> Self {
        let mut upstreams = Vec::new();
        let mut providers = Vec::new();
        for (name, script) in
            [("gold", openai::answering("gold")), ("team", team), ("any", openai::answering("any"))]
        {
            let upstream = MockUpstream::start(script).await.unwrap();
            providers.push(Dialect::OpenAi.provider(name, &upstream.url(), ""));
            upstreams.push(upstream);
        }
        let gateway = Gateway::start(&format!(
            "auth: {{mode: keys, keys: [{{name: ci, key: k-ci}}, {{name: ops, key: k-ops}}]}}\n\
             providers: [{}]\nmodels:{MODELS}",
            providers.join(", "),
        ))
        .await;
        Self { gateway, _upstreams: upstreams }
    }

    /// Who answers, or the code of the error.
    async fn ask(&self, key: &str, tier: Option<&str>, metadata: Value) -> (u16, String) {
        let body = json!({
            "model": "m",
            "metadata": metadata,
            "messages": [{"role": "user", "content": "Hello"}],
        });
        let url = self.gateway.url("/v1/chat/completions");
        let mut request = self.gateway.client.post(url).bearer_auth(key).json(&body);
        if let Some(tier) = tier {
            request = request.header("x-tier", tier);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let answer: Value = answer.json().await.unwrap();
        let said = match status {
            200 => answer["choices"][0]["message"]["content"].as_str(),
            _ => answer["error"]["code"].as_str(),
        };
        (status, said.unwrap_or_else(|| panic!("{answer}")).to_owned())
    }
}

#[tokio::test]
async fn a_target_answers_only_what_its_conditions_name() {
    let world = World::start(openai::answering("team")).await;
    let of_a = || json!({"team": "a"});
    let said = |name: &str| (200, name.to_owned());
    let none = (400, "no_target_matches".to_owned());
    assert_eq!(world.ask("k-ci", Some("gold"), json!(null)).await, said("gold"));
    assert_eq!(world.ask("k-ops", Some("silver"), of_a()).await, said("gold"));
    assert_eq!(world.ask("k-ci", None, of_a()).await, said("team"));
    assert_eq!(world.ask("k-ci", Some("lead"), of_a()).await, said("team"));
    assert_eq!(world.ask("k-ops", None, of_a()).await, none, "another key");
    assert_eq!(world.ask("k-ci", None, json!({"team": "c"})).await, none, "another team");
    assert_eq!(world.ask("k-ci", None, json!({"team": ["a"]})).await, none, "no string");
}

#[tokio::test]
async fn a_session_follows_its_requests_to_where_they_fit_and_back() {
    let world = World::start(openai::answering("team")).await;
    // The same words, and so the same session.
    for _ in 0..3 {
        let at_home = world.ask("k-ci", Some("gold"), json!({"team": "a"})).await;
        assert_eq!(at_home.1, "gold");
        let away = world.ask("k-ci", None, json!({"team": "a"})).await;
        assert_eq!(away.1, "team");
    }
    let moved = world.gateway.metric("penstock_session_moves_total", &[]).await;
    assert!(moved < 0.5, "nothing is wrong where it lives: {moved}");
}

#[tokio::test]
async fn a_fallback_answers_only_what_its_conditions_name() {
    let too_long = openai::error(
        400,
        "invalid_request_error",
        Some("context_length_exceeded"),
        "This model's maximum context length is 8 tokens",
    );
    let world = World::start(Script::always(too_long)).await;
    let answer = world.ask("k-ci", None, json!({"team": "a"})).await;
    assert_eq!(answer, (200, "any".to_owned()));
}

/// Each client says it where its dialect has a place for it.
#[tokio::test]
async fn metadata_is_found_in_every_client_s_dialect() {
    let one = MockUpstream::start(openai::answering("one")).await.unwrap();
    let other = MockUpstream::start(openai::answering("other")).await.unwrap();
    let gateway = Gateway::start(&format!(
        "providers: [{}, {}]\nmodels: [{{name: m, targets: [\
         {{provider: one, model: x, when: {{metadata: {{user_id: [anna, bo]}}}}}}, \
         {{provider: other, model: x, when: {{metadata: {{user_id: [cy]}}}}}}]}}]\n",
        Dialect::OpenAi.provider("one", &one.url(), ""),
        Dialect::OpenAi.provider("other", &other.url(), ""),
    ))
    .await;
    for client in CLIENTS {
        for stream in [false, true] {
            for (user, answers) in [("anna", Some("one")), ("cy", Some("other")), ("dan", None)] {
                let member = match client {
                    Client::Chat | Client::Responses | Client::Messages => "metadata",
                    Client::Gemini => "labels",
                };
                let mut body = client.request("m", "Hello", stream);
                body[member] = json!({"user_id": user});
                let heard = client.send(&gateway, "m", stream, &body).await;
                let what = format!("{client:?}, stream {stream}, {user}: {}", heard.text);
                let words = match (heard.status, stream) {
                    (200, true) => Some(heard.streamed_words()),
                    (200, false) => Some(heard.whole_words()),
                    (status, _) => {
                        assert_eq!(status, 400, "{what}");
                        None
                    }
                };
                assert_eq!(words.as_deref(), answers, "{what}");
            }
        }
    }
}
