//! Runs the pure decisions inside Pingora's phases: the only crate that knows Pingora's proxy.
//!
//! | module            | answers                                                          |
//! |-------------------|------------------------------------------------------------------|
//! | `gateway`         | what happens in which phase?                                     |
//! | `ctx`             | what do the phases of one request tell each other?               |
//! | `buffered`, `handle` | how does a body of any size get to every attempt?             |
//! | `attempt`         | how does an attempt set out, and how did it end?                 |
//! | `chat`            | who asks for what, and how does an attempt say it?               |
//! | `task`            | what may be asked for, and how is each said and heard?           |
//! | `media`, `fetch`  | what must be fetched for a request, and how?                     |
//! | `pass`            | which endpoints of OpenAI's pass as they are, and where to?      |
//! | `routing`         | which account is next, and what follows a failure?               |
//! | `course`          | where has a request been, and what names its session?            |
//! | `waiting`         | who waits for room?                                              |
//! | `answer`, `streamed` | how does an answer get from the upstream's bytes to the client's? |
//! | `seals`           | which thoughts are kept for clients that forget them?            |
//! | `entry`           | what is asked for, and is it answered here?                      |
//! | `edge`            | may it come in now, and from whom is it?                         |
//! | `head`            | which headers travel?                                            |
//! | `ending`          | how does a request end that does not end by itself?              |
//! | `closing`         | how is the last word said without closing the connection?        |
//! | `cause`           | whose fault is an error?                                         |
//! | `upstream`, `dns` | where is a provider, and how is it reached?                      |
//! | `snapshot`        | which configuration does this request live under?                |
//! | `mock_upstream`   | what answers when there is no provider?                          |

mod access;
mod answer;
mod attempt;
mod body;
mod buffered;
mod cause;
mod chat;
mod clock;
mod closing;
mod course;
mod ctx;
mod dns;
mod edge;
mod elsewhere;
mod ending;
mod entry;
mod fetch;
mod gateway;
mod handle;
mod head;
mod local;
mod media;
mod mock_upstream;
mod pass;
mod reply;
mod route;
mod routing;
mod seals;
mod snapshot;
mod streamed;
mod task;
mod upstream;
mod waiting;

pub use ctx::Ctx;
pub use gateway::Gateway;
