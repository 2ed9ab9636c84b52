//! What a client asks, and how we ask a provider the same.

use adapters_canonical::chat::{ChatRequest, Media, MediaSource, Message, Part, Role};
use adapters_canonical::dialect::{Egress, Target};
use adapters_canonical::media::MediaKind;
use adapters_openai::egress::{Compatible, OpenAi};
use adapters_openai::ingress::decode_request;
use adapters_openai::passthrough::adapt_request;
use adapters_openai::preset::PRESETS;
use serde_json::Value;

use crate::drive::fixture;

/// Compares the canonical request, what was lost on the way in, the request to the provider and
/// what was lost on the way out.
#[track_caller]
fn check(case: &str) {
    let dir = tests_golden::fixture("openai").join(case);
    let read = decode_request(&fixture(case, "request.json")).unwrap();
    tests_golden::assert_text(dir.join("canonical.expected.txt"), &format!("{read:#?}\n"));
    let target = Target { model: "upstream-1", api_version: None };
    let (body, losses) = match OpenAi.encode_request(&read.value, &target) {
        Ok(written) => {
            assert_eq!(written.value.path, "/chat/completions");
            (serde_json::from_slice(&written.value.body).unwrap(), written.losses)
        }
        Err(error) => (Value::String(error.to_string()), Vec::new()),
    };
    tests_golden::assert_json(dir.join("upstream.expected.json"), &body);
    tests_golden::assert_text(dir.join("losses.expected.txt"), &format!("{losses:#?}\n"));
}

#[test]
fn every_role_has_its_place() {
    check("request_every_role");
}

/// field 27
#[test]
fn every_wish_is_kept_or_reported() {
    check("request_every_wish");
}

#[test]
fn media_are_found_wherever_they_are() {
    check("request_media");
}

/// field 27, 30, 35
#[test]
fn a_history_of_answers_comes_back_as_it_went_out() {
    check("request_history");
}

/// field 27, 44: what each server gets of one request, and what it cannot be told.
#[test]
fn every_preset_asks_in_its_own_words_and_reports_the_rest() {
    let dir = tests_golden::fixture("openai").join("request_history");
    let body = fixture("request_history", "request.json");
    let read = decode_request(&body).unwrap().value;
    let target = Target { model: "upstream-1", api_version: None };
    for preset in PRESETS {
        let written = Compatible { quirks: preset.quirks }.encode_request(&read, &target);
        let written = written.unwrap();
        let json: Value = serde_json::from_slice(&written.value.body).unwrap();
        tests_golden::assert_json(dir.join(format!("{}.expected.json", preset.name)), &json);
        let losses: String = written
            .losses
            .iter()
            .map(|it| format!("{} {:?}: {}\n", it.path, it.kind, it.reason))
            .collect();
        tests_golden::assert_text(dir.join(format!("{}.expected.txt", preset.name)), &losses);
        // What passes through is fitted alike: no member that the server does not know is left.
        let passed = adapt_request(&body, preset.quirks).value;
        let passed: Value = serde_json::from_slice(&passed).unwrap();
        for member in
            ["store", "user", "n", "seed", "random_seed", "max_tokens", "tool_choice", "tools"]
        {
            let (ours, theirs) = (json.get(member), passed.get(member));
            assert_eq!(ours.is_some(), theirs.is_some(), "{}: {member}", preset.name);
        }
    }
}

/// What each server is asked for: the role of developers, the bound on tokens, the effort `xhigh`, the
/// tier `default`, the id of a call `call_1`, and the thought before it.
#[rustfmt::skip]
const SAID: &[(&str, &str, &str, &str, &str, &str, &str)] = &[
    ("openai",     "developer", "max_completion_tokens", "xhigh", "default",   "call_1", ""),
    ("azure",      "developer", "max_completion_tokens", "xhigh", "",          "call_1", ""),
    ("google",     "developer", "max_completion_tokens", "xhigh", "",          "call_1", ""),
    ("mistral",    "system",    "max_tokens",            "xhigh", "",          "short",  ""),
    ("groq",       "developer", "max_completion_tokens", "high",  "on_demand", "call_1", "reasoning"),
    ("deepseek",   "system",    "max_tokens",            "xhigh", "",          "call_1", "reasoning_content"),
    ("xai",        "system",    "max_completion_tokens", "xhigh", "default",   "call_1", "reasoning_content"),
    ("openrouter", "developer", "max_completion_tokens", "",      "default",   "call_1", "reasoning_details"),
    ("together",   "system",    "max_tokens",            "high",  "",          "call_1", "reasoning"),
    ("fireworks",  "system",    "max_tokens",            "high",  "default",   "call_1", "reasoning_content"),
    ("cerebras",   "developer", "max_completion_tokens", "high",  "default",   "call_1", "reasoning"),
    ("vllm",       "system",    "max_completion_tokens", "xhigh", "",          "call_1", "reasoning"),
    ("sglang",     "system",    "max_completion_tokens", "xhigh", "",          "call_1", "reasoning_content"),
    ("ollama",     "system",    "max_tokens",            "xhigh", "",          "call_1", "reasoning"),
    ("llama.cpp",  "system",    "max_tokens",            "",      "",          "call_1", "reasoning_content"),
];

