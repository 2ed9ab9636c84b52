//! What of an answer `generateContent` has no words for.

use adapters_canonical::annotation::CitedSource;
use adapters_canonical::dialect::Dialect;
use adapters_canonical::hosted::{Action, Outcome};
use adapters_canonical::unsaid::{Count, Lack, Vocabulary, adapted, lost};

/// Read by whole and streamed answers alike.
pub(super) static VOCABULARY: Vocabulary = Vocabulary {
    dialect: Dialect::Gemini,
    more_answers: None,
    refusal: adapted("a refusal is said as plain words"),
    custom_call: adapted("the text of a custom tool is the argument `input`"),
    odd_arguments: adapted("what is no JSON object becomes the argument `input`"),
    image: |_| None,
    audio: |_| None,
    file: None,
    hosted: |step| match (&step.action, &step.outcome) {
        (Some(Action::CallMcp { .. }), _) | (None, Some(Outcome::Answered { .. })) => {
            lost("calls of a server's tools have no such part")
        }
        (
            Some(Action::Search { .. } | Action::ReadPage { .. } | Action::RunCode { .. }) | None,
            _,
        ) => None,
    },
    citation: |cited| match cited.source {
        CitedSource::Document(_) => adapted("a document is cited by its title, not its place"),
        CitedSource::Url(_) | CitedSource::File(_) if cited.quote.is_some() => {
            adapted("the words of the source have no place")
        }
        CitedSource::Unnamed if cited.quote.is_some() && cited.title.is_some() => {
            adapted("the words of the source have no place")
        }
        CitedSource::Url(_) | CitedSource::File(_) | CitedSource::Unnamed => None,
    },
    logprobs: None,
    stop_sequence: lost("it is not said which stop sequence was met"),
    finish_message: |_| None,
    usage: &[
        Count { name: "cache_write", of: |it| it.cache_write, lack: IN_ALL },
        Count { name: "accepted_prediction", of: |it| it.accepted_prediction, lack: OUT_ALL },
        Count { name: "rejected_prediction", of: |it| it.rejected_prediction, lack: OUT_ALL },
        Count {
            name: "web_searches",
            of: |it| it.web_searches,
            lack: lost("searches are not counted"),
        },
    ],
    service_tier: |_| None,
};

const IN_ALL: Lack = adapted("counted with all of the prompt");
const OUT_ALL: Lack = adapted("counted with all of the answer");
