//! Where a request has been, where it goes next, and what names its session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters_canonical::failure::{ErrorKind, Failure, UpstreamError};
use adapters_canonical::ingress::{Envelope, Ingress};
use conf_name::ModelName;
use pingora::http::RequestHeader;
use proxy_admit::key::Caller;
use proxy_route::affinity::{SessionId, SessionPieces};
use proxy_route::condition::{Barred, Facts, Looked};
use proxy_route::resolve::Resolved;
use proxy_route::retry::{self, Attempts};
use proxy_route::{Choice, Route, Tried, Wish};

use crate::snapshot::Snapshot;
use crate::task::Task;
use crate::waiting::Wanted;

/// Bytes of JSON that make one token, roughly.
const BYTES_PER_TOKEN: u64 = 4;
/// What an answer is taken to use if the client does not say how long it may be.
const USUAL_OUTPUT: u64 = 1024;
/// No model takes much more; a body that is larger is mostly pictures.
const LARGEST_INPUT: u64 = 200_000;
/// How often the same places are tried again when all of them have failed.
const ROUNDS: u32 = 1;
/// How often a request goes back to a place whose connection was of no use.
const MOST_RETURNS: u32 = 6;

/// The way of one request.
pub(crate) struct Course {
    pub(crate) route: Arc<Route>,
    session: Option<SessionId>,
    input_tokens: u64,
    estimated_tokens: u64,
    prices: Vec<f64>,
    tried: Vec<Tried>,
    /// How many of those, at the beginning, are out for good.
    pinned: usize,
    /// Attempts that were made.
    pub(crate) made: u32,
    rounds: u32,
    /// How often a connection was of no use, and its place was tried once more.
    returned: u32,
    /// The place of the next attempt, if it is taken already.
    pub(crate) next: Option<Choice>,
    /// Not before that much time has passed.
    pub(crate) pause: Option<Duration>,
    /// When the request must be over.
    pub(crate) deadline: Instant,
    opted_out: bool,
    /// Models that were asked, beside the one the client named.
    asked: Vec<ModelName>,
    /// What conditions look at, if there are any.
    facts: Option<Box<Facts>>,
    /// Targets that do not take this request.
    barred: Barred,
    /// Whether an answer was given up because its beginning could not be read.
    doubted: bool,
}

impl Course {
    pub(crate) fn new(
        snapshot: &Snapshot,
        resolved: &Resolved,
        ask: &Ask<'_>,
        now: Instant,
    ) -> Self {
        let route = snapshot.route(&ask.envelope.model, resolved, now);
        let looked = snapshot.routes.looked_at();
        let facts = (!looked.is_empty()).then(|| Box::new(ask.facts(looked)));
        let barred = facts.as_ref().map_or_else(Barred::default, |it| Barred::by(&route, it));
        let mut open = resolved.targets().iter().enumerate().filter(|(at, _)| !barred.has(*at));
        let total = open
            .next()
            .map(|(_, target)| target)
            .map_or(Duration::MAX, |target| timeouts(resolved, &target.provider.timeouts).total);
        Self {
            session: ask.session(snapshot, &route),
            route,
            input_tokens: ask.input_tokens(),
            estimated_tokens: ask.estimated_tokens(),
            prices: resolved.targets().iter().map(|target| ask.price(target)).collect(),
            tried: Vec::new(),
            pinned: 0,
            made: 0,
            rounds: 0,
            returned: 0,
            next: None,
            pause: None,
            deadline: now.checked_add(total).unwrap_or(now + Duration::from_secs(1 << 30)),
            opted_out: ask.opted_out,
            asked: Vec::new(),
            facts,
            barred,
            doubted: false,
        }
    }

