//! What clients ask: to the canonical request, and back to Gemini.

use adapters_canonical::chat::{
    ChatRequest, MediaSource, OutputFormat, Part, Role, ToolCall, ToolChoice,
};
use adapters_canonical::dialect::{Dialect, Egress, Target};
use adapters_canonical::ingress::{Asked, Ingress};
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use adapters_gemini::egress::Gemini;
use adapters_gemini::ingress::GenerateContent;
use proptest::prelude::*;
use serde_json::{Value, json};

const MODEL: &str = "gemini-3-flash";

pub(crate) fn decode(body: &[u8]) -> Result<Translated<ChatRequest>, DecodeError> {
    let asked = Asked { model: Some(MODEL), stream: true, query: "alt=sse" };
    let envelope = GenerateContent.read_envelope(&asked, body)?;
    GenerateContent.decode_request(body, &envelope)
}

fn read(body: &Value) -> (ChatRequest, Vec<Loss>) {
    let Translated { value, losses } = decode(body.to_string().as_bytes()).unwrap();
    assert_eq!(value.messages.len(), value.message_paths.len());
    (value, losses)
}

/// What Gemini is asked of it again.
fn back(request: &ChatRequest) -> (Value, Vec<Loss>) {
    let target = Target { model: MODEL, api_version: None };
    let Translated { value, losses } = Gemini.encode_request(request, &target).unwrap();
    (serde_json::from_slice(&value.body).unwrap(), losses)
}

/// Compares `request.json` with the canonical request and its losses, and with what Gemini would
/// be asked of it.
#[track_caller]
fn check(case: &str) {
    let dir = tests_golden::fixture("gemini").join(case);
    let got = decode(&tests_golden::read(dir.join("request.json"))).unwrap();
    tests_golden::assert_text(dir.join("request.expected.txt"), &format!("{got:#?}\n"));
    let (body, losses) = back(&got.value);
    let losses: Vec<_> = losses
        .iter()
        .map(|loss| {
            let path = GenerateContent.client_path(&got.value, &loss.path);
            format!("{:?} {path}: {}", loss.kind, loss.reason)
        })
        .collect();
    tests_golden::assert_json(
        dir.join("request.returned.json"),
        &json!({"body": body, "losses": losses}),
    );
}

#[test]
fn every_wish_of_a_client_has_its_place_or_is_reported() {
    check("client_every_wish");
}

#[test]
fn a_conversation_with_calls_is_read_with_every_answer_at_its_call() {
    check("client_calls");
}

#[test]
fn chunks_that_an_sdk_kept_as_turns_are_one_message_again() {
    check("client_streamed_history");
}

// What google-genai 3.4 sent after it had been told `answer_foreign`, streamed.
#[test]
fn the_second_turn_of_the_python_sdk_has_every_seal_of_the_first() {
    check("client_sdk_second_turn");
}

#[test]
fn both_spellings_and_url_safe_bytes_are_read() {
    check("client_snake_case");
}

