//! Sets an attempt out, and reads its end as the proxy loop tells it.

use std::net::SocketAddr;
use std::sync::Arc;

use adapters_canonical::failure::Failure;
use bytes::Bytes;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};
use pingora_proxy::Session;
use proxy_route::Choice;

use crate::buffered::ENDED_UNSEEN;
use crate::cause::{Cause, cause};
use crate::closing::Closing;
use crate::ctx::{Answer, Ctx};
use crate::gateway::Gateway;
use crate::handle::Patience;
use crate::routing::Placeless;
use crate::{chat, clock, dns};

/// A failure of ours that the context holds; Pingora only needs to know that there is one.
pub(crate) const REFUSED: ErrorType = ErrorType::Custom("Refused");
/// The attempt failed and there will be another.
pub(crate) const AGAIN: ErrorType = ErrorType::Custom("Again");

/// Has the proxy loop say the last word to the client.
pub(crate) fn close(ctx: &mut Ctx, closing: pingora::Result<Closing>) -> Box<Error> {
    match closing {
        Ok(closing) => {
            ctx.closing = Some(closing);
            again()
        }
        Err(error) => error,
    }
}

/// Has the proxy loop begin another attempt.
pub(crate) fn again() -> Box<Error> {
    let mut error = Error::explain(AGAIN, "the attempt failed").into_up();
    error.set_retry(true);
    error
}

/// Whether the same place is tried once more: a pooled connection that its other end had closed
/// before anything was sent on it, or HTTP/2 where HTTP/1.1 is spoken.
pub(crate) fn returns(ctx: &mut Ctx, error: &mut Error, pooled: bool) -> bool {
    let Some(chat) = &mut ctx.chat else { return false };
    let Some(attempt) = &mut chat.attempt else { return false };
    if *error.etype() == AGAIN || !matches!(attempt.answer, Answer::Awaited) {
        return false;
    }
    error.retry.decide_reuse(pooled);
    if !error.retry() || chat.handle.upload_has_moved() || !chat.course.may_return(pooled) {
        return false;
    }
    chat.course.next = attempt.take_place();
    chat.course.next.is_some()
}

/// Nothing was sent, but the failure is the place's: it is told.
fn hold(ctx: &mut Ctx, choice: Choice) {
    let now = ctx.now();
    let Ctx { snapshot, chat: Some(exchange), .. } = ctx else { return };
    exchange.attempt = chat::unsent(exchange, snapshot, choice, now);
}

impl Gateway {
    /// Where the next attempt goes; the constant that the last word is said to, if none is left.
    pub(crate) async fn next_peer(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
    ) -> Result<Box<HttpPeer>, Box<Error>> {
        while ctx.closing.is_none() {
            let choice = match self.place(session, ctx).await {
                Ok(choice) => choice,
                Err(Placeless::Gone(error)) => return Err(error),
                Err(Placeless::Refused(failure)) => {
                    ctx.closing = Some(Closing::of(ctx, failure)?);
                    break;
                }
            };
            let set_out = match self.bring(session, ctx, &choice).await {
                Ok(()) => self.set_out(ctx, choice).await,
                Err(Placeless::Gone(error)) => return Err(error),
                Err(Placeless::Refused(failure)) => {
                    hold(ctx, choice);
                    Err(failure)
                }
            };
            ctx.waited();
            match set_out {
                Ok(peer) => return Ok(peer),
                Err(failure) if self.again(ctx, &failure) => {}
                Err(failure) => ctx.closing = Some(Closing::of(ctx, failure)?),
            }
        }
        Ok(Closing::peer())
    }

