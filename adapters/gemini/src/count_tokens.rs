//! `countTokens`, on both sides: how many tokens would a request have?
//!
//! The Gemini API takes either bare `contents` or a whole request in `generateContentRequest`,
//! Vertex AI the members of a request side by side.

use std::borrow::Cow;

use adapters_canonical::chat::ChatRequest;
use adapters_canonical::dialect::{Target, UpstreamRequest};
use adapters_canonical::ingress::Envelope;
use adapters_canonical::loss::{DecodeError, Translated};
use adapters_canonical::operation::{CountEgress, CountIngress};
use adapters_json::{read, write};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::egress::{Model, VERSION, request};
use crate::ingress::decode_request;
use crate::passthrough;

/// `countTokens`, as clients ask for it and as providers are asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountTokens;

impl CountIngress for CountTokens {
    fn decode_request(
        &self,
        body: &[u8],
        envelope: &Envelope<'_>,
    ) -> Result<Translated<ChatRequest>, DecodeError> {
        decode(body, envelope)
    }

    fn encode_response(&self, input_tokens: u64) -> Vec<u8> {
        encode(input_tokens, None)
    }

    fn pass_request(&self, body: &[u8], _: &Envelope<'_>, target: &Target<'_>) -> UpstreamRequest {
        passthrough::pass_method("countTokens", body, target)
    }
}

impl CountEgress for CountTokens {
    fn encode_request(
        &self,
        request: &ChatRequest,
        target: &Target<'_>,
    ) -> Result<Translated<UpstreamRequest>, DecodeError> {
        encode_request(request, target)
    }

    fn decode_response(&self, body: &[u8]) -> Result<u64, DecodeError> {
        decode_response(body)
    }
}

/// Reads what a client wants counted. `envelope` is what `read_envelope` found for the address.
///
/// # Errors
///
/// [`DecodeError`] with the place that did not fit, as for `generateContent`.
pub fn decode(
    body: &[u8],
    envelope: &Envelope<'_>,
) -> Result<Translated<ChatRequest>, DecodeError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Count<'a> {
        #[serde(borrow, alias = "generate_content_request")]
        generate_content_request: Option<&'a RawValue>,
    }

    const INNER: &str = "generateContentRequest";
    let count: Count<'_> = read::body(body)?;
    let Some(inner) = count.generate_content_request else { return decode_request(body, envelope) };
    let mut decoded =
        decode_request(inner.get().as_bytes(), envelope).map_err(|error| match error {
            DecodeError::Shape { path, reason } => DecodeError::shape(below(INNER, &path), reason),
            other @ (DecodeError::Syntax { .. }
            | DecodeError::Framing(_)
            | DecodeError::Truncated) => other,
        })?;
    for loss in &mut decoded.losses {
        loss.path = Cow::Owned(below(INNER, &loss.path));
    }
    for path in &mut decoded.value.message_paths {
        *path = below(INNER, path);
    }
    Ok(decoded)
}

fn below(base: &str, path: &str) -> String {
    if path == "$" { base.to_owned() } else { format!("{base}.{path}") }
}

/// The body that tells a client how many tokens there are, and how many of them are cached.
#[must_use]
pub fn encode(total: u64, cached: Option<u64>) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Counted {
        total_tokens: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        cached_content_token_count: Option<u64>,
    }

    write::body(&Counted { total_tokens: total, cached_content_token_count: cached })
}

/// The members that have tokens; what is lost of others makes no difference.
const COUNTED: &[&str] = &["messages", "tool", "response_format"];

/// Asks `target` how many tokens `request` has.
///
/// # Errors
///
/// As for a request that is to be answered.
pub fn encode_request(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Translated<UpstreamRequest>, DecodeError> {
    let model = Model::new(target.model);
    let Translated { mut value, mut losses } = request::encode(request, target)?;
    losses.retain(|loss| COUNTED.iter().any(|path| loss.path.starts_with(path)));
    value.path = model.method(target.api_version.unwrap_or(VERSION), "countTokens")?;
    if !model.on_vertex() {
        // `{"contents": …}` becomes `{"generateContentRequest": {"model": …, "contents": …}}`.
        let mut body = br#"{"generateContentRequest":{"model":"#.to_vec();
        write::json(&mut body, &model.full_name());
        body.push(b',');
        body.extend_from_slice(value.body.get(1..).unwrap_or_default());
        body.push(b'}');
        value.body = body;
    }
    Ok(Translated { value, losses })
}

/// Reads how many tokens the provider counted.
///
/// # Errors
///
/// [`DecodeError`] if it does not say.
pub fn decode_response(body: &[u8]) -> Result<u64, DecodeError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Counted {
        total_tokens: Option<u64>,
    }

    let counted: Counted = read::body(body)?;
    counted.total_tokens.ok_or_else(|| DecodeError::shape("totalTokens", "is missing"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn envelope() -> Envelope<'static> {
        Envelope { model: Cow::Borrowed("m"), ..Envelope::default() }
    }

    #[test]
    fn a_bare_conversation_and_a_whole_request_are_both_counted() {
        let contents = json!([{"role": "user", "parts": [{"text": "hi"}]}]);
        let bare = decode(json!({"contents": contents}).to_string().as_bytes(), &envelope());
        let whole = json!({"generateContentRequest": {"model": "models/m", "contents": contents,
            "systemInstruction": {"parts": [{"text": "s"}]}, "safetySettings": []}});
        let whole = decode(whole.to_string().as_bytes(), &envelope()).unwrap();
        assert_eq!(bare.unwrap().value.messages.len(), 1);
        assert_eq!(whole.value.messages.len(), 2);
        assert_eq!(whole.value.message_paths[1], "generateContentRequest.contents[0]");
        assert_eq!(whole.losses[0].path, "generateContentRequest.safetySettings");
        let error = decode(br#"{"generateContentRequest":{}}"#, &envelope()).unwrap_err();
        assert_eq!(error.path(), Some("generateContentRequest.contents"));
    }

    #[test]
    fn each_api_is_asked_in_its_own_way() {
        let body = br#"{"contents":[{"parts":[{"text":"hi"}]}]}"#;
        let request = decode(body, &envelope()).unwrap().value;
        let ask = |model| {
            let target = Target { model, api_version: None };
            let asked = encode_request(&request, &target).unwrap().value;
            (asked.path, serde_json::from_slice::<Value>(&asked.body).unwrap())
        };
        let contents = json!([{"role": "user", "parts": [{"text": "hi"}]}]);
        let (path, body) = ask("gemini-3-flash");
        assert_eq!(path, "/v1beta/models/gemini-3-flash:countTokens");
        let whole = json!({"model": "models/gemini-3-flash", "contents": contents});
        assert_eq!(body, json!({"generateContentRequest": whole}));
        let (path, body) = ask("publishers/google/models/x");
        assert_eq!(path, "/v1beta/publishers/google/models/x:countTokens");
        assert_eq!(body, json!({"contents": contents}));
    }

    #[test]
    fn the_count_is_read_as_it_is_written() {
        assert_eq!(decode_response(&encode(31, Some(0))), Ok(31));
        assert_eq!(encode(31, Some(0)), br#"{"totalTokens":31,"cachedContentTokenCount":0}"#);
        assert_eq!(decode_response(b"{}").unwrap_err().path(), Some("totalTokens"));
    }
}
