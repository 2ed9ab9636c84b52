//! Names the calls that the provider did not name.
//!
//! Older models give a call no id, but every client needs one to say which call a result answers.
//! The name is made from the answer's own id and the call's place in it, so that a whole answer
//! and the same answer streamed name their calls alike, and it begins with a mark, so that it is
//! recognised when the client sends it back and is not passed on to a provider that never made it.

use std::fmt::Write as _;

/// What every id begins with that was made here.
const MARK: &str = "call_gm_";

/// Whether this id was made here.
pub(crate) fn is_made_up(id: &str) -> bool {
    id.starts_with(MARK)
}

/// The name of a call that a client sends back without one: by where it stands in the request, so
/// that the same conversation, gone on with, names it alike.
pub(crate) fn in_history(content: usize, part: usize) -> String {
    format!("{MARK}{content}_{part}")
}

/// Gives every call of one answer an id that no other call of it has.
#[derive(Debug, Default)]
pub(crate) struct CallIds {
    /// Of the answer's own id.
    hash: u64,
    given: Vec<String>,
}

impl CallIds {
    /// For the answer that is known by `seed`.
    pub(crate) fn new(seed: &str) -> Self {
        Self { hash: fnv1a(seed.as_bytes()), given: Vec::new() }
    }

    /// The provider's `own` id unless it gave that to an earlier call already, else
    /// `call_gm_<hash of the answer's id>_<choice>_<place>`.
    pub(crate) fn name(&mut self, own: Option<&str>, choice: u32, place: u32) -> String {
        let id = match own {
            Some(own) if !own.is_empty() && !self.given.iter().any(|given| given == own) => {
                own.to_owned()
            }
            _ => self.make_up(choice, place),
        };
        self.given.push(id.clone());
        id
    }

    fn make_up(&self, choice: u32, place: u32) -> String {
        let mut id = format!("{MARK}{:016x}_{choice}_{place}", self.hash);
        // A provider that knows our ids by heart can still not make two calls share one.
        while self.given.contains(&id) {
            let _ = write!(id, "x");
        }
        id
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_the_provider_is_kept_and_a_repeated_one_is_not() {
        let mut ids = CallIds::new("answer");
        assert_eq!(ids.name(Some("a1"), 0, 0), "a1");
        let second = ids.name(Some("a1"), 0, 1);
        assert!(is_made_up(&second), "{second}");
        assert_ne!(ids.name(Some(&second), 0, 1), second);
    }

    #[test]
    fn made_up_ids_differ_between_answers_and_fit_every_client() {
        let (a, b) = (CallIds::new("a").name(None, 0, 0), CallIds::new("b").name(None, 0, 0));
        assert_ne!(a, b);
        assert!(a.len() <= 40, "OpenAI takes no longer ones: {a}");
    }
}
