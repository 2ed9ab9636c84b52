//! Two occasions to ask somebody else, or to wait, that are no failure of the account alone.

use std::time::Instant;

use adapters_canonical::failure::Failure;
use adapters_canonical::loss::DecodeError;
use proxy_route::Tried;
use proxy_route::retry::{self, Verdict};
use rand::RngExt as _;

use crate::clock;
use crate::course::{class, key_name};
use crate::ctx::{ChatExchange, Ctx};
use crate::gateway::Gateway;
use crate::waiting::SOON;

impl Gateway {
    /// Whether the request waits a moment because its provider asks for it. A limit is an account's
    /// own; trouble is the whole provider's, and its other accounts have it too. So another provider
    /// answers at once, and if there is none, nobody is asked before that moment has passed.
    pub(crate) fn holds_back(
        &self,
        chat: &mut ChatExchange,
        failure: &Failure,
        now: Instant,
    ) -> bool {
        let retry::Failure::Overloaded { retry_after: Some(after) } = class(failure) else {
            return false;
        };
        let Some(attempt) = &chat.attempt else { return false };
        if after.is_zero() || after > SOON || now + after >= chat.course.deadline {
            return false;
        }
        let provider = &attempt.upstream.provider.name;
        let targets = chat.resolved.targets().iter().enumerate();
        let same = targets.filter(|(_, target)| target.provider.name == *provider);
        let same = same.map(|(target, _)| Tried { target, account: None }).collect::<Vec<_>>();
        let elsewhere = chat.course.without(same, |course| self.choose_on(course, now));
        if let Ok(choice) = elsewhere {
            chat.course.next = Some(choice);
            return true;
        }
        // Somebody else of the same provider: the choice is made again when the time has come.
        let Ok(choice) = self.choose(chat, now) else { return false };
        let rng = &mut rand::rng();
        choice.reservation.failed(retry::Failure::NotExpressible, now, rng);
        chat.course.pause = Some(after.mul_f64(rng.random_range(1.0..1.1)));
        true
    }

    /// Whether a stream that is under way is given up for another, since its first event cannot be
    /// read and nothing of it has reached the client: what that event said would be missing. If
    /// nobody else can answer, the stream goes on without it.
    pub(crate) fn asks_again(&self, ctx: &mut Ctx) -> bool {
        let now = clock::now();
        let Ctx { caller, chat: Some(chat), .. } = ctx else { return false };
        if chat.attempt.as_ref().is_none_or(|attempt| attempt.reservation.is_none()) {
            return false;
        }
        let attempts = chat.course.attempts(self.router.most_attempts(), false);
        let next = retry::verdict(retry::Failure::BrokeOff, &attempts, now);
        if next != Verdict::NextAccount
            || !chat.course.may_doubt()
            || !self.router.afford(key_name(caller), now)
        {
            return false;
        }
        let Some(attempt) = &mut chat.attempt else { return false };
        let elsewhere = [Tried::from(attempt.place)];
        let choice = chat.course.without(elsewhere, |course| self.choose_on(course, now));
        let Ok(choice) = choice.or_else(|_| self.choose_on(&chat.course, now)) else {
            return false;
        };
        let provider = &attempt.upstream.provider.name;
        let target = chat.resolved.targets().get(choice.place.target);
        if target.is_some_and(|target| target.provider.name == *provider) {
            // It is to hear first that we hang up, or else it has two requests where there is one.
            chat.course.pause = Some(retry::backoff(0, &mut rand::rng()));
        }
        chat.course.next = Some(choice);
        let provider = provider.to_string();
        // The account is well; we hang up on it.
        if let Some(reservation) = attempt.reservation.take() {
            reservation.failed(retry::Failure::ClientGone, now, &mut rand::rng());
        }
        self.waiting.offer(now);
        let error = DecodeError::Framing("its first event cannot be read".to_owned());
        self.leave_behind(ctx, &Failure::UpstreamMalformed { provider, error });
        true
    }
}
