//! An error, as a body and as an event.

use adapters_json::string::Str;
use serde::Deserialize;
use serde_json::value::RawValue;

/// `{"type":"error","error":{…},"request_id":…}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ErrorBody<'a> {
    /// Raw, because some who imitate the API send a bare string.
    #[serde(borrow)]
    pub(crate) error: Option<&'a RawValue>,
}

/// What went wrong.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ErrorDetail<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) message: Option<Str<'a>>,
}
