//! What translating costs by itself: in this process, with no socket and no server.
//!
//! Each figure is the CPU time of this thread, which other work on the machine hardly adds to, and
//! the least of several batches. Growth is what ten times as much costs in multiples of what one
//! part of it costs: 10 if every part costs the same, 100 if the cost grows with the square.

use std::hint::black_box;
use std::time::Duration;

use adapters_anthropic::egress::Anthropic;
use adapters_canonical::delta::Delta;
use adapters_canonical::dialect::{AnswerContext, Egress, Target};
use adapters_canonical::ingress::{Asked, Ingress};
use adapters_canonical::loss::DecodeError;
use adapters_gemini::egress::Gemini;
use adapters_openai::ingress::ChatCompletions;
use bytes::Bytes;
use nix::time::ClockId;
use serde_json::{Value, json};
use tests_mock::{anthropic, gemini};

use crate::runner::Route;
use crate::since_start_of;

/// How often each figure is taken; the least counts.
const BATCHES: usize = 7;
/// How much CPU time one batch takes at least.
const BATCH: Duration = Duration::from_millis(20);
/// Bytes of the request bodies that are translated, and of the texts of whole answers.
const BODIES: [usize; 4] = [1 << 10, 10 << 10, 100 << 10, 1 << 20];
/// Events of the streams that are translated.
const STREAMS: [usize; 2] = [1_000, 10_000];
/// What the client speaks.
const CLIENT: &dyn Ingress = &ChatCompletions;
/// The text or the arguments in one event.
const WORD: &str = " the mill";

/// What translating costs between the client's dialect and one provider's.
#[derive(Clone, Debug)]
pub struct Translation {
    /// Into which dialect, and back.
    pub route: Route,
    /// Requests, by the size of their body.
    pub requests: Vec<Cost>,
    /// Whole answers, by the size of their body.
    pub answers: Vec<Cost>,
    /// Streams of text, by the number of their events.
    pub texts: Vec<Cost>,
    /// Streams that call a tool with long arguments, by the number of their events; empty where
    /// the provider sends a call in one piece.
    pub calls: Vec<Cost>,
}

/// What it costs to translate so much.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Bytes of a body, or events of a stream.
    pub size: usize,
    /// CPU time for all of it, in microseconds.
    pub micros: f64,
}

/// What a size counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Bytes of a body.
    Byte,
    /// Events of a stream.
    Event,
}

impl Translation {
    /// Everything that was measured, each with its name and what its sizes count.
    #[must_use]
    pub fn kinds(&self) -> [(&'static str, Unit, &[Cost]); 4] {
        [
            ("request", Unit::Byte, &self.requests),
            ("whole answer", Unit::Byte, &self.answers),
            ("stream of text", Unit::Event, &self.texts),
            ("stream of a tool call", Unit::Event, &self.calls),
        ]
    }

    /// The same as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let costs = |costs: &[Cost]| {
            costs.iter().map(|it| json!({ "size": it.size, "cpu_us": it.micros })).collect()
        };
        let kinds = self.kinds().map(|(name, _, of)| (name, Value::Array(costs(of))));
        let kinds: serde_json::Map<_, _> =
            kinds.into_iter().map(|(name, costs)| (name.to_owned(), costs)).collect();
        json!({ "route": self.route.name(), "costs": kinds })
    }
}

impl Cost {
    /// CPU time for one byte or one event, in microseconds.
    #[must_use]
    pub fn each(&self) -> f64 {
        self.micros / self.size as f64
    }
}

/// What ten times as much costs, in multiples: the larger of the last two costs by the smaller.
#[must_use]
pub fn growth(costs: &[Cost]) -> Option<f64> {
    let [.., part, whole] = costs else { return None };
    let tenfold = whole.size as f64 / part.size as f64 / 10.0;
    Some(whole.micros / part.micros / tenfold)
}

