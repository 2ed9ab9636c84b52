//! What is kept of a turn of the model: its thoughts and seals, and where they stood among the words and
//! calls that a client keeps anyway. Of those only lengths and digests are kept.

use std::fmt;

use adapters_canonical::chat::{Part, Thought};

use crate::key::{self, Context, Digest, Scope, Visible};

/// A turn with seals.
#[derive(Clone, Eq, PartialEq)]
pub struct Turn {
    pub(crate) slots: Vec<Slot>,
    pub(crate) visible: Visible,
}

/// One part of it.
#[derive(Clone, Eq, PartialEq)]
pub(crate) enum Slot {
    /// A sealed thought, whole.
    Thought(Thought),
    /// So many bytes of words, and the seal on them.
    Text { bytes: usize, signature: Option<String> },
    /// A call, and the seal on it.
    Call { id: String, called: Digest, signature: Option<String> },
}

/// Says nothing of what was thought.
impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}

/// What an entry takes beside its words, about: the tables and the allocations.
const AROUND: usize = 256;
const AROUND_SLOT: usize = 128;

impl Turn {
    /// What is kept of these parts of an answer; `None` if nothing of them is sealed, or if there is
    /// nothing to know them by again.
    #[must_use]
    pub fn of(parts: &[Part]) -> Option<Self> {
        if !parts.iter().any(is_sealed) {
            return None;
        }
        Self::new(parts.iter().filter_map(slot).collect(), Visible::of(parts.iter()))
    }

    pub(crate) fn new(slots: Vec<Slot>, visible: Visible) -> Option<Self> {
        let is_sealed = |slot: &Slot| match slot {
            Slot::Thought(_) => true,
            Slot::Text { signature, .. } | Slot::Call { signature, .. } => signature.is_some(),
        };
        let is_worth_it = !visible.is_empty() && slots.iter().any(is_sealed);
        is_worth_it.then_some(Self { slots, visible })
    }

    /// The names it is kept under: those of its calls, and what it says where.
    #[must_use]
    pub fn keys(&self, scope: &Scope, context: &Context) -> Vec<Digest> {
        let ids = self.slots.iter().filter_map(|slot| match slot {
            Slot::Call { id, .. } => scope.call(id),
            Slot::Thought(_) | Slot::Text { .. } => None,
        });
        ids.chain([scope.content(context, &self.visible)]).collect()
    }

    /// Bytes that it takes to keep it, about.
    #[must_use]
    pub fn weight(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let slots = self.slots.iter().map(|slot| {
            AROUND_SLOT
                + match slot {
                    Slot::Thought(Thought { text, signature, redacted, id, origin: _ }) => {
                        text.len() + length(signature) + length(redacted) + length(id)
                    }
                    Slot::Text { signature, .. } => length(signature),
                    Slot::Call { id, signature, .. } => id.len() + length(signature),
                }
        });
        AROUND + slots.sum::<usize>()
    }
}

/// Whether a provider will want this back as it was.
fn is_sealed(part: &Part) -> bool {
    match part {
        Part::Reasoning(thought) => binds(thought),
        Part::Text(text) => text.signature.is_some(),
        Part::ToolCall(call) => call.signature.is_some(),
        Part::Image(_)
        | Part::Audio(_)
        | Part::Video(_)
        | Part::Document(_)
        | Part::Refusal(_)
        | Part::ToolResult(_)
        | Part::Hosted(_)
        | Part::Opaque(_) => false,
    }
}

/// Whether a thought has a seal or is one.
pub(crate) fn binds(thought: &Thought) -> bool {
    [&thought.signature, &thought.redacted].into_iter().flatten().any(|seal| !seal.is_empty())
}

fn slot(part: &Part) -> Option<Slot> {
    match part {
        Part::Reasoning(thought) => binds(thought).then(|| Slot::Thought(thought.clone())),
        Part::Text(text) => {
            Some(Slot::Text { bytes: text.text.len(), signature: text.signature.clone() })
        }
        Part::ToolCall(call) => Some(Slot::Call {
            id: call.id.clone(),
            called: key::call_digest(call),
            signature: call.signature.clone(),
        }),
        Part::Image(_)
        | Part::Audio(_)
        | Part::Video(_)
        | Part::Document(_)
        | Part::Refusal(_)
        | Part::ToolResult(_)
        | Part::Hosted(_)
        | Part::Opaque(_) => None,
    }
}
