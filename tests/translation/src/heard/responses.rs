//! Events of a response: the last one has all of it.

use serde_json::Value;

pub(super) fn whole(events: &[Value]) -> Value {
    let last = events.last().cloned().unwrap_or_default();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "events are numbered one by one");
    }
    last["response"].clone()
}
