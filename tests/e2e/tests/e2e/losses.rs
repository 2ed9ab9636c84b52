//! Promise: whoever would rather have no answer than half a question answered can say so.

use serde_json::{Value, json};
use tests_mock::MockUpstream;

use crate::clients::Client;
use crate::dialects::Dialect;
use crate::gateway::Gateway;

fn asking(model: &str) -> Value {
    json!({"model": model, "logit_bias": {"50256": -100}, "seed": 7,
        "messages": [{"role": "user", "content": "Hello"}]})
}

async fn ask(gateway: &Gateway, body: &Value, policy: Option<&str>) -> reqwest::Response {
    let mut request = gateway.client.post(gateway.url("/v1/chat/completions")).json(body);
    if let Some(policy) = policy {
        request = request.header("x-penstock-losses", policy);
    }
    request.send().await.unwrap()
}

/// `plain` and `strict` go to Anthropic alone, `either` to OpenAI behind it.
async fn serving() -> (Gateway, MockUpstream, MockUpstream) {
    let anthropic = MockUpstream::start(Dialect::Anthropic.answering("Hej")).await.unwrap();
    let openai = MockUpstream::start(Dialect::OpenAi.answering("Goddag")).await.unwrap();
    let config = format!(
        "providers:\n- {}\n- {}\n\
         models:\n\
         - {{name: plain, targets: [{{provider: an, model: claude-sonnet-4-5}}]}}\n\
         - {{name: strict, losses: refuse, targets: [{{provider: an, model: claude-sonnet-4-5}}]}}\n\
         - {{name: either, losses: refuse, targets: [{{provider: an, model: claude-sonnet-4-5}}, \
           {{provider: oa, model: gpt-4o}}]}}\n",
        Dialect::Anthropic.provider("an", &anthropic.url(), ""),
        Dialect::OpenAi.provider("oa", &openai.url(), ""),
    );
    (Gateway::start(&config).await, anthropic, openai)
}

#[tokio::test]
async fn a_request_that_may_lose_nothing_is_refused_and_told_what_it_would_lose() {
    let (gateway, anthropic, _openai) = serving().await;
    for (model, policy) in [("plain", Some("refuse")), ("strict", None)] {
        let answer = ask(&gateway, &asking(model), policy).await;
        assert_eq!(answer.status(), 400, "{model}");
        let error = answer.json::<Value>().await.unwrap()["error"].take();
        assert_eq!(error["code"], "unsupported_value", "{error}");
        let said = error["message"].as_str().unwrap();
        assert!(said.contains("logit_bias") && said.contains("seed"), "{said}");
    }
    assert_eq!(anthropic.counts().requests, 0, "nobody was asked");
    let mut whole = asking("strict");
    whole.as_object_mut().unwrap().retain(|key, _| key == "model" || key == "messages");
    assert_eq!(ask(&gateway, &whole, None).await.status(), 200);
}

#[tokio::test]
async fn somebody_who_can_express_all_of_it_is_asked_instead() {
    let (gateway, anthropic, openai) = serving().await;
    let answer = ask(&gateway, &asking("either"), None).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers().get("x-penstock-losses"), None);
    assert_eq!((anthropic.counts().requests, openai.counts().requests), (0, 1));
}

#[tokio::test]
async fn the_request_s_own_word_goes_before_the_configuration() {
    let (gateway, _anthropic, _openai) = serving().await;
    let ignored = ask(&gateway, &asking("strict"), Some("ignore")).await;
    assert_eq!(ignored.status(), 200);
    assert_eq!(ignored.headers().get("x-penstock-losses"), None);
    let reported = ask(&gateway, &asking("strict"), Some("report")).await;
    assert_eq!(reported.status(), 200);
    let said = reported.headers()["x-penstock-losses"].to_str().unwrap();
    assert!(said.contains("logit_bias;dropped"), "{said}");
    let wrong = ask(&gateway, &asking("plain"), Some("forgive")).await;
    assert_eq!(wrong.status(), 400);
    assert_eq!(wrong.json::<Value>().await.unwrap()["error"]["param"], "x-penstock-losses");
}

#[tokio::test]
async fn what_gets_lost_is_named_in_the_words_of_whoever_asked() {
    let openai = MockUpstream::start(Dialect::OpenAi.answering("Hej")).await.unwrap();
    let gateway = Gateway::start(&Dialect::OpenAi.config(&openai.url(), "")).await;
    let wishes = [
        (
            Client::Messages,
            json!({"thinking": {"type": "enabled", "budget_tokens": 2000}, "container": "c"}),
            ["thinking.display;dropped", "container;dropped"],
        ),
        (
            Client::Gemini,
            json!({"generationConfig": {"topK": 3, "thinkingConfig": {"includeThoughts": true}}}),
            [
                "generationConfig.topK;dropped",
                "generationConfig.thinkingConfig.includeThoughts;dropped",
            ],
        ),
    ];
    for (client, wish, expected) in wishes {
        let mut body = client.request("m", "Hello", false);
        body.as_object_mut().unwrap().extend(wish.as_object().unwrap().clone());
        let heard = client.send(&gateway, "m", false, &body).await;
        assert_eq!(heard.status, 200, "{}", heard.text);
        let said = heard.headers["x-penstock-losses"].to_str().unwrap();
        for loss in expected {
            assert!(said.split(", ").any(|one| one == loss), "{client:?}: {said}");
        }
    }
}
