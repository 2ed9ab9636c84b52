//! What an answer says beside its words of what was searched for, found and read.

use adapters_canonical::hosted::{Action, HostedStep, Outcome, Page};

use crate::wire::response::Candidate;

/// What was searched for, as the chunks of one answer said so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queries(Vec<String>);

impl Queries {
    /// Takes what `candidate` says; chunks may repeat each other.
    pub(crate) fn take(&mut self, candidate: &Candidate<'_>) {
        let grounding = candidate.grounding_metadata.iter();
        for query in grounding.flat_map(|it| it.web_search_queries.iter()).flatten() {
            push(&mut self.0, query.to_string());
        }
    }

    /// How often the web was searched; `None` if it was not.
    pub(crate) fn count(&self) -> Option<u64> {
        u64::try_from(self.0.len()).ok().filter(|searches| *searches > 0)
    }
}

/// What the chunks of one answer said so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grounding {
    queries: Queries,
    found: Vec<Page>,
    /// Pages that were read, and whether they could be.
    read: Vec<(String, bool)>,
}

impl Grounding {
    /// Takes what `candidate` says; chunks may repeat each other.
    pub(crate) fn take(&mut self, candidate: &Candidate<'_>) {
        self.queries.take(candidate);
        if let Some(grounding) = &candidate.grounding_metadata {
            let chunks = grounding.grounding_chunks.iter().flatten();
            for source in chunks.filter_map(|chunk| chunk.web.as_ref()) {
                if let Some(url) = source.uri.as_deref() {
                    let title = source.title.as_deref().map(str::to_owned);
                    push(&mut self.found, Page { url: url.to_owned(), title });
                }
            }
        }
        let read = candidate.url_context_metadata.as_ref();
        for page in read.and_then(|read| read.url_metadata.as_deref()).unwrap_or_default() {
            if let Some(url) = page.retrieved_url.as_deref() {
                let status = page.url_retrieval_status.as_deref();
                let ok = status.is_none_or(|status| status == "URL_RETRIEVAL_STATUS_SUCCESS");
                push(&mut self.read, (url.to_owned(), ok));
            }
        }
    }

    /// How often the web was searched; `None` if it was not.
    pub(crate) fn searches(&self) -> Option<u64> {
        self.queries.count()
    }

    /// The same as steps of the answer `choice`.
    pub(crate) fn steps(self, choice: u32) -> Vec<HostedStep> {
        let Self { queries: Queries(queries), found, read } = self;
        let mut steps = Vec::with_capacity(read.len() + 1);
        // A grounding may be in documents of the client's own, or in none.
        if !queries.is_empty() {
            steps.push(HostedStep {
                id: format!("search_{choice}"),
                action: Some(Action::Search { queries }),
                outcome: Some(Outcome::Pages(found)),
                own: None,
            });
        }
        steps.extend((0..).zip(read).map(|(nth, (url, ok)): (u32, _)| {
            let page = Page { url: url.clone(), title: None };
            let outcome =
                if ok { Outcome::Pages(vec![page]) } else { Outcome::Failed("failed".to_owned()) };
            HostedStep {
                id: format!("page_{choice}_{nth}"),
                action: Some(Action::ReadPage { url }),
                outcome: Some(outcome),
                own: None,
            }
        }));
        steps
    }
}

fn push<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_chunks_repeat_was_done_once() {
        let json = r#"{"groundingMetadata":{"webSearchQueries":["a"],"groundingChunks":[
            {"web":{"uri":"u","title":"t"}}]},"urlContextMetadata":{"urlMetadata":[
            {"retrievedUrl":"p","urlRetrievalStatus":"URL_RETRIEVAL_STATUS_ERROR"}]}}"#;
        let candidate: Candidate<'_> = serde_json::from_str(json).unwrap();
        let mut grounding = Grounding::default();
        grounding.take(&candidate);
        grounding.take(&candidate);
        assert_eq!(grounding.searches(), Some(1));
        let steps = grounding.steps(0);
        assert_eq!(steps.len(), 2);
        assert_eq!(steps[0].action, Some(Action::Search { queries: vec!["a".to_owned()] }));
        let page = Page { url: "u".to_owned(), title: Some("t".to_owned()) };
        assert_eq!(steps[0].outcome, Some(Outcome::Pages(vec![page])));
        assert_eq!(steps[1].outcome, Some(Outcome::Failed("failed".to_owned())));
    }

    #[test]
    fn sources_without_a_search_are_no_search() {
        let json = r#"{"groundingMetadata":{"groundingChunks":[{"web":{"uri":"u"}}]}}"#;
        let mut grounding = Grounding::default();
        grounding.take(&serde_json::from_str(json).unwrap());
        assert_eq!(grounding.searches(), None);
        assert!(grounding.steps(0).is_empty());
    }
}
