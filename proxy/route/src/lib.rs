//! Where a request goes: which targets a model name stands for, which account serves one, and
//! what comes after a failure.
//!
//! Pure decisions. Time and chance come in as arguments; sockets and timers are for the callers.
//! What is remembered between requests is behind short mutexes, one per account.
//!
//! | module       | answers                                                        |
//! |--------------|----------------------------------------------------------------|
//! | [`resolve`]  | which targets does this model name stand for?                  |
//! | [`condition`]| which of them take this request?                               |
//! | [`Router`]   | which account of which target is next, and is there any?       |
//! | [`account`]  | what is known of an account, and who holds a place on it?      |
//! | [`capacity`] | how much room is left, by configuration and by the provider?   |
//! | [`breaker`]  | when is a failing account left alone, and when tried again?    |
//! | [`affinity`] | where does this conversation live?                             |
//! | [`retry`]    | is a failed request tried again, and where?                    |
//! | [`queue`]    | who waits for room, and whose turn is it?                      |
//!
//! # A request walks through
//!
//! ```text
//! reload    Router::sync(plan) ─▶ Routes, kept beside the plan
//!
//! request   resolve(plan, model) ─▶ Resolved; Routes::route ─▶ Route
//!           SessionId::of(key, model, pieces); Router::count(key)
//!   ┌─▶ try Router::choose(route, wish) ─▶ Choice { place, reservation, bound }
//!   │                                  ├─▶ Saturated (Tried), tries left: wait retry::backoff,
//!   │                                  │   forget the accounts tried, not whole targets
//!   │                                  └─▶ Saturated otherwise: wait in a Queue, or 429 / 503
//!   │       header: Reservation::limits(LimitReport::read(headers))
//!   │       first byte: Reservation::answered
//!   │       end: Reservation::succeeded
//!   │       failure: Router::report(reservation, failure) ─▶ Verdict
//!   ├────── NextAccount: tried.push(place.into())
//!   ├────── NextTarget: tried.push(Tried { target, account: None })
//!   ├────── Fallback: Route::fallbacks ─▶ another Route, nothing tried
//!   └────── GiveUp: the client gets the failure
//! ```
//!
//! Dropping a reservation at any point gives its place back.

pub mod account;
pub mod affinity;
pub mod balance;
pub mod breaker;
pub mod capacity;
pub mod condition;
pub mod queue;
pub mod resolve;
pub mod retry;

mod router;
#[cfg(test)]
mod sample;
mod table;
mod window;

pub use router::{Bound, Choice, MoveReason, Router, Saturated, Saturation, Wish};
pub use table::{Place, Route, Routes, Tried};
