//! The few facts that decide where a request goes, read in one pass without building the rest.

use adapters_canonical::ingress::{Envelope, Framing};
use adapters_canonical::loss::DecodeError;
use adapters_json::object;
use adapters_json::string::Str;
use adapters_openai_words::envelope::{Members, flag};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess};
use serde_json::value::RawValue;

const LOOKED_AT: &[&str; 9] = &[
    "model",
    "stream",
    "stream_options",
    "user",
    "prompt_cache_key",
    "safety_identifier",
    "max_completion_tokens",
    "max_tokens",
    "metadata",
];

/// Reads the whole body once: its syntax is checked throughout, its shape only where it is used
/// here. None of the members read may be there twice, lest the provider obey the other one.
///
/// # Errors
///
/// [`DecodeError::Syntax`] with line and column, or [`DecodeError::Shape`] with the path.
pub(crate) fn read_envelope(body: &[u8]) -> Result<Envelope<'_>, DecodeError> {
    read_optional_envelope(body)?.ok_or_else(|| DecodeError::shape("model", "is missing"))
}

/// The same for endpoints where the model may be left out; `None` if it is.
///
/// # Errors
///
/// As for a conversation, but for that.
pub fn read_optional_envelope(body: &[u8]) -> Result<Option<Envelope<'_>>, DecodeError> {
    let members = Members::read(body, LOOKED_AT)?;
    if members.get("model").is_none() {
        return Ok(None);
    }
    let (model, model_span) = members.model()?;
    Ok(Some(Envelope {
        model,
        model_span: Some(model_span),
        stream: members.flag("stream")?,
        framing: Framing::Events,
        include_usage: members.get("stream_options").map_or(Ok(false), include_usage)?,
        stream_options: members.span("stream_options")?,
        user: members.string("user")?,
        prompt_cache_key: members.string("prompt_cache_key")?,
        safety_identifier: members.string("safety_identifier")?,
        previous: None,
        max_tokens: members.count("max_completion_tokens").or(members.count("max_tokens")),
        metadata: members.span("metadata")?,
    }))
}

fn include_usage(options: &str) -> Result<bool, DecodeError> {
    const PATH: &str = "stream_options.include_usage";
    if options == "null" {
        return Ok(false);
    }
    let options: Options<'_> = serde_json::from_str(options)
        .map_err(|_| DecodeError::shape("stream_options", "must be an object"))?;
    if options.twice {
        return Err(DecodeError::shape(PATH, "is there twice"));
    }
    flag(options.include_usage.map(RawValue::get), PATH)
}

/// `stream_options`, unread.
#[derive(Default)]
pub(crate) struct Options<'a> {
    pub(crate) include_usage: Option<&'a RawValue>,
    twice: bool,
    /// Whether there is any member at all.
    pub(crate) any: bool,
}

