//! Thoughts, both ways, in the one shape that `reasoning_details` has here, whoever thought them
//! (field 35).
//!
//! | member      | says                                                                       |
//! |-------------|----------------------------------------------------------------------------|
//! | `type`      | `reasoning.encrypted` if there is `data`, else `reasoning.text`            |
//! | `text`      | the words                                                                  |
//! | `signature` | the provider's seal                                                        |
//! | `data`      | the thought enciphered                                                     |
//! | `id`        | the provider's name for it                                                 |
//! | `format`    | whose seal or cipher it is: see [`format`]                                 |
//! | `index`     | its place; what is streamed under one index is one thought                 |
//!
//! A thought is one object, however much of this it has: SDKs that put a stream together merge
//! objects of one index, text to text. Providers are also read in the form OpenRouter gives thoughts
//! of the Responses API, a `reasoning.summary` and a `reasoning.encrypted` under one index.
//!
//! The seal that Gemini puts on words of the answer has no place in `content`. It travels as a
//! thought without words whose `id` is [`CONTENT`], and goes back to the words it came with.

use adapters_canonical::chat::{Part, Thought};
use adapters_canonical::dialect::Dialect;
use serde::Serialize;

use crate::wire::content::ReasoningDetail;

/// The `id` of what is no thought but the seal on the message's content.
pub(crate) const CONTENT: &str = "content";

/// A thought as it is written.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Detail<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
}

impl<'a> Detail<'a> {
    pub(crate) fn of(thought: &'a Thought, index: u32) -> Self {
        let (data, text) = (thought.redacted.as_deref(), thought.text.as_str());
        let (kind, text) = match data {
            Some(_) => ("reasoning.encrypted", Some(text).filter(|text| !text.is_empty())),
            None => ("reasoning.text", Some(text)),
        };
        let (signature, id) = (thought.signature.as_deref(), thought.id.as_deref());
        Self { kind, index, text, data, signature, id, format: Some(format(thought.origin)) }
    }

    /// Whether there is anything to say of a streamed thought before its words.
    pub(crate) fn names(thought: &Thought) -> bool {
        let whose = thought.origin.is_some_and(|it| it != Dialect::OpenAi);
        thought.id.is_some() || whose
    }

    /// What is said of a streamed thought before its words: whose it is, and its name.
    pub(crate) fn opening(thought: &'a Thought, index: u32) -> Self {
        Self { text: Some(""), data: None, signature: None, ..Self::of(thought, index) }
    }

    /// What is said of it after its words; an object of one index says each member once.
    pub(crate) fn closing(thought: &'a Thought, index: u32, opened: bool) -> Self {
        let whole = Self::of(thought, index);
        if opened { Self { id: None, format: None, ..whole } } else { whole }
    }

    /// The seal on the message's content.
    pub(crate) fn content_seal(signature: &'a str, index: u32) -> Self {
        Self {
            kind: "reasoning.text",
            index,
            text: Some(""),
            data: None,
            signature: Some(signature),
            id: Some(CONTENT),
            format: Some(format(Some(Dialect::Gemini))),
        }
    }
}

/// Whether it must be sent back unchanged, so that its words alone do not do.
pub(crate) fn is_bound(thought: &Thought) -> bool {
    thought.signature.is_some() || thought.redacted.is_some() || thought.id.is_some()
}

/// Gives the seal on the content back to its words; without any it is a thought without words.
pub(crate) fn seal_content(parts: &mut Vec<Part>, seal: Option<String>) {
    match (parts.last_mut(), seal) {
        (_, None) => {}
        (Some(Part::Text(text)), seal) => text.signature = seal,
        (_, signature) => {
            let origin = Some(Dialect::Gemini);
            parts.push(Part::Reasoning(Thought { signature, origin, ..Thought::default() }));
        }
    }
}

/// OpenRouter's words for whose seal it is.
pub(crate) fn format(origin: Option<Dialect>) -> &'static str {
    match origin {
        Some(Dialect::Anthropic) => "anthropic-claude-v1",
        Some(Dialect::Gemini) => "google-gemini-v1",
        Some(Dialect::Responses) => "openai-responses-v1",
        Some(Dialect::OpenAi) | None => "unknown",
    }
}

/// An SDK that puts a stream together may have written the word twice, hence the beginning only.
pub(crate) fn origin(format: Option<&str>) -> Option<Dialect> {
    let format = format?;
    [
        ("anthropic-claude", Dialect::Anthropic),
        ("google-gemini", Dialect::Gemini),
        ("openai-responses", Dialect::Responses),
        ("azure-openai-responses", Dialect::Responses),
        ("xai-responses", Dialect::Responses),
    ]
    .into_iter()
    .find_map(|(prefix, dialect)| format.starts_with(prefix).then_some(dialect))
}

