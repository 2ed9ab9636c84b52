//! Runs the decisions inside Pingora's phases. Decides nothing itself.

use std::sync::Arc;
use std::time::Duration;

use adapters_canonical::failure::Failure;
use adapters_canonical::loss::DecodeError;
use adapters_canonical::unsaid::Unsaid;
use adapters_openai::ingress::ChatCompletions;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use conf_schema::plan::Plan;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use proxy_admit::key::Caller;
use proxy_route::Router;
use proxy_route::account::Policy;
use proxy_route::capacity::LimitReport;
use proxy_route::retry::RetryPolicy;
use proxy_telemetry::Metrics;

use crate::answer::Whole;
use crate::attempt::{REFUSED, again, returns};
use crate::cause::{Cause, cause};
use crate::closing::Closing;
use crate::ctx::{Answer, ChatExchange, Ctx};
use crate::dns::Dns;
use crate::ending::{finish_whole, refusal};
use crate::fetch::Fetcher;
use crate::seals::Seals;
use crate::snapshot::Snapshots;
use crate::streamed::{Streamed, ToClient};
use crate::waiting::Waiting;
use crate::{access, body, buffered, clock, head, pass, routing, task};

/// What the log and the metrics say of a client that was gone.
const CLIENT_GONE: u16 = 499;

/// The proxy: one for all listeners.
pub struct Gateway {
    snapshots: Arc<Snapshots>,
    pub(crate) router: Arc<Router>,
    pub(crate) waiting: Waiting,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) dns: Dns,
    pub(crate) seals: Arc<Seals>,
    pub(crate) fetcher: Fetcher,
}

