//! The names under which a turn is kept. Each is a digest that begins with who asks whom, so that nobody
//! finds what another was told, whatever the rest of the name is.

use std::fmt;

use adapters_canonical::chat::{MediaSource, Message, Part, Role, ToolCall, ToolKind};
use serde_json::{Number, Value};
use sha2::{Digest as _, Sha256};

/// Of a longer piece, so much of its beginning and of its end are looked at.
const LOOK: usize = 32 * 1024;
/// Shorter ids of calls are met again by chance, such as `call_0` of servers that count.
const SHORTEST_ID: usize = 8;

/// A digest of 128 bits. Says nothing about what it was made of.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest([u8; 16]);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// Who asks whom: the only one who finds what was kept for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scope(Digest);

impl Scope {
    /// The scope of all that makes up who asks and who is asked, such as the name of the client's key, its
    /// session, the provider and the model. What is not there is `None`, which is not the same as empty.
    #[must_use]
    pub fn of<'a>(pieces: impl IntoIterator<Item = Option<&'a [u8]>>) -> Self {
        let mut hash = Hash::new(Kind::Scope);
        for piece in pieces {
            match piece {
                Some(piece) => hash.piece(piece),
                // As if it were longer than anything.
                None => hash.number(u64::MAX),
            }
        }
        Self(hash.finish())
    }

    /// The name of the turn that made this call; `None` if other calls may be called the same.
    #[must_use]
    pub fn call(&self, id: &str) -> Option<Digest> {
        (id.len() >= SHORTEST_ID).then(|| {
            let mut hash = Hash::new(Kind::Call);
            hash.digest(self.0);
            hash.piece(id.as_bytes());
            hash.finish()
        })
    }

    /// The name of the turn that said this there.
    #[must_use]
    pub fn content(&self, context: &Context, visible: &Visible) -> Digest {
        let mut hash = Hash::new(Kind::Content);
        hash.digest(self.0);
        hash.digest(context.0);
        hash.digest(visible.digest);
        hash.finish()
    }
}

/// Where in which conversation something was said. What a model says is often the same words, and behind
/// them is another thought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Context(Digest);

impl Context {
    /// What follows after these messages. A conversation is told by its beginning (instructions and first
    /// message of the user) and by what stands between the last turn of the model and this place, so that
    /// no more than that is looked at.
    #[must_use]
    pub fn after(messages: &[Message]) -> Self {
        Self::of(opening(messages), messages)
    }

    /// The same, where the digest of the opening is known.
    pub(crate) fn of(opening: Digest, messages: &[Message]) -> Self {
        let since = messages.iter().rposition(|message| message.role == Role::Assistant);
        let since = messages.get(since.map_or(0, |at| at + 1)..).unwrap_or_default();
        let mut hash = Hash::new(Kind::Context);
        hash.digest(opening);
        since.iter().for_each(|message| hash.message(message));
        Self(hash.finish())
    }
}

/// How a conversation begins.
pub(crate) fn opening(messages: &[Message]) -> Digest {
    let mut hash = Hash::new(Kind::Opening);
    let first = messages
        .iter()
        .position(|message| !matches!(message.role, Role::System | Role::Developer))
        .map_or(messages.len(), |at| at + 1);
    let opening = messages.get(..first).unwrap_or_default();
    opening.iter().for_each(|message| hash.message(message));
    hash.finish()
}

/// What any client keeps of a turn of the model: its words and its calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Visible {
    digest: Digest,
    /// Bytes of its words, white space around them included.
    pub(crate) bytes: usize,
    empty: bool,
}

impl Visible {
    /// Of the parts of one turn, in order. How its words are divided does not count, nor the white space
    /// around them. Of its calls only the names do: their arguments, which may be long and are written in
    /// many ways, are compared when something has been found.
    pub(crate) fn of<'a>(parts: impl Iterator<Item = &'a Part>) -> Self {
        let mut saying = Saying::default();
        for part in parts {
            match part {
                Part::Text(text) => saying.words(&text.text),
                Part::ToolCall(call) => saying.call(&call.name),
                Part::Image(_)
                | Part::Audio(_)
                | Part::Video(_)
                | Part::Document(_)
                | Part::Reasoning(_)
                | Part::Refusal(_)
                | Part::ToolResult(_)
                | Part::Hosted(_)
                | Part::Opaque(_) => {}
            }
        }
        saying.finish()
    }

    /// Whether they are the same words and names of calls, be there white space around or not.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// Whether there is nothing to tell it by.
    pub(crate) fn is_empty(&self) -> bool {
        self.empty
    }
}

