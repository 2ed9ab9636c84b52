//! Which account a request goes to, and what follows when that fails.

use std::time::{Duration, Instant};

use adapters_canonical::failure::Failure;
use pingora::Error;
use pingora_proxy::Session;
use proxy_route::affinity::{Binding, Bindings as _, SessionId, SessionPieces};
use proxy_route::queue::QueueBounds;
use proxy_route::resolve::{Resolved, resolve};
use proxy_route::retry::{Fallback, GiveUp, Verdict};
use proxy_route::{Bound, Choice, MoveReason, Saturated, Saturation, Tried};
use proxy_telemetry::Metrics;
use proxy_telemetry::routing::AccountGauges;

use crate::course::{Course, class, key_name};
use crate::ctx::{Answer, ChatExchange, Ctx};
use crate::gateway::Gateway;
use crate::snapshot::{Snapshot, Snapshots};
use crate::waiting::{SOON, is_worth_a_wait};
use crate::{cause, clock, task};

/// What is told to somebody who was never looked at: those before it had no room.
const CROWDED: Saturated =
    Saturated { reason: Saturation::Exhausted, retry_after: Some(Duration::from_secs(1)) };

/// Why a request has no place.
pub(crate) enum Placeless {
    /// It is told why.
    Refused(Failure),
    /// Its client is gone.
    Gone(Box<Error>),
}

impl Gateway {
    /// A place for the next attempt: the one that was taken already, or the one that the router
    /// chooses. Waits for room, if there may soon be some.
    pub(crate) async fn place(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
    ) -> Result<Choice, Placeless> {
        let now = ctx.now();
        let Ctx { snapshot, caller, moment, chat: Some(chat), .. } = ctx else {
            return Err(Placeless::Refused(Failure::Internal));
        };
        let mut now = now;
        if let Some(pause) = chat.course.pause.take() {
            idle(session, tokio::time::sleep(pause)).await.map_err(Placeless::Gone)?;
            now = *moment.insert(clock::now());
        }
        if let Some(choice) = chat.course.next.take() {
            return Ok(choice);
        }
        // Whoever comes while others wait for the same waits behind them, room or not.
        let saturated = if self.waiting.is_wanted(&chat.course.route) {
            None
        } else {
            match self.choose(chat, now) {
                Ok(choice) => return Ok(choice),
                Err(saturated) => Some(saturated),
            }
        };
        let until = (now + snapshot.plan.queue.wait).min(chat.course.deadline);
        let bounds = QueueBounds {
            total: snapshot.plan.queue.requests,
            per_key: snapshot.plan.queue.requests_per_key,
        };
        if let Some(saturated) = saturated.filter(|it| !is_worth_a_wait(it, until)) {
            return Err(Placeless::Refused(self.saturated(chat, saturated)));
        }
        let key = key_name(caller);
        let Ok(waiter) = self.waiting.join(key, until, bounds, chat.course.wanted()) else {
            let saturated = saturated.unwrap_or(CROWDED);
            return Err(Placeless::Refused(self.saturated(chat, saturated)));
        };
        let waited = self.metrics.routing.wait();
        let outcome = idle(session, waiter.outcome(until)).await.map_err(Placeless::Gone)?;
        *moment = None;
        waited.end(outcome.is_ok());
        match outcome {
            Ok(choice) => {
                self.note_move(&choice);
                Ok(choice)
            }
            Err(why) => {
                let why = why.or(saturated).unwrap_or(CROWDED);
                Err(Placeless::Refused(self.saturated(chat, why)))
            }
        }
    }

    /// Whoever goes on from an answer that its provider keeps must reach the account that has it.
    pub(crate) fn follow_chain(&self, ctx: &Ctx, now: Instant) {
        let Some(chat) = &ctx.chat else { return };
        let (Some(id), Some(attempt)) = (&chat.outcome.kept_id, &chat.attempt) else { return };
        let provider = &attempt.upstream.provider;
        let Some(account) = provider.accounts.get(attempt.account) else { return };
        let pieces = SessionPieces { chain: Some(id), ..SessionPieces::default() };
        let session = SessionId::of(key_name(&ctx.caller), &chat.envelope.model, &pieces);
        if let Some(session) = session {
            let home = Binding {
                provider: provider.name.clone(),
                account: account.name.clone(),
                model: attempt.model.as_str().into(),
            };
            let idle = ctx.snapshot.plan.affinity.idle;
            // Its name is new: nobody else has bound it.
            self.router.bindings().bind(&session, None, home, idle, now);
        }
    }

