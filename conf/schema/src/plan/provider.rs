//! Where requests can go.

use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use conf_name::{AccountName, ProviderName, Secret};
use http::HeaderName;

use super::{BaseUrl, Checker, Dialect, HttpVersion, Preset, Unique, secret::Resolved};
use crate::{
    problem::{Place, Problems},
    raw::{self, Timespan},
    read::{Field, Placed},
};

/// A place that answers requests.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Unique.
    pub name: ProviderName,
    /// The API it speaks.
    pub dialect: Dialect,
    /// What is peculiar to it, for [`Dialect::OpenAi`] alone.
    pub preset: Option<Preset>,
    /// Where it is. `http://mock.invalid` for [`Dialect::Mock`], which nobody calls.
    pub base_url: BaseUrl,
    /// Whether it speaks OpenAI's Responses, beside or instead of chat completions.
    pub responses: bool,
    /// The `anthropic-version` header, always there for [`Dialect::Anthropic`]; for
    /// [`Preset::Azure`] the version in the query, if models are addressed as deployments. `None`
    /// for all others.
    pub api_version: Option<String>,
    /// How HTTP is spoken to it; possible with its `base_url`.
    pub http_version: HttpVersion,
    /// Authorities to trust instead of the system's: PEM, at least one certificate by its looks.
    pub ca: Option<Arc<[u8]>>,
    /// Headers of the client's request to pass on. None that carries a key or frames a message.
    pub forward_headers: Vec<HeaderName>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// At least one.
    pub accounts: Vec<Account>,
}

/// How long to wait for a provider; all above zero.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// From the end of the request to the first byte of the answer.
    pub first_byte: Duration,
    /// Between two pieces of a streamed answer.
    pub idle: Duration,
    /// From the request to the end of its answer, all tries together.
    pub total: Duration,
}

/// One API key of a provider.
#[derive(Clone, Debug)]
pub struct Account {
    /// Unique within its provider.
    pub name: AccountName,
    /// What to authenticate with.
    pub credential: Credential,
    /// Its share of the load, relative to the other accounts.
    pub weight: NonZeroU32,
    /// What it may be used for at most.
    pub limits: AccountLimits,
}

/// What an account may be used for at most; `None` is whatever the provider allows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AccountLimits {
    /// Requests at the same time.
    pub concurrent: Option<NonZeroU32>,
    /// Requests in any 60 seconds.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Tokens in any 60 seconds, input and output.
    pub tokens_per_minute: Option<NonZeroU64>,
}

/// What an account authenticates with.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Nothing: the server wants no key.
    None,
    /// A key.
    Key(Secret),
    /// A key that could not be found: the account is out of use.
    Missing {
        /// Such as "environment variable `ANTHROPIC_API_KEY` is not set".
        reason: String,
    },
}

const API_VERSION: &str = "2023-06-01";
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_secs(300),
    idle: Duration::from_secs(120),
    total: Duration::from_secs(900),
};

/// Headers that are the gateway's to set: keys, framing, what holds for one connection only, and
/// what describes a body that the gateway writes anew.
const OWN_HEADERS: &[&str] = &[
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
    "x-goog-api-key",
];

