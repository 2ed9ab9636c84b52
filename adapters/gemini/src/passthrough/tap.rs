//! A stream that passes unchanged, and what is learned of it on the way.

use adapters_canonical::dialect::AnswerContext;
use adapters_canonical::failure::{Failure, UpstreamError};
use adapters_canonical::ingress::{Framing, StreamTap};
use adapters_canonical::loss::DecodeError;
use adapters_canonical::usage::Usage;
use adapters_json::read;

use crate::egress::{Chunk, Chunks, Tally, in_stream, is_final};
use crate::hosted::Queries;
use crate::ingress::{Frames, write_failure};
use crate::wire::response::{Candidate, Part, Response};

/// Passes a Gemini stream on to a Gemini client.
///
/// | chunk                                       | what becomes of it                             |
/// |---------------------------------------------|------------------------------------------------|
/// | an event of nothing but `data: ` lines      | passes byte for byte                           |
/// | any other event, an element of an array     | its JSON passes in a frame of ours             |
/// | not JSON                                    | is left out and counted                        |
/// | error                                       | is left out, and so is everything that follows |
/// | comment, anything without `data`            | is left out: official SDKs take it for a chunk |
///
/// To a client that did not ask for events every chunk passes as an element of one JSON array.
#[derive(Debug)]
pub struct ContentTap {
    chunks: Chunks,
    seen: Seen,
}

#[derive(Debug)]
struct Seen {
    context: AnswerContext,
    frames: Frames,
    candidates: Vec<Progress>,
    blocked: bool,
    content: bool,
    unreported: u64,
    tally: Tally,
    usage: Option<Usage>,
    error: Option<UpstreamError>,
    malformed: u64,
    ended: bool,
}

/// How far one candidate is.
#[derive(Debug)]
struct Progress {
    index: u32,
    ended: bool,
    queries: Queries,
}

impl ContentTap {
    /// A tap for one answer.
    #[must_use]
    pub fn new(context: AnswerContext) -> Self {
        Self {
            chunks: Chunks::default(),
            seen: Seen {
                frames: Frames::new(context.framing),
                context,
                candidates: Vec::new(),
                blocked: false,
                content: false,
                unreported: 0,
                tally: Tally::default(),
                usage: None,
                error: None,
                malformed: 0,
                ended: false,
            },
        }
    }
}

impl StreamTap for ContentTap {
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let Self { chunks, seen } = self;
        chunks.push(chunk, &mut |chunk| seen.pass(&chunk, out))
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let Self { chunks, seen } = self;
        chunks.finish(&mut |chunk| seen.pass(&chunk, out));
        if self.seen.error.is_some() || !self.is_complete() {
            return Err(DecodeError::Truncated);
        }
        if !std::mem::replace(&mut self.seen.ended, true) {
            self.seen.frames.end(out);
        }
        Ok(())
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        let Seen { context, frames, ended, .. } = &mut self.seen;
        if !std::mem::replace(ended, true) {
            frames.write(out, |out| write_failure(failure, &context.request_id, out));
            frames.end(out);
        }
    }

    fn usage(&self) -> Option<&Usage> {
        self.seen.usage.as_ref()
    }

    fn saw_content(&self) -> bool {
        self.seen.content
    }

    /// The prompt was blocked, or every candidate that began has ended.
    fn is_complete(&self) -> bool {
        let Seen { candidates, blocked, .. } = &self.seen;
        if candidates.is_empty() { *blocked } else { candidates.iter().all(|one| one.ended) }
    }

    fn error(&self) -> Option<&UpstreamError> {
        self.seen.error.as_ref()
    }

    fn malformed(&self) -> u64 {
        self.seen.malformed
    }

    fn unreported(&self) -> u64 {
        self.seen.unreported
    }
}

impl Seen {
    fn pass(&mut self, chunk: &Chunk<'_>, out: &mut Vec<u8>) {
        let json = chunk.json.trim_ascii();
        if self.error.is_some() || self.ended || json == b"[DONE]" {
            return;
        }
        let responses = if json.starts_with(b"[") {
            serde_json::from_slice::<Vec<Response<'_>>>(json)
        } else {
            serde_json::from_slice::<Response<'_>>(json).map(|one| vec![one])
        };
        match responses {
            Ok(responses) => responses.iter().for_each(|response| self.learn(response)),
            // An object of another shape is the client's to judge.
            Err(error) if error.is_data() && read::is_object(json) => {}
            Err(_) => {
                self.malformed += 1;
                return;
            }
        }
        if self.error.is_none() {
            self.write(chunk, out);
        }
    }

    fn write(&mut self, chunk: &Chunk<'_>, out: &mut Vec<u8>) {
        match (self.frames.framing(), chunk.raw) {
            (Framing::Events, Some(raw)) => out.extend_from_slice(raw),
            (Framing::Events | Framing::JsonArray, _) => {
                self.frames.write(out, |out| out.extend_from_slice(chunk.json.trim_ascii()));
            }
        }
    }

    fn learn(&mut self, response: &Response<'_>) {
        if let Some(error) = response.error {
            self.error = Some(in_stream(error.get()));
            return;
        }
        let feedback = response.prompt_feedback.as_ref();
        self.blocked |= feedback.is_some_and(|feedback| feedback.block_reason.is_some());
        for (place, candidate) in response.candidates.iter().flatten().enumerate() {
            self.candidate(place, candidate);
        }
        if let Some(metadata) = &response.usage_metadata {
            self.tally.update(metadata);
            self.usage = self.tally.usage();
            if self.usage.as_ref().is_some_and(|usage| usage.output.is_some()) {
                self.unreported = 0;
            }
        }
        let searches = self.candidates.iter().filter_map(|one| one.queries.count());
        if let Some(searches) = searches.reduce(u64::saturating_add) {
            self.usage.get_or_insert_default().web_searches = Some(searches);
        }
    }

    fn candidate(&mut self, place: usize, candidate: &Candidate<'_>) {
        let index = candidate.index.or(u32::try_from(place).ok()).unwrap_or(u32::MAX);
        let ended = candidate.finish_reason.as_deref().is_some_and(is_final);
        let known = self.candidates.iter().position(|one| one.index == index);
        let at = known.unwrap_or_else(|| {
            // Nearly always there is one; lists begin with room for four, which waits with the stream.
            self.candidates.reserve_exact(1);
            self.candidates.push(Progress { index, ended: false, queries: Queries::default() });
            self.candidates.len() - 1
        });
        if let Some(progress) = self.candidates.get_mut(at) {
            progress.ended |= ended;
            progress.queries.take(candidate);
        }
        let content = candidate.content.as_ref().and_then(|content| content.parts.as_deref());
        for part in content.unwrap_or_default() {
            self.content |= says_something(part);
            self.unreported = self.unreported.saturating_add(length(part));
        }
    }
}

/// Bytes of its words and of a call's arguments.
fn length(part: &Part<'_>) -> u64 {
    let text = part.text.as_deref().map_or(0, str::len);
    let call = part.function_call.as_ref().and_then(|call| call.args);
    (text + call.map_or(0, |args| args.get().len())) as u64
}

/// An empty text does not, with or without a seal.
fn says_something(part: &Part<'_>) -> bool {
    part.text.as_deref().is_some_and(|text| !text.is_empty())
        || part.function_call.is_some()
        || part.inline_data.is_some()
        || !part.other.is_empty()
}
