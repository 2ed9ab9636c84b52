//! How a request ends that does not end by itself, and what is counted of every end.

use std::time::{Duration, Instant};

use adapters_canonical::chat::ChatResponse;
use adapters_canonical::dialect::AnswerContext;
use adapters_canonical::failure::Failure;
use adapters_canonical::loss::LossKind;
use adapters_canonical::usage::Usage;
use bytes::Bytes;
use http::HeaderMap;
use pingora_proxy::Session;
use proxy_route::account::Success;
use proxy_route::retry;

use crate::answer::{Estimate, Said, Sides, Unusable};
use crate::course;
use crate::ctx::{Answer, ChatExchange, Ctx};
use crate::gateway::Gateway;
use crate::{body, buffered, cause, clock, head, reply};

impl Gateway {
    /// Answers with an error, unless the client is gone.
    pub(crate) async fn refuse(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        failure: Failure,
    ) -> pingora::Result<()> {
        if body::awaits_leave(session) {
            // Nobody knows whether its body will come.
            session.set_keepalive(None);
        }
        let replied = reply::failure(session, ctx.ingress, &failure, &ctx.request_id).await;
        ctx.failure = Some(failure);
        replied?;
        body::discard(session).await;
        Ok(())
    }

    /// Gives the client what is left to give: an error, or a well-formed end of its stream.
    pub(crate) async fn end_badly(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        failure: Failure,
    ) -> pingora::Result<()> {
        let started = session.response_written().is_some();
        if let Some(chat) = ctx.chat.as_ref().filter(|_| !started) {
            buffered::uninstall(session, &chat.handle);
        }
        // The proxy loop closes this connection; the client should not count on it.
        session.set_keepalive(None);
        if !started {
            return self.refuse(session, ctx, failure).await;
        }
        let id = ctx.request_id.clone();
        let tail = ctx.chat.as_deref_mut().map(|chat| chat.last_words(failure, &id));
        let tail = tail.unwrap_or_default();
        session.write_response_body(Some(Bytes::from(tail)), true).await
    }

    pub(crate) fn count(&self, ctx: &Ctx, status: u16, took: Duration) {
        let labels = ctx.labels();
        let Some(chat) = &ctx.chat else { return self.metrics.request(&labels, status, took) };
        self.metrics.finished(&labels, status, took, &chat.outcome.usage);
        let Estimate { input, output } = chat.outcome.estimated;
        self.metrics.estimated(&labels, input, output);
        let failure = chat.outcome.failure.as_ref().or(ctx.failure.as_ref());
        if let Some(kind) = failure.and_then(cause::upstream_failure) {
            self.metrics.upstream_failure(&labels, kind);
        }
        for _ in 0..chat.outcome.malformed {
            self.metrics.malformed_event(labels.provider);
        }
        if let Some(attempt) = &chat.attempt {
            for (kind, name) in [(LossKind::Adapted, "adapted"), (LossKind::Dropped, "dropped")] {
                let losses = attempt.losses.iter().chain(&chat.outcome.losses);
                let count = losses.filter(|loss| loss.kind == kind).count();
                self.metrics.losses(labels.provider, name, count as u64);
            }
        }
    }

    pub(crate) fn time_chunk(&self, ctx: &mut Ctx, started: Instant) {
        let now = clock::now();
        let first = now.duration_since(started);
        let timer = match ctx.chat.as_deref() {
            Some(chat) if chat.timing.chunks.is_none() => {
                Some(self.metrics.first_chunk(&ctx.labels(), first))
            }
            _ => None,
        };
        let Some(chat) = ctx.chat.as_deref_mut() else { return };
        let timing = &mut chat.timing;
        if let Some(timer) = timer {
            timing.first = Some(first);
            timing.chunks = Some(timer);
        } else if let (Some(chunks), Some(last)) = (&timing.chunks, timing.last) {
            chunks.observe(now.duration_since(last));
        }
        timing.last = Some(now);
    }
}

impl ChatExchange {
    /// The end of an answer that has begun and cannot go on.
    pub(crate) fn last_words(&mut self, failure: Failure, request_id: &str) -> Vec<u8> {
        if !self.envelope.stream {
            // Only heartbeats have gone out: the status is spent, the words are not.
            let said = self.ingress.encode_failure(&failure, request_id).body;
            self.outcome.failure.get_or_insert(failure);
            return said;
        }
        if let Some(out) = self.handle.give_up(&failure) {
            return out;
        }
        let mut out = Vec::new();
        let context = self.answer_context(request_id);
        self.ingress.encode_stream(context).fail(&failure, &mut out);
        self.outcome.failure.get_or_insert(failure);
        out
    }