    pub(crate) fn choose(&self, chat: &ChatExchange, now: Instant) -> Result<Choice, Saturated> {
        self.choose_on(&chat.course, now)
    }

    pub(crate) fn choose_on(&self, course: &Course, now: Instant) -> Result<Choice, Saturated> {
        let choice = self.router.choose(&course.route, &course.wish(), now, &mut rand::rng())?;
        self.note_move(&choice);
        Ok(choice)
    }

    fn note_move(&self, choice: &Choice) {
        if let Bound::Moved(reason) = choice.bound {
            self.metrics.routing.session_moved(match reason {
                MoveReason::Removed => "removed",
                MoveReason::Exhausted => "exhausted",
                MoveReason::Down => "down",
            });
        }
    }

    /// What the client is told when no account takes its request.
    fn saturated(&self, chat: &mut ChatExchange, why: Saturated) -> Failure {
        let model = chat.envelope.model.clone().into_owned();
        let retry_after = why.retry_after;
        let (reason, failure) = match why.reason {
            Saturation::Exhausted => {
                ("exhausted", Failure::AccountsExhausted { model, retry_after })
            }
            Saturation::Down => ("down", Failure::AccountsDown { model, retry_after }),
            Saturation::Tried => ("tried", Failure::AccountsDown { model, retry_after }),
            Saturation::CredentialRefused => {
                ("credential_refused", Failure::CredentialsRefused { model })
            }
            Saturation::NoCredential => {
                // What is the client's own to mend comes first.
                let malformed = task::unreadable(chat).map(Failure::BodyMalformed);
                let missing = chat.course.route.missing_credential();
                let missing = || {
                    missing.map_or(Failure::Internal, |(provider, reason)| {
                        let (provider, reason) = (provider.to_string(), reason.to_owned());
                        Failure::ProviderNotConfigured { provider, reason }
                    })
                };
                ("no_credential", malformed.unwrap_or_else(missing))
            }
        };
        self.metrics.routing.saturated(chat.model_label(), reason);
        // What a provider said tells the client more than that there is nobody else.
        chat.last.take().unwrap_or(failure)
    }

    /// Whether a failed attempt is followed by another. Everybody learns of the failure.
    pub(crate) fn again(&self, ctx: &mut Ctx, failure: &Failure) -> bool {
        let now = clock::now();
        let Ctx { snapshot, caller, chat: Some(chat), .. } = ctx else { return false };
        let Some(attempt) = &mut chat.attempt else { return false };
        let Some(reservation) = attempt.reservation.take() else { return false };
        let place = attempt.place;
        // A body that has gone up cannot go up again.
        let sent = chat.handle.content_is_out() || chat.handle.upload_has_moved();
        let attempts = chat.course.attempts(self.router.most_attempts(), sent);
        let key = key_name(caller);
        let rng = &mut rand::rng();
        let verdict = self.router.report(reservation, class(failure), &attempts, key, now, rng);
        self.waiting.offer(now);
        let goes_on = match verdict {
            Verdict::NextAccount => {
                chat.course.avoid(place.into());
                self.holds_back(chat, failure, now)
                    || self.goes_on(chat, failure, snapshot.plan.queue.wait, now)
            }
            Verdict::NextTarget => {
                chat.course.avoid(Tried { target: place.target, account: None });
                self.goes_on(chat, failure, snapshot.plan.queue.wait, now)
            }
            Verdict::Fallback(why) => self.falls_back(chat, snapshot, why, now),
            Verdict::GiveUp(why) => {
                self.given_up(why);
                false
            }
        };
        if goes_on {
            self.leave_behind(ctx, failure);
        }
        goes_on
    }

    /// Takes the next place, if there is one or may soon be one.
    fn goes_on(
        &self,
        chat: &mut ChatExchange,
        failure: &Failure,
        wait: Duration,
        now: Instant,
    ) -> bool {
        let saturated = match self.choose(chat, now) {
            Ok(choice) => {
                chat.course.next = Some(choice);
                return true;
            }
            Err(saturated) => saturated,
        };
        let may_wait = |after: Duration| now + after < chat.course.deadline;
        match saturated.reason {
            // The same places once more, if what went wrong may pass.
            Saturation::Tried => passes(failure, wait) && chat.course.another_round(),
            Saturation::Exhausted | Saturation::Down => {
                saturated.retry_after.is_some_and(|after| after <= SOON && may_wait(after))
            }
            Saturation::CredentialRefused | Saturation::NoCredential => false,
        }
    }

