//! What a provider did with tools of its own, as the events of one item: begun when it is told what
//! was done, complete when it is told what came of it.

use adapters_canonical::hosted::{Action, HostedStep};

use super::{Events, Output, member, place};
use crate::hosted::Item;

/// What was done and of which nothing came yet.
#[derive(Debug, Default)]
pub(super) struct Steps(Vec<Open>);

#[derive(Debug)]
struct Open {
    /// Its name at the provider.
    id: String,
    index: usize,
    item: Item,
}

impl Steps {
    /// Says what a step says. What came of something that nobody did is not said.
    pub(super) fn say(
        &mut self,
        step: &HostedStep,
        output: &mut Output,
        events: &mut Events,
        out: &mut Vec<u8>,
    ) {
        if let Some(action) = &step.action {
            let index = output.open();
            let id = events.head.item_id(Item::prefix(action), index);
            let item = Item { id, action: action.clone(), outcome: None };
            begin(&item, index, events, out);
            self.0.push(Open { id: step.id.clone(), index, item });
        }
        let Some(outcome) = &step.outcome else { return };
        if let Some(at) = self.0.iter().rposition(|open| open.id == step.id) {
            let mut open = self.0.remove(at);
            open.item.outcome = Some(outcome.clone());
            let ended = open.item.ended();
            end(open, ended, output, events, out);
        }
    }

    /// Ends what is open: no more will come of it.
    pub(super) fn close(
        &mut self,
        whole: bool,
        output: &mut Output,
        events: &mut Events,
        out: &mut Vec<u8>,
    ) {
        for open in std::mem::take(&mut self.0) {
            let status = if whole { "completed" } else { "incomplete" };
            end(open, status, output, events, out);
        }
    }
}

fn begin(item: &Item, index: usize, events: &mut Events, out: &mut Vec<u8>) {
    let at = place(&item.id, index, None);
    events.item(out, "response.output_item.added", index, &item.json("in_progress"));
    let mut say = |name: &str, said: Option<(&str, &str)>| {
        events.event(out, name, |out| {
            out.extend_from_slice(&at);
            if let Some((name, value)) = said {
                member(out, name, value);
            }
        });
    };
    match &item.action {
        Action::Search { .. } | Action::ReadPage { .. } => {
            say("response.web_search_call.in_progress", None);
            say("response.web_search_call.searching", None);
        }
        Action::RunCode { code, .. } => {
            say("response.code_interpreter_call.in_progress", None);
            say("response.code_interpreter_call_code.delta", Some(("delta", code)));
            say("response.code_interpreter_call_code.done", Some(("code", code)));
            say("response.code_interpreter_call.interpreting", None);
        }
        Action::CallMcp { arguments, .. } => {
            say("response.mcp_call.in_progress", None);
            say("response.mcp_call_arguments.delta", Some(("delta", arguments)));
            say("response.mcp_call_arguments.done", Some(("arguments", arguments)));
        }
    }
}

fn end(open: Open, status: &str, output: &mut Output, events: &mut Events, out: &mut Vec<u8>) {
    let Open { index, item, .. } = open;
    let name = match (&item.action, status) {
        (_, "incomplete") => None,
        (Action::Search { .. } | Action::ReadPage { .. }, _) => {
            Some("response.web_search_call.completed")
        }
        (Action::RunCode { .. }, _) => Some("response.code_interpreter_call.completed"),
        (Action::CallMcp { .. }, "failed") => Some("response.mcp_call.failed"),
        (Action::CallMcp { .. }, _) => Some("response.mcp_call.completed"),
    };
    if let Some(name) = name {
        let at = place(&item.id, index, None);
        events.event(out, name, |out| out.extend_from_slice(&at));
    }
    let json = item.json(status);
    events.item(out, "response.output_item.done", index, &json);
    output.done(index, json);
}
