//! Whether a request that failed is tried again, and where.

mod budget;

use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

pub use budget::{RetryBudget, RetryPolicy};

/// The longest first wait before a place is tried a second time.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest of all such waits.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Why a try failed, as far as it matters for the next one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// No connection, no TLS, no name: the provider never saw the request.
    Unreachable,
    /// The key was refused (401, 403): the account is out until it changes, but for a rare
    /// trial. A 403 that names the
    /// model is [`Self::ModelMissing`].
    Credential,
    /// The account is not paid for (402, `insufficient_quota`).
    Unpaid,
    /// The provider does not have the model, or not for this account (404).
    ModelMissing,
    /// A limit is reached (429).
    Limited {
        /// When to come back, if the provider said it.
        retry_after: Option<Duration>,
    },
    /// The provider has too much to do (503, 529), or says when its trouble is over (any 5xx,
    /// 408, 409, 425).
    Overloaded {
        /// When to come back, if the provider said it.
        retry_after: Option<Duration>,
    },
    /// Try again, says the provider (408, 409, 425).
    Conflict,
    /// The provider failed: any other 5xx, an error in its stream, an answer nobody can read. A 504
    /// is the provider's own clock, not ours: it may be quicker another time.
    Broken,
    /// Nothing came in time.
    TimedOut,
    /// The answer broke off.
    BrokeOff,
    /// The conversation is longer than the model takes.
    ContextWindow,
    /// The provider refuses what the conversation says.
    ContentPolicy,
    /// The provider has no words for something in the request; it was not sent.
    NotExpressible,
    /// The request is wrong, and would be anywhere (400, 413, 422 …).
    Request,
    /// The client went away.
    ClientGone,
}

impl Failure {
    /// What an error status stands for; `None` below 400. The body may know better: context
    /// window, content policy, `insufficient_quota`.
    #[must_use]
    pub fn of_status(status: u16, retry_after: Option<Duration>) -> Option<Self> {
        Some(match status {
            ..=399 => return None,
            401 | 403 => Self::Credential,
            402 => Self::Unpaid,
            404 => Self::ModelMissing,
            429 => Self::Limited { retry_after },
            503 | 529 => Self::Overloaded { retry_after },
            // Whoever says when to come back has trouble that passes.
            408 | 409 | 425 | 500.. if retry_after.is_some_and(|after| !after.is_zero()) => {
                Self::Overloaded { retry_after }
            }
            408 | 409 | 425 => Self::Conflict,
            500.. => Self::Broken,
            _ => Self::Request,
        })
    }
}

/// What to do after a failed try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Another account, of this target if it has one, else of the next.
    NextAccount,
    /// Not this target again: pass `account: None` for it in `tried`.
    NextTarget,
    /// Another model, if the configuration names one for this.
    Fallback(Fallback),
    /// Tell the client.
    GiveUp(GiveUp),
}

/// Which list of `models[].fallbacks` applies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fallback {
    /// `context_window`.
    ContextWindow,
    /// `content_policy`.
    ContentPolicy,
}

/// Why a request is not tried again; a label of a counter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GiveUp {
    /// The failure is the request's own, or the client is gone.
    Final,
    /// Part of the answer has reached the client.
    ContentSent,
    /// The client does not want it.
    OptedOut,
    /// The time for the whole request is over.
    Deadline,
    /// It was tried often enough.
    Attempts,
    /// Too much of the traffic is tries already.
    Budget,
}

/// What matters of a request when one of its tries has failed.
#[derive(Clone, Copy, Debug)]
pub struct Attempts {
    /// Tries so far, the failed one among them.
    pub made: u32,
    /// Tries at most.
    pub most: u32,
    /// When the request must be over (`timeouts.total`).
    pub deadline: Instant,
    /// Whether content has reached the client. Heartbeats and what only opens a stream do not
    /// count.
    pub content_sent: bool,
    /// Whether the client asked for one try only.
    pub opted_out: bool,
}

/// Decides what comes after `failure`, without the budgets: see [`RetryBudget`].
#[must_use]
pub fn verdict(failure: Failure, attempts: &Attempts, now: Instant) -> Verdict {
    let Attempts { made, most, deadline, content_sent, opted_out } = *attempts;
    let next = match failure {
        Failure::Unreachable
        | Failure::Credential
        | Failure::Unpaid
        | Failure::Limited { .. }
        | Failure::Overloaded { .. }
        | Failure::Conflict
        | Failure::Broken
        | Failure::TimedOut
        | Failure::BrokeOff => Verdict::NextAccount,
        Failure::ModelMissing | Failure::NotExpressible => Verdict::NextTarget,
        Failure::ContextWindow => Verdict::Fallback(Fallback::ContextWindow),
        Failure::ContentPolicy => Verdict::Fallback(Fallback::ContentPolicy),
        Failure::Request | Failure::ClientGone => return Verdict::GiveUp(GiveUp::Final),
    };
    if content_sent {
        Verdict::GiveUp(GiveUp::ContentSent)
    } else if opted_out {
        Verdict::GiveUp(GiveUp::OptedOut)
    } else if now >= deadline {
        Verdict::GiveUp(GiveUp::Deadline)
    } else if made >= most {
        Verdict::GiveUp(GiveUp::Attempts)
    } else {
        next
    }
}

