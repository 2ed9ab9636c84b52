//! What of an answer a message has no words for.

use adapters_canonical::annotation::CitedSource;
use adapters_canonical::dialect::Dialect;
use adapters_canonical::unsaid::{Count, Vocabulary, adapted, lost};

use crate::{citation, hosted};

/// Read by whole and streamed answers alike.
pub(super) static VOCABULARY: Vocabulary = Vocabulary {
    dialect: Dialect::Anthropic,
    more_answers: lost("a message is one answer"),
    refusal: adapted("a refusal is a text"),
    custom_call: adapted("the text of a custom tool is the member `input` of an object"),
    // Streamed, they are said as they come; the encoder of whole answers tells of it.
    odd_arguments: None,
    image: |_| lost("an answer has no pictures"),
    audio: |_| lost("an answer has no sound"),
    file: lost("an answer has no such block"),
    hosted: |step| match hosted::blocks(step).is_empty() {
        true => lost("what a provider did has no such block"),
        false => None,
    },
    citation: |cited| match cited.source {
        _ if citation::is_native(cited) => None,
        CitedSource::Url(_) if cited.range.is_some() => {
            adapted("a source is cited for a whole text, not for some of its words")
        }
        CitedSource::Url(_) => None,
        CitedSource::File(_) | CitedSource::Document(_) | CitedSource::Unnamed => {
            lost("a citation of what this dialect cannot cite")
        }
    },
    logprobs: lost("there are no log probabilities"),
    stop_sequence: None,
    finish_message: |finish| match super::answer::explains(finish) {
        true => None,
        false => lost("only a refusal is explained"),
    },
    usage: &[
        Count { name: "input_audio", of: |it| it.input_audio, lack: IN_ALL },
        Count { name: "input_image", of: |it| it.input_image, lack: IN_ALL },
        Count { name: "cache_read_audio", of: |it| it.cache_read_audio, lack: IN_ALL },
        Count { name: "output_audio", of: |it| it.output_audio, lack: OUT_ALL },
        Count { name: "output_image", of: |it| it.output_image, lack: OUT_ALL },
        Count { name: "accepted_prediction", of: |it| it.accepted_prediction, lack: OUT_ALL },
        Count { name: "rejected_prediction", of: |it| it.rejected_prediction, lack: OUT_ALL },
    ],
    service_tier: |tier| match super::answer::tier(tier) {
        Some(_) => None,
        None => lost("there is no such tier"),
    },
};

const IN_ALL: adapters_canonical::unsaid::Lack = adapted("counted with all of the input");
const OUT_ALL: adapters_canonical::unsaid::Lack = adapted("counted with all of the output");
