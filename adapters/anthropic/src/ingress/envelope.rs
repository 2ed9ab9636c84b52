//! The few facts that decide where a request goes, and how its conversation begins.

use std::borrow::Cow;
use std::ops::Range;

use adapters_canonical::ingress::{Envelope, Framing, Opening};
use adapters_canonical::loss::DecodeError;
use adapters_json::read;
use adapters_json::string::{Object, Str};
use serde_json::value::RawValue;

use crate::wire::ask::{Beginning, Facts, Message, Metadata};

/// Reads the whole body once: its syntax is checked throughout, its shape only where it is used
/// here. None of the members read may be there twice, lest the provider obey the other one.
///
/// # Errors
///
/// [`DecodeError::Syntax`] with line and column, or [`DecodeError::Shape`] with the path.
pub(crate) fn read_envelope(body: &[u8]) -> Result<Envelope<'_>, DecodeError> {
    let Object(facts): Object<Facts<'_>> = read::body(body)?;
    let model = facts.model.ok_or_else(|| DecodeError::shape("model", "is missing"))?;
    let text = read::text(body)?;
    Ok(Envelope {
        model: model_name(model)?,
        model_span: Some(span(text, model, "model")?),
        stream: flag(facts.stream)?,
        framing: Framing::Events,
        // In this dialect the usage is part of every stream.
        include_usage: true,
        user: facts.metadata.map_or(Ok(None), user)?,
        max_tokens: facts.max_tokens.and_then(|raw| raw.get().parse().ok()),
        metadata: facts.metadata.map(|it| span(text, it, "metadata")).transpose()?,
        ..Envelope::default()
    })
}

/// The parser borrows from the body, so there always is a span; an error is better than a panic.
fn span(body: &str, value: &RawValue, path: &str) -> Result<Range<usize>, DecodeError> {
    read::span(body, value.get()).ok_or_else(|| DecodeError::shape(path, "cannot be located"))
}

fn user(metadata: &RawValue) -> Result<Option<Cow<'_, str>>, DecodeError> {
    let metadata: Metadata<'_> = read::object(metadata, "metadata")?;
    Ok(metadata.user_id.map(|Str(user)| user))
}

fn model_name(raw: &RawValue) -> Result<Cow<'_, str>, DecodeError> {
    match serde_json::from_str(raw.get()) {
        Ok(Str(name)) if name.is_empty() => Err(DecodeError::shape("model", "must not be empty")),
        Ok(Str(name)) => Ok(name),
        Err(_) => Err(DecodeError::shape("model", "must be a string")),
    }
}

fn flag(raw: Option<&RawValue>) -> Result<bool, DecodeError> {
    match raw.map_or("false", RawValue::get) {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(DecodeError::shape("stream", "must be true or false")),
    }
}

/// What stays the same while a conversation goes on. What has another shape counts as absent.
pub(super) fn read_opening(body: &[u8]) -> Opening<'_> {
    let Ok(Object(beginning)) = serde_json::from_slice::<Object<Beginning<'_>>>(body) else {
        return Opening::default();
    };
    let mut opening = Opening {
        system: beginning.system.map(RawValue::get),
        tools: beginning.tools.map(RawValue::get),
        first_user_message: None,
    };
    for raw in beginning.messages.unwrap_or_default() {
        let content = content(raw);
        match serde_json::from_str::<Message<'_>>(raw.get()).ok().and_then(|it| it.role) {
            Some(role) if &*role == "system" => opening.system = opening.system.or(content),
            Some(role) if &*role == "user" => {
                opening.first_user_message = content;
                break;
            }
            Some(_) | None => {}
        }
    }
    opening
}

