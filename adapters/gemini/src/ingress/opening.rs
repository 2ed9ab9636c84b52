//! How a conversation begins: what stays the same while it goes on.

use adapters_canonical::ingress::Opening;
use serde::Deserialize;
use serde_json::value::RawValue;

use adapters_json::string::Str;

/// Reads a body that is a request. What has another shape counts as absent.
pub(super) fn read(body: &[u8]) -> Opening<'_> {
    let Ok(members) = serde_json::from_slice::<Members<'_>>(body) else {
        return Opening::default();
    };
    let contents: Vec<Turn<'_>> =
        members.contents.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let is_user = |turn: &&Turn<'_>| turn.role.as_deref().is_none_or(|role| role == "user");
    Opening {
        system: members.system_instruction.map(RawValue::get),
        tools: members.tools.map(RawValue::get),
        first_user_message: contents.iter().find(is_user).and_then(|turn| Some(turn.parts?.get())),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members<'a> {
    #[serde(borrow, alias = "system_instruction")]
    system_instruction: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    contents: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    role: Option<Str<'a>>,
    #[serde(borrow)]
    parts: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_stays_the_same_while_the_conversation_goes_on() {
        let short = br#"{"systemInstruction":{"parts":[{"text":"Be brief"}]},"tools":[{"a":1}],
            "contents":[{"role":"user","parts":[{"text":"Hello"}]}]}"#;
        let long = br#"{"contents":[{"parts":[{"text":"Hello"}]},{"role":"model","parts":[]},
            {"role":"user","parts":[{"text":"More"}]}],"tools":[{"a":1}],
            "system_instruction":{"parts":[{"text":"Be brief"}]},"generationConfig":{}}"#;
        let opening = read(short);
        assert_eq!(opening, read(long));
        assert_eq!(opening.system, Some(r#"{"parts":[{"text":"Be brief"}]}"#));
        assert_eq!(opening.tools, Some(r#"[{"a":1}]"#));
        assert_eq!(opening.first_user_message, Some(r#"[{"text":"Hello"}]"#));
    }

    #[test]
    fn what_has_another_shape_counts_as_absent() {
        for body in ["", "[]", r#"{"contents":7}"#, r#"{"contents":["x"]}"#, "{}"] {
            assert_eq!(read(body.as_bytes()), Opening::default(), "{body}");
        }
    }
}
