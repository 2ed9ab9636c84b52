//! The few facts that decide where a request goes, read in one pass without building the rest.

use std::borrow::Cow;

use adapters_canonical::ingress::{Envelope, Framing};
use adapters_canonical::loss::DecodeError;
use adapters_json::read;
use adapters_json::string::Str;
use adapters_openai_words::envelope::{Members, string};
use serde_json::value::RawValue;

const LOOKED_AT: &[&str; 9] = &[
    "model",
    "stream",
    "user",
    "prompt_cache_key",
    "safety_identifier",
    "previous_response_id",
    "conversation",
    "max_output_tokens",
    "metadata",
];

/// Reads the whole body once: its syntax is checked throughout, its shape only where it is used
/// here. None of the members read may be there twice, lest the provider obey the other one.
///
/// # Errors
///
/// [`DecodeError::Syntax`] with line and column, or [`DecodeError::Shape`] with the path.
pub(super) fn read_envelope(body: &[u8]) -> Result<Envelope<'_>, DecodeError> {
    let members = Members::read(body, LOOKED_AT)?;
    let (model, model_span) = members.model()?;
    let previous = members.string("previous_response_id")?;
    Ok(Envelope {
        model,
        model_span: Some(model_span),
        stream: members.flag("stream")?,
        framing: Framing::Events,
        // The last event always carries it.
        include_usage: true,
        stream_options: None,
        user: members.string("user")?,
        prompt_cache_key: members.string("prompt_cache_key")?,
        safety_identifier: members.string("safety_identifier")?,
        previous: match previous {
            Some(previous) => Some(previous),
            None => conversation(members.get("conversation"))?,
        },
        max_tokens: members.count("max_output_tokens"),
        metadata: members.span("metadata")?,
    })
}

/// Its id, which may stand alone or in an object.
fn conversation(raw: Option<&str>) -> Result<Option<Cow<'_, str>>, DecodeError> {
    #[derive(serde::Deserialize)]
    struct Conversation<'a> {
        #[serde(borrow)]
        id: Str<'a>,
    }

    let Some(raw) = raw else { return Ok(None) };
    if raw.starts_with('{') {
        let raw: &RawValue = serde_json::from_str(raw)?;
        let Conversation { id } = read::object(raw, "conversation")?;
        return Ok(Some(id.0));
    }
    string(raw, "conversation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_are_found_wherever_they_stand() {
        let body = br#"{"input":[{"model":"x"}], "stream" :true,"model" : "a/b", "user":"u",
            "max_output_tokens":9,"previous_response_id":null,"conversation":{"id":"conv_1"}}"#;
        let envelope = read_envelope(body).unwrap();
        assert_eq!(envelope.model, "a/b");
        assert_eq!(&body[envelope.model_span.clone().unwrap()], br#""a/b""#);
        assert_eq!((envelope.stream, envelope.include_usage), (true, true));
        assert_eq!((envelope.user.as_deref(), envelope.max_tokens), (Some("u"), Some(9)));
        assert_eq!(envelope.previous.as_deref(), Some("conv_1"));
        let body = br#"{"model":"m","previous_response_id":"resp_1","conversation":"conv_2"}"#;
        assert_eq!(read_envelope(body).unwrap().previous.as_deref(), Some("resp_1"));
    }

    #[track_caller]
    fn refused(body: &str, path: &str, reason: &str) {
        let error = read_envelope(body.as_bytes()).unwrap_err();
        assert_eq!(error, DecodeError::shape(path, reason), "{body}");
    }

    #[test]
    fn what_decides_must_be_there_once_and_in_shape() {
        refused("[]", "$", "must be an object");
        refused("{}", "model", "is missing");
        refused(r#"{"model":""}"#, "model", "must not be empty");
        refused(r#"{"model":null}"#, "model", "must be a string");
        refused(r#"{"model":"m","stream":1}"#, "stream", "must be true or false");
        refused(r#"{"model":"m","conversation":{}}"#, "conversation.id", "is missing");
        for name in ["model", "stream", "user", "conversation", "previous_response_id"] {
            let body = format!(r#"{{"model":"m","{name}":null,"{name}":null}}"#);
            refused(&body, name, "is there twice");
        }
        let error = read_envelope(b"{\"model\":\"m\",\n\"input\":[}").unwrap_err();
        assert!(matches!(error, DecodeError::Syntax { line: 2, .. }), "{error}");
    }
}
