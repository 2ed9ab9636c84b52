//! How a conversation begins: what stays the same while it goes on.

use adapters_canonical::ingress::Opening;
use adapters_json::string::Str;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Reads a body that is a request. What has another shape counts as absent.
pub(super) fn read(body: &[u8]) -> Opening<'_> {
    let Ok(Members { tools, instructions, input }) = serde_json::from_slice(body) else {
        return Opening::default();
    };
    let (mut system, mut user) = (instructions.map(RawValue::get).filter(is_said), None);
    match input.map(RawValue::get) {
        Some(text) if text.starts_with('"') => user = Some(text),
        Some(items) => {
            let items: Vec<&RawValue> = serde_json::from_str(items).unwrap_or_default();
            for item in items {
                let Ok(Item { role, content }) = serde_json::from_str(item.get()) else { continue };
                let content = content.map(RawValue::get);
                match role.as_deref() {
                    Some("system" | "developer") => system = system.or(content),
                    Some("user") => {
                        user = content;
                        break;
                    }
                    _ => {}
                }
            }
        }
        None => {}
    }
    Opening { system, tools: tools.map(RawValue::get), first_user_message: user }
}

fn is_said(json: &&str) -> bool {
    *json != "null"
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    instructions: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    role: Option<Str<'a>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_stays_the_same_while_the_conversation_goes_on() {
        let short = br#"{"model":"m","tools":[{"a":1}],"instructions":"Be brief",
            "input":[{"role":"user","content":"Hello"}]}"#;
        let long = br#"{"tools":[{"a":1}],"instructions":"Be brief","input":[
            {"role":"user","content":"Hello"},{"type":"reasoning","id":"r","summary":[]},
            {"role":"assistant","content":"Hi"},{"role":"user","content":"More"}]}"#;
        let opening = read(short);
        assert_eq!(opening, read(long));
        assert_eq!(opening.system, Some("\"Be brief\""));
        assert_eq!(opening.tools, Some("[{\"a\":1}]"));
        assert_eq!(opening.first_user_message, Some("\"Hello\""));
    }

    #[test]
    fn the_first_messages_stand_in_for_instructions_and_a_string_for_a_message() {
        let opening = read(br#"{"input":[{"role":"developer","content":"D"}]}"#);
        assert_eq!((opening.system, opening.first_user_message), (Some("\"D\""), None));
        let opening = read(br#"{"input":"Hello","instructions":null}"#);
        assert_eq!((opening.system, opening.first_user_message), (None, Some("\"Hello\"")));
    }

    #[test]
    fn what_has_another_shape_counts_as_absent() {
        for body in ["", "[]", r#"{"input":7}"#, r#"{"input":["x"]}"#, r#"{"model":"m"}"#] {
            assert_eq!(read(body.as_bytes()), Opening::default(), "{body}");
        }
    }
}
