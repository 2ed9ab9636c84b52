//! Promise: whoever would rather have no answer than half a question answered can say so.

use serde_json::{Value, json};
use tests_mock::{MockUpstream, Reply, Script};

use crate::clients::{CLIENTS, Client, Heard};
use crate::dialects::{ALL, Dialect, behind, sse};
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

/// What of an answer of each dialect no other has a place for.
fn lossy(dialect: Dialect) -> (Value, &'static str) {
    match dialect {
        Dialect::OpenAi => (json!({"moderation": {"flagged": true}}), "moderation;dropped"),
        Dialect::Anthropic => (json!({"container": {"id": "container_1"}}), "container;dropped"),
        Dialect::Gemini => (json!({"modelStatus": {"message": "old"}}), "modelStatus;dropped"),
    }
}

/// An answer that says `more` beside its words, whole or streamed as it is asked.
fn saying(dialect: Dialect, more: &Value) -> Script {
    let more = more.clone();
    Script::new(move |request, _| {
        let streamed =
            request.path.contains("streamGenerateContent") || request.json()["stream"] == true;
        let extended = |data: &str, at: Option<&str>| {
            let mut data: Value = serde_json::from_str(data).unwrap();
            let place = match at {
                Some(at) => &mut data[at],
                None => &mut data,
            };
            place.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            data
        };
        if !streamed {
            let whole = dialect.whole("Hej");
            let body = String::from_utf8(whole.body().to_vec()).unwrap();
            return Reply::json(200, &[], &extended(&body, None));
        }
        // The last event that has data of an object: with Anthropic, the one that says why it ended.
        let mut events = dialect.events(&["Hej"]);
        let at = match dialect {
            Dialect::OpenAi | Dialect::Anthropic => events.len() - 2,
            Dialect::Gemini => events.len() - 1,
        };
        let event = String::from_utf8(events[at].to_vec()).unwrap();
        let (before, data) = event.trim_end().split_once("data: ").unwrap();
        let within = matches!(dialect, Dialect::Anthropic).then_some("delta");
        events[at] = format!("{before}data: {}\n\n", extended(data, within)).into();
        sse(events)
    })
}

/// Whether the answer passes as it is.
fn own(client: Client, dialect: Dialect) -> bool {
    matches!(
        (client, dialect),
        (Client::Chat, Dialect::OpenAi)
            | (Client::Messages, Dialect::Anthropic)
            | (Client::Gemini, Dialect::Gemini)
    )
}

/// What a stream says is lost.
fn told(heard: &Heard) -> Option<String> {
    match heard.client {
        Client::Gemini => {
            let last = heard.events().pop()?;
            last["penstockLosses"].as_str().map(str::to_owned)
        }
        Client::Chat | Client::Responses | Client::Messages => heard
            .text
            .lines()
            .find_map(|line| line.strip_prefix(": penstock-losses: "))
            .map(str::to_owned),
    }
}

#[tokio::test]
async fn what_an_answer_loses_is_named_in_its_header_and_what_a_stream_loses_before_its_end() {
    for dialect in ALL {
        let (more, loss) = lossy(dialect);
        let (gateway, _upstream) = behind(dialect, saying(dialect, &more), "").await;
        for client in CLIENTS {
            let own = own(client, dialect);
            let whole = client.ask(&gateway, "m", false).await;
            let said = whole.headers.get("x-penstock-losses").map(|it| it.to_str().unwrap());
            let what = format!("{client:?} {dialect:?}: {}", whole.text);
            assert_eq!(said.is_some_and(|it| it.contains(loss)), !own, "{said:?} {what}");
            assert_eq!(whole.whole_words(), "Hej", "{what}");
            let streamed = client.ask(&gateway, "m", true).await;
            let what = format!("{client:?} {dialect:?}: {}", streamed.text);
            let said = told(&streamed);
            assert_eq!(said.is_some_and(|it| it.contains(loss)), !own, "{what}");
            assert_eq!(streamed.streamed_words(), "Hej", "{what}");
            assert!(streamed.ended_well(), "{what}");
        }
        // Both answers of each of the others.
        let name = "penstock_translation_losses_total";
        let losses = 2.0 * CLIENTS.into_iter().filter(|it| !own(*it, dialect)).count() as f64;
        gateway.until_metric(name, &["up", "dropped"], losses).await;
    }
}

#[tokio::test]
async fn an_answer_is_never_refused_for_what_it_loses_and_nobody_hears_of_it_who_does_not_want_to()
{
    let (more, loss) = lossy(Dialect::Anthropic);
    let script = saying(Dialect::Anthropic, &more);
    let (gateway, _upstream) = behind(Dialect::Anthropic, script, "").await;
    for (policy, tells) in [("refuse", true), ("report", true), ("ignore", false)] {
        for client in CLIENTS.into_iter().filter(|client| *client != Client::Messages) {
            for stream in [false, true] {
                let body = client.request("m", "Hello", stream);
                let answer = gateway
                    .client
                    .post(gateway.url(&client.path("m", stream)))
                    .header("x-penstock-losses", policy)
                    .json(&body)
                    .send()
                    .await
                    .unwrap();
                let what = format!("{client:?} {policy} {stream}");
                assert_eq!(answer.status(), 200, "{what}");
                let headers = answer.headers().clone();
                let text = answer.text().await.unwrap();
                let said = headers.get("x-penstock-losses").map(|it| it.to_str().unwrap());
                let said = match stream {
                    false => said.is_some_and(|it| it.contains(loss)),
                    true => text.contains(loss),
                };
                assert_eq!(said, tells, "{what}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn an_array_of_chunks_names_what_it_loses_too() {
    let (more, loss) = lossy(Dialect::Anthropic);
    let script = saying(Dialect::Anthropic, &more);
    let (gateway, _upstream) = behind(Dialect::Anthropic, script, "").await;
    let body = Client::Gemini.request("m", "Hello", true);
    let path = "/v1beta/models/m:streamGenerateContent";
    let answer = gateway.client.post(gateway.url(path)).json(&body).send().await.unwrap();
    let chunks: Value = answer.json().await.unwrap();
    let said: Vec<_> =
        chunks.as_array().unwrap().iter().filter_map(|it| it["penstockLosses"].as_str()).collect();
    assert!(matches!(said[..], [said] if said.contains(loss)), "{chunks}");
}

#[tokio::test]
async fn an_id_has_the_form_its_client_knows_and_keeps_what_the_provider_calls_it() {
    for dialect in ALL {
        let (gateway, _upstream) = behind(dialect, dialect.answering("Hej"), "").await;
        for client in CLIENTS {
            let answer = client.ask(&gateway, "m", false).await.json();
            let prefix = match client {
                Client::Chat => "chatcmpl-",
                Client::Responses => "resp_",
                Client::Messages => "msg_",
                Client::Gemini => continue,
            };
            let provider = dialect.whole("Hej");
            let provider: Value = serde_json::from_slice(&provider.body()).unwrap();
            let name = if dialect == Dialect::Gemini { "responseId" } else { "id" };
            let (told, own) = (answer["id"].as_str().unwrap(), provider[name].as_str().unwrap());
            assert!(told.starts_with(prefix) && told.ends_with(own), "{client:?}: {told} {own}");
        }
    }
}
