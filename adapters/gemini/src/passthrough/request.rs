//! The same request for another address.

use std::borrow::Cow;
use std::ops::Range;

use adapters_canonical::dialect::{Target, UpstreamRequest};
use adapters_canonical::ingress::Envelope;
use adapters_json::{edit, read, write};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::egress::{Model, VERSION};
use crate::ingress::seal::MARK;
use crate::wire::request::NO_SIGNATURE;
use adapters_json::string::Str;

/// Asks `target` what the client asked, in the client's own bytes. A stream is always asked for as
/// events.
///
/// Only a seal that was wrapped here is changed: an earlier answer came from another provider, and
/// Gemini refuses a seal that is not its own. It becomes the sentinel that Google documents for
/// such history.
pub(crate) fn pass_request(
    body: &[u8],
    envelope: &Envelope<'_>,
    target: &Target<'_>,
) -> UpstreamRequest {
    let version = target.api_version.unwrap_or(VERSION);
    // A name that is none cannot be configured; the provider answers that there is no such model.
    let path = Model::new(target.model)
        .path(version, envelope.stream)
        .unwrap_or_else(|_| format!("/{VERSION}/models/-:generateContent"));
    let body = without_foreign_seals(body).into_owned();
    UpstreamRequest { path, headers: Vec::new(), body }
}

/// Asks `target` by another method of the same dialect, such as `countTokens`, `embedContent` or
/// `batchEmbedContents`, what the client asked. Such bodies may repeat the model's name, which must
/// be the one of the address.
#[must_use]
pub fn pass_method(method: &str, body: &[u8], target: &Target<'_>) -> UpstreamRequest {
    let (model, version) = (Model::new(target.model), target.api_version.unwrap_or(VERSION));
    let path = model
        .method(version, method)
        .unwrap_or_else(|_| format!("/{VERSION}/models/-:generateContent"));
    let mut name = Vec::new();
    write::json(&mut name, &model.full_name());
    let names = model_names(body).unwrap_or_default();
    let edits: Vec<_> = names.into_iter().map(|at| (at, name.clone())).collect();
    UpstreamRequest { path, headers: Vec::new(), body: edit::splice(body, &edits) }
}

/// Where a body says the model's name, in order.
fn model_names(body: &[u8]) -> Option<Vec<Range<usize>>> {
    let json = read::text(body).ok()?;
    let outer: Naming<'_> = serde_json::from_str(json).ok()?;
    let inner = outer.generate_content_request.and_then(|inner| inner.model);
    let each = outer.requests.iter().flatten().filter_map(|request| request.model);
    let all = outer.model.into_iter().chain(inner).chain(each);
    let mut spans: Vec<_> = all.filter_map(|raw| read::span(json, raw.get())).collect();
    spans.sort_by_key(|span| span.start);
    Some(spans)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Naming<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow, alias = "generate_content_request")]
    generate_content_request: Option<Named<'a>>,
    #[serde(borrow)]
    requests: Option<Vec<Named<'a>>>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
}

fn without_foreign_seals(body: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memmem::find(body, MARK.as_bytes()).is_none() {
        return Cow::Borrowed(body);
    }
    match foreign_seals(body) {
        Some(seals) if !seals.is_empty() => {
            let mut sentinel = Vec::new();
            write::json(&mut sentinel, NO_SIGNATURE);
            let edits: Vec<_> = seals.into_iter().map(|at| (at, sentinel.clone())).collect();
            Cow::Owned(edit::splice(body, &edits))
        }
        Some(_) | None => Cow::Borrowed(body),
    }
}

/// Where seals stand that were wrapped here, quotes included.
fn foreign_seals(body: &[u8]) -> Option<Vec<Range<usize>>> {
    let json = read::text(body).ok()?;
    let request: Request<'_> = serde_json::from_str(json).ok()?;
    let parts = request.contents.into_iter().flat_map(|content| content.parts.unwrap_or_default());
    let seals = parts.filter_map(|part| part.thought_signature).filter_map(|raw| {
        let seal: Str<'_> = serde_json::from_str(raw.get()).ok()?;
        seal.starts_with(MARK).then(|| read::span(json, raw.get()))?
    });
    Some(seals.collect())
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    contents: Vec<Content<'a>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    parts: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow, alias = "thought_signature")]
    thought_signature: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(body: &str, stream: bool) -> (String, String) {
        let envelope = Envelope { stream, ..Envelope::default() };
        let target = Target { model: "gemini-3-flash", api_version: None };
        let request = pass_request(body.as_bytes(), &envelope, &target);
        (request.path, String::from_utf8(request.body).unwrap())
    }

    #[test]
    fn the_body_stays_as_it_is_and_a_stream_is_asked_for_as_events() {
        let body = "{ \"contents\" : [] ,\"new\":1}";
        let (path, sent) = pass(body, true);
        assert_eq!(path, "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse");
        assert_eq!(sent, body);
        assert_eq!(pass(body, false).0, "/v1beta/models/gemini-3-flash:generateContent");
    }

    #[test]
    fn other_methods_name_the_model_of_their_address() {
        let target = Target { model: "e-1", api_version: Some("v1") };
        let pass = |method, body: &str| {
            let request = pass_method(method, body.as_bytes(), &target);
            (request.path, String::from_utf8(request.body).unwrap())
        };
        let batch = |name: &str| {
            format!(
                r#"{{"requests":[ {{"model":{name},"content":{{}}}},{{"content":{{"model":1}},"model" : {name}}}]}}"#
            )
        };
        let (path, body) = pass("batchEmbedContents", &batch("\"models/team/fast\""));
        assert_eq!(path, "/v1/models/e-1:batchEmbedContents");
        assert_eq!(body, batch("\"models/e-1\""));
        let count = |name: &str| format!(r#"{{"generateContentRequest":{{"model":"{name}"}}}}"#);
        assert_eq!(pass("countTokens", &count("models/x")).1, count("models/e-1"));
        assert_eq!(pass("countTokens", "{\"contents\":[]}").1, "{\"contents\":[]}");
    }

    // field 34
    #[test]
    fn a_seal_of_another_provider_becomes_the_sentinel_and_geminis_own_stays() {
        let own = r#"{"text":"a","thoughtSignature":"EpAI"}"#;
        let words = format!(r#"{{"text":"{MARK}"}}"#);
        let body = |seal: &str| {
            format!(
                r#"{{"contents":[{{"parts":[{own}, {words}]}},{{"parts":[{{"text":"t", "thought_signature" : "{seal}"}}]}}]}}"#
            )
        };
        let foreign = format!("{MARK}YW50aHJvcGljOnt9");
        assert_eq!(pass(&body(&foreign), false).1, body(NO_SIGNATURE));
    }
}
