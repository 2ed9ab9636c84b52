//! What a client asks, and how we ask a provider the same.

use adapters_canonical::dialect::{Egress, Target};
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
