//! Upstream providers that do exactly what a test tells them to, on a free loopback port.
//!
//! A [`Script`] decides for each request which [`Reply`] to play; the [`MockUpstream`] plays it
//! over HTTP/1.1, HTTP/2 or TLS, misbehaves where told to, and keeps what it saw: the requests,
//! the connections, and the clients that left before the end.
//!
//! | module        | answers                                                        |
//! |---------------|----------------------------------------------------------------|
//! | [`script`]    | what is answered, step by step?                                |
//! | [`gate`]      | how does a test pace an answer without sleeping?               |
//! | [`ledger`]    | what did the upstream see?                                     |
//! | [`upstream`]  | where does it listen, and over which transport?                |
//! | [`dead_end`]  | what about ports that refuse, or never answer?                 |
//! | [`openai`], [`anthropic`], [`gemini`] | how does each provider say it?         |
//!
//! ```
//! # async fn shown() -> std::io::Result<()> {
//! use tests_mock::{Gate, MockUpstream, Script, openai};
//!
//! let gate = Gate::shut();
//! let upstream = MockUpstream::start(Script::always(
//!     openai::stream(&["Good", " morning"]).paced(&gate),
//! ))
//! .await?;
//! // Point the gateway at `upstream.url()`, then let one event through:
//! gate.admit(1);
//! // … drop the client, and see that the upstream noticed:
//! upstream.until(|seen| seen.gone == 1).await;
//! # Ok(()) }
//! ```

pub mod anthropic;
pub mod dead_end;
pub mod gate;
pub mod gemini;
mod http1;
mod http2;
pub mod ledger;
pub mod openai;
pub mod script;
mod tls;
pub mod upstream;

pub use dead_end::{Blackhole, RefusingPort};
pub use gate::Gate;
pub use ledger::{Counts, Recorded};
pub use script::{Reply, Script, Step};
pub use upstream::{MockUpstream, Transport};
