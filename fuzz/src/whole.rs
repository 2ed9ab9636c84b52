//! Whole answers and requests: of conversations, counts and vectors.

use adapters_canonical::dialect::{AnswerContext, Target};
use adapters_canonical::embedding::EmbeddingRequest;
use adapters_canonical::ingress::Asked;

use crate::{Both, DIALECTS, is_json};

const TARGET: Target<'static> = Target { model: "upstream", api_version: None };

/// A whole answer is read or refused; what is read is written as valid JSON for every client; and
/// what it cost is the same if the rest is not read.
pub fn answer(dialect: &Both, input: &[u8]) {
    let provider = dialect.provider;
    let _ = provider.decode_error(400, &Default::default(), input);
    let usage = dialect.client.read_usage(input);
    let _ = dialect.client.read_kept_id(input);
    if let Ok(answer) = provider.decode_response(input) {
        let read = answer.value.usage.clone().unwrap_or_default();
        assert_eq!(usage.unwrap_or_default(), read, "what it cost");
        for client in DIALECTS {
            let written = client.client.encode_response(&answer.value, &AnswerContext::default());
            is_json(&written.value, "an answer");
        }
    }
    count_or_vectors(dialect, input);
}

fn count_or_vectors(dialect: &Both, input: &[u8]) {
    let count = dialect.provider.counting().map(|counting| counting.decode_response(input));
    if let Some(Ok(count)) = count {
        for client in DIALECTS.iter().filter_map(|client| client.counts) {
            is_json(&client.encode_response(count), "a count");
        }
    }
    let vectors = dialect.provider.embedding().map(|embedding| embedding.decode_response(input));
    if let Some(Ok(vectors)) = vectors {
        let asked = EmbeddingRequest::default();
        for client in DIALECTS.iter().flat_map(|client| client.embeds) {
            is_json(&client.encode_response(&asked, &vectors), "an answer of vectors");
        }
    }
    for client in dialect.embeds {
        let _ = client.read_usage(input);
    }
}

/// A request is read or refused with a place, and what is read is said to every provider as valid
/// JSON, or refused.
pub fn request(dialect: &Both, input: &[u8]) {
    let client = dialect.client;
    let asked = Asked { model: Some("m"), ..Asked::default() };
    let _ = client.opening(input);
    let Ok(envelope) = client.read_envelope(&asked, input) else { return };
    let _ = envelope.metadata(input);
    is_json(&client.pass_request(input, &envelope, &TARGET, true).body, "a passing request");
    if let Ok(request) = client.decode_request(input, &envelope) {
        for provider in DIALECTS.map(|dialect| dialect.provider) {
            let Ok(written) = provider.encode_request(&request.value, &TARGET) else { continue };
            is_json(&written.value.body, "a request");
        }
    }
    if let Some(counts) = dialect.counts {
        is_json(&counts.pass_request(input, &envelope, &TARGET).body, "a passing count");
        let request = counts.decode_request(input, &envelope);
        let providers = DIALECTS.iter().filter_map(|dialect| dialect.provider.counting());
        for provider in providers.filter(|_| request.is_ok()) {
            let Ok(request) = &request else { continue };
            let Ok(written) = provider.encode_request(&request.value, &TARGET) else { continue };
            is_json(&written.value.body, "a wish for a count");
        }
    }
    for embeds in dialect.embeds {
        is_json(&embeds.pass_request(input, &envelope, &TARGET).body, "a passing wish for vectors");
        let Ok(request) = embeds.decode_request(input, &envelope) else { continue };
        let providers = DIALECTS.iter().filter_map(|dialect| dialect.provider.embedding());
        for provider in providers {
            let Ok(written) = provider.encode_request(&request.value, &TARGET) else { continue };
            is_json(&written.value.body, "a wish for vectors");
        }
    }
}
