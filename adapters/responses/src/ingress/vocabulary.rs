//! What of an answer a response has no words for.

use adapters_canonical::chat::{FinishReason, MediaSource};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::unsaid::{Vocabulary, adapted, lost};

use super::annotation;
use super::object::TIERS;

/// Read by whole and streamed answers alike.
pub(super) static VOCABULARY: Vocabulary = Vocabulary {
    dialect: Dialect::Responses,
    more_answers: lost("a response holds one answer"),
    refusal: None,
    custom_call: None,
    odd_arguments: None,
    image: |media| match media.source {
        MediaSource::Base64(_) => None,
        MediaSource::Url(_) | MediaSource::File(_) | MediaSource::Text(_) => {
            lost("a picture must be in the answer, not elsewhere")
        }
    },
    audio: |_| lost("a response has no sound"),
    file: lost("a response has no words for it"),
    hosted: |_| None,
    citation: |cited| match annotation::write(cited, "") {
        None => lost("a response cites addresses and files only"),
        Some(_) if cited.quote.is_some() => adapted("the words of the source have no place"),
        Some(_) => None,
    },
    logprobs: None,
    stop_sequence: lost("it is not said which stop sequence was met"),
    finish_message: |finish| match finish.reason {
        FinishReason::Error => None,
        FinishReason::Stop
        | FinishReason::Pause
        | FinishReason::Length
        | FinishReason::ToolCalls
        | FinishReason::ContentFilter => lost("what the provider says about the end has no place"),
    },
    usage: &[],
    service_tier: |tier| match TIERS.contains(&tier) {
        true => None,
        false => lost("there is no such tier"),
    },
};