impl Checker<'_> {
    /// The providers that are all right, and the names of all that were written.
    pub(super) fn providers(
        &self,
        list: Field<Vec<Field<raw::Provider>>>,
    ) -> (Vec<Arc<Provider>>, Unique<ProviderName>) {
        let mut names = Unique::new("provider");
        let mut providers = Vec::new();
        for entry in list.value().unwrap_or_default().into_iter().filter_map(Field::given) {
            let provider = self.provider(entry.value, &entry.at, &mut names);
            providers.extend(provider.map(Arc::new));
        }
        (providers, names)
    }

    fn provider(
        &self,
        raw: raw::Provider,
        at: &Place,
        names: &mut Unique<ProviderName>,
    ) -> Option<Provider> {
        let name = raw.name.required(at, "name", self.problems);
        let dialect = match (&raw.dialect, &raw.preset) {
            (Field::Missing, Field::Given(_) | Field::Invalid) => Some(Dialect::OpenAi),
            _ => raw.dialect.required(at, "dialect", self.problems).map(|given| given.value),
        };
        let preset = raw.preset.given().and_then(|given| self.preset(&given, dialect));
        if let Some(name) = &name {
            names.add(name, self.problems);
        }
        let base_url = self.base_url(raw.base_url, dialect, preset, at);
        let tls = base_url.as_ref().map(|url| url.tls);
        let http_version = self.http_version(raw.http_version, tls);
        let ca = self.ca(raw.ca_file, tls);
        let api_version = self.api_version(raw.api_version, dialect, preset, base_url.as_ref());
        let responses = self.responses(raw.responses, dialect, base_url.as_ref());
        let forward_headers = self.forward_headers(raw.forward_headers);
        let timeouts = timeouts(raw.timeouts);
        let accounts = self.accounts(raw.accounts, dialect, at);
        Some(Provider {
            name: name?.value,
            dialect: dialect?,
            preset,
            base_url: base_url?,
            responses,
            api_version,
            http_version,
            ca,
            forward_headers,
            timeouts,
            accounts,
        })
    }

    /// `None` if it is wrong, or has no default because the dialect is unknown.
    fn base_url(
        &self,
        written: Field<String>,
        dialect: Option<Dialect>,
        preset: Option<Preset>,
        provider: &Place,
    ) -> Option<BaseUrl> {
        let Some(written) = written.given() else {
            let Some(preset) = preset else { return dialect.map(default_base_url) };
            let known = preset.base_url();
            if known.is_none() {
                let name = preset.name();
                let problem = format!("needs a `base_url`: for `{name}` everybody has their own");
                self.problems.error(provider, problem);
            }
            return known;
        };
        let url: BaseUrl = self.problems.note(&written.at, written.value.parse())?;
        let dialect = dialect?;
        let last = url.path.rsplit('/').next().unwrap_or_default();
        match dialect {
            Dialect::Mock => {
                self.problems.warning(&written.at, "has no effect: `mock` answers by itself");
            }
            Dialect::Anthropic if last == "v1" => {
                self.problems.warning(&written.at, "usually ends before `/v1` for `anthropic`");
            }
            Dialect::Gemini if last.starts_with("v1") => {
                self.problems.warning(&written.at, "usually ends before `/v1…` for `gemini`");
            }
            Dialect::OpenAi | Dialect::Responses | Dialect::Anthropic | Dialect::Gemini => {}
        }
        Some(url)
    }

    fn preset(&self, given: &Placed<Preset>, dialect: Option<Dialect>) -> Option<Preset> {
        if dialect.is_some_and(|dialect| dialect != Dialect::OpenAi) {
            self.problems.error(&given.at, "is only for providers of dialect `openai`");
            return None;
        }
        Some(given.value)
    }

    fn responses(
        &self,
        written: Field<bool>,
        dialect: Option<Dialect>,
        base_url: Option<&BaseUrl>,
    ) -> bool {
        let openai = default_base_url(Dialect::OpenAi);
        match (written.given(), dialect) {
            (_, Some(Dialect::Responses)) => true,
            (Some(given), Some(Dialect::Anthropic | Dialect::Gemini | Dialect::Mock)) => {
                self.problems.error(&given.at, "is only for providers of dialect `openai`");
                false
            }
            (Some(given), _) => given.value,
            (None, Some(Dialect::OpenAi)) => base_url.is_some_and(|url| url.host == openai.host),
            (None, _) => false,
        }
    }

    fn http_version(&self, written: Field<HttpVersion>, tls: Option<bool>) -> HttpVersion {
        let Some(Placed { value, at }) = written.given() else { return HttpVersion::Auto };
        match (value, tls) {
            (HttpVersion::Http2, Some(false)) => {
                self.problems.error(&at, "`http2` needs an `https` URL; without TLS it is `h2c`");
            }
            (HttpVersion::H2c, Some(true)) => {
                self.problems.error(&at, "`h2c` needs an `http` URL; with TLS it is `http2`");
            }
            (HttpVersion::Auto | HttpVersion::Http1, _)
            | (HttpVersion::Http2, Some(true) | None)
            | (HttpVersion::H2c, Some(false) | None) => {}
        }
        value
    }

    fn ca(&self, written: Field<String>, tls: Option<bool>) -> Option<Arc<[u8]>> {
        let Placed { value: path, at } = written.given()?;
        if tls == Some(false) {
            self.problems.warning(&at, "has no effect on an `http` URL");
        }
        let read = self.secrets.file(&path).map_err(|reason| format!("cannot be read: {reason}"));
        let pem = self.problems.note(&at, read)?;
        let begin = b"-----BEGIN CERTIFICATE-----";
        if !pem.windows(begin.len()).any(|window| window == begin) {
            self.problems.error(&at, "has no certificate in PEM form");
        }
        Some(pem.into())
    }

    fn api_version(
        &self,
        written: Field<String>,
        dialect: Option<Dialect>,
        preset: Option<Preset>,
        base_url: Option<&BaseUrl>,
    ) -> Option<String> {
        let written = written.given();
        let is_azure = preset == Some(Preset::Azure);
        if let Some(written) = &written {
            if !is_azure && dialect.is_some_and(|dialect| dialect != Dialect::Anthropic) {
                let problem = "is only for providers of dialect `anthropic` or preset `azure`";
                self.problems.error(&written.at, problem);
            }
            if is_azure && base_url.is_some_and(|url| url.path.contains("/openai")) {
                let problem = "adds `/openai/deployments/…` to a `base_url`, which must end before";
                self.problems.error(&written.at, problem);
            }
            if written.value.is_empty() || !written.value.bytes().all(|b| b.is_ascii_graphic()) {
                self.problems.error(&written.at, "must be one word that a header can carry");
            }
        }
        if is_azure {
            return written.map(|given| given.value);
        }
        (dialect == Some(Dialect::Anthropic))
            .then(|| written.map_or_else(|| API_VERSION.to_owned(), |given| given.value))
    }

    fn forward_headers(&self, list: Field<Vec<Field<String>>>) -> Vec<HeaderName> {
        let mut headers = Vec::new();
        for Placed { value, at } in
            list.value().unwrap_or_default().into_iter().filter_map(Field::given)
        {
            match value.parse::<HeaderName>() {
                Err(_) => self.problems.error(&at, "is not the name of a header"),
                Ok(name) if OWN_HEADERS.contains(&name.as_str()) => {
                    self.problems.error(&at, format!("`{name}` is the gateway's to set"));
                }
                Ok(name) if headers.contains(&name) => {
                    self.problems.warning(&at, format!("`{name}` is listed already"));
                }
                Ok(name) => headers.push(name),
            }
        }
        headers
    }

    fn accounts(
        &self,
        list: Field<Vec<Field<raw::Account>>>,
        dialect: Option<Dialect>,
        provider: &Place,
    ) -> Vec<Account> {
        let (list, at) = match list {
            Field::Invalid => return Vec::new(),
            Field::Missing => match dialect {
                Some(Dialect::Mock) => return mock_account().into_iter().collect(),
                Some(
                    Dialect::OpenAi | Dialect::Responses | Dialect::Anthropic | Dialect::Gemini,
                ) => (Vec::new(), provider.child("accounts")),
                // Whether accounts are needed is unknown too.
                None => return Vec::new(),
            },
            Field::Given(Placed { value, at }) => (value, at),
        };
        if list.is_empty() {
            let message =
                "needs at least one account; leave out its `api_key` if the server wants none";
            self.problems.error(&at, message);
        }
        let mut names = Unique::new("account");
        let given = list.into_iter().filter_map(Field::given);
        given.filter_map(|entry| self.account(entry, &mut names)).collect()
    }

    fn account(
        &self,
        Placed { value: raw, at }: Placed<raw::Account>,
        names: &mut Unique<AccountName>,
    ) -> Option<Account> {
        let name = raw.name.required(&at, "name", self.problems);
        if let Some(name) = &name {
            names.add(name, self.problems);
        }
        let credential = match raw.api_key {
            Field::Missing => Some(Credential::None),
            Field::Invalid => None,
            Field::Given(key) => self.credential(key),
        };
        let weight = bounded(raw.weight, self.problems).unwrap_or(NonZeroU32::MIN);
        let limits = account_limits(raw.limits, self.problems);
        Some(Account { name: name?.value, credential: credential?, weight, limits })
    }

    fn credential(&self, key: Placed<raw::SecretRef>) -> Option<Credential> {
        Some(match self.secret(key.value, &key.at)? {
            Resolved::Found(secret) => Credential::Key(secret),
            Resolved::Missing { reason } => {
                self.problems.warning(&key.at, format!("{reason}; the account is out of use"));
                Credential::Missing { reason }
            }
        })
    }
}

