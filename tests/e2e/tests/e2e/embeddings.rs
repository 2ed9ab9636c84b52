//! Promise: texts become vectors, whoever asks and whoever makes them.

use serde_json::{Value, json};
use tests_mock::{MockUpstream, Reply, Script};

use crate::dialects::{Dialect, behind};
use crate::gateway::Gateway;

const ONE: &str = "/v1beta/models/m:embedContent";
const BATCH: &str = "/v1/models/m:batchEmbedContents";

/// Vectors, as many as were asked for: `[index, 0.5]`.
fn vectors(dialect: Dialect) -> Script {
    Script::new(move |request, _| {
        let asked = request.json();
        let many = |list: &Value| list.as_array().map_or(1, Vec::len);
        let body = match dialect {
            Dialect::OpenAi => {
                let entry = |at: usize| {
                    json!({"object": "embedding", "index": at,
                    "embedding": [at, 0.5]})
                };
                // In whatever order they come.
                json!({"object": "list", "model": "text-embedding-3-small",
                    "data": (0..many(&asked["input"])).rev().map(entry).collect::<Vec<_>>(),
                    "usage": {"prompt_tokens": 11, "total_tokens": 11}})
            }
            Dialect::Gemini => {
                let entry = |at: usize| json!({"values": [at, 0.5]});
                json!({"embeddings": (0..many(&asked["requests"])).map(entry).collect::<Vec<_>>(),
                    "usageMetadata": {"promptTokenCount": 11, "totalTokenCount": 11}})
            }
            Dialect::Anthropic => json!({"error": {"message": "there is no such thing"}}),
        };
        Reply::json(200, &[], &body)
    })
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> (u16, Value) {
    let answer = gateway.client.post(gateway.url(path)).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn an_openai_client_gets_its_vectors_from_gemini() {
    let (gateway, upstream) = behind(Dialect::Gemini, vectors(Dialect::Gemini), "").await;
    let body = json!({"model": "m", "input": ["a", "b"], "dimensions": 2, "user": "u",
        "task_type": "RETRIEVAL_QUERY"});
    let answer =
        gateway.client.post(gateway.url("/v1/embeddings")).json(&body).send().await.unwrap();
    assert_eq!(answer.headers()["x-penstock-losses"], "user;dropped");
    let answer: Value = answer.json().await.unwrap();
    let entry =
        |at: usize| json!({"object": "embedding", "index": at, "embedding": [at as f32, 0.5]});
    let expected = json!({"object": "list", "data": [entry(0), entry(1)], "model": "m",
        "usage": {"prompt_tokens": 11, "total_tokens": 11}});
    assert_eq!(answer, expected);
    let sent = &upstream.requests()[0];
    assert_eq!(sent.path, "/v1beta/models/gemini-2.5-flash:batchEmbedContents");
    let one = |text: &str| {
        json!({"model": "models/gemini-2.5-flash",
        "content": {"parts": [{"text": text}]}, "taskType": "RETRIEVAL_QUERY",
        "outputDimensionality": 2})
    };
    assert_eq!(sent.json(), json!({"requests": [one("a"), one("b")]}));
    // 1.0 and 0.5, as four bytes each.
    let packed = json!({"model": "m", "input": ["a", "b"], "encoding_format": "base64"});
    let (_, answer) = post(&gateway, "/v1/embeddings", &packed).await;
    assert_eq!(answer["data"][1]["embedding"], "AACAPwAAAD8=");
}

#[tokio::test]
async fn a_gemini_client_gets_its_vectors_from_openai() {
    let (gateway, upstream) = behind(Dialect::OpenAi, vectors(Dialect::OpenAi), "").await;
    let content = |text: &str| json!({"parts": [{"text": text}]});
    let one = json!({"content": content("a"), "outputDimensionality": 2});
    let (status, answer) = post(&gateway, ONE, &one).await;
    let usage = json!({"promptTokenCount": 11, "totalTokenCount": 11});
    let expected = json!({"embedding": {"values": [0.0, 0.5]}, "usageMetadata": usage});
    assert_eq!((status, answer), (200, expected));
    let request = |text: &str| {
        json!({"model": "models/m", "content": content(text),
        "taskType": "CLUSTERING"})
    };
    let batch = json!({"requests": [request("a"), request("b")]});
    let asked = gateway.client.post(gateway.url(BATCH)).json(&batch).send().await.unwrap();
    assert_eq!(asked.headers()["x-penstock-losses"], "requests[0].taskType;dropped");
    let answer: Value = asked.json().await.unwrap();
    let expected = json!({"embeddings": [{"values": [0.0, 0.5]}, {"values": [1.0, 0.5]}],
        "usageMetadata": usage});
    assert_eq!(answer, expected);
    let sent: Vec<_> = upstream.requests().iter().map(|it| (it.path.clone(), it.json())).collect();
    let asked = |more: Value| {
        let mut body = json!({"model": "gpt-4o"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ("/v1/embeddings".to_owned(), body)
    };
    let expected =
        [asked(json!({"input": ["a"], "dimensions": 2})), asked(json!({"input": ["a", "b"]}))];
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn bytes_pass_where_both_speak_one_dialect() {
    let odd = "{ \"object\":\"list\", \"data\":[{\"embedding\":\"AAA\",\"x\":1.0}],\
        \"usage\":{\"prompt_tokens\":3,\"total_tokens\":3}} \n";
    let json = [("content-type", "application/json")];
    let script = Script::always(Reply::whole(200, &json, odd));
    let (gateway, upstream) = behind(Dialect::OpenAi, script, "").await;
    let asked = "{ \"input\" : [[1,2], [3]], \"model\":\"m\", \"encoding_format\":\"base64\", \"x_new\":1e2}";
    let answer = gateway
        .client
        .post(gateway.url("/v1/embeddings"))
        .header("content-type", "application/json")
        .body(asked)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.text().await.unwrap(), odd);
    let sent = String::from_utf8_lossy(&upstream.requests()[0].body).into_owned();
    assert_eq!(sent, asked.replace("\"m\"", "\"gpt-4o\""));
    let script = vectors(Dialect::Gemini);
    let (gateway, upstream) = behind(Dialect::Gemini, script, "").await;
    let body = json!({"model": "models/m", "content": {"parts": [{"inlineData": {}}]}, "xNew": 1});
    assert_eq!(post(&gateway, ONE, &body).await.0, 200);
    let sent = &upstream.requests()[0];
    assert_eq!(sent.path, "/v1beta/models/gemini-2.5-flash:embedContent");
    assert_eq!(sent.json()["content"], body["content"]);
    assert_eq!(sent.json()["model"], "models/gemini-2.5-flash");
}

#[tokio::test]
async fn anthropic_has_no_embeddings_and_the_client_is_told_so_in_its_own_dialect() {
    let (gateway, upstream) = behind(Dialect::Anthropic, vectors(Dialect::Anthropic), "").await;
    let (status, answer) =
        post(&gateway, "/v1/embeddings", &json!({"model": "m", "input": "a"})).await;
    assert_eq!(status, 400);
    let error = &answer["error"];
    assert_eq!((&error["code"], &error["param"]), (&json!("unsupported_value"), &json!("model")));
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("(`anthropic`) has no embeddings"), "{message}");
    let content = json!({"content": {"parts": [{"text": "a"}]}});
    let (status, answer) = post(&gateway, ONE, &content).await;
    assert_eq!((status, &answer["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    assert_eq!(upstream.counts().requests, 0);
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_in_the_client_s_words() {
    let (gateway, upstream) = behind(Dialect::Gemini, vectors(Dialect::Gemini), "").await;
    for (input, param) in
        [(json!([[1, 2]]), "input[0]"), (json!([]), "input"), (json!(["a", true]), "input[1]")]
    {
        let (status, answer) =
            post(&gateway, "/v1/embeddings", &json!({"model": "m", "input": input})).await;
        assert_eq!((status, &answer["error"]["param"]), (400, &json!(param)), "{answer}");
    }
    let (gateway, _openai) = behind(Dialect::OpenAi, vectors(Dialect::OpenAi), "").await;
    let picture = json!({"requests": [{"content": {"parts": [{"inlineData": {}}]}}]});
    let (status, answer) = post(&gateway, BATCH, &picture).await;
    let message = answer["error"]["message"].as_str().unwrap();
    assert_eq!(status, 400, "{message}");
    assert!(message.contains("requests[0].content.parts[0]"), "{message}");
    assert_eq!(upstream.counts().requests, 0);
}

#[tokio::test]
async fn an_answer_without_a_vector_for_each_text_is_none() {
    let answer = json!({"embeddings": [{"values": [1.0]}]});
    let script = Script::always(Reply::json(200, &[], &answer));
    let (gateway, _upstream) = behind(Dialect::Gemini, script, "").await;
    let body = json!({"model": "m", "input": ["a", "b"]});
    let (status, answer) = post(&gateway, "/v1/embeddings", &body).await;
    assert_eq!((status, &answer["error"]["code"]), (502, &json!("upstream_malformed")), "{answer}");
}

#[tokio::test]
async fn somebody_else_is_asked_if_the_first_cannot_or_fails() {
    let broken = MockUpstream::start(Script::always(Reply::json(500, &[], &json!({})))).await;
    let (broken, working) =
        (broken.unwrap(), MockUpstream::start(vectors(Dialect::Gemini)).await.unwrap());
    let config = format!(
        "providers:\n- {}\n- {}\n- {}\n\
         models: [{{name: m, targets: [{{provider: an, model: claude-sonnet-4-5}}, \
           {{provider: oa, model: e-1}}, {{provider: go, model: e-2}}]}}]\n",
        Dialect::Anthropic.provider("an", "http://127.0.0.1:9", ""),
        Dialect::OpenAi.provider("oa", &broken.url(), ""),
        Dialect::Gemini.provider("go", &working.url(), ""),
    );
    let gateway = Gateway::start(&config).await;
    let body = json!({"model": "m", "input": "a"});
    let (status, answer) = post(&gateway, "/v1/embeddings", &body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!((broken.counts().requests, working.counts().requests), (1, 1));
}

#[tokio::test]
async fn input_tokens_are_counted_and_no_others() {
    for dialect in [Dialect::OpenAi, Dialect::Gemini] {
        let (gateway, _upstream) = behind(dialect, vectors(dialect), "").await;
        let body = json!({"model": "m", "input": "a"});
        assert_eq!(post(&gateway, "/v1/embeddings", &body).await.0, 200);
        let line = gateway.access_log(1).await.remove(0);
        assert_eq!((&line["route"], &line["input_tokens"]), (&json!("/v1/embeddings"), &json!(11)));
        assert!(line["output_tokens"].is_null(), "{line}");
        assert_eq!(gateway.metric("penstock_tokens_total", &["kind=\"input\""]).await, 11.0);
        assert_eq!(gateway.metric("penstock_tokens_total", &[]).await, 11.0);
        let of = ["gen_ai_operation_name=\"embeddings\"", "gen_ai_token_type=\"input\""];
        assert_eq!(gateway.metric("gen_ai_client_token_usage_sum", &of).await, 11.0);
    }
}

#[tokio::test]
async fn the_mock_makes_the_same_vectors_of_the_same_texts() {
    let gateway = Gateway::start(
        "providers: [{name: mock, dialect: mock}]\n\
         models: [{name: m, targets: [{provider: mock, model: mock}]}]\n",
    )
    .await;
    let body = json!({"model": "m", "input": ["Good morning", "Good night"], "dimensions": 8});
    let (status, first) = post(&gateway, "/v1/embeddings", &body).await;
    assert_eq!(status, 200, "{first}");
    assert_eq!(first["data"][1]["embedding"].as_array().unwrap().len(), 8);
    assert_eq!(first["usage"]["prompt_tokens"], 4);
    assert_eq!(post(&gateway, "/v1/embeddings", &body).await.1, first);
    let content = json!({"parts": [{"text": "Good morning"}]});
    let one = json!({"content": content, "outputDimensionality": 8});
    let (_, gemini) = post(&gateway, ONE, &one).await;
    assert_eq!(gemini["embedding"]["values"], first["data"][0]["embedding"]);
    let wrong = json!({"model": "m", "input": []});
    assert_eq!(post(&gateway, "/v1/embeddings", &wrong).await.0, 400);
}