/// Takes what is said piece by piece, and keeps none of it.
pub(crate) struct Saying {
    words: Hash,
    calls: Hash,
    /// White space that is part of the words if more of them come.
    space: String,
    bytes: usize,
    said: bool,
    called: bool,
}

impl Default for Saying {
    fn default() -> Self {
        Self {
            words: Hash::new(Kind::Words),
            calls: Hash::new(Kind::Visible),
            space: String::new(),
            bytes: 0,
            said: false,
            called: false,
        }
    }
}

impl Saying {
    pub(crate) fn words(&mut self, words: &str) {
        self.bytes += words.len();
        let from = if self.said { words } else { words.trim_start() };
        let trimmed = from.trim_end();
        if trimmed.is_empty() {
            self.space.push_str(from);
            return;
        }
        self.said = true;
        self.words.more(self.space.as_bytes());
        self.words.more(trimmed.as_bytes());
        self.space.clear();
        self.space.push_str(from.get(trimmed.len()..).unwrap_or_default());
    }

    pub(crate) fn call(&mut self, name: &str) {
        self.calls.piece(name.as_bytes());
        self.called = true;
    }

    pub(crate) fn finish(self) -> Visible {
        let Self { words, mut calls, bytes, said, called, .. } = self;
        calls.digest(words.finish());
        Visible { digest: calls.finish(), bytes, empty: !said && !called }
    }
}

/// What is called with what, however it is written.
pub(crate) fn call_digest(call: &ToolCall) -> Digest {
    let mut hash = Hash::new(Kind::Called);
    hash.piece(call.name.as_bytes());
    match call.kind {
        ToolKind::Custom => hash.piece(call.arguments.as_bytes()),
        ToolKind::Function if call.arguments.trim().is_empty() => hash.piece(b"{}"),
        ToolKind::Function => match serde_json::from_str::<Value>(&call.arguments) {
            Ok(Value::Object(members)) if members.is_empty() => hash.piece(b"{}"),
            Ok(value) => hash.value(&value),
            Err(_) => hash.piece(call.arguments.trim().as_bytes()),
        },
    }
    hash.finish()
}

/// Keeps digests of one kind from meeting those of another.
#[derive(Clone, Copy)]
enum Kind {
    Scope = 1,
    Call,
    Content,
    Context,
    Opening,
    Visible,
    Called,
    Words,
}

struct Hash(Sha256);

impl Hash {
    fn new(kind: Kind) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([kind as u8]);
        Self(hasher)
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    fn digest(&mut self, digest: Digest) {
        self.0.update(digest.0);
    }

    /// Its length goes before it, so that two pieces never meet two others.
    fn piece(&mut self, piece: &[u8]) {
        self.number(piece.len() as u64);
        match (piece.get(..LOOK), piece.len().checked_sub(LOOK)) {
            (Some(head), Some(tail)) if tail > LOOK => {
                self.0.update(head);
                self.0.update(piece.get(tail..).unwrap_or_default());
            }
            _ => self.0.update(piece),
        }
    }

    /// More of a piece of which nobody knows how long it will be; it must be the only one.
    fn more(&mut self, more: &[u8]) {
        self.0.update(more);
    }

    fn message(&mut self, message: &Message) {
        self.number(match message.role {
            // A client may call its instructions either.
            Role::System | Role::Developer => 1,
            Role::User => 2,
            Role::Assistant => 3,
            Role::Tool => 4,
        });
        self.parts(&message.parts);
    }

    fn parts(&mut self, parts: &[Part]) {
        self.number(parts.len() as u64);
        for part in parts {
            match part {
                Part::Text(text) => self.piece(text.text.as_bytes()),
                Part::Refusal(words) => self.piece(words.as_bytes()),
                Part::Image(it) | Part::Audio(it) | Part::Video(it) | Part::Document(it) => {
                    match &it.source {
                        MediaSource::Url(source)
                        | MediaSource::Base64(source)
                        | MediaSource::File(source)
                        | MediaSource::Text(source) => self.piece(source.as_bytes()),
                    }
                }
                Part::ToolCall(call) => self.digest(call_digest(call)),
                Part::ToolResult(result) => self.parts(&result.parts),
                Part::Hosted(step) => {
                    self.piece(step.own.as_ref().map_or("", |own| own.json.get()).as_bytes());
                }
                Part::Opaque(opaque) => self.piece(opaque.json.get().as_bytes()),
                Part::Reasoning(_) => self.number(0),
            }
        }
    }

