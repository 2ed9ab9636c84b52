//! A client's request, read whole.

use adapters_canonical::chat::{ChatRequest, StreamOptions};
use adapters_canonical::ingress::Envelope;
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use adapters_json::object::Unread;
use adapters_json::read;

use super::{contents, generation, tools};
use crate::wire::asked::Request;

/// Reads the body of `generateContent` or `streamGenerateContent`.
///
/// Consecutive turns of the model become one message, each function's answer a message of its own.
/// A schema of Google's own kind becomes JSON Schema. A member that the canonical request has no
/// words for is reported as a [`Loss`] by its path; only a part of a turn that nobody else knows
/// is kept whole.
///
/// # Errors
///
/// [`DecodeError::Syntax`] with line and column, or [`DecodeError::Shape`] with the path of what
/// did not fit, such as `contents[1].parts[0].functionResponse.name`. Content that is kept with
/// Google (`cachedContent`) cannot be left out either: it is part of the question.
pub fn decode_request(
    body: &[u8],
    envelope: &Envelope<'_>,
) -> Result<Translated<ChatRequest>, DecodeError> {
    let wire: Request<'_> = read::body(body)?;
    let mut losses = Vec::new();
    if wire.cached_content.is_some() {
        let reason = "only its own provider has the content that is kept there";
        return Err(DecodeError::shape("cachedContent", reason));
    }
    others(&wire.other, "", &mut losses);
    let contents = wire.contents.ok_or_else(|| missing("contents"))?;
    let read = contents::read(wire.system_instruction, contents, &mut losses)?;
    let (tools, tool_choice) =
        tools::read(wire.tools.unwrap_or_default(), wire.tool_config, &mut losses)?;
    let mut value = ChatRequest {
        model: envelope.model.clone().into_owned(),
        messages: read.messages,
        message_paths: read.paths,
        tools,
        tool_choice,
        service_tier: wire.service_tier.map(|tier| match &*tier {
            "standard" => "default".to_owned(),
            _ => String::from(tier),
        }),
        metadata: wire.labels.unwrap_or_default(),
        store: wire.store,
        stream: envelope.stream.then_some(StreamOptions { include_usage: true }),
        ..ChatRequest::default()
    };
    if let Some(config) = wire.generation_config {
        generation::read(config, &mut value, &mut losses)?;
    }
    Ok(Translated { value, losses })
}

pub(super) fn missing(path: impl Into<String>) -> DecodeError {
    DecodeError::shape(path, "is missing")
}

/// Reports what has no field, below `base`.
pub(super) fn others(others: &Unread<'_>, base: &str, losses: &mut Vec<Loss>) {
    for (name, _) in &others.0 {
        if base.is_empty() && &**name == "model" {
            continue;
        }
        let path =
            if base.is_empty() { (**name).to_owned() } else { format!("{base}.{}", &**name) };
        losses.push(Loss::dropped(path, "only providers of the Gemini dialect have it"));
    }
}
