//! Runs decoders and encoders to their end.

use adapters_canonical::chat::{ChatRequest, ChatResponse};
use adapters_canonical::collect::{CollectError, Collector};
use adapters_canonical::delta::Delta;
use adapters_canonical::dialect::{AnswerContext, Egress};
use adapters_canonical::ingress::{Asked, Ingress};
use adapters_canonical::loss::{DecodeError, Translated};
use adapters_responses::egress::ResponsesUpstream;
use adapters_responses::ingress::Responses;
use serde_json::Value;

pub(crate) const STREAMS: &[&str] = &[
    "stream_text",
    "stream_gap",
    "stream_thoughts",
    "stream_words",
    "stream_calls",
    "stream_provider_tools",
    "stream_incomplete",
    "stream_refusal",
    "stream_failed",
    "stream_failed_late",
    "stream_error",
    "stream_truncated",
    "stream_overlap",
    "stream_sparse",
    "stream_odd_lines",
];

pub(crate) type End = Result<(), DecodeError>;

pub(crate) fn fixture(case: &str, file: &str) -> Vec<u8> {
    tests_golden::read(tests_golden::fixture("responses").join(case).join(file))
}

pub(crate) fn context() -> AnswerContext {
    AnswerContext {
        request_id: "req_1".to_owned(),
        model: "team/fast".to_owned(),
        created: 1_790_000_001,
        include_usage: true,
        request: fixture("request_every_wish", "request.json").into(),
        ..AnswerContext::default()
    }
}

pub(crate) fn decode_request(body: &[u8]) -> Result<Translated<ChatRequest>, DecodeError> {
    let envelope = Responses.read_envelope(&Asked::default(), body)?;
    Responses.decode_request(body, &envelope)
}

/// Decodes a stream that arrives in these pieces.
pub(crate) fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Delta>, End) {
    let (mut decoder, mut deltas) = (ResponsesUpstream.decode_stream(), Vec::new());
    for piece in pieces {
        if let Err(error) = decoder.push(piece, &mut deltas) {
            return (deltas, Err(error));
        }
    }
    let end = decoder.finish(&mut deltas);
    (deltas, end)
}

/// Encodes a whole stream.
pub(crate) fn encode(deltas: &[Delta]) -> String {
    let mut encoder = Responses.encode_stream(context());
    let mut out = Vec::new();
    for delta in deltas {
        encoder.push(delta, &mut out);
    }
    encoder.finish(&mut out);
    String::from_utf8(out).unwrap()
}

/// Puts a stream together, checking the order that [`Delta`] promises on the way.
#[track_caller]
pub(crate) fn collect(deltas: &[Delta]) -> Result<ChatResponse, CollectError> {
    let mut collector = Collector::default();
    for delta in deltas {
        if let Err(error) = collector.push(delta) {
            panic!("{error}: {deltas:#?}");
        }
    }
    collector.finish()
}

/// The JSON of each event, whose name must be its type.
#[track_caller]
pub(crate) fn events(stream: &str) -> Vec<Value> {
    let read = |frame: &str| {
        let (name, data) = frame.split_once('\n').expect("a name and data");
        let event: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), event["type"].as_str(), "{frame}");
        event
    };
    stream.split_terminator("\n\n").filter(|frame| frame.starts_with("event:")).map(read).collect()
}

/// Checks what every stream we write promises: numbers without a gap, each item begun and ended
/// once, and a last event whose output is what the items said.
#[track_caller]
pub(crate) fn well_formed(stream: &str) -> Vec<Value> {
    let events = events(stream);
    let mut items: Vec<(Value, Option<Value>)> = Vec::new();
    for (number, event) in (0_u64..).zip(&events) {
        assert_eq!(event["sequence_number"], number, "{event}");
        let at = usize::try_from(event["output_index"].as_u64().unwrap_or(0)).unwrap();
        match event["type"].as_str().unwrap() {
            "response.output_item.added" => {
                assert_eq!(at, items.len(), "{event}");
                items.push((event["item"]["id"].clone(), None));
            }
            "response.output_item.done" => {
                let before = items[at].1.replace(event["item"].clone());
                assert!(before.is_none(), "{event}");
                assert_eq!(items[at].0, event["item"]["id"]);
            }
            _ if event.get("item_id").is_some() => {
                assert_eq!(items[at].0, event["item_id"], "{event}");
                assert!(items[at].1.is_none(), "{event}");
            }
            _ => {}
        }
    }
    let names: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(names[..2], ["response.created", "response.in_progress"]);
    let last = events.last().unwrap();
    let ended = items.iter().filter_map(|(_, item)| item.clone()).collect();
    assert_eq!(last["response"]["output"], Value::Array(ended));
    if last["type"] != "response.failed" {
        assert!(items.iter().all(|(_, item)| item.is_some()), "an item never ends");
    }
    events
}