#[test]
fn a_result_without_an_id_answers_the_first_open_call_of_its_name() {
    let call = |name: &str, id: Value| json!({"functionCall": {"name": name, "id": id}});
    let result = |name: &str, id: Value, n: u8| json!({"functionResponse": {"name": name, "id": id, "response": {"n": n}}});
    let (request, losses) = read(&json!({"contents": [
        {"role": "user", "parts": [{"text": "go"}]},
        {"role": "model", "parts": [
            call("f", Value::Null), call("g", json!("own")), call("f", Value::Null),
        ]},
        {"role": "user", "parts": [
            result("g", json!("own"), 1), result("f", Value::Null, 2), result("f", Value::Null, 3),
            {"text": "and?"},
        ]},
    ]}));
    assert_eq!(losses, []);
    let calls: Vec<&ToolCall> = request.messages[1]
        .parts
        .iter()
        .map(|part| match part {
            Part::ToolCall(call) => call,
            other => panic!("{other:?}"),
        })
        .collect();
    let answers: Vec<&str> = request.messages[2..5]
        .iter()
        .map(|message| match message.parts.as_slice() {
            [Part::ToolResult(result)] if message.role == Role::Tool => &*result.call_id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(answers, [&*calls[1].id, &*calls[0].id, &*calls[2].id]);
    assert_eq!(request.message_paths[3], "contents[2].parts[1]");
    assert_eq!((request.messages[5].role, &*request.message_paths[5]), (Role::User, "contents[2]"));
    assert!(calls[0].id != calls[2].id && calls[1].id == "own");
}

#[test]
fn a_canonical_path_becomes_the_clients() {
    let (request, _) = read(&json!({
        "systemInstruction": {"parts": [{"text": "s"}]},
        "contents": [
            {"parts": [{"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
            {"role": "model", "parts": [
                {"text": "t", "thought": true}, {"text": "w"}, {"functionCall": {"name": "f"}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "f", "response": {}}}, {"text": "b"}, {"text": "c"},
            ]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f"}], "googleSearch": {}}],
    }));
    for (canonical, clients) in [
        ("messages[0].content[0].cache_control", "systemInstruction.parts[0]"),
        ("messages[1].content[1].image_url.detail", "contents[0].parts[1]"),
        ("messages[2].content[0]", "contents[1].parts[1]"),
        ("messages[2].reasoning_details", "contents[1]"),
        ("messages[2].tool_calls[0].function.arguments", "contents[1].parts[2].functionCall.args"),
        ("messages[3].tool_call_id", "contents[2].parts[0].functionResponse.id"),
        ("messages[3].content[0]", "contents[2].parts[0].functionResponse.response"),
        ("messages[4].content[1]", "contents[2].parts[2]"),
        ("messages[4].role", "contents[2].role"),
        ("tools[0].function.strict", "tools.functionDeclarations[f].strict"),
        ("tools[1]", "tools.googleSearch"),
        ("max_completion_tokens", "generationConfig.maxOutputTokens"),
        ("reasoning_effort", "generationConfig.thinkingConfig.thinkingLevel"),
        ("messages", "contents"),
        ("verbosity", "verbosity"),
    ] {
        assert_eq!(GenerateContent.client_path(&request, canonical), clients, "{canonical}");
    }
}

#[track_caller]
fn refused(body: &Value, path: &str) {
    let error = decode(body.to_string().as_bytes()).unwrap_err();
    assert_eq!(error.path(), Some(path), "{error}");
}

#[test]
fn what_does_not_fit_is_named_by_its_path() {
    let part = |part: Value| json!({"contents": [{"parts": [{"text": "a"}, part]}]});
    refused(&json!({}), "contents");
    refused(&json!({"contents": []}), "contents");
    refused(&json!({"contents": [{"role": "system", "parts": []}]}), "contents[0].role");
    refused(&json!({"contents": [{"parts": [{"text": 7}]}]}), "contents[0].parts[0].text");
    refused(
        &part(json!({"inlineData": {"data": "AAAA"}})),
        "contents[0].parts[1].inlineData.mimeType",
    );
    refused(
        &part(json!({"fileData": {"mimeType": "a/b"}})),
        "contents[0].parts[1].fileData.fileUri",
    );
    let result = json!({"functionResponse": {"name": "f", "response": {}}});
    refused(&part(result), "contents[0].parts[1].functionResponse.name");
    let call = json!({"contents": [{"role": "model", "parts": [{"functionCall": {}}]}]});
    refused(&call, "contents[0].parts[0].functionCall.name");
    let with =
        |name: &str, value: Value| json!({"contents": [{"parts": [{"text": "a"}]}], name: value});
    refused(&with("cachedContent", json!("cachedContents/1")), "cachedContent");
    let tools = json!([{"functionDeclarations": [{"description": "d"}]}]);
    refused(&with("tools", tools), "tools[0].functionDeclarations[0].name");
    let mode = json!({"functionCallingConfig": {"mode": "SOME"}});
    refused(&with("toolConfig", mode), "toolConfig.functionCallingConfig.mode");
    refused(&with("generationConfig", json!({"topK": 1.5})), "generationConfig.topK");
    refused(
        &with("generationConfig", json!({"candidateCount": 0})),
        "generationConfig.candidateCount",
    );
    let level = json!({"thinkingConfig": {"thinkingLevel": "SOME"}});
    refused(&with("generationConfig", level), "generationConfig.thinkingConfig.thinkingLevel");
    let twice = br#"{"contents":[],"contents":[]}"#;
    assert_eq!(decode(twice).unwrap_err().path(), Some("contents"));
}

#[test]
fn every_mode_of_calling_is_understood() {
    let choice = |mode: &str, names: &[&str]| {
        let config = json!({"mode": mode, "allowedFunctionNames": names});
        let body = json!({"contents": [{"parts": [{"text": "a"}]}],
            "toolConfig": {"functionCallingConfig": config}});
        read(&body).0.tool_choice
    };
    let names = || vec!["f".to_owned(), "g".to_owned()];
    assert_eq!(choice("AUTO", &[]), Some(ToolChoice::Auto));
    assert_eq!(choice("NONE", &[]), Some(ToolChoice::None));
    assert_eq!(choice("ANY", &[]), Some(ToolChoice::Required));
    assert_eq!(choice("ANY", &["f"]), Some(ToolChoice::Named("f".to_owned())));
    let allowed = |required| Some(ToolChoice::Allowed { names: names(), required });
    assert_eq!(choice("ANY", &["f", "g"]), allowed(true));
    assert_eq!(choice("VALIDATED", &["f", "g"]), allowed(false));
    assert_eq!(choice("VALIDATED", &[]), Some(ToolChoice::Auto));
}

#[test]
fn files_of_google_stay_files_and_addresses_stay_addresses() {
    let source = |uri: &str| {
        let body = json!({"contents": [{"parts": [{"fileData": {"fileUri": uri}}]}]});
        match read(&body).0.messages.remove(0).parts.remove(0) {
            Part::Image(it) | Part::Video(it) | Part::Document(it) => it.source,
            other => panic!("{other:?}"),
        }
    };
    let own = "https://generativelanguage.googleapis.com/v1beta/files/abc";
    assert_eq!(source(own), MediaSource::File(own.to_owned()));
    let url = "https://a.example/cat.png";
    assert_eq!(source(url), MediaSource::Url(url.to_owned()));
}

fn words() -> impl Strategy<Value = String> {
    "[a-zäß🦀\"\\\\ ]{1,12}"
}

fn seal() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![Just(None), Just(Some("c2VhbA==")), Just(Some("EpAI+/8="))]
}

fn with_seal(mut part: Value, seal: Option<&str>) -> Value {
    if let Some(seal) = seal {
        part["thoughtSignature"] = json!(seal);
    }
    part
}

fn user_part() -> impl Strategy<Value = Value> {
    prop_oneof![
        words().prop_map(|text| json!({"text": text})),
        Just(json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}})),
        Just(json!({"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}})),
        Just(json!({"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/film"}})),
        Just(json!({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}})),
    ]
}

fn model_part() -> impl Strategy<Value = Value> {
    prop_oneof![
        (words(), seal()).prop_map(|(text, seal)| with_seal(json!({"text": text}), seal)),
        (words(), seal())
            .prop_map(|(text, seal)| with_seal(json!({"text": text, "thought": true}), seal)),
        Just(json!({"executableCode": {"language": "PYTHON", "code": "1"}})),
        Just(json!({"executableCode": {"code": "2"}, "thoughtSignature": "c2VhbA=="})),
    ]
}

/// A turn of the user, one of the model that may call, and answers to the calls.
fn round() -> impl Strategy<Value = Vec<Value>> {
    let user = proptest::collection::vec(user_part(), 1..4);
    let model = proptest::collection::vec(model_part(), 1..4);
    let calls = proptest::collection::vec((words(), any::<bool>()), 0..3);
    (user, model, calls, any::<u32>()).prop_map(|(user, mut model, calls, id)| {
        let mut answers = Vec::new();
        for (at, (word, fails)) in calls.into_iter().enumerate() {
            let id = format!("c{id}-{at}");
            let call = json!({"functionCall": {"id": id, "name": "f", "args": {"a": word}}});
            model.push(with_seal(call, (at == 0).then_some("c2VhbA==")));
            let said = if fails { json!({"error": word}) } else { json!({"n": [1.5, word]}) };
            answers.push(json!({"functionResponse": {"id": id, "name": "f", "response": said}}));
        }
        let mut turns =
            vec![json!({"role": "user", "parts": user}), json!({"role": "model", "parts": model})];
        if !answers.is_empty() {
            turns.push(json!({"role": "user", "parts": answers}));
        }
        turns
    })
}

proptest! {
    #[test]
    fn what_gemini_can_say_comes_back_as_it_went(
        rounds in proptest::collection::vec(round(), 1..4),
        system in proptest::option::of(words()),
        (quarters, top_k, max) in (0..8_u32, 1..100_u32, 1..9999_u32),
        schema in any::<bool>(),
    ) {
        let contents: Vec<Value> = rounds.into_iter().flatten().collect();
        let mut body = json!({
            "contents": contents,
            "tools": [{"functionDeclarations": [{"name": "f", "description": "d",
                "parametersJsonSchema": {"type": "object", "properties": {"a": {"type": "string"}}}}]},
                {"googleSearch": {}}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
            "generationConfig": {
                "temperature": f64::from(quarters) / 4.0, "topK": top_k, "maxOutputTokens": max, "seed": -7,
                "stopSequences": ["x"], "candidateCount": 2, "responseLogprobs": true, "logprobs": 3,
                "responseModalities": ["TEXT", "IMAGE"], "presencePenalty": 0.5, "topP": 0.25,
                "frequencyPenalty": -0.5,
                "thinkingConfig": {"includeThoughts": true, "thinkingLevel": "HIGH"},
            },
            "serviceTier": "flex", "store": false,
        });
        if let Some(system) = system {
            body["systemInstruction"] = json!({"parts": [{"text": system}]});
        }
        if schema {
            body["generationConfig"]["responseMimeType"] = json!("application/json");
            body["generationConfig"]["responseJsonSchema"] = json!({"type": "object"});
        }
        let (request, losses) = read(&body);
        prop_assert_eq!(losses, vec![]);
        prop_assert_eq!(matches!(request.output_format, OutputFormat::JsonSchema(_)), schema);
        let (returned, losses) = back(&request);
        prop_assert_eq!(losses, vec![]);
        prop_assert_eq!(returned, body);
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
        let _ = GenerateContent.opening(&bytes);
    }

    #[test]
    fn a_damaged_request_never_panics(
        case in proptest::sample::select(
            vec!["client_every_wish", "client_calls", "client_streamed_history"],
        ),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut body = tests_golden::read(
            tests_golden::fixture("gemini").join(case).join("request.json"),
        );
        let at = at.index(body.len());
        body[at] = byte;
        let _ = decode(&body);
    }
}

#[test]
fn it_is_geminis_dialect() {
    assert_eq!(GenerateContent.dialect(), Dialect::Gemini);
}
