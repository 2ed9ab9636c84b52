//! One step of a streamed answer.

use crate::annotation::{Citation, TokenLogprob};
use crate::chat::{Finish, Media, Opaque, ToolKind};
use crate::dialect::Dialect;
use crate::failure::UpstreamError;
use crate::hosted::HostedStep;
use crate::loss::{DecodeError, Loss};
use crate::usage::Usage;

/// One step of a streamed answer.
///
/// A decoder upholds this order, whatever its upstream does, so that an encoder need not check:
///
/// 1. one [`Delta::Start`], before everything but [`Delta::Malformed`], [`Delta::Loss`] and
///    [`Delta::Failure`];
/// 2. for each part [`Delta::PartStart`], then its fragments, then [`Delta::PartEnd`]. Parts are
///    numbered 0, 1, 2 … over the whole stream, in the order they start. Parts of one choice do
///    not overlap, except that several tool calls may be open at once;
/// 3. [`Delta::Finish`] once per choice, after the parts of that choice have ended;
/// 4. [`Delta::Usage`] and [`Delta::ServiceTier`] anywhere, any number of times; each is the newest word;
/// 5. nothing after [`Delta::Failure`].
#[derive(Clone, Debug)]
pub enum Delta {
    /// The answer begins.
    Start(Start),
    /// A part begins.
    PartStart {
        /// Its number, unique over the stream.
        part: u32,
        /// The answer it belongs to.
        choice: u32,
        /// What it is.
        kind: PartKind,
    },
    /// The next words of a text, thought or refusal.
    Text {
        /// The part they belong to.
        part: u32,
        /// The words.
        text: String,
    },
    /// The next characters of a tool call's arguments.
    Arguments {
        /// The part they belong to.
        part: u32,
        /// The characters; a JSON text may be cut anywhere between two of them.
        fragment: String,
    },
    /// The provider's seal on a thought, a text or a call; replaces an earlier one of this part.
    Signature {
        /// The part it belongs to.
        part: u32,
        /// To be sent back unchanged.
        signature: String,
    },
    /// Where some of the words of a text come from.
    Citation {
        /// The part they belong to.
        part: u32,
        /// From there.
        citation: Citation,
    },
    /// How likely the next tokens of an answer's text were.
    Logprobs {
        /// The answer they belong to.
        choice: u32,
        /// One by one.
        tokens: Vec<TokenLogprob>,
    },
    /// A part is complete.
    PartEnd {
        /// Which one.
        part: u32,
    },
    /// The tokens used so far: fields that are present replace earlier ones.
    Usage(Usage),
    /// The tier that serves it; replaces an earlier one.
    ServiceTier(String),
    /// An answer is complete.
    Finish {
        /// Which one.
        choice: u32,
        /// Why.
        finish: Finish,
    },
    /// The upstream reported an error inside the stream; nothing follows.
    Failure(UpstreamError),
    /// An event that could not be read was left out; to be counted, not shown.
    Malformed(DecodeError),
    /// Something that the canonical answer has no words for was left out; to be counted.
    Loss(Loss),
}

/// The answer begins.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Start {
    /// The provider's name for this answer; empty where it gives none.
    pub id: String,
    /// The model that answers, in the provider's words; empty where it does not say.
    pub model: String,
    /// When, in seconds since 1970, where the provider says.
    pub created: Option<u64>,
}

/// What a streamed part is.
#[derive(Clone, Debug)]
pub enum PartKind {
    /// Plain text.
    Text,
    /// A thought; its fragments are [`Delta::Text`].
    Reasoning {
        /// An enciphered thought, complete from the start.
        redacted: Option<String>,
        /// The dialect of the provider whose seal or cipher it bears.
        origin: Option<Dialect>,
        /// The provider's name for it.
        id: Option<String>,
    },
    /// The model's words when it will not answer.
    Refusal,
    /// A call of a tool the client offered.
    ToolCall {
        /// Names this call; never empty.
        id: String,
        /// Which tool.
        name: String,
        /// Whether the arguments are JSON.
        kind: ToolKind,
    },
    /// A picture, whole.
    Image(Media),
    /// A sound, whole.
    Audio(Media),
    /// The provider ran a tool of its own, or what came of it, whole; nobody has to answer.
    Hosted(Box<HostedStep>),
    /// Something only one dialect knows, whole.
    Opaque(Opaque),
}
