//! One `chat.completion.chunk` after another, written by hand: the head is the same in each.

use adapters_canonical::annotation::TokenLogprob;
use adapters_canonical::chat::FinishReason;
use adapters_canonical::dialect::StreamErrors;
use adapters_canonical::failure::Failure;
use adapters_canonical::usage::Usage as Tokens;
use adapters_openai_words::failure::Words;

use super::logprobs::Logprobs;
use crate::wire::usage::Usage;
use adapters_json::write;

/// Writes the chunks of one stream.
#[derive(Debug)]
pub(crate) struct Chunks {
    /// From `data: ` up to and including `"choices":[`.
    head: Vec<u8>,
    /// From `]` on.
    tail: &'static [u8],
}

impl Chunks {
    /// `usage_follows`: whether the usage comes in a chunk of its own, which all others announce
    /// with `"usage":null`.
    pub(crate) fn new(id: &str, model: &str, created: u64, usage_follows: bool) -> Self {
        let mut head = br#"data: {"id":"#.to_vec();
        write::json(&mut head, id);
        head.extend_from_slice(br#","object":"chat.completion.chunk","created":"#);
        write::json(&mut head, &created);
        head.extend_from_slice(br#","model":"#);
        write::json(&mut head, model);
        head.extend_from_slice(br#","choices":["#);
        let tail: &[u8] = if usage_follows { b"],\"usage\":null}\n\n" } else { b"]}\n\n" };
        Self { head, tail }
    }

    /// Writes a chunk of one choice; `delta` appends the members of its `delta`.
    pub(crate) fn delta(&self, out: &mut Vec<u8>, choice: u32, delta: impl FnOnce(&mut Vec<u8>)) {
        self.open(out, choice);
        delta(out);
        out.extend_from_slice(br#"},"logprobs":null,"finish_reason":null}"#);
        out.extend_from_slice(self.tail);
    }

    /// Writes a chunk that says nothing but how likely the words before it were.
    pub(crate) fn logprobs(&self, out: &mut Vec<u8>, choice: u32, tokens: &[TokenLogprob]) {
        self.open(out, choice);
        out.extend_from_slice(br#"},"logprobs":"#);
        write::json(out, &Logprobs::new(tokens));
        out.extend_from_slice(br#","finish_reason":null}"#);
        out.extend_from_slice(self.tail);
    }

    /// Writes the chunk that ends a choice, and says which tier served it, if that is known.
    pub(crate) fn finish(
        &self,
        out: &mut Vec<u8>,
        choice: u32,
        reason: FinishReason,
        tier: Option<&str>,
    ) {
        self.end(out, choice, reason);
        let Some(tier) = tier else { return out.extend_from_slice(self.tail) };
        out.extend_from_slice(br#"],"service_tier":"#);
        write::json(out, tier);
        out.extend_from_slice(self.tail.strip_prefix(b"]").unwrap_or(self.tail));
    }

    /// Writes the chunk that ends a choice because the stream broke off. The cause stands in
    /// `gateway_error`, on which no SDK raises, and on demand in a top-level `error`, on which
    /// official SDKs do.
    pub(crate) fn broken(
        &self,
        out: &mut Vec<u8>,
        choice: u32,
        (failure, request_id): (&Failure, &str),
        errors: StreamErrors,
    ) {
        let words = Words::of(failure);
        self.end(out, choice, FinishReason::Error);
        out.extend_from_slice(br#"],"gateway_error":"#);
        write::json(out, &words.written(request_id));
        match errors {
            StreamErrors::Graceful => {}
            StreamErrors::Explicit => {
                out.extend_from_slice(br#","error":"#);
                write::json(out, &words.written(request_id));
            }
        }
        out.extend_from_slice(self.tail.strip_prefix(b"]").unwrap_or(self.tail));
    }

    /// Writes the chunk that carries the usage and nothing else.
    pub(crate) fn usage(&self, out: &mut Vec<u8>, tokens: &Tokens) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(br#"],"usage":"#);
        write::json(out, &Usage::from(tokens));
        out.extend_from_slice(b"}\n\n");
    }

    fn open(&self, out: &mut Vec<u8>, choice: u32) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(br#"{"index":"#);
        write::json(out, &choice);
        out.extend_from_slice(br#","delta":{"#);
    }

    fn end(&self, out: &mut Vec<u8>, choice: u32, reason: FinishReason) {
        self.open(out, choice);
        out.extend_from_slice(br#"},"logprobs":null,"finish_reason":"#);
        write::json(out, finish_word(reason));
        out.push(b'}');
    }
}

/// Writes what ends every stream.
pub(crate) fn done(out: &mut Vec<u8>) {
    adapters_sse::encode::data(out, b"[DONE]");
}

/// Our word for it. `error` is none of OpenAI's; no SDK raises on it.
pub(crate) fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        // A chat has no word for a pause.
        FinishReason::Stop | FinishReason::Pause => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Error => "error",
    }
}
