//! The few facts that decide where a request goes, read in one pass without building the rest.

use std::borrow::Cow;
use std::fmt;

use adapters_canonical::ingress::{Asked, Envelope, Framing};
use adapters_canonical::loss::DecodeError;
use adapters_json::read;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use adapters_json::string::Str;

/// Reads the address, and the whole body once: its syntax is checked throughout. Of its members
/// only the bound on the answer and the labels are looked at.
pub(super) fn read_envelope<'a>(
    asked: &Asked<'a>,
    body: &'a [u8],
) -> Result<Envelope<'a>, DecodeError> {
    let model = asked.model.unwrap_or_default();
    let model = model.strip_prefix("models/").unwrap_or(model);
    if model.is_empty() {
        return Err(DecodeError::shape("model", "is missing in the address"));
    }
    let Body { config, labels } = whole(body)?;
    Ok(Envelope {
        model: Cow::Borrowed(model),
        stream: asked.stream,
        framing: framing(asked),
        include_usage: true,
        max_tokens: config.and_then(max_tokens),
        metadata: labels.and_then(|labels| read::span(read::text(body).ok()?, labels.get())),
        ..Envelope::default()
    })
}

fn whole(body: &[u8]) -> Result<Body<'_>, DecodeError> {
    serde_json::from_str(read::text(body)?).map_err(|error| {
        if !error.is_data() {
            return error.into();
        }
        let text = error.to_string();
        let twice = |name: &str| text.starts_with(&format!("duplicate field `{name}`"));
        match ["generationConfig", "labels"].into_iter().find(|name| twice(name)) {
            Some(name) => DecodeError::shape(name, "is there twice"),
            None => DecodeError::shape("$", "must be an object"),
        }
    })
}

/// A stream is one JSON array unless the query has `alt=sse`.
fn framing(asked: &Asked<'_>) -> Framing {
    let sse =
        asked.query.split('&').any(|pair| matches!(pair, "alt=sse" | "$alt=sse" | "%24alt=sse"));
    if asked.stream && !sse { Framing::JsonArray } else { Framing::Events }
}

/// An estimate starts from it; whether it is right is for others to say.
fn max_tokens(config: &RawValue) -> Option<u64> {
    let MaxTokens(raw) = serde_json::from_str(config.get()).ok()?;
    raw?.get().parse().ok()
}

/// What is looked at, unread: `generationConfig` and `labels`.
#[derive(Default)]
struct Body<'a> {
    config: Option<&'a RawValue>,
    labels: Option<&'a RawValue>,
}

/// `maxOutputTokens`, unread.
struct MaxTokens<'a>(Option<&'a RawValue>);

fn member<'de, A: MapAccess<'de>>(
    mut map: A,
    names: [&'static str; 2],
) -> Result<Option<&'de RawValue>, A::Error> {
    let mut found = None;
    while let Some(key) = map.next_key::<Str<'de>>()? {
        if !names.contains(&&*key) {
            map.next_value::<IgnoredAny>()?;
        } else if found.replace(map.next_value()?).is_some() {
            return Err(de::Error::duplicate_field(names[0]));
        }
    }
    Ok(found)
}

impl<'de> Deserialize<'de> for Body<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Members)
    }
}

impl<'de> Deserialize<'de> for MaxTokens<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Member(["maxOutputTokens", "max_output_tokens"])).map(Self)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Body<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body<'de>, A::Error> {
        let mut body = Body::default();
        while let Some(key) = map.next_key::<Str<'de>>()? {
            let (name, place) = match &*key {
                "generationConfig" | "generation_config" => ("generationConfig", &mut body.config),
                "labels" => ("labels", &mut body.labels),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if place.replace(map.next_value()?).is_some() {
                return Err(de::Error::duplicate_field(name));
            }
        }
        Ok(body)
    }
}

struct Member([&'static str; 2]);

impl<'de> Visitor<'de> for Member {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        member(map, self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(
        model: &'a str,
        stream: bool,
        query: &'a str,
        body: &'a str,
    ) -> Result<Envelope<'a>, DecodeError> {
        read_envelope(&Asked { model: Some(model), stream, query }, body.as_bytes())
    }

    #[test]
    fn the_address_names_the_model_and_says_how_to_stream() {
        let envelope = read("team/fast", true, "key=k&alt=sse", "{}").unwrap();
        assert_eq!((&*envelope.model, envelope.model_span.clone()), ("team/fast", None));
        assert_eq!((envelope.stream, envelope.framing), (true, Framing::Events));
        assert!(envelope.include_usage, "usage is always part of the stream");
        assert_eq!(read("models/m", true, "alt=json", "{}").unwrap().framing, Framing::JsonArray);
        assert_eq!(read("m", true, "", "{}").unwrap().framing, Framing::JsonArray);
        assert_eq!(read("m", false, "", "{}").unwrap().framing, Framing::Events);
    }

    #[test]
    fn the_labels_are_the_metadata() {
        let body = r#"{"contents":[],"labels":{"team":"a","size":3}}"#;
        let envelope = read("m", false, "", body).unwrap();
        assert_eq!(envelope.metadata(body.as_bytes()), [("team".to_owned(), "a".to_owned())]);
        let none = read("m", false, "", r#"{"labels":null}"#).unwrap();
        assert_eq!(none.metadata(br#"{"labels":null}"#), []);
    }

    #[test]
    fn the_bound_on_the_answer_is_found_by_both_names() {
        for body in [
            r#"{"generationConfig":{"maxOutputTokens":7},"contents":[]}"#,
            r#"{"generation_config":{"topK":1,"max_output_tokens":7}}"#,
        ] {
            assert_eq!(read("m", false, "", body).unwrap().max_tokens, Some(7), "{body}");
        }
        for body in [
            "{}",
            r#"{"generationConfig":null}"#,
            r#"{"generationConfig":{"maxOutputTokens":"x"}}"#,
        ] {
            assert_eq!(read("m", false, "", body).unwrap().max_tokens, None, "{body}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let path = |result: Result<Envelope<'_>, DecodeError>| {
            result.unwrap_err().path().map(str::to_owned)
        };
        assert_eq!(path(read("", false, "", "{}")).as_deref(), Some("model"));
        assert_eq!(path(read("m", false, "", "[]")).as_deref(), Some("$"));
        let twice = r#"{"generationConfig":{},"generation_config":{}}"#;
        assert_eq!(path(read("m", false, "", twice)).as_deref(), Some("generationConfig"));
        let twice = r#"{"labels":{},"labels":{"team":"a"}}"#;
        assert_eq!(path(read("m", false, "", twice)).as_deref(), Some("labels"));
        let error = read("m", false, "", "{\"contents\":[1,]}").unwrap_err();
        assert!(matches!(error, DecodeError::Syntax { line: 1, column: 16, .. }), "{error:?}");
    }
}
