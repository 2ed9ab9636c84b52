//! The tool calls of one answer, told apart however their fragments are marked.

use adapters_canonical::chat::ToolKind;
use adapters_canonical::delta::{Delta, PartKind};

use super::Parts;
use crate::egress::response::generated_id;
use crate::wire::content::{FunctionCall, ToolCall};

/// The calls of one answer, in the order they began.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Call>);

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
pub(super) struct Fragment {
    key: Key,
    id: Option<String>,
    name: Option<String>,
    arguments: String,
    kind: ToolKind,
    signature: Option<String>,
}

impl Calls {
    /// Whether any has been said.
    pub(super) fn any(&self) -> bool {
        self.0.iter().any(|call| call.part.is_some())
    }

    /// Whether one may go on.
    pub(super) fn open(&self) -> bool {
        self.0.iter().any(|call| call.open)
    }

    pub(super) fn close(&mut self, out: &mut Vec<Delta>) {
        for call in &mut self.0 {
            if std::mem::replace(&mut call.open, false)
                && let Some(part) = call.part
            {
                out.push(Delta::PartEnd { part });
            }
        }
    }

    /// Goes on with a call, or begins one; `answer` is the stream's id, for calls that have none.
    pub(super) fn add(
        &mut self,
        fragment: Fragment,
        (answer, choice): (&str, u32),
        parts: &mut Parts,
        out: &mut Vec<Delta>,
    ) {
        let at = match self.find(&fragment) {
            Some(at) => at,
            None => {
                let new = self.new_call(&fragment, answer, choice);
                self.0.push(new);
                self.0.len() - 1
            }
        };
        let Some(call) = self.0.get_mut(at) else { return };
        if call.part.is_none()
            && let Some(name) = fragment.name.filter(|name| !name.is_empty())
        {
            let part = parts.next();
            call.part = Some(part);
            let kind = PartKind::ToolCall { id: call.id.clone(), name, kind: call.kind };
            out.push(Delta::PartStart { part, choice, kind });
        }
        let Some(part) = call.part else {
            call.early.push_str(&fragment.arguments);
            return;
        };
        // Before the arguments: an encoder may have a use for it where a call begins.
        if let Some(signature) = fragment.signature {
            out.push(Delta::Signature { part, signature });
        }
        push_arguments(part, std::mem::take(&mut call.early), out);
        push_arguments(part, fragment.arguments, out);
    }

    /// The call a fragment goes on with.
    fn find(&self, fragment: &Fragment) -> Option<usize> {
        let id = fragment.id.as_deref();
        let named = fragment.name.as_deref().is_some_and(|name| !name.is_empty());
        let last = |matches: &dyn Fn(&Call) -> bool| {
            self.0.iter().rposition(|call| call.open && matches(call))
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

    fn new_call(&self, fragment: &Fragment, answer: &str, choice: u32) -> Call {
        let taken = |id: &str| self.0.iter().any(|call| call.id == id);
        let own = fragment.id.clone().filter(|id| !taken(id));
        let own_id = fragment.id.is_some();
        let id = own.unwrap_or_else(|| generated_id(answer, choice, self.0.len()));
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

pub(super) fn fragment(call: ToolCall) -> Option<Fragment> {
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

pub(super) fn legacy_fragment(call: FunctionCall) -> Fragment {
    Fragment {
        key: Key::Legacy,
        id: None,
        name: call.name,
        arguments: call.arguments.unwrap_or_default(),
        kind: ToolKind::Function,
        signature: None,
    }
}