#[test]
fn every_preset_has_its_own_words_for_what_was_looked_up() {
    let body = br#"{"model": "m", "max_completion_tokens": 9, "reasoning_effort": "xhigh",
        "service_tier": "default", "messages": [
        {"role": "developer", "content": "Be brief"}, {"role": "user", "content": "Look"},
        {"role": "assistant", "reasoning_content": "Hm", "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Dark"}]}"#;
    let read = decode_request(body).unwrap().value;
    let target = Target { model: "m", api_version: None };
    assert_eq!(SAID.len(), PRESETS.len());
    for (preset, said) in PRESETS.iter().zip(SAID) {
        let written = Compatible { quirks: preset.quirks }.encode_request(&read, &target).unwrap();
        let json: Value = serde_json::from_slice(&written.value.body).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let bound = ["max_tokens", "max_completion_tokens"];
        let bound = bound.iter().filter(|it| json.get(**it).is_some()).copied().collect::<String>();
        let answer = &json["messages"][2];
        let thoughts = ["reasoning", "reasoning_content", "reasoning_details"];
        let thoughts = thoughts.iter().filter(|it| answer.get(**it).is_some()).copied();
        let id = text(&answer["tool_calls"][0]["id"]);
        assert_eq!(text(&json["messages"][3]["tool_call_id"]), id, "{}", preset.name);
        let id = if id.len() == 9 { "short" } else { &id };
        let role = text(&json["messages"][0]["role"]);
        let effort = text(&json["reasoning_effort"]);
        let tier = text(&json["service_tier"]);
        let thoughts: String = thoughts.collect();
        let found = (preset.name, &*role, &*bound, &*effort, &*tier, id, &*thoughts);
        assert_eq!(found, *said);
        // What passes is fitted alike.
        let passed = adapt_request(body, preset.quirks).value;
        let passed: Value = serde_json::from_slice(&passed).unwrap();
        assert_eq!(passed["messages"][3], json["messages"][3], "{}", preset.name);
        assert_eq!(passed["messages"][0]["role"], json["messages"][0]["role"], "{}", preset.name);
    }
}

/// What each server takes at no address: pictures, documents, sounds.
#[rustfmt::skip]
const WANTED_AS_DATA: &[(&str, [bool; 3])] = &[
    ("openai",     [false, true,  true]),
    ("azure",      [false, true,  true]),
    ("google",     [true,  true,  true]),
    ("mistral",    [false, false, false]),
    ("groq",       [false, true,  true]),
    ("deepseek",   [false, true,  true]),
    ("xai",        [false, false, true]),
    ("openrouter", [false, false, true]),
    ("together",   [false, true,  true]),
    ("fireworks",  [false, true,  true]),
    ("cerebras",   [false, true,  true]),
    ("vllm",       [false, true,  true]),
    ("sglang",     [false, true,  true]),
    ("ollama",     [true,  true,  true]),
    ("llama.cpp",  [false, true,  true]),
];

#[test]
fn what_a_preset_takes_at_an_address_it_is_asked_for_there_and_all_else_is_wanted_as_data() {
    let media = |url: &str| Media {
        source: MediaSource::Url(url.to_owned()),
        mime_type: None,
        name: None,
        detail: None,
        cache: None,
    };
    let kinds = [MediaKind::Image, MediaKind::Document, MediaKind::Audio];
    let target = Target { model: "m", api_version: None };
    assert_eq!(WANTED_AS_DATA.len(), PRESETS.len());
    for (preset, (name, wanted)) in PRESETS.iter().zip(WANTED_AS_DATA) {
        let egress = Compatible { quirks: preset.quirks };
        let at = media("https://a.example/it");
        let found = kinds.map(|kind| egress.wants_data(kind, &at));
        assert_eq!((preset.name, &found), (*name, wanted));
        for (kind, wanted) in kinds.into_iter().zip(found) {
            let part = match kind {
                MediaKind::Image => Part::Image(at.clone()),
                MediaKind::Audio => Part::Audio(at.clone()),
                MediaKind::Video | MediaKind::Document => Part::Document(at.clone()),
            };
            let turn = Message { role: Role::User, parts: vec![part], name: None };
            let request = ChatRequest { messages: vec![turn], ..ChatRequest::default() };
            let asked = egress.encode_request(&request, &target);
            // Pictures at addresses are passed on all the same: nobody but the server knows.
            assert_eq!(asked.is_err(), wanted && kind != MediaKind::Image, "{name} {kind:?}");
            let Ok(asked) = asked else { continue };
            let body = String::from_utf8(asked.value.body).unwrap();
            assert!(body.contains("\"https://a.example/it\""), "{name} {kind:?}: {body}");
        }
    }
}

/// field 30, 32
#[test]
fn thoughts_that_come_back_are_neither_doubled_nor_merged() {
    check("request_thoughts");
}

#[test]
fn the_credential_is_a_bearer_token_and_marked_sensitive() {
    let (name, value) = OpenAi.credential("sk-1").unwrap();
    assert_eq!((name.as_str(), value.as_bytes()), ("authorization", b"Bearer sk-1".as_slice()));
    assert!(value.is_sensitive());
    assert!(OpenAi.credential("two\nlines").is_err());
}

#[test]
fn what_we_write_we_read_as_the_same_request() {
    for case in ["request_every_role", "request_every_wish"] {
        let first = decode_request(&fixture(case, "request.json")).unwrap().value;
        let target = Target { model: &first.model, api_version: None };
        let written = OpenAi.encode_request(&first, &target).unwrap().value;
        let second = decode_request(&written.body).unwrap().value;
        assert_eq!(format!("{:?}", first.sampling), {
            let mut sampling = second.sampling.clone();
            sampling.top_k = first.sampling.top_k;
            format!("{sampling:?}")
        });
        assert_eq!(first.tool_choice, second.tool_choice);
        assert_eq!(first.messages.len(), second.messages.len());
        assert_eq!(format!("{:?}", first.output_format), format!("{:?}", second.output_format));
        assert_eq!((first.stop, first.choices), (second.stop, second.choices));
    }
}