/// How long to wait before going to the same places again, when all have been tried: `round` is 0
/// the first time. Never the same for two requests.
#[must_use]
pub fn backoff(round: u32, rng: &mut impl Rng) -> Duration {
    let most = FIRST_WAIT.saturating_mul(1 << round.min(16)).min(LONGEST_WAIT);
    most.mul_f64(rng.random_range(0.5..1.0))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the first")]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn attempts(now: Instant) -> Attempts {
        let deadline = now + Duration::from_secs(9);
        Attempts { made: 1, most: 4, deadline, content_sent: false, opted_out: false }
    }

    #[test]
    fn each_status_has_its_class() {
        let wait = Some(Duration::from_secs(3));
        let limited = |retry_after| Some(Failure::Limited { retry_after });
        let overloaded = |retry_after| Some(Failure::Overloaded { retry_after });
        // Alone, and with a time to come back.
        for (status, plain, told) in [
            (200, None, None),
            (302, None, None),
            (400, Some(Failure::Request), Some(Failure::Request)),
            (401, Some(Failure::Credential), Some(Failure::Credential)),
            (404, Some(Failure::ModelMissing), Some(Failure::ModelMissing)),
            (408, Some(Failure::Conflict), overloaded(wait)),
            (413, Some(Failure::Request), Some(Failure::Request)),
            (429, limited(None), limited(wait)),
            (500, Some(Failure::Broken), overloaded(wait)),
            (502, Some(Failure::Broken), overloaded(wait)),
            (503, overloaded(None), overloaded(wait)),
            (504, Some(Failure::Broken), overloaded(wait)),
            (529, overloaded(None), overloaded(wait)),
            (599, Some(Failure::Broken), overloaded(wait)),
            (999, Some(Failure::Broken), overloaded(wait)),
        ] {
            assert_eq!(Failure::of_status(status, None), plain, "{status}");
            assert_eq!(Failure::of_status(status, wait), told, "{status}");
        }
        let at_once = Failure::of_status(500, Some(Duration::ZERO));
        assert_eq!(at_once, Some(Failure::Broken), "it counts as what it is");
    }

    #[test]
    fn waits_grow_differ_and_end() {
        let mut rng = StdRng::seed_from_u64(1);
        for (round, most) in [(0, 200), (1, 400), (3, 1600), (4, 2000), (u32::MAX, 2000)] {
            let (one, other) = (backoff(round, &mut rng), backoff(round, &mut rng));
            let range = Duration::from_millis(most / 2)..Duration::from_millis(most);
            assert!(one != other && range.contains(&one) && range.contains(&other), "{round}");
        }
    }

    #[test]
    fn a_failure_of_the_account_leads_to_another_and_one_of_the_request_to_none() {
        let now = Instant::now();
        let after = |failure| verdict(failure, &attempts(now), now);
        assert_eq!(after(Failure::Broken), Verdict::NextAccount);
        assert_eq!(after(Failure::Credential), Verdict::NextAccount);
        assert_eq!(after(Failure::ModelMissing), Verdict::NextTarget);
        assert_eq!(after(Failure::ContextWindow), Verdict::Fallback(Fallback::ContextWindow));
        assert_eq!(after(Failure::Request), Verdict::GiveUp(GiveUp::Final));
        assert_eq!(after(Failure::ClientGone), Verdict::GiveUp(GiveUp::Final));
    }

    #[test]
    fn nothing_is_tried_again_once_content_was_sent_time_is_up_or_the_client_said_so() {
        let now = Instant::now();
        let after = |attempts| verdict(Failure::Broken, &attempts, now);
        let base = attempts(now);
        assert_eq!(
            after(Attempts { content_sent: true, ..base }),
            Verdict::GiveUp(GiveUp::ContentSent)
        );
        assert_eq!(after(Attempts { opted_out: true, ..base }), Verdict::GiveUp(GiveUp::OptedOut));
        assert_eq!(after(Attempts { deadline: now, ..base }), Verdict::GiveUp(GiveUp::Deadline));
        assert_eq!(after(Attempts { made: 4, ..base }), Verdict::GiveUp(GiveUp::Attempts));
    }
}
