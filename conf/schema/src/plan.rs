//! The configuration as meant: checked, with every default filled in and every reference resolved.
//!
//! A plan is a snapshot. It is cheap to share, never changes, and holds no place in a file.

mod auth;
mod base_url;
mod condition;
mod limits;
mod listener;
mod media;
mod model;
mod preset;
mod provider;
mod resilience;
mod secret;

use std::{collections::HashMap, sync::Arc, time::Duration};

use conf_name::{ModelName, ProviderName};
use ipnet::IpNet;

pub use crate::raw::{
    AuthMode, Dialect, Fetch, HttpVersion, LossPolicy, Preset, Strategy, StreamErrors,
};
pub use auth::{Auth, ClientKey};
pub use base_url::{BaseUrl, InvalidUrl};
pub use condition::When;
pub use limits::Limits;
pub use listener::{Admin, Listener, ListenerTls, StateDir};
pub use media::Media;
pub use model::{Fallbacks, Model, ModelTimeouts, Price, Target};
pub use provider::{Account, AccountLimits, Credential, Provider, Timeouts};
pub use resilience::{Affinity, Heartbeat, Queue, ReasoningMemory};

use crate::{
    SecretSource,
    problem::{Place, Problems},
    raw,
    read::{Field, Placed},
};

/// Often enough to find a dead peer before a client gives up.
const HTTP2_PING: Duration = Duration::from_secs(15);

/// Everything the gateway was told.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where clients connect; at least one.
    pub listeners: Vec<Listener>,
    /// Who is believed when they say who the client is.
    pub trusted_proxies: Vec<IpNet>,
    /// Where metrics and health are served.
    pub admin: Admin,
    /// Where the embedded store lives.
    pub state: StateDir,
    /// Who may use the gateway.
    pub auth: Auth,
    /// In the order of the file.
    pub providers: Vec<Arc<Provider>>,
    /// In the order of the file.
    pub models: Vec<Arc<Model>>,
    /// Whether `<provider>/<model>` reaches that provider without an entry in `models`.
    pub direct_models: bool,
    /// Bounds on what a client may send.
    pub limits: Limits,
    /// What the gateway fetches for a client.
    pub media: Media,
    /// How requests of one conversation stay with one account.
    pub affinity: Affinity,
    /// How much is remembered of what models thought.
    pub reasoning_memory: ReasoningMemory,
    /// How requests wait for which no account has room.
    pub queue: Queue,
    /// What keeps a silent stream alive.
    pub heartbeat: Heartbeat,
    /// How a stream ends that cannot be completed, unless the request says it.
    pub stream_errors: StreamErrors,
    /// What becomes of a request of which a provider cannot express everything, unless its model
    /// or the request says it.
    pub losses: LossPolicy,
    /// Between two PINGs on an upstream HTTP/2 connection; above zero.
    pub http2_ping: Duration,
    /// The same models and providers as above, by name.
    by_name: ByName,
}

#[derive(Clone, Debug, Default)]
struct ByName {
    models: HashMap<ModelName, Arc<Model>>,
    providers: HashMap<ProviderName, Arc<Provider>>,
}

impl Plan {
    /// The model that clients call `name`. Direct models are not among them.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&Arc<Model>> {
        self.by_name.models.get(name)
    }

    /// The provider called `name`.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Arc<Provider>> {
        self.by_name.providers.get(name)
    }

    /// The keys in which this plan differs from `old` and which only a restart applies.
    #[must_use]
    pub fn restart_needed(&self, old: &Self) -> Vec<&'static str> {
        [
            (
                "listeners",
                !self
                    .listeners
                    .iter()
                    .map(Listener::fixed)
                    .eq(old.listeners.iter().map(Listener::fixed)),
            ),
            ("admin.address", self.admin != old.admin),
            ("state.directory", self.state != old.state),
        ]
        .into_iter()
        .filter_map(|(key, changed)| changed.then_some(key))
        .collect()
    }
}

/// What checking a section needs besides the section.
#[derive(Clone, Copy)]
struct Checker<'a> {
    secrets: &'a dyn SecretSource,
    problems: &'a Problems,
}

/// Turns what was written into what it means, noting every problem. If any of them is an error,
/// the plan has gaps and is not to be used.
pub(crate) fn build(config: raw::Config, secrets: &dyn SecretSource, problems: &Problems) -> Plan {
    let checker = Checker { secrets, problems };
    let trusted_proxies = checker.trusted_proxies(config.trusted_proxies);
    let (listeners, places) = checker.listeners(config.listeners, &trusted_proxies);
    let admin = checker.admin(config.admin, &listeners);
    let (auth, keys) = checker.auth(config.auth, &listeners, &places);
    let no_providers = match &config.providers {
        Field::Missing => true,
        Field::Given(list) => list.value.is_empty(),
        Field::Invalid => false,
    };
    let (providers, declared) = checker.providers(config.providers);
    let models = checker.models(
        config.models,
        &model::Known { providers: &providers, declared: &declared, keys: &keys, auth: &auth },
    );
    let direct_models = config.direct_models.value().unwrap_or(true);
    let root = Place { line: 1, column: 1, key: String::new() };
    if no_providers {
        problems.warning(&root, "no providers: no request can be answered");
    } else if models.is_empty() && !direct_models {
        problems.warning(&root, "no models, and `direct_models` is off: nothing can be asked for");
    }
    Plan {
        listeners,
        trusted_proxies,
        admin,
        state: checker.state(config.state),
        auth,
        by_name: ByName {
            models: models.iter().map(|model| (model.name.clone(), model.clone())).collect(),
            providers: providers.iter().map(|one| (one.name.clone(), one.clone())).collect(),
        },
        providers,
        models,
        direct_models,
        limits: checker.limits(config.limits),
        media: checker.media(config.media),
        affinity: checker.affinity(config.affinity),
        reasoning_memory: checker.reasoning_memory(config.reasoning_memory),
        queue: checker.queue(config.queue),
        heartbeat: resilience::heartbeat(config.heartbeat),
        stream_errors: config.stream_errors.value().unwrap_or_default(),
        losses: config.losses.value().unwrap_or_default(),
        http2_ping: config.http2_ping.value().map_or(HTTP2_PING, |raw::Timespan(given)| given),
    }
}

/// Names seen so far in one list, and where.
struct Unique<T> {
    what: &'static str,
    seen: HashMap<T, usize>,
}

impl<T: Clone + Eq + std::hash::Hash + std::fmt::Display> Unique<T> {
    fn new(what: &'static str) -> Self {
        Self { what, seen: HashMap::new() }
    }

    /// Notes a problem if `name` was there before.
    fn add(&mut self, name: &Placed<T>, problems: &Problems) {
        let Self { what, seen } = self;
        if let Some(line) = seen.get(&name.value) {
            let message = format!("a second {what} called `{}` (line {line})", name.value);
            problems.error(&name.at, message);
        } else {
            seen.insert(name.value.clone(), name.at.line);
        }
    }

    fn contains(&self, name: &T) -> bool {
        self.seen.contains_key(name)
    }
}

impl<T: AsRef<str> + std::fmt::Display> Unique<T> {
    /// Says that `name` is not in the list, and what was probably meant.
    fn no_such(&self, name: &T) -> String {
        let what = self.what;
        let mut names: Vec<&str> = self.seen.keys().map(AsRef::as_ref).collect();
        names.sort_unstable(); // of two that are equally near, always the same
        match crate::read::nearest(name.as_ref(), &names) {
            Some(near) => format!("no {what} is called `{name}`; did you mean `{near}`?"),
            None => format!("no {what} is called `{name}`"),
        }
    }
}