/// Measures every translation.
///
/// # Errors
///
/// If something that is measured cannot be translated, and so was not.
pub fn measure() -> Result<Vec<Translation>, DecodeError> {
    let text = |words: usize, opening: Vec<Bytes>, word: Bytes, closing: Vec<Bytes>| {
        opening.into_iter().chain(vec![word; words]).chain(closing).collect::<Vec<_>>()
    };
    let anthropic = Translation {
        route: Route::Anthropic,
        requests: costs(&BODIES, |bytes| request(&Anthropic, bytes))?,
        answers: costs(&BODIES, |bytes| {
            answer(&Anthropic, &anthropic::message(&prose(bytes)).body())
        })?,
        texts: costs(&STREAMS, |events| {
            let word = anthropic::word(WORD);
            stream(&Anthropic, &text(events, anthropic::opening(), word, anthropic::closing()))
        })?,
        calls: costs(&STREAMS, |events| {
            let pieces = vec![WORD; events];
            let pieces = [&["{\"near\":\""], &pieces[..], &["\"}"]].concat();
            stream(&Anthropic, &events_of(&anthropic::tool_use_stream("lookup", &pieces).body()))
        })?,
    };
    let gemini = Translation {
        route: Route::Gemini,
        requests: costs(&BODIES, |bytes| request(&Gemini, bytes))?,
        answers: costs(&BODIES, |bytes| answer(&Gemini, &gemini::content(&prose(bytes)).body()))?,
        texts: costs(&STREAMS, |events| {
            stream(&Gemini, &text(events, Vec::new(), gemini::word(WORD), gemini::closing()))
        })?,
        calls: Vec::new(),
    };
    Ok(vec![anthropic, gemini])
}

fn costs(
    sizes: &[usize],
    measure: impl Fn(usize) -> Result<Cost, DecodeError>,
) -> Result<Vec<Cost>, DecodeError> {
    sizes.iter().map(|size| measure(*size)).collect()
}

/// A request as the gateway translates it: its envelope is read, then all of it, then it is
/// written.
fn request(egress: &dyn Egress, bytes: usize) -> Result<Cost, DecodeError> {
    let body = conversation(bytes).to_string().into_bytes();
    let target = Target { model: "some-model", api_version: None };
    let translate = || {
        let envelope = CLIENT.read_envelope(&Asked::default(), black_box(&body))?;
        let canonical = CLIENT.decode_request(&body, &envelope)?;
        let encoded = egress.encode_request(&canonical.value, &target)?;
        black_box((envelope, encoded));
        Ok(())
    };
    Ok(Cost { size: body.len(), micros: least(translate)? })
}

fn answer(egress: &dyn Egress, body: &[u8]) -> Result<Cost, DecodeError> {
    let context = context();
    let translate = || {
        let answer = egress.decode_response(black_box(body))?;
        black_box(CLIENT.encode_response(&answer.value, &context));
        Ok(())
    };
    Ok(Cost { size: body.len(), micros: least(translate)? })
}

/// A stream whose events arrive one by one, each with its answer to the client.
fn stream(egress: &dyn Egress, events: &[Bytes]) -> Result<Cost, DecodeError> {
    let mut deltas: Vec<Delta> = Vec::new();
    let translate = || {
        let mut decoder = egress.decode_stream();
        let mut encoder = CLIENT.encode_stream(context());
        for event in events {
            let mut out = Vec::new();
            decoder.push(black_box(event), &mut deltas)?;
            for delta in deltas.drain(..) {
                encoder.push(&delta, &mut out);
            }
            black_box(out);
        }
        let mut out = Vec::new();
        decoder.finish(&mut deltas)?;
        for delta in deltas.drain(..) {
            encoder.push(&delta, &mut out);
        }
        encoder.finish(&mut out);
        black_box(out);
        Ok(())
    };
    Ok(Cost { size: events.len(), micros: least(translate)? })
}

fn context() -> AnswerContext {
    AnswerContext {
        request_id: "0198a7c2-5a3f-7000-8000-000000000000".to_owned(),
        model: "some-model".to_owned(),
        created: 1_790_000_000,
        include_usage: true,
        ..AnswerContext::default()
    }
}

