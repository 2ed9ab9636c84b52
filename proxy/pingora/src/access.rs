//! One line per request: what was asked for and what became of it. No prompts, no secrets.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use adapters_canonical::failure::Failure;
use pingora_proxy::Session;
use proxy_admit::key::Caller;

use crate::answer::Estimate;
use crate::ctx::Ctx;
use crate::edge;

/// Writes the line.
pub(crate) fn log(session: &Session, ctx: &Ctx, status: u16, took: Duration) {
    let header = session.req_header();
    let method = header.method.as_str();
    if ctx.route == "/healthz" || ctx.route == "/readyz" {
        tracing::debug!(target: "penstock::access", request_id = ctx.request_id, method, route = ctx.route, status);
        return;
    }
    let labels = ctx.labels();
    let chat = ctx.chat.as_deref();
    let usage = chat.map(|chat| &chat.outcome.usage);
    let failure = chat.and_then(|chat| chat.outcome.failure.as_ref()).or(ctx.failure.as_ref());
    let client = edge::client(session, &ctx.snapshot).map(address);
    tracing::info!(
        target: "penstock::access",
        request_id = ctx.request_id,
        method,
        route = ctx.route,
        status,
        key = key(&ctx.caller),
        model = labels.model,
        provider = labels.provider,
        account = labels.account,
        upstream_model = chat.and_then(|chat| chat.upstream_model()),
        stream = chat.map(|chat| chat.envelope.stream),
        duration_ms = millis(took),
        first_chunk_ms = chat.and_then(|chat| chat.timing.first).map(millis),
        input_tokens = usage.and_then(|usage| usage.total_input()),
        output_tokens = usage.and_then(|usage| usage.output),
        tokens_estimated = chat.map(|chat| chat.outcome.estimated).filter(|it| *it != Estimate::default()).map(|it| it.input.saturating_add(it.output)),
        losses = chat.and_then(|chat| chat.attempt.as_ref()).map(|attempt| attempt.losses.len()).filter(|n| *n > 0),
        client = client.as_deref(),
        error = failure.map(describe),
    );
}

/// An address as it is written; most are of four numbers, which need no formatting machinery.
fn address(client: IpAddr) -> String {
    let IpAddr::V4(client) = client else { return client.to_string() };
    let mut text = String::with_capacity("255.255.255.255".len());
    for (at, octet) in client.octets().into_iter().enumerate() {
        if at > 0 {
            text.push('.');
        }
        text.push_str(itoa::Buffer::new().format(octet));
    }
    text
}

/// The name of the client's key, never the key.
fn key(caller: &Caller) -> Option<&str> {
    match caller {
        Caller::Anonymous => None,
        Caller::Key(name) => Some(name.as_ref().as_ref()),
    }
}

/// What failed, without what a provider said: its words can quote a prompt.
fn describe(failure: &Failure) -> String {
    match failure {
        Failure::UpstreamRefused { provider, error } => {
            let code = error.code.as_deref().or(error.native_type.as_deref()).unwrap_or("no code");
            format!("the provider `{provider}` answered {} ({code})", error.status)
        }
        Failure::ModelUnknown { .. } => "the model is not offered here".to_owned(),
        other => match other.source() {
            Some(source) => format!("{other}: {source}"),
            None => other.to_string(),
        },
    }
}

fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e5).round() / 100.0
}
