//! One answer of a stream: which of its parts are open.

use adapters_canonical::chat::ToolKind;
use adapters_canonical::delta::{Delta, PartKind};

use super::Parts;
use crate::egress::response::generated_id;
use crate::wire::answer::Message;
use crate::wire::content::{Content, FunctionCall, Part as WirePart, ReasoningDetail, ToolCall};

/// What is known of one answer.
#[derive(Debug)]
pub(super) struct ChoiceState {
    pub(super) index: u32,
    pub(super) finished: bool,
    /// The text, thought or refusal that is being said.
    open: Option<(u32, Words)>,
    calls: Vec<Call>,
    /// What was said while calls were open: parts of one answer must not overlap, so it waits
    /// until the calls have ended.
    waiting: Vec<(Words, String)>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Words {
    Text,
    Thought,
    Refusal,
}

#[derive(Debug)]
struct Call {
    /// The provider's own index of it.
    key: Key,
    id: String,
    /// Whether the provider named it, so that another id under the same index is another call.
    own_id: bool,
    kind: ToolKind,
    /// Its number, once its name is known.
    part: Option<u32>,
    /// Arguments that came before the name.
    early: String,
    open: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Key {
    Index(u32),
    Nameless,
    Legacy,
}

/// One fragment, whatever form it came in.
struct Fragment {
    key: Key,
    id: Option<String>,
    name: Option<String>,
    arguments: String,
    kind: ToolKind,
    signature: Option<String>,
}

impl ChoiceState {
    pub(super) fn new(index: u32) -> Self {
        Self { index, finished: false, open: None, calls: Vec::new(), waiting: Vec::new() }
    }

    pub(super) fn has_calls(&self) -> bool {
        self.calls.iter().any(|call| call.part.is_some())
    }

    /// Reads one delta; `answer` is the stream's id, for calls that have none.
    pub(super) fn delta(
        &mut self,
        delta: Message<'_>,
        answer: &str,
        parts: &mut Parts,
        out: &mut Vec<Delta>,
    ) {
        let words = delta.reasoning_content.or(delta.reasoning).filter(|text| !text.is_empty());
        let has_words = words.is_some();
        self.say(Words::Thought, words.unwrap_or_default(), parts, out);
        for detail in delta.reasoning_details.into_iter().flatten() {
            self.detail(detail, has_words, parts, out);
        }
        match delta.content {
            Some(Content::Text(text)) => self.say(Words::Text, text, parts, out),
            Some(Content::Parts(all)) => {
                for part in all {
                    self.content_part(part, parts, out);
                }
            }
            None => {}
        }
        self.say(Words::Refusal, delta.refusal.unwrap_or_default(), parts, out);
        let transcript = delta.audio.and_then(|audio| audio.transcript);
        self.say(Words::Text, transcript.unwrap_or_default(), parts, out);
        for call in delta.tool_calls.into_iter().flatten() {
            if let Some(fragment) = fragment(call) {
                self.call(fragment, answer, parts, out);
            }
        }
        if let Some(call) = delta.function_call {
            self.call(legacy_fragment(call), answer, parts, out);
        }
    }

    /// Ends what is open, and says what waited for that.
    pub(super) fn close(&mut self, parts: &mut Parts, out: &mut Vec<Delta>) {
        self.close_words(out);
        for call in &mut self.calls {
            if std::mem::replace(&mut call.open, false)
                && let Some(part) = call.part
            {
                out.push(Delta::PartEnd { part });
            }
        }
        for (words, text) in std::mem::take(&mut self.waiting) {
            self.say(words, text, parts, out);
        }
        self.close_words(out);
    }

    fn close_words(&mut self, out: &mut Vec<Delta>) {
        if let Some((part, _)) = self.open.take() {
            out.push(Delta::PartEnd { part });
        }
    }

    fn say(&mut self, words: Words, text: String, parts: &mut Parts, out: &mut Vec<Delta>) {
        if text.is_empty() {
            return;
        }
        if self.calls.iter().any(|call| call.open) {
            match self.waiting.last_mut() {
                Some((last, waiting)) if *last == words => waiting.push_str(&text),
                Some(_) | None => self.waiting.push((words, text)),
            }
            return;
        }
        let part = self.part_of(words, parts, out);
        out.push(Delta::Text { part, text });
    }

    fn part_of(&mut self, words: Words, parts: &mut Parts, out: &mut Vec<Delta>) -> u32 {
        match self.open {
            Some((part, open)) if open == words => part,
            Some(_) | None => {
                self.close_words(out);
                let kind = match words {
                    Words::Text => PartKind::Text,
                    Words::Thought => {
                        PartKind::Reasoning { redacted: None, origin: None, id: None }
                    }
                    Words::Refusal => PartKind::Refusal,
                };
                let part = parts.next();
                out.push(Delta::PartStart { part, choice: self.index, kind });
                self.open = Some((part, words));
                part
            }
        }
    }

