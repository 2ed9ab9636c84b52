//! What of the request its answer repeats.

use std::collections::BTreeMap;
use std::fmt;

use adapters_json::string::Str;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Members that are repeated as the client wrote them, and what stands for those it did not write.
const MEMBERS: [(&str, &str); 18] = [
    ("background", "false"),
    ("frequency_penalty", "0"),
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("presence_penalty", "0"),
    ("prompt_cache_key", "null"),
    ("prompt_cache_retention", "null"),
    ("safety_identifier", "null"),
    ("temperature", "1"),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "1"),
    ("truncation", "\"disabled\""),
    ("user", "null"),
];

/// The same, ready to be written.
#[derive(Debug)]
pub(crate) struct Echo {
    /// Each member with a comma before it.
    members: Vec<u8>,
    /// The tier the client asked for, as JSON.
    tier: Vec<u8>,
}

impl Echo {
    /// Reads the request once. A body that cannot be read repeats nothing.
    pub(crate) fn of(request: &[u8]) -> Self {
        let request: Request<'_> = serde_json::from_slice(request).unwrap_or_default();
        let mut members = Vec::with_capacity(512);
        for ((name, absent), said) in MEMBERS.iter().zip(request.members) {
            member(&mut members, name);
            match said {
                Some(said) if *name == "tools" => tools(&mut members, said),
                _ => one_line(&mut members, said.map_or(absent, RawValue::get)),
            }
        }
        member(&mut members, "reasoning");
        request.reasoning.write(&mut members, [("effort", "null"), ("summary", "null")]);
        member(&mut members, "text");
        let text = [("format", r#"{"type":"text"}"#), ("verbosity", "\"medium\"")];
        request.text.write(&mut members, text);
        // Nothing is kept, whatever was asked for.
        members.extend_from_slice(br#","previous_response_id":null,"store":false"#);
        let mut tier = Vec::new();
        one_line(&mut tier, request.tier.map_or("\"auto\"", RawValue::get));
        Self { members, tier }
    }

    /// Writes the members; `tier` is the one that served the request, if that is known.
    pub(crate) fn write(&self, out: &mut Vec<u8>, tier: Option<&str>) {
        out.extend_from_slice(&self.members);
        member(out, "service_tier");
        match tier {
            Some(tier) => adapters_json::write::json(out, tier),
            None => out.extend_from_slice(&self.tier),
        }
    }
}

fn member(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Functions have members in an answer that a client may leave out.
fn tools(out: &mut Vec<u8>, said: &RawValue) {
    #[derive(Deserialize)]
    struct Tool<'a> {
        #[serde(borrow, rename = "type")]
        kind: Str<'a>,
        #[serde(flatten, borrow)]
        members: BTreeMap<&'a str, IgnoredAny>,
    }

    let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(said.get()) else {
        return one_line(out, said.get());
    };
    out.push(b'[');
    for (at, raw) in list.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let json = raw.get();
        let function = serde_json::from_str::<Tool<'_>>(json).ok();
        match (function, json.strip_suffix('}')) {
            (Some(Tool { kind, members }), Some(open)) if &*kind == "function" => {
                one_line(out, open);
                for name in ["description", "parameters", "strict"] {
                    if !members.contains_key(name) {
                        member(out, name);
                        out.extend_from_slice(b"null");
                    }
                }
                out.push(b'}');
            }
            _ => one_line(out, json),
        }
    }
    out.push(b']');
}

/// Writes JSON without the line breaks between its tokens, which would break an event.
pub(crate) fn one_line(out: &mut Vec<u8>, json: &str) {
    out.extend(json.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')));
}

#[derive(Default)]
struct Request<'a> {
    members: [Option<&'a RawValue>; MEMBERS.len()],
    reasoning: Pair<'a>,
    text: Pair<'a>,
    tier: Option<&'a RawValue>,
}

/// The two members of `reasoning` or of `text` that are repeated.
#[derive(Default)]
struct Pair<'a>([Option<&'a RawValue>; 2]);

impl Pair<'_> {
    fn write(&self, out: &mut Vec<u8>, members: [(&str, &str); 2]) {
        out.push(b'{');
        for (at, ((name, absent), said)) in members.into_iter().zip(self.0).enumerate() {
            let comma = if at > 0 { "," } else { "" };
            out.extend_from_slice(comma.as_bytes());
            out.push(b'"');
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            one_line(out, said.map_or(absent, RawValue::get));
        }
        out.push(b'}');
    }
}