    /// Members are sorted, for so serde's map has them; a number is one however it is written.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.number(0),
            Value::Bool(is) => self.number(1 + u64::from(*is)),
            Value::Number(number) => {
                self.number(3);
                self.piece(written(number).as_bytes());
            }
            Value::String(text) => {
                self.number(4);
                self.piece(text.as_bytes());
            }
            Value::Array(values) => {
                self.number(5);
                self.number(values.len() as u64);
                values.iter().for_each(|value| self.value(value));
            }
            Value::Object(members) => {
                self.number(6);
                self.number(members.len() as u64);
                for (name, value) in members {
                    self.piece(name.as_bytes());
                    self.value(value);
                }
            }
        }
    }

    fn finish(self) -> Digest {
        let whole: [u8; 32] = self.0.finalize().into();
        let mut half = [0; 16];
        half.copy_from_slice(&whole[..16]);
        Digest(half)
    }
}

/// JavaScript writes `1.0` as `1`.
fn written(number: &Number) -> String {
    match number.as_f64() {
        Some(value) if number.is_f64() && value.fract() == 0.0 && value.abs() < 9e15 => {
            format!("{value:.0}")
        }
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(arguments: &str) -> ToolCall {
        let arguments = arguments.to_owned();
        ToolCall { name: "f".to_owned(), arguments, ..ToolCall::default() }
    }

    fn said(texts: &[&str]) -> Visible {
        let parts: Vec<_> = texts.iter().map(|text| Part::Text((*text).into())).collect();
        Visible::of(parts.iter())
    }

    #[test]
    fn a_call_is_the_same_however_its_arguments_are_written() {
        let plain = call_digest(&call(r#"{"a":1,"b":["é",null]}"#));
        for same in [r#" { "b" : ["\u00e9", null], "a": 1.0 } "#, r#"{"b":["é",null],"a":1}"#] {
            assert_eq!(call_digest(&call(same)), plain, "{same}");
        }
        for other in [r#"{"a":2,"b":["é",null]}"#, r#"{"a":1}"#, "", "{", r#"{"a":"1"}"#] {
            assert_ne!(call_digest(&call(other)), plain, "{other}");
        }
        assert_eq!(call_digest(&call("")), call_digest(&call(" {} ")));
    }

    #[test]
    fn words_are_the_same_however_they_are_divided_and_whatever_is_around_them() {
        assert_eq!(said(&["ab", "c"]).digest, said(&["abc"]).digest);
        assert_eq!(said(&["\n\nab", "c "]).digest, said(&["abc"]).digest);
        assert_eq!((said(&["\n\nab", "c "]).bytes, said(&["abc"]).bytes), (6, 3));
        assert_ne!(said(&["a bc"]).digest, said(&["abc"]).digest);
        assert!(said(&[" "]).is_empty() && said(&[]).is_empty() && !said(&["a"]).is_empty());
    }

    #[test]
    fn nobody_shares_a_name_with_anybody_else() {
        let scopes = [
            &[Some("a"), Some("b")][..],
            &[Some("ab"), Some("")],
            &[Some("ab"), None],
            &[None, Some("ab")],
            &[Some("ab")],
        ]
        .map(|pieces| Scope::of(pieces.iter().map(|piece| piece.map(str::as_bytes))));
        let mut names: Vec<_> = scopes.iter().filter_map(|it| it.call("toolu_12345")).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), scopes.len());
        assert_eq!(scopes[0].call("call_0"), None, "many are called that");
    }

    #[test]
    fn the_same_words_elsewhere_have_another_name() {
        let message =
            |role, text: &str| Message { role, parts: vec![Part::Text(text.into())], name: None };
        let after = |messages: &[(Role, &str)]| {
            let messages: Vec<_> =
                messages.iter().map(|(role, text)| message(*role, text)).collect();
            Context::after(&messages)
        };
        use Role::{Assistant, System, User};
        let plain = after(&[(System, "s"), (User, "a"), (Assistant, "x"), (User, "b")]);
        assert_eq!(plain, after(&[(System, "s"), (User, "a"), (Assistant, "y"), (User, "b")]));
        for other in [
            &[(System, "t"), (User, "a"), (Assistant, "x"), (User, "b")][..],
            &[(System, "s"), (User, "c"), (Assistant, "x"), (User, "b")],
            &[(System, "s"), (User, "a"), (Assistant, "x"), (User, "c")],
            &[(System, "s"), (User, "a"), (Assistant, "x")],
            &[(User, "a"), (Assistant, "x"), (User, "b")],
        ] {
            assert_ne!(plain, after(other));
        }
    }
}
