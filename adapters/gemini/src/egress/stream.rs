//! Reads a streamed answer.
//!
//! Each event is a whole [`Response`](crate::wire::response::Response) that says what is new, and
//! nothing says that the last one was the last: the end of the body does. A run of texts is one
//! part, a run of thoughts too, and every call is one of its own. Arguments that come in pieces
//! are handed out once they are complete, which costs a client nothing: it cannot call a tool
//! with half of them.

use adapters_canonical::delta::Delta;
use adapters_canonical::dialect::StreamDecoder;
use adapters_canonical::loss::DecodeError;

use super::answer::Answer;
use super::framing::Chunks;

/// Turns the bytes of a streamed answer into deltas.
#[derive(Debug, Default)]
pub struct Decoder {
    chunks: Chunks,
    answer: Answer,
}

impl StreamDecoder for Decoder {
    fn push(&mut self, chunk: &[u8], out: &mut Vec<Delta>) -> Result<(), DecodeError> {
        let Self { chunks, answer } = self;
        chunks.push(chunk, &mut |chunk| answer.take(chunk.json, out))
    }

    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), DecodeError> {
        let Self { chunks, answer } = self;
        chunks.finish(&mut |chunk| answer.take(chunk.json, out));
        answer.end(out)
    }
}