    /// What the router is asked for.
    pub(crate) fn wish(&self) -> Wish<'_> {
        Wish {
            session: self.session,
            estimated_tokens: self.estimated_tokens,
            tried: &self.tried,
            prices: &self.prices,
            barred: Some(&self.barred),
        }
    }

    /// The same, to be kept while it waits.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted {
            route: Arc::clone(&self.route),
            session: self.session,
            estimated_tokens: self.estimated_tokens,
            tried: self.tried.clone(),
            prices: self.prices.clone(),
            barred: self.barred.clone(),
        }
    }

    /// What the retry policy goes by.
    pub(crate) fn attempts(&self, most: u32, content_sent: bool) -> Attempts {
        let Self { made, deadline, opted_out, .. } = *self;
        Attempts { made, most, deadline, content_sent, opted_out }
    }

    /// Whether the same place is tried once more, over another connection. Many pooled connections
    /// may be closed at once; of a new one that is of no use, another will hardly be better.
    pub(crate) fn may_return(&mut self, pooled: bool) -> bool {
        let may = self.returned < if pooled { MOST_RETURNS } else { 1 };
        self.returned += u32::from(may);
        may
    }

    /// Goes to one account of the first target, of so many, and to no other.
    pub(crate) fn pin(&mut self, account: usize, of: usize) {
        let others = (0..of).filter(|other| *other != account);
        self.tried.extend(others.map(|other| Tried { target: 0, account: Some(other) }));
        self.pinned = self.tried.len();
    }

    /// What the request itself is taken to cost, if nobody says it.
    pub(crate) fn input_tokens(&self) -> u64 {
        self.input_tokens
    }

    /// Whether an answer may be given up because its beginning cannot be read: once. A provider
    /// that always begins like that is to be heard in the end.
    pub(crate) fn may_doubt(&mut self) -> bool {
        !std::mem::replace(&mut self.doubted, true)
    }

    /// Not there again.
    pub(crate) fn avoid(&mut self, tried: Tried) {
        self.tried.push(tried);
    }

    /// Does `step` as if all these places had been tried too.
    pub(crate) fn without<T>(
        &mut self,
        places: impl IntoIterator<Item = Tried>,
        step: impl FnOnce(&Self) -> T,
    ) -> T {
        let known = self.tried.len();
        self.tried.extend(places);
        let done = step(self);
        self.tried.truncate(known);
        done
    }

    /// Forgets which accounts were tried, so that they are tried once more after a pause; says
    /// whether that is left to do. Targets that cannot serve the request stay out.
    pub(crate) fn another_round(&mut self) -> bool {
        let mut made = self.tried.iter().skip(self.pinned);
        if self.rounds >= ROUNDS || made.all(|tried| tried.account.is_none()) {
            return false;
        }
        let mut at = 0;
        self.tried.retain(|tried| {
            at += 1;
            at <= self.pinned || tried.account.is_none()
        });
        self.pause = Some(retry::backoff(self.rounds, &mut rand::rng()));
        self.rounds += 1;
        true
    }

    /// Goes on with another model, of which nothing has been tried.
    pub(crate) fn fall_back(&mut self, to: ModelName, resolved: &Resolved, route: Arc<Route>) {
        self.asked.push(to);
        self.prices = vec![f64::NAN; resolved.targets().len()];
        self.tried.clear();
        self.pinned = 0;
        // Its accounts are others: the session stays where it is.
        self.session = None;
        self.barred = self.facts.as_ref().map_or_else(Barred::default, |it| Barred::by(&route, it));
        self.route = route;
    }

    /// Whether no target takes this request.
    pub(crate) fn fits_nowhere(&self) -> bool {
        self.barred.all()
    }

    /// Whether this model has been asked.
    pub(crate) fn has_asked(&self, model: &ModelName) -> bool {
        self.asked.contains(model)
    }
}

/// What a request says of itself, before anything is translated.
pub(crate) struct Ask<'a> {
    pub(crate) header: &'a RequestHeader,
    pub(crate) caller: &'a Caller,
    pub(crate) ingress: &'a dyn Ingress,
    pub(crate) task: Task,
    pub(crate) body: &'a [u8],
    pub(crate) envelope: &'a Envelope<'a>,
    pub(crate) opted_out: bool,
}

impl Ask<'_> {
    fn session(&self, snapshot: &Snapshot, route: &Route) -> Option<SessionId> {
        let header = self.header.headers.get(&snapshot.plan.affinity.header);
        let Envelope { prompt_cache_key, user, safety_identifier, model, .. } = self.envelope;
        let mut pieces = SessionPieces {
            header: header.map(|value| value.as_bytes()),
            prompt_cache_key: prompt_cache_key.as_deref(),
            user: user.as_deref(),
            safety_identifier: safety_identifier.as_deref(),
            chain: self.envelope.previous.as_deref(),
            ..SessionPieces::default()
        };
        let key = key_name(self.caller);
        if !pieces.names_it() {
            // With one account to go to, there is nothing to remember of a session without a name.
            if route.accounts() < 2 {
                return None;
            }
            let opening = self.ingress.opening(self.body);
            pieces.system = opening.system.map(str::as_bytes);
            pieces.tools = opening.tools.map(str::as_bytes);
            pieces.first_user_message = opening.first_user_message.map(str::as_bytes);
            return SessionId::of(key, model, &pieces);
        }
        SessionId::of(key, model, &pieces)
    }

    fn facts(&self, looked: &Looked) -> Facts {
        let mut headers = Vec::new();
        for name in &looked.headers {
            let values = self.header.headers.get_all(name).iter();
            let values = values.filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
            headers.extend(values.map(|value| (name.clone(), value.to_owned())));
        }
        let metadata = if looked.metadata { self.envelope.metadata(self.body) } else { Vec::new() };
        Facts { key: key_name(self.caller).to_owned(), headers, metadata }
    }

    fn input_tokens(&self) -> u64 {
        let (is_paid_for, _) = self.task.is_paid_for();
        if is_paid_for { (self.body.len() as u64 / BYTES_PER_TOKEN).min(LARGEST_INPUT) } else { 0 }
    }

    fn output_tokens(&self) -> u64 {
        let (_, is_paid_for) = self.task.is_paid_for();
        if is_paid_for { self.envelope.max_tokens.unwrap_or(USUAL_OUTPUT) } else { 0 }
    }

    fn estimated_tokens(&self) -> u64 {
        self.input_tokens().saturating_add(self.output_tokens())
    }

    #[expect(clippy::cast_precision_loss, reason = "prices are compared, not billed")]
    fn price(&self, target: &conf_schema::plan::Target) -> f64 {
        target.price.map_or(f64::NAN, |price| {
            self.input_tokens() as f64 * price.input + self.output_tokens() as f64 * price.output
        })
    }
}

