//! How a conversation begins: what stays the same while it goes on.

use std::fmt;

use adapters_canonical::ingress::Opening;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use adapters_json::object;
use adapters_json::string::Str;

/// Reads a body that is a request. What has another shape counts as absent.
pub(super) fn read(body: &[u8]) -> Opening<'_> {
    let Ok(Members { tools, messages }) = serde_json::from_slice(body) else {
        return Opening::default();
    };
    let Messages { system, user } = messages.unwrap_or_default();
    let [system, tools, first_user_message] = [system, tools, user].map(|it| it.map(RawValue::get));
    Opening { system, tools, first_user_message }
}

#[derive(Default)]
struct Members<'a> {
    tools: Option<&'a RawValue>,
    messages: Option<Messages<'a>>,
}

#[derive(Default)]
struct Messages<'a> {
    system: Option<&'a RawValue>,
    user: Option<&'a RawValue>,
}

#[derive(Default)]
struct Message<'a> {
    role: Option<Str<'a>>,
    content: Option<&'a RawValue>,
}

impl<'de> object::Members<'de> for Members<'de> {
    fn member<A: MapAccess<'de>>(&mut self, name: Str<'de>, map: &mut A) -> Result<(), A::Error> {
        match &*name {
            "tools" => self.tools = Some(map.next_value()?),
            "messages" => self.messages = Some(map.next_value()?),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        object::read(from)
    }
}

impl<'de> Deserialize<'de> for Messages<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Messages<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut found = Messages::default();
                while found.user.is_none() {
                    let Some(Message { role, content }) = list.next_element()? else { break };
                    match role.as_deref() {
                        Some("system" | "developer") => found.system = found.system.or(content),
                        Some("user") => found.user = content,
                        _ => {}
                    }
                }
                // The rest of a long conversation is passed over, not read.
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(found)
            }
        }

        from.deserialize_seq(List)
    }
}

impl<'de> object::Members<'de> for Message<'de> {
    fn member<A: MapAccess<'de>>(&mut self, name: Str<'de>, map: &mut A) -> Result<(), A::Error> {
        match &*name {
            "role" => self.role = Some(map.next_value()?),
            "content" => self.content = Some(map.next_value()?),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Message<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        object::read(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_stays_the_same_while_the_conversation_goes_on() {
        let short = br#"{"model":"m","tools":[{"a":1}],"messages":[
            {"role":"system","content":"Be brief"},{"role":"user","content":"Hello"}]}"#;
        let long = br#"{"tools":[{"a":1}],"messages":[
            {"role":"system","content":"Be brief"},{"content":"Hello","role":"user"},
            {"role":"assistant","content":"Hi"},{"role":"user","content":"More"}],"model":"m"}"#;
        let opening = read(short);
        assert_eq!(opening, read(long));
        assert_eq!(opening.system, Some("\"Be brief\""));
        assert_eq!(opening.tools, Some("[{\"a\":1}]"));
        assert_eq!(opening.first_user_message, Some("\"Hello\""));
    }

    #[test]
    fn what_has_another_shape_counts_as_absent() {
        for body in ["", "[]", r#"{"messages":7}"#, r#"{"messages":["x"]}"#, r#"{"model":"m"}"#] {
            assert_eq!(read(body.as_bytes()), Opening::default(), "{body}");
        }
    }
}
