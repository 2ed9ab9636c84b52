//! What whole and streamed answers share: why they ended, and what they cost.

use adapters_canonical::chat::{Finish, FinishReason};
use adapters_canonical::usage;
use serde::Serialize;

/// The reasons that this dialect has, and what they mean to all dialects.
const REASONS: &[(&str, FinishReason)] = &[
    ("end_turn", FinishReason::Stop),
    ("stop_sequence", FinishReason::Stop),
    ("pause_turn", FinishReason::Pause),
    ("max_tokens", FinishReason::Length),
    ("model_context_window_exceeded", FinishReason::Length),
    ("tool_use", FinishReason::ToolCalls),
    ("refusal", FinishReason::ContentFilter),
];

/// How an answer ended.
#[derive(Debug, Serialize)]
pub(crate) struct Ending<'a> {
    /// `None` if it broke off.
    stop_reason: Option<&'static str>,
    stop_sequence: Option<&'a str>,
    stop_details: Option<Details<'a>>,
}

#[derive(Debug, Serialize)]
struct Details<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    category: Option<&'static str>,
    explanation: &'a str,
}

/// Says why an answer ended: in the provider's word if it is one of this dialect and agrees with
/// what all dialects share. `called` says whether the client has a call to answer, `refused`
/// whether the model said that it will not.
pub(crate) fn ending(finish: &Finish, called: bool, refused: bool) -> Ending<'_> {
    let native = REASONS
        .iter()
        .find(|(word, reason)| *reason == finish.reason && finish.native.as_deref() == Some(*word));
    let stop_reason = match (finish.reason, native) {
        (_, Some((word, _))) if !(*word == "end_turn" && (called || refused)) => Some(*word),
        (FinishReason::Stop, _) if called => Some("tool_use"),
        (FinishReason::Stop, _) if refused => Some("refusal"),
        (FinishReason::Stop, _) if finish.stop_sequence.is_some() => Some("stop_sequence"),
        (FinishReason::Stop, _) => Some("end_turn"),
        (FinishReason::Length, _) => Some("max_tokens"),
        (FinishReason::ToolCalls, _) => Some("tool_use"),
        (FinishReason::Pause, _) => Some("pause_turn"),
        (FinishReason::ContentFilter, _) => Some("refusal"),
        (FinishReason::Error, _) => None,
    };
    let explanation = finish.message.as_deref().filter(|_| stop_reason == Some("refusal"));
    Ending {
        stop_reason,
        stop_sequence: finish.stop_sequence.as_deref(),
        stop_details: explanation.map(|explanation| Details {
            kind: "refusal",
            category: None,
            explanation,
        }),
    }
}

/// Tokens. SDKs take the two counts without which there is no usage for granted: what a provider
/// did not report of them is 0. Any other count that was not reported is absent.
#[derive(Debug, Serialize)]
pub(crate) struct Usage<'a> {
    input_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation: Option<CacheCreation>,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_tool_use: Option<ServerTools>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
}

/// The same in a whole answer, where the API's schema demands every member.
#[derive(Debug, Serialize)]
pub(crate) struct WholeUsage<'a> {
    input_tokens: u64,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation: Option<CacheCreation>,
    output_tokens: u64,
    output_tokens_details: Option<OutputDetails>,
    server_tool_use: Option<ServerTools>,
    service_tier: Option<&'a str>,
    /// Where the model ran: nobody says.
    inference_geo: Option<&'a str>,
}

impl<'a> From<Usage<'a>> for WholeUsage<'a> {
    fn from(usage: Usage<'a>) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            cache_creation_input_tokens: usage.cache_creation_input_tokens,
            cache_read_input_tokens: usage.cache_read_input_tokens,
            cache_creation: usage.cache_creation,
            output_tokens: usage.output_tokens,
            output_tokens_details: usage.output_tokens_details,
            server_tool_use: usage.server_tool_use,
            service_tier: usage.service_tier,
            inference_geo: None,
        }
    }
}

#[derive(Debug, Serialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Debug, Serialize)]
struct OutputDetails {
    thinking_tokens: u64,
}

#[derive(Debug, Serialize)]
struct ServerTools {
    web_search_requests: u64,
    web_fetch_requests: u64,
}

/// Tokens by kind, in this dialect's words: cached input is no part of `input_tokens`.
pub(crate) fn usage<'a>(usage: &usage::Usage, tier: Option<&'a str>) -> Usage<'a> {
    let by_life = [usage.cache_write_5m, usage.cache_write_1h];
    let [five_minutes, an_hour] = by_life.map(Option::unwrap_or_default);
    Usage {
        input_tokens: usage.input.unwrap_or_default(),
        cache_creation_input_tokens: usage.cache_write,
        cache_read_input_tokens: usage.cache_read,
        cache_creation: by_life.iter().any(Option::is_some).then_some(CacheCreation {
            ephemeral_5m_input_tokens: five_minutes,
            ephemeral_1h_input_tokens: an_hour,
        }),
        output_tokens: usage.output.unwrap_or_default(),
        output_tokens_details: usage
            .reasoning
            .map(|thinking_tokens| OutputDetails { thinking_tokens }),
        server_tool_use: usage
            .web_searches
            .map(|web_search_requests| ServerTools { web_search_requests, web_fetch_requests: 0 }),
        service_tier: tier.and_then(self::tier),
    }
}

/// A tier in this dialect's words, if it has one.
pub(crate) fn tier(tier: &str) -> Option<&'static str> {
    match tier {
        "default" | "standard" => Some("standard"),
        "priority" => Some("priority"),
        "batch" => Some("batch"),
        _ => None,
    }
}

/// Whether what the provider says of this end is said: of a refusal.
pub(crate) fn explains(finish: &Finish) -> bool {
    finish.message.is_none() || ending(finish, false, false).stop_details.is_some()
}

/// The provider's id in this dialect's form, by which some clients know a message, or one made of
/// the request's. What the provider calls it stands behind the `msg_` as it was.
pub(crate) fn message_id<'a>(id: &'a str, request_id: &str) -> std::borrow::Cow<'a, str> {
    match id {
        "" => format!("msg_{request_id}").into(),
        id if id.starts_with("msg_") => id.into(),
        id => format!("msg_{id}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_the_form_that_clients_know_and_keeps_the_provider_s_whole() {
        for (given, told) in [
            ("msg_01X", "msg_01X"),
            ("chatcmpl-9", "msg_chatcmpl-9"),
            ("resp_7", "msg_resp_7"),
            ("", "msg_req-1"),
        ] {
            assert_eq!(message_id(given, "req-1"), told);
        }
    }
}
