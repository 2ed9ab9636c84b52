//! The way of a streamed answer from the upstream's bytes to the client's.
//!
//! Sans I/O: the filters push what arrived and send on what comes out. What only opens a stream is
//! held back until there is content: a stream that fails before that has cost the client nothing,
//! and another provider may answer instead.

use std::sync::Arc;

use adapters_canonical::delta::{Delta, PartKind};
use adapters_canonical::dialect::{StreamDecoder, StreamEncoder};
use adapters_canonical::failure::Failure;
use adapters_canonical::ingress::StreamTap;
use adapters_canonical::loss::{DecodeError, Loss};
use adapters_canonical::unsaid::Unsaid;

use crate::answer::Outcome;
use crate::head;
use crate::seals::Keeper;

/// The client's side of a stream that is translated.
pub(crate) struct ToClient {
    pub(crate) encoder: Box<dyn StreamEncoder>,
    /// Finds what the encoder has no words for.
    pub(crate) unsaid: Box<Unsaid>,
    /// Whether the client is told of what is lost.
    pub(crate) reported: bool,
    /// Takes what the client may forget.
    pub(crate) keeper: Option<Box<Keeper>>,
}

impl ToClient {
    /// Ends a stream that ended well, having said what it loses; `decoded` is what its decoder lost.
    fn end(&mut self, decoded: &[Loss], out: &mut Vec<u8>) {
        if self.reported {
            let told = head::losses(decoded.iter().chain(&self.unsaid.losses()));
            if let Some(told) = told.as_ref().and_then(|told| told.to_str().ok()) {
                self.encoder.losses(told, out);
            }
        }
        self.encoder.finish(out);
    }
}

/// Whoever opens a stream at such length has begun to say something.
const MOST_HELD: usize = 64 << 10;

/// An answer that is streamed.
pub(crate) struct Streamed {
    way: Way,
    provider: Arc<str>,
    /// Nothing more goes to the client.
    ended: bool,
    outcome: Outcome,
    /// What goes to the client with the first content.
    held: Vec<u8>,
    /// Content has gone to the client, or goes now.
    begun: bool,
    /// Why it failed before there was content.
    stillborn: Option<Failure>,
    /// Bytes of words since the provider last counted its output.
    unreported: u64,
    /// What came last was the first of the stream, and some of it cannot be read.
    garbled: bool,
}

enum Way {
    /// Both sides speak the same dialect: frames pass untouched.
    Tap(Box<dyn StreamTap>),
    Translate {
        decoder: Box<dyn StreamDecoder>,
        client: ToClient,
        /// Kept for its memory.
        deltas: Vec<Delta>,
    },
}

impl Streamed {
    /// From a provider that speaks the client's dialect.
    pub(crate) fn pass_through(tap: Box<dyn StreamTap>, provider: Arc<str>) -> Self {
        Self::new(Way::Tap(tap), provider)
    }

    /// From a provider that speaks another. What is lost is told before the end, if `reported`.
    pub(crate) fn translate(
        decoder: Box<dyn StreamDecoder>,
        client: ToClient,
        provider: Arc<str>,
    ) -> Self {
        Self::new(Way::Translate { decoder, client, deltas: Vec::new() }, provider)
    }

    fn new(way: Way, provider: Arc<str>) -> Self {
        Self {
            way,
            provider,
            ended: false,
            outcome: Outcome::default(),
            held: Vec::new(),
            begun: false,
            stillborn: None,
            unreported: 0,
            garbled: false,
        }
    }

    /// Who sends it.
    pub(crate) fn provider(&self) -> &str {
        &self.provider
    }

    /// Whether content has gone to the client: from then on nobody else can answer.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether the client has been told that it broke off; what the upstream still sends is of no
    /// use.
    pub(crate) fn has_failed(&self) -> bool {
        self.ended && self.outcome.failure.is_some()
    }

    /// Why it failed, if it did before there was content; the client knows nothing of it yet. It
    /// stays so until [`give_up`](Self::give_up): somebody must say it, if nobody else answers.
    pub(crate) fn stillborn(&self) -> Option<&Failure> {
        self.stillborn.as_ref()
    }

    /// Whether what was pushed last cannot be read in part, and nothing of the stream had gone to the
    /// client before.
    pub(crate) fn is_garbled(&self) -> bool {
        self.garbled
    }

    /// What came of it.
    pub(crate) fn into_outcome(mut self) -> Outcome {
        match self.way {
            Way::Tap(tap) => self.outcome.kept_id = tap.kept_id(),
            Way::Translate { client, .. } => {
                self.outcome.losses.extend(client.unsaid.finish());
            }
        }
        self.outcome.unreported = self.unreported;
        self.outcome
    }