impl Gateway {
    /// A gateway that follows `plan` and counts into `metrics`. Call inside a tokio runtime or
    /// before one starts.
    #[must_use]
    pub fn new(plan: Arc<ArcSwap<Plan>>, metrics: Arc<Metrics>) -> Self {
        let router = Arc::new(Router::new(Policy::default(), RetryPolicy::default(), clock::now()));
        let snapshots = Snapshots::new(plan, Arc::clone(&router), Arc::clone(&metrics));
        let snapshots = Arc::new(snapshots);
        routing::watch_accounts(&metrics, Arc::downgrade(&snapshots));
        Self {
            snapshots,
            waiting: Waiting::new(Arc::clone(&router)),
            router,
            seals: Seals::new(Arc::clone(&metrics)),
            metrics,
            dns: Dns::new(),
            fetcher: Fetcher::new(),
        }
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx {
            snapshot: self.snapshots.load(),
            in_flight: self.metrics.start(),
            started: clock::now(),
            moment: None,
            request_id: String::new(),
            route: "(none)",
            ingress: &ChatCompletions,
            caller: Caller::Anonymous,
            failure: None,
            chat: None,
            closing: None,
        }
    }

    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        self.enter(session, ctx).await
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        self.next_peer(session, ctx).await
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        upstream_request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if ctx.closing.is_some() {
            *upstream_request = Closing::request()?;
            return Ok(());
        }
        let Some(ChatExchange { attempt: Some(attempt), envelope, passing, .. }) =
            ctx.chat.as_deref()
        else {
            return Error::e_explain(ErrorType::InternalError, "there is nothing to send");
        };
        let version = upstream_request.version;
        let mut header =
            head::upstream_request(upstream_request, attempt, envelope.stream, &ctx.request_id)?;
        if let Some(passing) = passing {
            passing.describe(attempt.body.len(), &mut header)?;
        }
        header.set_version(version);
        *upstream_request = header;
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if ctx.closing.is_some() {
            return Ok(());
        }
        if let Some(ChatExchange { passing: Some(passing), attempt: Some(attempt), .. }) =
            ctx.chat.as_deref_mut()
            && passing.uploads()
        {
            // First a stand-in for what has been read already; what comes then passes.
            if !attempt.body.is_empty() {
                *body = Some(std::mem::take(&mut attempt.body));
            }
            return Ok(());
        }
        // The body that came is a stand-in; this is the one that was announced.
        *body = ctx.attempt().filter(|_| end).map(|attempt| std::mem::take(&mut attempt.body));
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _: &mut Session,
        upstream_response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if upstream_response.status.is_informational() {
            return Ok(());
        }
        if let Some(closing) = &ctx.closing {
            *upstream_response = closing.header();
            return Ok(());
        }
        let Some(exchange) = ctx.chat.as_deref_mut() else { return Ok(()) };
        let now = clock::now();
        let success = upstream_response.status.is_success();
        let passing = exchange.passing.as_deref();
        // Whether a form asks for a stream is not looked for.
        exchange.envelope.stream |=
            success && passing.is_some() && head::is_event_stream(upstream_response);
        let streamed =
            success && exchange.envelope.stream && head::is_event_stream(upstream_response);
        let raw = success
            && !streamed
            && passing.is_some_and(|passing| passing.is_raw(upstream_response));
        let context = streamed.then(|| exchange.answer_context(&ctx.request_id));
        let Some(attempt) = &mut exchange.attempt else { return Ok(()) };
        if let Some(reservation) = &attempt.reservation {
            let report = LimitReport::read(&upstream_response.headers, clock::since_1970);
            reservation.limits(&report, now);
        }
        if let Some(encoding) = head::encoding(upstream_response) {
            let error = DecodeError::Framing(format!("it is packed with {encoding}"));
            let provider = attempt.upstream.provider.name.to_string();
            ctx.failure = Some(Failure::UpstreamMalformed { provider, error });
            return Err(Error::explain(REFUSED, "the answer is packed").into_up());
        }
        let media = exchange.media(streamed);
        let named = (exchange.ingress.dialect(), ctx.request_id.as_str());
        // Of an answer in one piece they are said when all are known.
        let losses = if streamed { exchange.said_losses() } else { None };
        let reported = exchange.reports_losses();
        let keeper = if streamed { exchange.keeper() } else { None };
        let mut header = head::client_response(upstream_response, media, losses, named)?;
        if raw {
            pass::keep_form(upstream_response, &mut header)?;
        }
        let Some(attempt) = &mut exchange.attempt else { return Ok(()) };
        attempt.answer = match context {
            None if raw => {
                attempt.answered(now);
                Answer::Raw { begun: false }
            }
            None => {
                if success {
                    attempt.answered(now);
                }
                // What else it says is needed only to tell why there is no answer.
                let said = (!success).then(|| upstream_response.headers.clone());
                let status = upstream_response.status.as_u16();
                Answer::Whole(Whole::new(status, said.unwrap_or_default()))
            }
            Some(context) => {
                let upstream = &attempt.upstream;
                let provider = Arc::from(upstream.provider.name.as_ref() as &str);
                exchange.handle.begin_stream(Box::new(if attempt.passthrough {
                    let tap = task::tap(exchange.task, exchange.ingress, context, attempt);
                    Streamed::pass_through(tap, provider)
                } else {
                    let encoder = exchange.ingress.encode_stream(context);
                    let client = ToClient {
                        encoder,
                        unsaid: Box::new(Unsaid::new(exchange.ingress.vocabulary())),
                        reported,
                        keeper,
                    };
                    Streamed::translate(attempt.face.egress.decode_stream(), client, provider)
                }));
                Answer::Streamed
            }
        };
        *upstream_response = header;
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Ctx,
    ) -> Result<Option<Duration>> {
        if let Some(closing) = &mut ctx.closing {
            *body = end.then(|| closing.take_body());
            return Ok(None);
        }
        let Some(exchange) = ctx.chat.as_deref_mut() else { return Ok(None) };
        let piece = body.take();
        let Some(attempt) = &mut exchange.attempt else { return Ok(None) };
        match &mut attempt.answer {
            Answer::Streamed => *body = self.stream(ctx, piece.as_deref(), end)?,
            Answer::Whole(whole) => {
                if let Some(piece) = piece {
                    whole.push(piece).or_else(|_| {
                        Error::e_explain(ErrorType::InternalError, "the answer is too large")
                    })?;
                }
                if end {
                    *body = Some(match finish_whole(exchange, &ctx.request_id) {
                        Ok(bytes) => {
                            exchange.handle.say_losses(exchange.said_losses());
                            bytes
                        }
                        Err((failure, _)) if self.again(ctx, &failure) => return Err(again()),
                        Err((failure, said)) => match ctx.chat.as_deref_mut() {
                            Some(exchange) => refusal(exchange, failure, &said, &ctx.request_id)?,
                            None => Bytes::new(),
                        },
                    });
                    if let Some(exchange) = &ctx.chat {
                        exchange.handle.content_sent();
                    }
                }
            }
            Answer::Raw { begun } => {
                let first = piece.is_some() && !std::mem::replace(begun, true);
                *body = piece;
                if end {
                    attempt.answer = Answer::Done;
                }
                if first || end {
                    exchange.handle.content_sent();
                    exchange.release_request();
                }
            }
            Answer::Awaited | Answer::Done => {}
        }
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        ctx: &mut Ctx,
        error: Box<Error>,
    ) -> Box<Error> {
        self.decide(ctx, error)
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        _: &mut Session,
        error: Box<Error>,
        ctx: &mut Ctx,
        client_reused: bool,
    ) -> Box<Error> {
        let mut error = error.more_context(format!("upstream {}", peer._address));
        if returns(ctx, &mut error, client_reused) {
            return error;
        }
        self.decide(ctx, error)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Ctx,
    ) -> FailToProxy {
        let answered = ctx.attempt().is_some_and(|a| !matches!(a.answer, Answer::Awaited));
        let provider = ctx.labels().provider.to_owned();
        let failure = match ctx.failure.take() {
            Some(failure) => failure,
            None => match cause(error, &provider, answered) {
                Cause::Failure(failure) => failure,
                Cause::Client => return FailToProxy { error_code: 0, can_reuse_downstream: false },
            },
        };
        tracing::debug!(request_id = ctx.request_id, %error, "the proxy loop failed");
        if ctx.attempt().is_some_and(|a| matches!(a.answer, Answer::Raw { begun: true }))
            && let Some(chat) = &mut ctx.chat
        {
            // Whatever were said now would be taken for some of it: it is cut.
            chat.outcome.failure.get_or_insert(failure);
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        }
        if let Err(error) = self.end_badly(session, ctx, failure).await {
            tracing::debug!(request_id = ctx.request_id, %error, "the client is gone");
        }
        let status = session.response_written().map_or(0, |header| header.status.as_u16());
        FailToProxy { error_code: status, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        if let Some(chat) = &mut ctx.chat {
            buffered::uninstall(session, &chat.handle);
            if let Some(outcome) = chat.handle.take_outcome() {
                chat.outcome = outcome;
            }
        }
        let gone = error.is_some_and(|error| {
            ctx.failure.is_none() && matches!(cause(error, "", false), Cause::Client)
        });
        let written = session.response_written().map(|header| header.status.as_u16());
        let status = if gone { CLIENT_GONE } else { written.unwrap_or(CLIENT_GONE) };
        let now = clock::now();
        let took = now.duration_since(ctx.started);
        if let Some(chat) = &mut ctx.chat {
            if chat.outcome.failure.is_none() {
                chat.outcome.failure = ctx.failure.take();
            }
            chat.estimate(gone);
            chat.settle(gone, now);
            self.waiting.offer(now);
        }
        self.follow_chain(ctx, now);
        self.count(ctx, status, took);
        access::log(session, ctx, status, took);
        ctx.in_flight.finish();
        if !gone && ctx.chat.as_ref().is_some_and(|chat| chat.handle.upload_is_open()) {
            session.set_keepalive(None);
            body::discard(session).await;
        }
    }

    /// The access log says it all, in one line and without addresses of upstreams.
    fn suppress_error_log(&self, _: &Session, _: &Ctx, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Ctx,
        _: &Error,
        _: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}