    /// Says the request in its provider's words and finds the way there. From here on the attempt
    /// holds the place.
    pub(crate) async fn set_out(
        &self,
        ctx: &mut Ctx,
        choice: Choice,
    ) -> Result<Box<HttpPeer>, Failure> {
        let mut now = ctx.now();
        let Ctx { snapshot, chat: Some(exchange), .. } = ctx else {
            return Err(Failure::Internal);
        };
        let seals = &self.seals;
        let mut attempt = match chat::attempt(exchange, snapshot, &choice, seals, now) {
            Ok(attempt) => attempt,
            Err(failure) => {
                hold(ctx, choice);
                return Err(failure);
            }
        };
        attempt.reservation = Some(choice.reservation);
        let upstream = Arc::clone(&attempt.upstream);
        let account = attempt.account;
        let timeouts = exchange.timeouts(&upstream.provider);
        exchange.attempt = Some(attempt);
        exchange.course.made += 1;
        let address = match upstream.host_and_port() {
            None => SocketAddr::from(([0, 0, 0, 0], 0)),
            Some((host, port)) if let Some(address) = dns::parse(host, port) => address,
            Some((host, port)) => {
                let resolving = self.dns.resolve(host, port);
                let found = tokio::time::timeout(timeouts.connect, resolving).await;
                now = clock::now();
                let Ok(Ok(address)) = found else {
                    let provider = upstream.provider.name.to_string();
                    let reason = "its name was not found";
                    return Err(Failure::UpstreamUnreachable { provider, reason });
                };
                address
            }
        };
        let patience = Patience {
            first_byte: timeouts.first_byte,
            idle: timeouts.idle,
            total: exchange.course.deadline,
        };
        exchange.handle.begin_attempt(patience, now);
        let mut peer = upstream.peer(account, address, &timeouts);
        if exchange.passing.as_ref().is_some_and(|passing| passing.uploads()) {
            // While a body goes up the session is not asked, which measures silence otherwise.
            let silence = timeouts.first_byte.max(timeouts.idle);
            peer.options.read_timeout = Some(snapshot.plan.limits.body_timeout + silence);
            let write = peer.options.write_timeout;
            peer.options.write_timeout = write.map(|most| most.min(timeouts.idle));
        }
        Ok(Box::new(peer))
    }

    /// What the client gets for the next bytes of a stream, if anything yet.
    pub(crate) fn stream(
        &self,
        ctx: &mut Ctx,
        piece: Option<&[u8]>,
        end: bool,
    ) -> Result<Option<Bytes>, Box<Error>> {
        let started = ctx.started;
        let Some(exchange) = ctx.chat.as_deref_mut() else { return Ok(None) };
        let out = match exchange.handle.push(piece, end) {
            // The client knows nothing of this answer yet.
            Err(failure) => return Err(self.failed(ctx, failure)),
            Ok(_) if exchange.handle.is_garbled() && self.asks_again(ctx) => return Err(again()),
            Ok(out) if out.is_empty() => return Ok(None),
            Ok(out) => out,
        };
        let Some(exchange) = ctx.chat.as_deref_mut() else { return Ok(None) };
        if let Some(attempt) = exchange.attempt.as_mut().filter(|it| it.first_byte.is_none()) {
            attempt.answered(clock::now());
            // There will be no other attempt, and a stream may go on for minutes.
            exchange.release_request();
        }
        self.time_chunk(ctx, started);
        Ok(Some(Bytes::from(out)))
    }

    /// An attempt failed before the client got anything of it: another one, or the end.
    pub(crate) fn failed(&self, ctx: &mut Ctx, failure: Failure) -> Box<Error> {
        if self.again(ctx, &failure) {
            return again();
        }
        let closing = Closing::of(ctx, failure);
        close(ctx, closing)
    }

    /// What follows an error of the proxy loop: another attempt, or the last word to the client.
    /// A client that is gone needs neither.
    pub(crate) fn decide(&self, ctx: &mut Ctx, mut error: Box<Error>) -> Box<Error> {
        if *error.etype() == AGAIN {
            return error;
        }
        error.set_retry(false);
        if ctx.closing.is_some() {
            // Nothing can fail there but the client.
            return error;
        }
        let answered = ctx.attempt().is_some_and(|a| !matches!(a.answer, Answer::Awaited));
        let is_out = |answer: &Answer| matches!(answer, Answer::Done | Answer::Raw { begun: true });
        let whole_is_out = ctx.attempt().is_some_and(|a| is_out(&a.answer));
        let refused = ctx.chat.as_ref().and_then(|chat| chat.handle.take_refusal());
        let failure = match ctx.failure.take().or(refused) {
            Some(failure) => failure,
            None => match cause(&error, ctx.labels().provider, answered) {
                Cause::Failure(failure) => failure,
                Cause::Client => return error,
            },
        };
        if whole_is_out {
            return error;
        }
        let closing = match *error.etype() == ENDED_UNSEEN {
            // The answer may be complete all the same.
            true => Closing::of_unseen(ctx, failure),
            false if self.again(ctx, &failure) => return again(),
            false => Closing::of(ctx, failure),
        };
        tracing::debug!(request_id = ctx.request_id, %error, "no attempt is left");
        close(ctx, closing)
    }
}
