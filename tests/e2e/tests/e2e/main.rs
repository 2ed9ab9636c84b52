//! What Penstock promises its users, tried against the real binary and real sockets.
//!
//! One file per promise, one binary for all: it links once. `gateway` starts the binary under
//! test, `tests-mock` the providers behind it; both end with the test.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]
#![expect(clippy::disallowed_methods, reason = "what is tested runs by the real clock")]

mod bodies;
mod both_sides;
mod chat;
mod client_gone;
mod clients;
mod conditions;
mod connections;
mod counting;
mod credentials;
mod deaths;
mod dialects;
mod edge;
mod embeddings;
mod endpoints;
mod endpoints_sdk;
mod errors;
mod estimates;
mod every_dialect;
mod failover;
mod failures;
mod frames;
mod gateway;
mod heartbeats;
mod hosted;
mod keepalive;
mod last_word;
mod llmock;
mod losses;
mod media;
mod mock_model;
mod observed;
mod outliers;
mod overload;
mod passthrough;
mod presets;
mod proxy_protocol;
mod quickstart;
mod raw;
mod recall;
mod reload;
mod resilience;
mod sdk;
mod secrets;
mod sessions;
mod shutdown;
mod slow_reader;
mod smuggling;
mod soak;
mod streams;
mod tls;
mod tools;
mod transport;
mod uploads;
mod wire;
