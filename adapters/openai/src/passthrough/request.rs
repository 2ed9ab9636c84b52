//! The request, with the provider's own name of the model.

use std::ops::Range;

use adapters_canonical::ingress::Envelope;

use crate::ingress::Options;
use adapters_json::{edit, read, write};

/// Writes `body` again with `upstream_model` in place of the model's name and, if
/// `inject_usage`, with a wish for the usage in a stream whose client did not utter it. Every
/// other byte stays as it was. `envelope` must have been read from this very `body`.
#[must_use]
pub fn rewrite_request(
    body: &[u8],
    envelope: &Envelope<'_>,
    upstream_model: &str,
    inject_usage: bool,
) -> Vec<u8> {
    let mut edits: Vec<(Range<usize>, Vec<u8>)> = Vec::with_capacity(2);
    if let Some(span) = envelope.model_span.clone().filter(|_| envelope.model != upstream_model) {
        let mut name = Vec::with_capacity(upstream_model.len() + 2);
        write::json(&mut name, upstream_model);
        edits.push((span, name));
    }
    if inject_usage && envelope.stream && !envelope.include_usage {
        edits.extend(usage_wish(body, envelope));
    }
    edits.sort_by_key(|(range, _)| range.start);
    edit::splice(body, &edits)
}

/// The edit that asks for the usage.
fn usage_wish(body: &[u8], envelope: &Envelope<'_>) -> Option<(Range<usize>, Vec<u8>)> {
    let Some(span) = envelope.stream_options.clone() else {
        // Behind the model, since a member is there for certain: no comma to think about.
        let at = envelope.model_span.as_ref()?.end;
        return Some((at..at, br#","stream_options":{"include_usage":true}"#.to_vec()));
    };
    let json = std::str::from_utf8(body.get(span.clone())?).ok()?;
    if json == "null" {
        return Some((span, br#"{"include_usage":true}"#.to_vec()));
    }
    let options: Options<'_> = serde_json::from_str(json).ok()?;
    if let Some(said) = options.include_usage {
        let within = read::span(json, said.get())?;
        let said = span.start + within.start..span.start + within.end;
        return Some((said, b"true".to_vec()));
    }
    let inside = span.start + 1;
    let comma = if options.any { "," } else { "" };
    Some((inside..inside, format!(r#""include_usage":true{comma}"#).into_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::ingress::read_envelope;

    #[track_caller]
    fn check(body: &str, model: &str, inject: bool, expected: &str) {
        let envelope = read_envelope(body.as_bytes()).unwrap();
        let got = rewrite_request(body.as_bytes(), &envelope, model, inject);
        assert_eq!(String::from_utf8(got).unwrap(), expected);
    }

    #[test]
    fn only_the_model_is_replaced() {
        check(
            "{ \"x\" : [1, 2.50],\n\"model\":\t\"a\" , \"y\":\"\\u00e9\" }",
            "b/\"c\"",
            true,
            "{ \"x\" : [1, 2.50],\n\"model\":\t\"b/\\\"c\\\"\" , \"y\":\"\\u00e9\" }",
        );
    }

    #[test]
    fn a_name_that_stays_is_not_written_anew() {
        check(r#"{"model":"\u0061"}"#, "a", true, r#"{"model":"\u0061"}"#);
    }

    #[test]
    fn the_usage_is_asked_for_beside_what_else_is_asked() {
        let wish = |options: &str| format!(r#"{{"model":"a","stream":true{options}}}"#);
        let added = r#"{"model":"b","stream_options":{"include_usage":true},"stream":true}"#;
        check(&wish(""), "b", true, added);
        check(
            &wish(r#","stream_options":null"#),
            "a",
            true,
            &wish(r#","stream_options":{"include_usage":true}"#),
        );
        check(
            &wish(r#","stream_options":{ }"#),
            "a",
            true,
            &wish(r#","stream_options":{"include_usage":true }"#),
        );
        check(
            &wish(r#","stream_options":{"include_obfuscation":false}"#),
            "a",
            true,
            &wish(r#","stream_options":{"include_usage":true,"include_obfuscation":false}"#),
        );
        check(
            &wish(r#","stream_options":{"x":1, "include_usage" : false }"#),
            "a",
            true,
            &wish(r#","stream_options":{"x":1, "include_usage" : true }"#),
        );
    }

    #[test]
    fn the_usage_is_not_asked_for_where_it_is_not_wanted() {
        for (body, inject) in [
            (r#"{"model":"a","stream":true}"#, false),
            (r#"{"model":"a","stream":false}"#, true),
            (r#"{"model":"a","stream":true,"stream_options":{"include_usage":true}}"#, true),
        ] {
            check(body, "a", inject, body);
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z\"\\\\]{1,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn options() -> impl Strategy<Value = Option<Value>> {
        prop_oneof![
            Just(None),
            Just(Some(Value::Null)),
            Just(Some(json!({}))),
            Just(Some(json!({"include_usage": false}))),
            Just(Some(json!({"include_usage": null, "zz": 1}))),
            Just(Some(json!({"aa": [{}]}))),
        ]
    }

    proptest! {
        #[test]
        fn it_changes_what_it_must_and_nothing_else(
            extra in prop::collection::btree_map("[b-z]{1,8}", value(), 0..6),
            model in ".{1,12}",
            upstream in ".{1,12}",
            options in options(),
            pretty in any::<bool>(),
            inject in any::<bool>(),
        ) {
            let mut object: Map<String, Value> = extra.into_iter().collect();
            object.retain(|key, _| key != "user");
            object.insert("model".to_owned(), model.into());
            object.insert("stream".to_owned(), true.into());
            if let Some(options) = options {
                object.insert("stream_options".to_owned(), options);
            }
            let mut expected = object.clone();
            let body =
                if pretty { serde_json::to_vec_pretty(&object) } else { serde_json::to_vec(&object) };
            let body = body.unwrap();
            let envelope = read_envelope(&body).unwrap();
            let got = rewrite_request(&body, &envelope, &upstream, inject);

            expected["model"] = upstream.clone().into();
            if inject {
                let options = expected.entry("stream_options").or_insert(Value::Null);
                if options.is_null() {
                    *options = json!({});
                }
                options["include_usage"] = true.into();
            }
            let read: Map<String, Value> = serde_json::from_slice(&got).unwrap();
            prop_assert_eq!(read, expected);

            let span = envelope.model_span.unwrap();
            if !inject {
                prop_assert_eq!(&got[..span.start], &body[..span.start]);
                prop_assert!(got.ends_with(&body[span.end..]));
            }
        }
    }
}