    /// Goes on with another model, if the configuration names one that has not been asked.
    fn falls_back(
        &self,
        chat: &mut ChatExchange,
        snapshot: &Snapshot,
        why: Fallback,
        now: Instant,
    ) -> bool {
        let own = match &chat.resolved {
            Resolved::Listed(model) => Some(model.name.clone()),
            Resolved::Direct(_) => None,
        };
        for model in chat.course.route.fallbacks(why).to_vec() {
            if own.as_ref() == Some(&model) || chat.course.has_asked(&model) {
                continue;
            }
            let Ok(resolved) = resolve(&snapshot.plan, model.as_ref()) else { continue };
            let route = snapshot.routes.route(&resolved, now);
            chat.course.fall_back(model, &resolved, route);
            if chat.course.fits_nowhere() {
                continue;
            }
            if let Ok(choice) = self.choose(chat, now) {
                chat.resolved = resolved;
                chat.course.next = Some(choice);
                return true;
            }
        }
        false
    }

    fn given_up(&self, why: GiveUp) {
        self.metrics.routing.given_up(match why {
            GiveUp::Final => "final",
            GiveUp::ContentSent => "content_sent",
            GiveUp::OptedOut => "opted_out",
            GiveUp::Deadline => "deadline",
            GiveUp::Attempts => "attempts",
            GiveUp::Budget => "budget",
        });
    }

    /// Counts an attempt that is over, and forgets it.
    pub(crate) fn leave_behind(&self, ctx: &mut Ctx, failure: &Failure) {
        let reason = cause::upstream_failure(failure).unwrap_or("not_expressible");
        let labels = ctx.labels();
        self.metrics.routing.retry(&labels, reason);
        if cause::upstream_failure(failure).is_some() {
            self.metrics.upstream_failure(&labels, reason);
        }
        if let Some(usage) = ctx.chat.as_ref().and_then(|chat| chat.handle.take_outcome()) {
            // What was used is paid for, though nobody saw it.
            self.metrics.usage(&labels, &usage.usage);
            for _ in 0..usage.malformed {
                self.metrics.malformed_event(labels.provider);
            }
        }
        tracing::debug!(
            request_id = ctx.request_id,
            provider = labels.provider,
            account = labels.account,
            reason,
            "an attempt failed; trying again"
        );
        if let Some(chat) = &mut ctx.chat {
            chat.handle.end_attempt();
            chat.last = Some(failure.clone());
            if let Some(attempt) = &mut chat.attempt {
                attempt.answer = Answer::Awaited;
            }
        }
    }
}

/// Whether a failure may be over in a moment, or before a request has waited for too long.
fn passes(failure: &Failure, wait: Duration) -> bool {
    use proxy_route::retry::Failure as F;
    match class(failure) {
        F::Unreachable | F::Conflict | F::Broken | F::BrokeOff | F::Overloaded { .. } => true,
        // It then waits for its turn, like everybody else.
        F::Limited { retry_after } => retry_after.is_some_and(|after| after <= wait),
        F::Credential
        | F::Unpaid
        | F::ModelMissing
        | F::TimedOut
        | F::ContextWindow
        | F::ContentPolicy
        | F::NotExpressible
        | F::Request
        | F::ClientGone => false,
    }
}

/// Waits for `done`, and all the while for the client to go away. Its heartbeats go on.
pub(crate) async fn idle<T>(
    session: &mut Session,
    done: impl Future<Output = T>,
) -> Result<T, Box<Error>> {
    tokio::select! {
        done = done => Ok(done),
        gone = session.downstream_session.read_body_or_idle(true) => Err(match gone {
            Err(error) => error.into_down(),
            Ok(_) => Error::explain(pingora::ErrorType::ConnectionClosed, "gone").into_down(),
        }),
    }
}

/// Has the metrics show what the accounts of the configuration in use are doing.
pub(crate) fn watch_accounts(metrics: &Metrics, snapshots: std::sync::Weak<Snapshots>) {
    metrics.routing.look_at(move |routing| {
        let Some(snapshots) = snapshots.upgrade() else { return };
        for (id, status) in snapshots.load().routes.accounts(clock::now()) {
            routing.show(&AccountGauges {
                provider: id.provider.as_ref(),
                account: id.account.as_ref(),
                requests: status.in_flight,
                tokens: status.tokens_in_flight,
                available: status.blocked.is_none(),
            });
        }
    });
}