/// 1 to what 32 bits hold; `None` if it is not given or wrong.
fn bounded(written: Field<i64>, problems: &Problems) -> Option<NonZeroU32> {
    let Placed { value, at } = written.given()?;
    let fits = u32::try_from(value).ok().and_then(NonZeroU32::new);
    problems.note(&at, fits.ok_or_else(|| format!("must be 1 to {}, but is {value}", u32::MAX)))
}

fn account_limits(section: Field<raw::AccountLimits>, problems: &Problems) -> AccountLimits {
    let section = section.value().unwrap_or_default();
    let tokens_per_minute = section.tokens_per_minute.given().and_then(|Placed { value, at }| {
        let fits = u64::try_from(value).ok().and_then(NonZeroU64::new);
        problems.note(&at, fits.ok_or_else(|| format!("must be at least 1, but is {value}")))
    });
    AccountLimits {
        concurrent: bounded(section.concurrent, problems),
        requests_per_minute: bounded(section.requests_per_minute, problems),
        tokens_per_minute,
    }
}

fn timeouts(section: Field<raw::Timeouts>) -> Timeouts {
    let section = section.value().unwrap_or_default();
    let or =
        |field: Field<Timespan>, default| field.value().map_or(default, |Timespan(given)| given);
    Timeouts {
        connect: or(section.connect, TIMEOUTS.connect),
        first_byte: or(section.first_byte, TIMEOUTS.first_byte),
        idle: or(section.idle, TIMEOUTS.idle),
        total: or(section.total, TIMEOUTS.total),
    }
}

fn default_base_url(dialect: Dialect) -> BaseUrl {
    let https = |host: &str, path: &str| BaseUrl {
        tls: true,
        host: host.to_owned(),
        port: 443,
        path: path.to_owned(),
    };
    match dialect {
        Dialect::OpenAi | Dialect::Responses => https("api.openai.com", "/v1"),
        Dialect::Anthropic => https("api.anthropic.com", ""),
        Dialect::Gemini => https("generativelanguage.googleapis.com", ""),
        Dialect::Mock => {
            BaseUrl { tls: false, host: "mock.invalid".to_owned(), port: 80, path: String::new() }
        }
    }
}

/// The account of a mock that was given none.
fn mock_account() -> Option<Account> {
    let name = "mock".parse().ok()?;
    let limits = AccountLimits::default();
    Some(Account { name, credential: Credential::None, weight: NonZeroU32::MIN, limits })
}
