//! Says what happened, in the words of the OpenTelemetry GenAI conventions where they have one.
//!
//! The only crate that names Prometheus. It counts and observes; what is worth counting is for
//! its callers to know.
//!
//! Labels are bounded: every value comes from the configuration or from a fixed list, never from
//! a client. A model that is not in the configuration is [`semconv::UNLISTED_MODEL`].

pub mod edge;
pub mod media;
pub mod metric;
pub mod routing;
pub mod seals;
pub mod semconv;
mod series;

pub use edge::{Edge, OpenConnection, Refused};
pub use media::{FetchOutcome, Media};
pub use metric::{Chat, ChunkTimer, InFlight, Metrics, UpstreamConnections};
pub use routing::{Heartbeats, Routing};
pub use seals::{Recall, Seals};
