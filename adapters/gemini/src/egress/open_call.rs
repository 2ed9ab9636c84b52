//! A call of a streamed answer whose arguments come in pieces.

use adapters_canonical::delta::Delta;
use serde_json::value::RawValue;

use super::arguments::Node;
use crate::wire::response::FunctionCall;

/// A call whose arguments come in pieces.
#[derive(Debug)]
pub(super) struct OpenCall {
    pub(super) part: u32,
    /// All of them at once, byte for byte.
    whole: Option<Box<RawValue>>,
    pieces: Node,
}

impl OpenCall {
    pub(super) fn new(part: u32) -> Self {
        Self { part, whole: None, pieces: Node::empty() }
    }

    pub(super) fn extend(&mut self, call: FunctionCall<'_>, out: &mut Vec<Delta>) {
        if let Some(whole) = call.args {
            self.whole = Some(whole.to_owned());
        }
        for piece in call.partial_args.into_iter().flatten() {
            if let Err(problem) = self.pieces.apply(&piece) {
                out.push(Delta::Malformed(problem));
            }
        }
    }

    pub(super) fn close(self, out: &mut Vec<Delta>) {
        let part = self.part;
        out.push(Delta::Arguments { part, fragment: self.into_json() });
        out.push(Delta::PartEnd { part });
    }

    /// Leaves the closing brace out: a client must not take for whole what is only a part.
    pub(super) fn break_off(self, out: &mut Vec<Delta>) {
        let part = self.part;
        let mut fragment = self.into_json();
        fragment.pop();
        out.push(Delta::Arguments { part, fragment });
        out.push(Delta::PartEnd { part });
    }

    fn into_json(self) -> String {
        match self.whole {
            Some(whole) if self.pieces.is_empty() => String::from(Box::<str>::from(whole)),
            Some(_) | None => serde_json::to_string(&self.pieces).unwrap_or_default(),
        }
    }
}