    /// What is paid for an answer that was cut, as far as its provider did not say it: it would
    /// have been said at the end. `gone` if it was the client who cut it.
    pub(crate) fn estimate(&mut self, gone: bool) {
        let outcome = &mut self.outcome;
        // Whoever refuses, or fails before the first word, is not paid.
        let said = outcome.unreported > 0 || outcome.usage.output.is_some_and(|it| it > 0);
        let Some(attempt) = &self.attempt else { return };
        let asked = attempt.body.is_empty() && attempt.reservation.is_some();
        if !(gone && asked || outcome.failure.is_some() && said) {
            return;
        }
        let Usage { output, .. } = outcome.usage;
        outcome.estimated = Estimate {
            input: match outcome.usage.total_input() {
                Some(_) => 0,
                None => self.course.input_tokens(),
            },
            output: course::tokens(outcome.unreported),
        };
        let Estimate { input, output: more } = outcome.estimated;
        if input > 0 {
            outcome.usage.input = Some(input);
        }
        if more > 0 {
            outcome.usage.output = Some(output.unwrap_or(0).saturating_add(more));
        }
    }

    /// Gives the place on the account back, and says how the request went there.
    pub(crate) fn settle(&mut self, gone: bool, now: Instant) {
        let Some(attempt) = &mut self.attempt else { return };
        let Some(reservation) = attempt.reservation.take() else { return };
        match &self.outcome.failure {
            Some(failure) => {
                reservation.failed(course::class(failure), now, &mut rand::rng());
            }
            None if gone => {
                reservation.failed(retry::Failure::ClientGone, now, &mut rand::rng());
            }
            None => {
                let first_byte = attempt.first_byte.unwrap_or_default();
                let usage = &self.outcome.usage;
                let tokens = match (usage.total_input(), usage.output) {
                    (None, None) => None,
                    (input, output) => Some(input.unwrap_or(0).saturating_add(output.unwrap_or(0))),
                };
                reservation.succeeded(Success { first_byte, tokens }, now);
            }
        }
    }
}

/// The client's bytes of an answer that came in one piece; why there is none, and what its header
/// said beside, if it is none.
pub(crate) fn finish_whole(
    exchange: &mut ChatExchange,
    request_id: &str,
) -> Result<Bytes, (Failure, HeaderMap)> {
    let passthrough = exchange.attempt.as_ref().is_some_and(|a| a.passthrough);
    let context = match passthrough {
        true => AnswerContext::default(),
        false => exchange.answer_context(request_id),
    };
    let streaming = exchange.envelope.stream;
    let (ingress, task) = (exchange.ingress, exchange.task);
    let embedding = exchange.embedding.as_deref().map(|asked| &asked.value);
    let Some(attempt) = &mut exchange.attempt else { return Ok(Bytes::new()) };
    let Answer::Whole(whole) = std::mem::take(&mut attempt.answer) else { return Ok(Bytes::new()) };
    attempt.answer = Answer::Done;
    let (shelf, asked) = (attempt.shelf.take(), exchange.canonical.as_deref());
    let keep = |response: &ChatResponse| {
        if let (Some(shelf), Some(asked)) = (&shelf, asked) {
            shelf.keep_whole(response, &asked.value.messages);
        }
    };
    let upstream = &attempt.upstream;
    let egress = attempt.face.egress;
    let sides = Sides { ingress, egress, passthrough, task, embedding };
    let unusable = match whole.finish(sides, streaming, &context, keep) {
        Ok(Said { body, usage, losses, kept_id }) => {
            exchange.outcome.usage = usage;
            exchange.outcome.losses = losses;
            exchange.outcome.kept_id = kept_id;
            return Ok(body);
        }
        Err(unusable) => unusable,
    };
    let provider = upstream.provider.name.to_string();
    Err(match unusable {
        Unusable::Refused(mut error, said) => {
            attempt.upstream.conceal(attempt.account, &mut error.message);
            (Failure::UpstreamRefused { provider, error }, said)
        }
        Unusable::Malformed(error) => {
            (Failure::UpstreamMalformed { provider, error }, HeaderMap::new())
        }
    })
}

/// An error in the place of an answer that came in one piece. Its header waits in the handle.
pub(crate) fn refusal(
    exchange: &mut ChatExchange,
    failure: Failure,
    said: &HeaderMap,
    request_id: &str,
) -> pingora::Result<Bytes> {
    if exchange.handle.header_is_out() {
        return Ok(exchange.last_words(failure, request_id).into());
    }
    let (mut header, body) = reply::failure_parts(exchange.ingress, &failure, request_id)?;
    head::keep(said, &mut header.headers);
    exchange.handle.replace_header(Box::new(header.into()));
    exchange.outcome.failure = Some(failure);
    Ok(body)
}
