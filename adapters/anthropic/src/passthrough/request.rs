//! A request for a provider of this dialect: the client's own bytes.

use std::ops::Range;

use adapters_canonical::dialect::{Target, UpstreamRequest};
use adapters_canonical::ingress::Envelope;
use adapters_json::{edit, write};

use super::foreign;
use crate::egress::{COUNT_PATH, PATH, version_headers};

/// The request as it was written, but for the name of the model, and for thoughts of other
/// providers, which Anthropic would refuse.
#[must_use]
pub fn pass_request(body: &[u8], envelope: &Envelope<'_>, target: &Target<'_>) -> UpstreamRequest {
    pass(PATH, body, envelope, target)
}

/// The same for `POST /v1/messages/count_tokens`.
#[must_use]
pub fn pass_count_request(
    body: &[u8],
    envelope: &Envelope<'_>,
    target: &Target<'_>,
) -> UpstreamRequest {
    pass(COUNT_PATH, body, envelope, target)
}

fn pass(path: &str, body: &[u8], envelope: &Envelope<'_>, target: &Target<'_>) -> UpstreamRequest {
    let mut edits: Vec<(Range<usize>, Vec<u8>)> = foreign::edits(body);
    if envelope.model != target.model
        && let Some(span) = envelope.model_span.clone()
    {
        let at = edits.partition_point(|(range, _)| range.start < span.start);
        edits.insert(at, (span, write::body(&target.model)));
    }
    UpstreamRequest {
        path: path.to_owned(),
        headers: version_headers(target),
        body: if edits.is_empty() { body.to_vec() } else { edit::splice(body, &edits) },
    }
}