fn content(message: &RawValue) -> Option<&str> {
    #[derive(serde::Deserialize)]
    struct Content<'a> {
        #[serde(borrow)]
        content: Option<&'a RawValue>,
    }

    serde_json::from_str::<Content<'_>>(message.get()).ok()?.content.map(RawValue::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_are_found_wherever_they_stand() {
        let body = br#"{"messages":[{"model":"x"}], "stream" :true,"max_tokens":64,
            "metadata":{"user_id":"u"},"model" : "a/\u0062"}"#;
        let envelope = read_envelope(body).unwrap();
        assert_eq!(
            (&*envelope.model, envelope.stream, envelope.include_usage),
            ("a/b", true, true)
        );
        assert_eq!(&body[envelope.model_span.clone().unwrap()], br#""a/\u0062""#);
        assert_eq!((envelope.user.as_deref(), envelope.max_tokens), (Some("u"), Some(64)));
        assert_eq!(envelope.metadata(body), [("user_id".to_owned(), "u".to_owned())]);
    }

    #[track_caller]
    fn refused(body: &str, path: &str, reason: &str) {
        assert_eq!(read_envelope(body.as_bytes()), Err(DecodeError::shape(path, reason)), "{body}");
    }

    #[test]
    fn a_second_model_cannot_be_smuggled_in() {
        refused(r#"{"model":"a","model":"b"}"#, "model", "is there twice");
        refused(r#"{"model":"a","mod\u0065l":"b"}"#, "model", "is there twice");
        refused(r#"{"model":"a","stream":true,"stream":false}"#, "stream", "is there twice");
        let twice = r#"{"model":"a","metadata":{"user_id":"u","user_id":"v"}}"#;
        refused(twice, "metadata.user_id", "is there twice");
        let twice = r#"{"model":"a","metadata":{},"metadata":{"user_id":"v"}}"#;
        refused(twice, "metadata", "is there twice");
    }

    #[test]
    fn a_wrong_shape_is_named_by_its_path() {
        refused("[]", "$", "invalid type, expected an object");
        refused("{}", "model", "is missing");
        refused(r#"{"model":null}"#, "model", "is missing");
        refused(r#"{"model":7}"#, "model", "must be a string");
        refused(r#"{"model":""}"#, "model", "must not be empty");
        refused(r#"{"model":"a","stream":"yes"}"#, "stream", "must be true or false");
        let broken = read_envelope(b"{\"model\":\"a\",\n \"messages\":[1,]}");
        assert!(
            matches!(broken, Err(DecodeError::Syntax { line: 2, column: 16, .. })),
            "{broken:?}"
        );
    }

    #[test]
    fn null_is_as_good_as_absent() {
        let body = br#"{"model":"a","stream":null,"metadata":null,"max_tokens":null}"#;
        let envelope = read_envelope(body).unwrap();
        assert_eq!((envelope.stream, envelope.user, envelope.max_tokens), (false, None, None));
    }

    #[test]
    fn deep_nesting_is_no_danger() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        let body = format!(r#"{{"messages":{deep},"model":"a"}}"#);
        assert_eq!(read_envelope(body.as_bytes()).unwrap().model, "a");
    }

    #[test]
    fn the_beginning_stays_the_same_while_the_conversation_goes_on() {
        let short = br#"{"model":"m","system":"Be brief","tools":[{"a":1}],"messages":[
            {"role":"user","content":"Hello"}]}"#;
        let long = br#"{"tools":[{"a":1}],"messages":[{"content":"Hello","role":"user"},
            {"role":"assistant","content":"Hi"},{"role":"user","content":"More"}],
            "system":"Be brief","model":"m"}"#;
        let opening = read_opening(short);
        assert_eq!(opening, read_opening(long));
        assert_eq!(opening.system, Some("\"Be brief\""));
        assert_eq!(opening.tools, Some("[{\"a\":1}]"));
        assert_eq!(opening.first_user_message, Some("\"Hello\""));
        for body in ["", "[]", r#"{"messages":7}"#, r#"{"messages":["x"]}"#, r#"{"model":"m"}"#] {
            assert_eq!(read_opening(body.as_bytes()), Opening::default(), "{body}");
        }
    }
}
