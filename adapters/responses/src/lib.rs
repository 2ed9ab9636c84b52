//! OpenAI Responses: the wire format, and both faces of it.

#![deny(clippy::wildcard_enum_match_arm)]
