//! One event after another, each with its name and its number.

use adapters_json::write;
use serde::Serialize;

use super::object::{Head, Rest, State};

/// Writes the events of one stream.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) head: Head,
    /// The number of the next event.
    next: u64,
}

impl Events {
    /// Begins a stream: the two events that every stream begins with.
    pub(crate) fn begin(head: Head, out: &mut Vec<u8>) -> Self {
        let mut events = Self { head, next: 0 };
        for name in ["response.created", "response.in_progress"] {
            let none = std::iter::empty();
            events.object(out, name, State::InProgress, none, &Rest::default());
        }
        events
    }

    /// Goes on with a stream whose next event has this number.
    pub(crate) fn resume(head: Head, next: u64) -> Self {
        Self { head, next }
    }

    /// Writes an event; `members` appends what it says, each member with a comma before it.
    pub(crate) fn event(
        &mut self,
        out: &mut Vec<u8>,
        name: &str,
        members: impl FnOnce(&mut Vec<u8>),
    ) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\ndata: {\"type\":\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\",\"sequence_number\":");
        write::json(out, &self.next);
        self.next = self.next.saturating_add(1);
        members(out);
        out.extend_from_slice(b"}\n\n");
    }

    /// Writes an event that carries the whole response.
    pub(crate) fn object<'i>(
        &mut self,
        out: &mut Vec<u8>,
        name: &str,
        state: State<'_>,
        items: impl Iterator<Item = &'i [u8]>,
        rest: &Rest<'_>,
    ) {
        let mut object = Vec::with_capacity(1024);
        self.head.write(&mut object, state, items, rest);
        self.event(out, name, |out| raw(out, "response", &object));
    }

    /// Writes the event that ends a stream.
    pub(crate) fn end<'i>(
        &mut self,
        out: &mut Vec<u8>,
        state: State<'_>,
        items: impl Iterator<Item = &'i [u8]>,
        rest: &Rest<'_>,
    ) {
        self.object(out, state.event(), state, items, rest);
    }

    /// Writes that an item begins or is complete.
    pub(crate) fn item(&mut self, out: &mut Vec<u8>, name: &str, index: usize, item: &[u8]) {
        self.event(out, name, |out| {
            number(out, "output_index", index);
            raw(out, "item", item);
        });
    }
}

/// Appends a member whose value is JSON already.
pub(crate) fn raw(out: &mut Vec<u8>, name: &str, json: &[u8]) {
    key(out, name);
    out.extend_from_slice(json);
}

/// Appends a member.
pub(crate) fn member(out: &mut Vec<u8>, name: &str, value: &(impl Serialize + ?Sized)) {
    key(out, name);
    write::json(out, value);
}

fn number(out: &mut Vec<u8>, name: &str, value: usize) {
    member(out, name, &value);
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Where the events of a part belong: the members that name its item and its place in it.
pub(crate) fn place(id: &str, index: usize, within: Option<(&str, usize)>) -> Vec<u8> {
    let mut at = Vec::with_capacity(96);
    member(&mut at, "item_id", id);
    number(&mut at, "output_index", index);
    if let Some((name, within)) = within {
        number(&mut at, name, within);
    }
    at
}