impl<'de> object::Members<'de> for Options<'de> {
    fn member<A: MapAccess<'de>>(&mut self, name: Str<'de>, map: &mut A) -> Result<(), A::Error> {
        self.any = true;
        if &*name == "include_usage" {
            self.twice |= self.include_usage.replace(map.next_value()?).is_some();
        } else {
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Options<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        object::read(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_are_found_wherever_they_stand() {
        let body = br#"{"messages":[{"model":"x"}], "stream" :true,"model" : "a/b", "user":"u",
            "stream_options":{"include_usage":true}}"#;
        let envelope = read_envelope(body).unwrap();
        assert_eq!(envelope.model, "a/b");
        assert_eq!(&body[envelope.model_span.clone().unwrap()], br#""a/b""#);
        assert_eq!((envelope.stream, envelope.include_usage), (true, true));
        assert_eq!(&body[envelope.stream_options.clone().unwrap()], br#"{"include_usage":true}"#);
        assert_eq!(envelope.user.as_deref(), Some("u"));
    }

    #[test]
    fn escapes_are_undone_and_the_span_still_covers_the_raw_string() {
        let body = br#"{"model":"gpt\u002d4"}"#;
        let envelope = read_envelope(body).unwrap();
        assert_eq!((&*envelope.model, envelope.model_span), ("gpt-4", Some(9..21)));
    }

    #[track_caller]
    fn refused(body: &[u8], path: &str, reason: &str) {
        assert_eq!(read_envelope(body), Err(DecodeError::shape(path, reason)));
    }

    #[test]
    fn a_second_model_cannot_be_smuggled_in() {
        refused(br#"{"model":"a","model":"b"}"#, "model", "is there twice");
        refused(br#"{"model":"a","mod\u0065l":"b"}"#, "model", "is there twice");
        refused(br#"{"model":"a","stream":true,"stream":false}"#, "stream", "is there twice");
        refused(
            br#"{"model":"a","stream_options":{"include_usage":true,"include_usage":false}}"#,
            "stream_options.include_usage",
            "is there twice",
        );
    }

    #[test]
    fn a_wrong_shape_is_named_by_its_path() {
        refused(b"[]", "$", "must be an object");
        refused(b"\"model\"", "$", "must be an object");
        refused(b"{}", "model", "is missing");
        refused(br#"{"model":null}"#, "model", "must be a string");
        refused(br#"{"model":7}"#, "model", "must be a string");
        refused(br#"{"model":""}"#, "model", "must not be empty");
        refused(br#"{"model":"\ud800"}"#, "model", "must be a string");
        refused(br#"{"model":"a","stream":"yes"}"#, "stream", "must be true or false");
        refused(br#"{"model":"a","stream_options":[]}"#, "stream_options", "must be an object");
        refused(
            br#"{"model":"a","stream_options":{"include_usage":1}}"#,
            "stream_options.include_usage",
            "must be true or false",
        );
        refused(br#"{"model":"a","user":[]}"#, "user", "must be a string");
    }

    #[test]
    fn the_strings_of_the_metadata_are_found_and_the_rest_is_for_others() {
        let of = |metadata: &str| {
            let body = format!(r#"{{"model":"a","metadata":{metadata}}}"#);
            read_envelope(body.as_bytes()).unwrap().metadata(body.as_bytes())
        };
        let entry = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mixed = r#"{"te\u0061m": "\u00fc", "n": 1, "deep": {"team": "x"}, "team": "b"}"#;
        assert_eq!(of(mixed), [entry("team", "ü"), entry("team", "b")]);
        assert_eq!(of("null"), []);
        assert_eq!(of(r#"["team"]"#), []);
        let twice = br#"{"model":"a","metadata":{},"metadata":{"team":"b"}}"#;
        refused(twice, "metadata", "is there twice");
    }

    #[test]
    fn null_is_as_good_as_absent() {
        let envelope =
            read_envelope(br#"{"model":"a","stream":null,"stream_options":null,"user":null}"#)
                .unwrap();
        assert_eq!((envelope.stream, envelope.include_usage, envelope.user), (false, false, None));
    }

    #[track_caller]
    fn broken(body: &[u8], line: usize, column: usize) {
        match read_envelope(body) {
            Err(DecodeError::Syntax { line: l, column: c, .. }) => {
                assert_eq!((l, c), (line, column));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn broken_json_is_located_even_where_nobody_looks() {
        broken(b"{\"model\":\"a\",\n \"messages\":[1,]}", 2, 16);
        broken(b"{\"model\":\"a\"} x", 1, 15);
        broken(b"{\"model\":\"a\"", 1, 12);
        broken(b"{\"x\":\"a\tb\",\"model\":\"a\"}", 1, 7);
        broken(b"", 1, 0);
        broken(b"{\"model\":\n\"\xFF\"}", 2, 2);
    }

    #[test]
    fn deep_nesting_is_no_danger() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        let body = format!(r#"{{"messages":{deep},"model":"a"}}"#);
        assert_eq!(read_envelope(body.as_bytes()).unwrap().model, "a");
    }
}