impl<'de> Deserialize<'de> for Request<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Reasoning<'a> {
            #[serde(borrow)]
            effort: Option<&'a RawValue>,
            #[serde(borrow)]
            summary: Option<&'a RawValue>,
        }

        #[derive(Deserialize)]
        struct Text<'a> {
            #[serde(borrow)]
            format: Option<&'a RawValue>,
            #[serde(borrow)]
            verbosity: Option<&'a RawValue>,
        }

        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Request<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Request<'de>, A::Error> {
                let mut request = Request::default();
                while let Some(key) = map.next_key::<Str<'de>>()? {
                    match &*key {
                        "reasoning" => {
                            if let Some(Reasoning { effort, summary }) = map.next_value()? {
                                request.reasoning = Pair([effort, summary]);
                            }
                        }
                        "text" => {
                            if let Some(Text { format, verbosity }) = map.next_value()? {
                                request.text = Pair([format, verbosity]);
                            }
                        }
                        "service_tier" => request.tier = map.next_value()?,
                        key => match MEMBERS.iter().position(|(name, _)| *name == key) {
                            Some(at) => request.members[at] = map.next_value()?,
                            None => drop(map.next_value::<IgnoredAny>()?),
                        },
                    }
                }
                Ok(request)
            }
        }

        from.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn echoed(request: &str) -> Value {
        let mut out = b"{\"x\":0".to_vec();
        Echo::of(request.as_bytes()).write(&mut out, None);
        out.push(b'}');
        assert!(!out.contains(&b'\n'));
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn what_the_client_wrote_is_repeated_and_the_rest_has_openais_defaults() {
        let echo = echoed(
            "{\"model\":\"m\",\"tools\":[\n{\"type\":\"function\",\r\n\"name\":\"f\"}],
            \"instructions\":\"a\\nb\",\"temperature\":0.5,\"user\":null,\"store\":true,
            \"text\":{\"verbosity\":\"low\"},\"reasoning\":{\"effort\":\"high\"}}",
        );
        let tool = json!({"type": "function", "name": "f", "description": null,
            "parameters": null, "strict": null});
        assert_eq!(echo["tools"], json!([tool]));
        assert_eq!(echo["presence_penalty"], 0);
        assert_eq!(echo["instructions"], "a\nb");
        assert_eq!((&echo["temperature"], &echo["top_p"]), (&json!(0.5), &json!(1)));
        assert_eq!(echo["text"], json!({"format": {"type": "text"}, "verbosity": "low"}));
        assert_eq!(echo["reasoning"], json!({"effort": "high", "summary": null}));
        assert_eq!((&echo["user"], &echo["store"]), (&Value::Null, &json!(false)));
        assert_eq!(echo["service_tier"], "auto");
    }

    #[test]
    fn tools_have_every_member_that_an_answer_has() {
        let echo = echoed(
            r#"{"tools":[{"name":"f","strict":true,"parameters":{"x":1},"type":"function"},
                {"type":"web_search"},7,{}]}"#,
        );
        let function = json!({"type": "function", "name": "f", "description": null,
            "parameters": {"x": 1}, "strict": true});
        assert_eq!(echo["tools"], json!([function, {"type": "web_search"}, 7, {}]));
    }

    #[test]
    fn a_body_that_cannot_be_read_repeats_nothing() {
        for body in ["", "[]", "{\"text\":7}"] {
            let echo = echoed(body);
            assert_eq!((&echo["tool_choice"], &echo["tools"]), (&json!("auto"), &json!([])));
        }
    }
}
