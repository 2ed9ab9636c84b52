//! What of a provider's answer a client is not told, and why that does not matter.

use adapters_canonical::dialect::Dialect;

/// Something that is left out without a word.
pub(crate) struct Silence {
    pub(crate) provider: Dialect,
    /// Who is not told; empty for all.
    clients: &'static [Dialect],
    /// The place without its numbers; `*` at its end stands for all that begin so, and at its
    /// beginning for all that end so.
    what: &'static str,
    pub(crate) why: &'static str,
}

impl Silence {
    pub(crate) fn covers(&self, provider: Dialect, client: Dialect, place: &str) -> bool {
        let fits = match (self.what.strip_prefix('*'), self.what.strip_suffix('*')) {
            (Some(end), _) => place.ends_with(end),
            (None, Some(begin)) => place.starts_with(begin),
            (None, None) => place == self.what,
        };
        let told = self.clients.is_empty() || self.clients.contains(&client);
        self.provider == provider && told && fits
    }

    /// Whether it only gives the answer its form, so that the table need not speak of it.
    pub(crate) fn is_form(&self) -> bool {
        std::ptr::eq(self.why, FORM)
    }
}

impl std::fmt::Display for Silence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` of {} ({})", self.what, self.provider, self.why)
    }
}

const fn silence(
    provider: Dialect,
    clients: &'static [Dialect],
    what: &'static str,
    why: &'static str,
) -> Silence {
    Silence { provider, clients, what, why }
}

const FORM: &str = "gives the answer its form";
const SUM: &str = "the sum of what else is counted";
const OWN_ID: &str = "a name that only this provider takes back, in a request of its own dialect";
const NO_TIME: &str = "a message does not say when it was made";

use Dialect::{Anthropic, Gemini, OpenAi, Responses};

/// All of it. What is in no answer of the fixtures fails the test.
pub(crate) static SILENCES: &[Silence] = &[
    silence(OpenAi, &[], "object", FORM),
];
