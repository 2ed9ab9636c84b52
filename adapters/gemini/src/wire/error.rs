//! An error as Google's APIs write it, alone or inside an array.

use serde::Deserialize;

use adapters_json::string::Str;

/// The body of an answer whose status is not a success.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    /// What went wrong.
    #[serde(borrow)]
    pub error: Error<'a>,
}

/// What went wrong.
#[derive(Debug, Default, Deserialize)]
pub struct Error<'a> {
    /// HTTP status.
    pub code: Option<i64>,
    /// For a developer.
    #[serde(borrow)]
    pub message: Option<Str<'a>>,
    /// Name of a `google.rpc.Code`, such as `RESOURCE_EXHAUSTED`.
    #[serde(borrow)]
    pub status: Option<Str<'a>>,
    /// More about it, each of a type of its own.
    #[serde(borrow)]
    pub details: Option<Vec<Detail<'a>>>,
}

/// One of an error's details: the members of `ErrorInfo`, `RetryInfo` and `BadRequest`, of which
/// each has its own.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Detail<'a> {
    /// Why, such as `API_KEY_INVALID` (`ErrorInfo`).
    #[serde(borrow)]
    pub reason: Option<Str<'a>>,
    /// When to try again, such as `34.4s` (`RetryInfo`).
    #[serde(borrow)]
    pub retry_delay: Option<Str<'a>>,
    /// Which fields are at fault (`BadRequest`).
    #[serde(borrow)]
    pub field_violations: Option<Vec<FieldViolation<'a>>>,
}

/// A field at fault.
#[derive(Debug, Default, Deserialize)]
pub struct FieldViolation<'a> {
    /// Path to it.
    #[serde(borrow)]
    pub field: Option<Str<'a>>,
}
