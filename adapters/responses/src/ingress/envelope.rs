//! The few facts that decide where a request goes, read in one pass without building the rest.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use adapters_canonical::ingress::{Envelope, Framing};
use adapters_canonical::loss::DecodeError;
use adapters_json::read;
use adapters_json::string::Str;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Reads the whole body once: its syntax is checked throughout, its shape only where it is used
/// here. None of the members read may be there twice, lest the provider obey the other one.
///
/// # Errors
///
/// [`DecodeError::Syntax`] with line and column, or [`DecodeError::Shape`] with the path.
pub(super) fn read_envelope(body: &[u8]) -> Result<Envelope<'_>, DecodeError> {
    let json = read::text(body)?;
    let members: Members<'_> = serde_json::from_str(json).map_err(|error| {
        if error.is_data() { DecodeError::shape("$", "must be an object") } else { error.into() }
    })?;
    if let Some(twice) = members.twice {
        return Err(DecodeError::shape(twice, "is there twice"));
    }
    let model = members.model.ok_or_else(|| DecodeError::shape("model", "is missing"))?;
    let previous = string(members.previous_response_id, "previous_response_id")?;
    Ok(Envelope {
        model: model_name(model)?,
        model_span: Some(span(json, model, "model")?),
        stream: flag(members.stream, "stream")?,
        framing: Framing::Events,
        // The last event always carries it.
        include_usage: true,
        stream_options: None,
        user: string(members.user, "user")?,
        prompt_cache_key: string(members.prompt_cache_key, "prompt_cache_key")?,
        safety_identifier: string(members.safety_identifier, "safety_identifier")?,
        previous: match previous {
            Some(previous) => Some(previous),
            None => conversation(members.conversation)?,
        },
        max_tokens: members.max_output_tokens.and_then(|raw| raw.get().parse().ok()),
        metadata: members.metadata.map(|it| span(json, it, "metadata")).transpose()?,
    })
}

fn model_name(raw: &RawValue) -> Result<Cow<'_, str>, DecodeError> {
    match string(Some(raw), "model")? {
        Some(name) if name.is_empty() => Err(DecodeError::shape("model", "must not be empty")),
        Some(name) => Ok(name),
        None => Err(DecodeError::shape("model", "must be a string")),
    }
}

/// Its id, which may stand alone or in an object.
fn conversation(raw: Option<&RawValue>) -> Result<Option<Cow<'_, str>>, DecodeError> {
    #[derive(serde::Deserialize)]
    struct Conversation<'a> {
        #[serde(borrow)]
        id: Str<'a>,
    }

    let Some(raw) = raw else { return Ok(None) };
    if raw.get().starts_with('{') {
        let Conversation { id } = read::object(raw, "conversation")?;
        return Ok(Some(id.0));
    }
    string(Some(raw), "conversation")
}

fn string<'a>(
    raw: Option<&'a RawValue>,
    path: &'static str,
) -> Result<Option<Cow<'a, str>>, DecodeError> {
    let Some(raw) = raw else { return Ok(None) };
    match serde_json::from_str::<Option<Str<'a>>>(raw.get()) {
        Ok(text) => Ok(text.map(|Str(text)| text)),
        // A lone surrogate is no syntax error until somebody wants the string.
        Err(_) => Err(DecodeError::shape(path, "must be a string")),
    }
}

fn flag(raw: Option<&RawValue>, path: &'static str) -> Result<bool, DecodeError> {
    match raw.map_or("null", RawValue::get) {
        "true" => Ok(true),
        "false" | "null" => Ok(false),
        _ => Err(DecodeError::shape(path, "must be true or false")),
    }
}

fn span(json: &str, part: &RawValue, path: &'static str) -> Result<Range<usize>, DecodeError> {
    // The parser borrows from `json`, so this always succeeds; an error is better than a panic.
    read::span(json, part.get()).ok_or_else(|| DecodeError::shape(path, "cannot be located"))
}

/// The members that are looked at, unread.
#[derive(Default)]
struct Members<'a> {
    model: Option<&'a RawValue>,
    stream: Option<&'a RawValue>,
    user: Option<&'a RawValue>,
    prompt_cache_key: Option<&'a RawValue>,
    safety_identifier: Option<&'a RawValue>,
    previous_response_id: Option<&'a RawValue>,
    conversation: Option<&'a RawValue>,
    max_output_tokens: Option<&'a RawValue>,
    metadata: Option<&'a RawValue>,
    twice: Option<&'static str>,
}

impl<'a> Members<'a> {
    fn slot(&mut self, key: &str) -> Option<(&'static str, &mut Option<&'a RawValue>)> {
        Some(match key {
            "model" => ("model", &mut self.model),
            "stream" => ("stream", &mut self.stream),
            "user" => ("user", &mut self.user),
            "prompt_cache_key" => ("prompt_cache_key", &mut self.prompt_cache_key),
            "safety_identifier" => ("safety_identifier", &mut self.safety_identifier),
            "previous_response_id" => ("previous_response_id", &mut self.previous_response_id),
            "conversation" => ("conversation", &mut self.conversation),
            "max_output_tokens" => ("max_output_tokens", &mut self.max_output_tokens),
            "metadata" => ("metadata", &mut self.metadata),
            _ => return None,
        })
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Members::default();
                while let Some(key) = map.next_key::<Str<'de>>()? {
                    let Some((name, slot)) = members.slot(&key) else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    if slot.replace(map.next_value()?).is_some() {
                        members.twice = members.twice.or(Some(name));
                    }
                }
                Ok(members)
            }
        }

        from.deserialize_map(Object)
    }
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