/// CPU time of one call, in microseconds.
fn least(mut call: impl FnMut() -> Result<(), DecodeError>) -> Result<f64, DecodeError> {
    let mut least = f64::INFINITY;
    for _ in 0..BATCHES {
        let (start, mut calls) = (cpu(), 0.0);
        let mut spent = Duration::ZERO;
        while spent < BATCH {
            call()?;
            calls += 1.0;
            spent = cpu().saturating_sub(start);
        }
        least = least.min(spent.as_nanos() as f64 / 1e3 / calls);
    }
    Ok(least)
}

/// CPU time of this thread so far.
fn cpu() -> Duration {
    since_start_of(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

/// A conversation of about that many bytes: longer ones have more turns. One turn in four calls a
/// tool and gets its answer.
fn conversation(bytes: usize) -> Value {
    let tool = json!({ "type": "function", "function": {
        "name": "lookup",
        "description": "Looks up a river.",
        "parameters": { "type": "object", "properties": { "name": { "type": "string" } } },
    }});
    let mut messages = vec![json!({ "role": "system", "content": "Answer in one sentence." })];
    let mut length = 300;
    for turn in 0.. {
        let added = match turn % 4 {
            3 => called(turn),
            _ => vec![
                json!({ "role": "user", "content": prose(120) }),
                json!({ "role": "assistant", "content": prose(160) }),
            ],
        };
        length += added.iter().map(|it| it.to_string().len() + 1).sum::<usize>();
        messages.extend(added);
        if length >= bytes {
            break;
        }
    }
    messages.push(json!({ "role": "user", "content": "And where does it rise?" }));
    json!({
        "model": "some-model", "messages": messages, "tools": [tool],
        "max_completion_tokens": 400, "temperature": 0.5, "stream": true,
    })
}

fn called(turn: usize) -> Vec<Value> {
    let id = format!("call_{turn}");
    let call = json!({ "id": id, "type": "function",
        "function": { "name": "lookup", "arguments": "{\"name\":\"the Wye\"}" } });
    vec![
        json!({ "role": "user", "content": "Look it up." }),
        json!({ "role": "assistant", "content": null, "tool_calls": [call] }),
        json!({ "role": "tool", "tool_call_id": id, "content": prose(200) }),
        json!({ "role": "assistant", "content": "It is \"the Wye\".\nThat is all." }),
    ]
}

/// Text of that many bytes, with a line break now and then, which JSON has to escape.
fn prose(bytes: usize) -> String {
    let sentence = "Which river runs past the mill, and where does it rise?\n";
    sentence.chars().cycle().take(bytes).collect()
}

/// The events of a stream, apart.
fn events_of(body: &[u8]) -> Vec<Bytes> {
    let body = String::from_utf8_lossy(body);
    body.split_inclusive("\n\n").map(|event| Bytes::from(event.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_the_same_for_each_part_grows_tenfold() {
        let cost = |size, micros| Cost { size, micros };
        assert_eq!(growth(&[cost(10, 2.0), cost(100, 20.0)]), Some(10.0));
        assert_eq!(growth(&[cost(1, 9.0), cost(10, 2.0), cost(100, 200.0)]), Some(100.0));
        assert_eq!(growth(&[cost(10, 1.0)]), None);
    }

    #[test]
    fn conversations_have_the_size_they_are_said_to_have() {
        for bytes in BODIES {
            let body = conversation(bytes).to_string();
            let share = body.len() as f64 / bytes as f64;
            assert!((0.9..1.6).contains(&share), "{} for {bytes}", body.len());
        }
    }

    #[test]
    fn everything_that_is_measured_comes_out_whole() {
        let egresses: [&dyn Egress; 2] = [&Anthropic, &Gemini];
        for egress in egresses {
            let asked = conversation(4096).to_string().into_bytes();
            let envelope = CLIENT.read_envelope(&Asked::default(), &asked).unwrap();
            let canonical = CLIENT.decode_request(&asked, &envelope).unwrap();
            assert!(canonical.losses.is_empty(), "{:?}", canonical.losses);
            let target = Target { model: "m", api_version: None };
            let encoded = egress.encode_request(&canonical.value, &target).unwrap();
            let body = String::from_utf8(encoded.value.body).unwrap();
            assert!(body.contains("the Wye") && body.contains("And where does it rise?"));
        }
    }
}