/// Whether a detail is of a kind we know.
pub(crate) fn is_known(detail: &ReasoningDetail<'_>) -> bool {
    matches!(&*detail.kind, "reasoning.text" | "reasoning.encrypted" | "reasoning.summary")
}

/// Thoughts that came as details, and words that came beside them. Where both are there they say
/// the same, and only the details carry the seals (field 32).
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    thoughts: Vec<(Option<u32>, Thought)>,
    /// The seal on the message's content.
    pub(crate) content_seal: Option<String>,
}

impl Gathered {
    pub(crate) fn add(&mut self, detail: ReasoningDetail<'_>) {
        let text = detail.text.or(detail.summary).unwrap_or_default();
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (signature, redacted, id) =
            (some(detail.signature), some(detail.data), some(detail.id));
        if id.as_deref() == Some(CONTENT) && signature.is_some() {
            self.content_seal = signature;
            return;
        }
        let origin = origin(detail.format.as_deref());
        let thought = Thought { text, signature, redacted, origin, id };
        match self.thoughts.last_mut() {
            Some((index, last)) if index.is_some() && *index == detail.index => {
                merge(last, thought);
            }
            Some(_) | None => self.thoughts.push((detail.index, thought)),
        }
    }

    /// All thoughts in order. `words` is what stood beside the details.
    pub(crate) fn parts(self, words: Option<String>) -> Vec<Part> {
        let says = |thought: &Thought| !thought.text.is_empty() || is_bound(thought);
        let thoughts = self.thoughts.into_iter().map(|(_, thought)| thought);
        let mut thoughts: Vec<Thought> = thoughts.filter(says).collect();
        let text = words.unwrap_or_default();
        match thoughts.as_mut_slice() {
            [] if text.is_empty() => {}
            [] => thoughts.push(Thought { text, ..Thought::default() }),
            // A seal beside the words.
            [only] if only.text.is_empty() && only.redacted.is_none() => only.text = text,
            _ => {}
        }
        thoughts.into_iter().map(Part::Reasoning).collect()
    }
}

fn merge(thought: &mut Thought, more: Thought) {
    thought.text.push_str(&more.text);
    thought.signature = more.signature.or(thought.signature.take());
    thought.redacted = more.redacted.or(thought.redacted.take());
    thought.origin = more.origin.or(thought.origin);
    thought.id = more.id.or(thought.id.take());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(json: &str) -> Vec<Part> {
        let details: Vec<ReasoningDetail<'_>> = serde_json::from_str(json).unwrap();
        let mut gathered = Gathered::default();
        details.into_iter().for_each(|detail| gathered.add(detail));
        gathered.parts(None)
    }

    /// field 35
    #[test]
    fn every_thought_comes_back_as_it_went_out() {
        let origins =
            [None, Some(Dialect::Anthropic), Some(Dialect::Gemini), Some(Dialect::Responses)];
        let some = |text: &str| Some(text.to_owned());
        for origin in origins {
            for (text, signature, redacted, id) in [
                ("words", None, None, None),
                ("words", some("seal"), None, None),
                ("", some("seal"), None, None),
                ("", None, some("cipher"), None),
                ("summary", None, some("cipher"), some("rs_1")),
                ("", None, some("cipher"), some("rs_1")),
                ("summary", None, None, some("rs_1")),
            ] {
                let thought = Thought { text: text.to_owned(), signature, redacted, origin, id };
                let details = [Detail::of(&thought, 0), Detail::of(&thought, 1)];
                let json = serde_json::to_string(&details).unwrap();
                match gather(&json).as_slice() {
                    [Part::Reasoning(a), Part::Reasoning(b)] => {
                        assert_eq!((a, b), (&thought, &thought), "{json}");
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    #[test]
    fn pieces_of_one_index_are_one_thought() {
        let parts = gather(
            r#"[{"type":"reasoning.summary","summary":"a","index":0,"id":"rs_1"},
                {"type":"reasoning.encrypted","data":"c","index":0,"format":"openai-responses-v1"},
                {"type":"reasoning.text","text":"b","index":1},
                {"type":"reasoning.text","signature":"s","index":1,"format":"anthropic-claude-v1"}]"#,
        );
        match parts.as_slice() {
            [Part::Reasoning(first), Part::Reasoning(second)] => {
                assert_eq!(first.redacted.as_deref(), Some("c"));
                assert_eq!((first.text.as_str(), first.id.as_deref()), ("a", Some("rs_1")));
                assert_eq!(first.origin, Some(Dialect::Responses));
                assert_eq!((second.text.as_str(), second.signature.as_deref()), ("b", Some("s")));
            }
            other => panic!("{other:?}"),
        }
    }
}