    /// Takes the next bytes and appends what they mean to `out`.
    pub(crate) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let (untold, malformed) = (!self.begun, self.outcome.malformed);
        self.holding(out, |this, out| this.take(chunk, out));
        self.garbled = untold && self.outcome.malformed > malformed;
    }

    /// The upstream's body is complete.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let provider = self.provider.to_string();
        self.break_off(Failure::UpstreamBrokeOff { provider }, out);
    }

    /// Nothing more will come, because of `failure`. If the answer is complete all the same, the
    /// client need not know.
    pub(crate) fn break_off(&mut self, failure: Failure, out: &mut Vec<u8>) {
        self.holding(out, |this, out| this.end(failure, out));
    }

    /// Ends the stream for good, whatever was said of it: nobody else answers.
    pub(crate) fn give_up(&mut self, failure: Failure, out: &mut Vec<u8>) {
        self.stillborn = None;
        out.append(&mut self.held);
        let said = match &mut self.way {
            _ if self.begun && self.ended => false,
            Way::Tap(tap) => {
                tap.fail(&failure, out);
                true
            }
            Way::Translate { client, .. } => {
                client.encoder.fail(&failure, out);
                true
            }
        };
        (self.begun, self.ended) = (true, true);
        if said {
            self.outcome.failure.get_or_insert(failure);
        }
    }

    /// Lets `step` write, and keeps what it wrote until there is content.
    fn holding(&mut self, out: &mut Vec<u8>, step: impl FnOnce(&mut Self, &mut Vec<u8>)) {
        if self.begun {
            step(self, out);
            return;
        }
        let mut held = std::mem::take(&mut self.held);
        step(self, &mut held);
        let complete = self.ended && self.stillborn.is_none();
        if self.begun || complete || held.len() > MOST_HELD {
            self.begun = true;
            if out.is_empty() { *out = held } else { out.append(&mut held) }
        } else {
            self.held = held;
        }
    }

    fn take(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        let pushed = match &mut self.way {
            Way::Tap(tap) => tap.push(chunk, out),
            Way::Translate { decoder, deltas, .. } => decoder.push(chunk, deltas),
        };
        self.forward(out);
        if let Err(error) = pushed
            && !self.ended
        {
            self.fail(self.malformed(error), out);
        }
    }

    fn end(&mut self, failure: Failure, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        let finished = match &mut self.way {
            Way::Tap(tap) => tap.finish(out),
            Way::Translate { decoder, deltas, .. } => decoder.finish(deltas),
        };
        self.forward(out);
        if self.ended {
            return;
        }
        match finished {
            Ok(()) => {
                if let Way::Translate { client, .. } = &mut self.way {
                    client.end(&self.outcome.losses, out);
                }
                self.ended = true;
            }
            Err(DecodeError::Truncated) => self.fail(failure, out),
            Err(error) => self.fail(self.malformed(error), out),
        }
    }

    /// Ends the stream so that the client sees a well-formed end, if it has seen any of it.
    fn fail(&mut self, failure: Failure, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        self.ended = true;
        if !self.begun {
            self.stillborn = Some(failure);
            return;
        }
        match &mut self.way {
            Way::Tap(tap) => tap.fail(&failure, out),
            Way::Translate { client, .. } => client.encoder.fail(&failure, out),
        }
        self.outcome.failure.get_or_insert(failure);
    }

    /// Translates what was decoded, and takes note of what it cost.
    fn forward(&mut self, out: &mut Vec<u8>) {
        let Self { way, outcome, begun, unreported, .. } = self;
        let mut failed = None;
        match way {
            Way::Tap(tap) => {
                if let Some(usage) = tap.usage() {
                    outcome.usage.update(usage);
                }
                outcome.malformed = tap.malformed();
                *unreported = tap.unreported();
                *begun |= tap.saw_content() || tap.is_complete();
                failed = tap.error().cloned();
            }
            Way::Translate { client, deltas, .. } => {
                // Their room goes with them: it is a kilobyte or two, and most streams wait most of the time.
                for delta in std::mem::take(deltas) {
                    match delta {
                        Delta::Usage(ref usage) => {
                            outcome.usage.update(usage);
                            if usage.output.is_some() {
                                *unreported = 0;
                            }
                        }
                        Delta::Malformed(_) => outcome.malformed += 1,
                        Delta::Loss(loss) => {
                            outcome.lose(loss);
                            continue;
                        }
                        Delta::Failure(error) => {
                            failed = Some(error);
                            break;
                        }
                        ref other => {
                            *begun |= is_content(other);
                            *unreported = unreported.saturating_add(words(other));
                        }
                    }
                    client.unsaid.see(&delta);
                    if let Some(keeper) = &mut client.keeper {
                        keeper.push(&delta);
                    }
                    client.encoder.push(&delta, out);
                }
            }
        }
        if let Some(error) = failed {
            let provider = self.provider.to_string();
            self.fail(Failure::UpstreamRefused { provider, error }, out);
        }
    }

    fn malformed(&self, error: DecodeError) -> Failure {
        Failure::UpstreamMalformed { provider: self.provider.to_string(), error }
    }
}

/// Bytes of the words in a delta.
fn words(delta: &Delta) -> u64 {
    match delta {
        Delta::Text { text, .. } => text.len() as u64,
        Delta::Arguments { fragment, .. } => fragment.len() as u64,
        Delta::PartStart { kind: PartKind::ToolCall { name, .. }, .. } => name.len() as u64,
        Delta::Start(_)
        | Delta::PartStart { .. }
        | Delta::Signature { .. }
        | Delta::Citation { .. }
        | Delta::Logprobs { .. }
        | Delta::PartEnd { .. }
        | Delta::Usage(_)
        | Delta::ServiceTier(_)
        | Delta::Finish { .. }
        | Delta::Failure(_)
        | Delta::Malformed(_)
        | Delta::Loss(_) => 0,
    }
}

/// Whether a delta is some of the answer, and not only its frame.
fn is_content(delta: &Delta) -> bool {
    match delta {
        Delta::Start(_)
        | Delta::PartEnd { .. }
        | Delta::Usage(_)
        | Delta::ServiceTier(_)
        | Delta::Failure(_)
        | Delta::Malformed(_)
        | Delta::Loss(_) => false,
        Delta::PartStart { kind, .. } => match kind {
            PartKind::Text | PartKind::Refusal => false,
            PartKind::Reasoning { redacted, .. } => redacted.is_some(),
            PartKind::ToolCall { .. }
            | PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Hosted(_)
            | PartKind::Opaque(_) => true,
        },
        Delta::Text { text, .. } => !text.is_empty(),
        Delta::Arguments { .. }
        | Delta::Signature { .. }
        | Delta::Citation { .. }
        | Delta::Logprobs { .. }
        | Delta::Finish { .. } => true,
    }
}
