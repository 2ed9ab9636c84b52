//! A response object, whole or inside an event, as it is read.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::usage::{ToolUsage, Usage};
use adapters_json::string::Str;

/// What of a response is looked at.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Response<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) model: Option<Str<'a>>,
    pub(crate) created_at: Option<f64>,
    #[serde(borrow)]
    pub(crate) status: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) output: Option<Vec<&'a RawValue>>,
    pub(crate) usage: Option<Usage>,
    pub(crate) tool_usage: Option<ToolUsage>,
    pub(crate) error: Option<&'a RawValue>,
    pub(crate) incomplete_details: Option<Incomplete>,
    pub(crate) service_tier: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Incomplete {
    pub(crate) reason: Option<String>,
}

/// Seconds since 1970; some providers write a fraction.
pub(crate) fn seconds(at: Option<f64>) -> Option<u64> {
    let at = at.filter(|at| at.is_finite() && *at >= 0.0)?;
    std::time::Duration::try_from_secs_f64(at).ok().map(|since| since.as_secs())
}
