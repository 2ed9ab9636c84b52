//! What a client is told of what another provider did: code in parts of the answer, searches and
//! pages beside it.

use std::collections::BTreeSet;

use adapters_canonical::hosted::{Action, HostedStep, Outcome, Page};
use serde::Serialize;

use crate::wire::answer::Citation;

/// A part that says which code was run or what it printed, or in words what has no other form.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Code {
    /// Code that was run.
    #[serde(rename_all = "camelCase")]
    Run {
        /// The code.
        executable_code: Executable,
    },
    /// What it printed.
    #[serde(rename_all = "camelCase")]
    Printed {
        /// The same.
        code_execution_result: Printed,
    },
    /// Words.
    Words {
        /// The same.
        text: String,
    },
}

/// Code that was run.
#[derive(Clone, Debug, Serialize)]
pub struct Executable {
    language: &'static str,
    code: String,
}

/// What code printed.
#[derive(Clone, Debug, Serialize)]
pub struct Printed {
    outcome: &'static str,
    output: String,
}

impl Code {
    /// The parts that say a step; `None` if it is none of code.
    pub(crate) fn of(step: &HostedStep) -> Option<Vec<Self>> {
        let mut parts = Vec::with_capacity(2);
        match &step.action {
            Some(Action::RunCode { code, language }) => {
                let language =
                    if *language == "python" { "PYTHON" } else { "LANGUAGE_UNSPECIFIED" };
                let executable_code = Executable { language, code: code.clone() };
                parts.push(Self::Run { executable_code });
            }
            Some(Action::Search { .. } | Action::ReadPage { .. } | Action::CallMcp { .. }) => {
                return None;
            }
            None => {}
        }
        match &step.outcome {
            Some(Outcome::Ran { output, ok }) => parts.push(Self::printed(output, *ok)),
            Some(Outcome::Failed(_)) if !parts.is_empty() => parts.push(Self::printed("", false)),
            Some(Outcome::Pages(_) | Outcome::Answered { .. } | Outcome::Failed(_)) | None => {}
        }
        Some(parts).filter(|parts| !parts.is_empty())
    }

    fn printed(output: &str, ok: bool) -> Self {
        let outcome = if ok { "OUTCOME_OK" } else { "OUTCOME_FAILED" };
        Self::Printed { code_execution_result: Printed { outcome, output: output.to_owned() } }
    }
}

/// What was looked up for one answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looked {
    queries: Vec<String>,
    found: Vec<Page>,
    /// Names and pages that were read, and whether they could be.
    read: Vec<(String, String, bool)>,
    searches: BTreeSet<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroundingMetadata {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    web_search_queries: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    grounding_chunks: Vec<Chunk>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    grounding_supports: Vec<Support>,
}

#[derive(Clone, Debug, Serialize)]
struct Chunk {
    web: Web,
}

#[derive(Clone, Debug, Serialize)]
struct Web {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Support {
    segment: Segment,
    grounding_chunk_indices: [usize; 1],
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Segment {
    start_index: usize,
    end_index: usize,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UrlContextMetadata {
    url_metadata: Vec<Url>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Url {
    retrieved_url: String,
    url_retrieval_status: &'static str,
}

impl Looked {
    /// Takes what a step says; whether there is a place for it.
    pub(crate) fn take(&mut self, step: &HostedStep) -> bool {
        let mut taken = true;
        match &step.action {
            Some(Action::Search { queries }) => {
                self.queries.extend(queries.iter().cloned());
                self.searches.insert(step.id.clone());
            }
            Some(Action::ReadPage { url }) => {
                self.read.push((step.id.clone(), url.clone(), true));
            }
            Some(Action::RunCode { .. } | Action::CallMcp { .. }) => taken = false,
            None => {}
        }
        match &step.outcome {
            Some(Outcome::Pages(pages)) if self.searches.contains(&step.id) => {
                for page in pages {
                    if self.found.iter().all(|known| known.url != page.url) {
                        self.found.push(page.clone());
                    }
                }
            }
            Some(Outcome::Failed(_)) => {
                for (_, _, ok) in self.read.iter_mut().filter(|(id, ..)| *id == step.id) {
                    *ok = false;
                }
            }
            // The pages that were read are told with the reading.
            Some(Outcome::Pages(_)) | None => {}
            Some(Outcome::Ran { .. } | Outcome::Answered { .. }) => taken = false,
        }
        taken
    }

    /// What was searched for and found, and which words rest on which page.
    pub(crate) fn grounding(&self, citations: &[Citation]) -> Option<GroundingMetadata> {
        if self.queries.is_empty() && self.found.is_empty() {
            return None;
        }
        let support = |citation: &Citation| {
            let uri = citation.uri.as_deref()?;
            let at = self.found.iter().position(|page| page.url == uri)?;
            let (start_index, end_index) = (citation.start_index?, citation.end_index?);
            let segment = Segment { start_index, end_index };
            Some(Support { segment, grounding_chunk_indices: [at] })
        };
        let chunk =
            |page: &Page| Chunk { web: Web { uri: page.url.clone(), title: page.title.clone() } };
        Some(GroundingMetadata {
            web_search_queries: self.queries.clone(),
            grounding_chunks: self.found.iter().map(chunk).collect(),
            grounding_supports: citations.iter().filter_map(support).collect(),
        })
    }

    /// Which pages were read.
    pub(crate) fn pages(&self) -> Option<UrlContextMetadata> {
        let url = |(_, url, ok): &(String, String, bool)| Url {
            retrieved_url: url.clone(),
            url_retrieval_status: if *ok {
                "URL_RETRIEVAL_STATUS_SUCCESS"
            } else {
                "URL_RETRIEVAL_STATUS_ERROR"
            },
        };
        let url_metadata: Vec<_> = self.read.iter().map(url).collect();
        (!url_metadata.is_empty()).then_some(UrlContextMetadata { url_metadata })
    }
}