    /// A thought in OpenRouter's form. Its text is a repetition where `reasoning` is there too.
    fn detail(
        &mut self,
        detail: ReasoningDetail<'_>,
        has_words: bool,
        parts: &mut Parts,
        out: &mut Vec<Delta>,
    ) {
        if self.calls.iter().any(|call| call.open) {
            return;
        }
        if let Some(data) = detail.data.filter(|data| !data.is_empty()) {
            self.close_words(out);
            let part = parts.next();
            let kind = PartKind::Reasoning { redacted: Some(data), origin: None, id: None };
            out.push(Delta::PartStart { part, choice: self.index, kind });
            out.push(Delta::PartEnd { part });
            return;
        }
        let text = detail.text.or(detail.summary).unwrap_or_default();
        let signature = detail.signature.filter(|seal| !seal.is_empty());
        // A sealed detail repeats the whole thought that has been streamed.
        let repeated = signature.is_some() && matches!(self.open, Some((_, Words::Thought)));
        if !has_words && !repeated {
            self.say(Words::Thought, text, parts, out);
        }
        if let Some(signature) = signature {
            let part = self.part_of(Words::Thought, parts, out);
            out.push(Delta::Signature { part, signature });
            self.close_words(out);
        }
    }

    fn content_part(&mut self, part: WirePart<'_>, parts: &mut Parts, out: &mut Vec<Delta>) {
        if let Some(thinking) = part.thinking {
            self.say(Words::Thought, thinking.0, parts, out);
        }
        self.say(Words::Text, part.text.unwrap_or_default(), parts, out);
        self.say(Words::Refusal, part.refusal.unwrap_or_default(), parts, out);
    }

    fn call(&mut self, fragment: Fragment, answer: &str, parts: &mut Parts, out: &mut Vec<Delta>) {
        self.close_words(out);
        let at = match self.find(&fragment) {
            Some(at) => at,
            None => {
                let new = self.new_call(&fragment, answer);
                self.calls.push(new);
                self.calls.len() - 1
            }
        };
        let choice = self.index;
        let Some(call) = self.calls.get_mut(at) else { return };
        if call.part.is_none()
            && let Some(name) = fragment.name.filter(|name| !name.is_empty())
        {
            let part = parts.next();
            call.part = Some(part);
            let kind = PartKind::ToolCall { id: call.id.clone(), name, kind: call.kind };
            out.push(Delta::PartStart { part, choice, kind });
            push_arguments(part, std::mem::take(&mut call.early), out);
        }
        let Some(part) = call.part else {
            call.early.push_str(&fragment.arguments);
            return;
        };
        push_arguments(part, fragment.arguments, out);
        if let Some(signature) = fragment.signature {
            out.push(Delta::Signature { part, signature });
        }
    }

    /// The call a fragment goes on with.
    fn find(&self, fragment: &Fragment) -> Option<usize> {
        let id = fragment.id.as_deref();
        let named = fragment.name.as_deref().is_some_and(|name| !name.is_empty());
        let last = |matches: &dyn Fn(&Call) -> bool| {
            self.calls.iter().rposition(|call| call.open && matches(call))
        };
        match (fragment.key, id) {
            // The index says which, unless another id says that it is another one: some
            // providers put every call under index 0.
            (Key::Index(_), Some(id)) => {
                last(&|call| call.key == fragment.key && (!call.own_id || call.id == id))
            }
            (Key::Index(_) | Key::Legacy, _) => last(&|call| call.key == fragment.key),
            (Key::Nameless, Some(id)) => last(&|call| call.own_id && call.id == id),
            // Neither index nor id: a name begins a call, anything else goes on with the last.
            (Key::Nameless, None) if named => None,
            (Key::Nameless, None) => last(&|_| true),
        }
    }

    fn new_call(&self, fragment: &Fragment, answer: &str) -> Call {
        let taken = |id: &str| self.calls.iter().any(|call| call.id == id);
        let own = fragment.id.clone().filter(|id| !taken(id));
        let own_id = fragment.id.is_some();
        let id = own.unwrap_or_else(|| generated_id(answer, self.index, self.calls.len()));
        Call {
            key: fragment.key,
            id,
            own_id,
            kind: fragment.kind,
            part: None,
            early: String::new(),
            open: true,
        }
    }
}

fn push_arguments(part: u32, fragment: String, out: &mut Vec<Delta>) {
    if !fragment.is_empty() {
        out.push(Delta::Arguments { part, fragment });
    }
}

fn fragment(call: ToolCall) -> Option<Fragment> {
    let signature = call.extra_content.and_then(|extra| extra.signature());
    let (name, arguments, kind) = match (call.function, call.custom) {
        (Some(it), _) => (it.name, it.arguments, ToolKind::Function),
        (None, Some(it)) => (it.name, it.input, ToolKind::Custom),
        (None, None) if signature.is_some() => (None, None, ToolKind::Function),
        (None, None) => return None,
    };
    Some(Fragment {
        key: call.index.map_or(Key::Nameless, Key::Index),
        id: call.id.filter(|id| !id.is_empty()),
        name,
        arguments: arguments.unwrap_or_default(),
        kind,
        signature,
    })
}

fn legacy_fragment(call: FunctionCall) -> Fragment {
    Fragment {
        key: Key::Legacy,
        id: None,
        name: call.name,
        arguments: call.arguments.unwrap_or_default(),
        kind: ToolKind::Function,
        signature: None,
    }
}
