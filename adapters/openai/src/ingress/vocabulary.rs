//! What of an answer chat completions have no words for.

use adapters_canonical::chat::MediaSource;
use adapters_canonical::dialect::Dialect;
use adapters_canonical::unsaid::{Vocabulary, adapted, lost};

/// Read by whole and streamed answers alike.
pub(super) static VOCABULARY: Vocabulary = Vocabulary {
    dialect: Dialect::OpenAi,
    more_answers: None,
    refusal: None,
    custom_call: None,
    odd_arguments: None,
    image: |media| match media.source {
        MediaSource::Url(_) | MediaSource::Base64(_) => None,
        MediaSource::File(_) | MediaSource::Text(_) => {
            lost("the dialect takes pictures as data or at an address")
        }
    },
    audio: |media| match media.source {
        MediaSource::Base64(_) if media.mime_type.is_some() => {
            adapted("what form a sound has is not said: it may not be the one that was asked for")
        }
        MediaSource::Base64(_) => None,
        MediaSource::Url(_) | MediaSource::File(_) | MediaSource::Text(_) => {
            lost("the dialect takes sound as data only")
        }
    },
    file: lost("the dialect has no place for it in an answer"),
    hosted: |_| lost("a chat shows of what a provider looked up or ran only what it cites"),
    citation: |_| None,
    logprobs: None,
    stop_sequence: lost("it is not said which stop sequence was met"),
    finish_message: |_| lost("what the provider says about the end has no place"),
    usage: &[],
    service_tier: |_| None,
};