/// What so many bytes of words come to, if nobody counts them.
pub(crate) fn tokens(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// How long an attempt may take: the model's word goes before the provider's.
pub(crate) fn timeouts(
    resolved: &Resolved,
    provider: &conf_schema::plan::Timeouts,
) -> conf_schema::plan::Timeouts {
    match resolved {
        Resolved::Listed(model) => model.timeouts.over(provider),
        Resolved::Direct(_) => *provider,
    }
}

/// The name of the client's key; empty for nobody's.
pub(crate) fn key_name(caller: &Caller) -> &str {
    match caller {
        Caller::Anonymous => "",
        Caller::Key(name) => name.as_ref().as_ref(),
    }
}

/// What a failure means for the next attempt.
pub(crate) fn class(failure: &Failure) -> retry::Failure {
    use retry::Failure as R;
    match failure {
        Failure::UpstreamUnreachable { .. } => R::Unreachable,
        Failure::UpstreamTimedOut { .. } => R::TimedOut,
        Failure::UpstreamRefused { error, .. } => refusal(error),
        Failure::UpstreamMalformed { .. } => R::Broken,
        Failure::UpstreamBrokeOff { .. } => R::BrokeOff,
        // Another provider may take the address itself.
        Failure::RequestNotExpressible { .. } | Failure::MediaNotFetched { .. } => {
            R::NotExpressible
        }
        Failure::RequestMalformed { .. }
        | Failure::HeaderTooLarge { .. }
        | Failure::HeadersTooMany { .. }
        | Failure::HeaderTimedOut
        | Failure::PathUnknown { .. }
        | Failure::MethodNotAllowed { .. }
        | Failure::KeyMissing
        | Failure::KeyUnknown
        | Failure::HeaderMalformed { .. }
        | Failure::MediaTypeUnsupported
        | Failure::BodyTooLarge { .. }
        | Failure::BodyTimedOut
        | Failure::BodyMalformed(_)
        | Failure::ModelUnknown { .. }
        | Failure::NoTargetMatches { .. }
        | Failure::ProviderNotConfigured { .. }
        | Failure::AccountsExhausted { .. }
        | Failure::AccountsDown { .. }
        | Failure::CredentialsRefused { .. }
        | Failure::Overloaded
        | Failure::ShuttingDown
        | Failure::Internal => R::Request,
    }
}

fn refusal(error: &UpstreamError) -> retry::Failure {
    use retry::Failure as R;
    let says = |word: &str| {
        [&error.code, &error.native_type].into_iter().flatten().any(|said| said.contains(word))
    };
    let retry_after = error.retry_after;
    match error.kind {
        ErrorKind::ContextLength => R::ContextWindow,
        ErrorKind::ContentPolicy => R::ContentPolicy,
        ErrorKind::Billing => R::Unpaid,
        ErrorKind::RateLimit if says("insufficient_quota") => R::Unpaid,
        ErrorKind::RateLimit => R::Limited { retry_after },
        ErrorKind::Overloaded => R::Overloaded { retry_after },
        ErrorKind::Authentication => R::Credential,
        ErrorKind::Permission | ErrorKind::NotFound if says("model") => R::ModelMissing,
        ErrorKind::Permission => R::Credential,
        ErrorKind::NotFound => R::ModelMissing,
        ErrorKind::RequestTooLarge
        | ErrorKind::InvalidRequest
        | ErrorKind::Timeout
        | ErrorKind::Server => R::of_status(error.status, retry_after).unwrap_or(R::Broken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: Option<&str>) -> retry::Failure {
        let mut error = UpstreamError::from_status(status);
        error.code = code.map(str::to_owned);
        class(&Failure::UpstreamRefused { provider: "up".to_owned(), error })
    }

    #[test]
    fn what_a_provider_says_counts_for_more_than_its_status() {
        use retry::Failure as R;
        assert_eq!(refused(429, None), R::Limited { retry_after: None });
        assert_eq!(refused(429, Some("insufficient_quota")), R::Unpaid);
        assert_eq!(refused(403, None), R::Credential);
        assert_eq!(refused(403, Some("model_not_available")), R::ModelMissing);
        assert_eq!(refused(404, None), R::ModelMissing);
        assert_eq!(refused(409, None), R::Conflict);
        assert_eq!(refused(408, None), R::Conflict);
        assert_eq!(refused(504, None), R::Broken);
        assert_eq!(refused(500, None), R::Broken);
        assert_eq!(refused(529, None), R::Overloaded { retry_after: None });
        assert_eq!(refused(422, None), R::Request);
        assert_eq!(refused(413, None), R::Request);
    }
}
