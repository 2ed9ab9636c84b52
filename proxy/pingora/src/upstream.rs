//! A provider as Pingora connects to it: addresses, credentials, pools.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adapters_anthropic::egress::Anthropic;
use adapters_canonical::dialect::{Dialect as Spoken, Egress};
use adapters_gemini::egress::Gemini;
use adapters_openai::egress::OpenAi;
use adapters_openai::preset::{self, Preset};
use adapters_openai::quirk::Quirks;
use adapters_responses::egress::ResponsesUpstream;
use conf_schema::plan::{Account, Credential, Dialect, HttpVersion, Provider, Timeouts};
use http::{HeaderName, HeaderValue};
use pingora::protocols::l4::ext::TcpKeepalive;
use pingora::upstreams::peer::{ALPN, HttpPeer, PeerOptions, Tracer, Tracing};
use pingora::utils::tls::WrappedX509;
use proxy_telemetry::{Metrics, UpstreamConnections};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::mock_upstream::MockConnector;
use crate::task::Task;

/// Between two pieces of a request on their way up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Below the idle time after which common providers and load balancers hang up.
const POOL_IDLE: Duration = Duration::from_secs(50);
/// Finds a peer on HTTP/1.1 that is gone without a word, as PING does on HTTP/2.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// As many as most servers allow on one HTTP/2 connection.
const STREAMS_PER_CONNECTION: usize = 100;
/// What of an answer over HTTP/2 a client that does not read leaves in memory. Pingora would take
/// 8 MiB, and no more for all streams of a connection together: two such clients, and every other
/// answer on that connection stands still.
const STREAM_WINDOW: u32 = 256 << 10;
/// Room for all of [`STREAMS_PER_CONNECTION`].
const CONNECTION_WINDOW: u32 = 100 * STREAM_WINDOW;

/// A provider, and everything about it that does not change from request to request.
pub(crate) struct Upstream {
    pub(crate) provider: Arc<Provider>,
    /// What is peculiar to it, if it imitates OpenAI.
    preset: Option<&'static Preset>,
    /// As the provider's `accounts`, by place.
    accounts: Vec<AccountState>,
    /// As sent in `Host`.
    pub(crate) host: HeaderValue,
    options: PeerOptions,
}

/// One of the dialects that a provider speaks.
#[derive(Clone, Copy)]
pub(crate) struct Face {
    pub(crate) dialect: Spoken,
    pub(crate) egress: &'static dyn Egress,
}

struct AccountState {
    credential: Option<(HeaderName, HeaderValue)>,
    /// Accounts do not share connections: a provider may tie limits to one.
    group_key: u64,
}

impl Upstream {
    pub(crate) fn new(provider: &Arc<Provider>, http2_ping: Duration, metrics: &Metrics) -> Self {
        let preset = provider.preset.and_then(|preset| preset::find(preset.name()));
        let egress = own_face(provider.dialect, preset).egress;
        let authority = provider.base_url.authority();
        Self {
            accounts: provider
                .accounts
                .iter()
                .map(|account| AccountState::new(provider, account, egress))
                .collect(),
            host: HeaderValue::from_str(&authority)
                .unwrap_or_else(|_| HeaderValue::from_static("invalid")),
            preset,
            options: options(provider, http2_ping, metrics),
            provider: Arc::clone(provider),
        }
    }

    /// How it is asked for this by a client of this dialect: in the client's own, if it can be,
    /// since then bytes pass through.
    pub(crate) fn face(&self, client: Spoken, task: Task) -> Face {
        match (task, self.provider.dialect) {
            (Task::Chat, _) if client == Spoken::Responses && self.provider.responses => {
                return face(Dialect::Responses);
            }
            // Of OpenAI's two dialects only this one counts.
            (Task::Count(_), _) if self.provider.responses => return face(Dialect::Responses),
            (Task::Count(_), Dialect::Mock) => return face(Dialect::Responses),
            // All else is the same in both.
            (Task::Embed(_) | Task::Pass(_), Dialect::Responses) => return face(Dialect::OpenAi),
            (Task::Chat | Task::Count(_) | Task::Embed(_) | Task::Pass(_), _) => {}
        }
        own_face(self.provider.dialect, self.preset)
    }

    /// In what it differs from OpenAI.
    pub(crate) fn quirks(&self) -> Quirks {
        self.preset.map_or_else(Quirks::default, |preset| preset.quirks)
    }

    pub(crate) fn credential(&self, account: usize) -> Option<&(HeaderName, HeaderValue)> {
        self.accounts.get(account)?.credential.as_ref()
    }

    /// Takes the account's key out of what its provider said.
    pub(crate) fn conceal(&self, account: usize, said: &mut String) {
        if let Some(Account { credential: Credential::Key(key), .. }) =
            self.provider.accounts.get(account)
            && said.contains(key.expose())
        {
            *said = said.replace(key.expose(), "***");
        }
    }

    /// The host to look up; nothing to look up for the built-in mock.
    pub(crate) fn host_and_port(&self) -> Option<(&str, u16)> {
        (self.provider.dialect != Dialect::Mock)
            .then(|| (self.provider.base_url.host.as_str(), self.provider.base_url.port))
    }

    pub(crate) fn peer(
        &self,
        account: usize,
        address: SocketAddr,
        timeouts: &Timeouts,
    ) -> HttpPeer {
        let base = &self.provider.base_url;
        // Never empty: Pingora takes an empty name for leave to skip verification.
        let name = if base.tls { base.host.clone() } else { String::new() };
        let mut peer = HttpPeer::new(address, base.tls, name);
        peer.options = self.options.clone();
        peer.options.connection_timeout = Some(timeouts.connect);
        peer.options.total_connection_timeout = Some(timeouts.connect);
        // No timeout for reading: silence is measured by the buffered session.
        peer.group_key = self.accounts.get(account).map_or(0, |account| account.group_key);
        peer
    }
}

impl AccountState {
    fn new(provider: &Provider, account: &Account, egress: &dyn Egress) -> Self {
        let mut hasher = DefaultHasher::new();
        (provider.name.as_ref() as &str, account.name.as_ref() as &str).hash(&mut hasher);
        provider.ca.hash(&mut hasher);
        let credential = match &account.credential {
            Credential::Key(key) => egress.credential(key.expose()).ok(),
            Credential::None | Credential::Missing { .. } => None,
        };
        Self { credential, group_key: hasher.finish() }
    }
}

fn own_face(dialect: Dialect, preset: Option<&'static Preset>) -> Face {
    match preset {
        Some(preset) => Face { dialect: Spoken::OpenAi, egress: &preset.egress },
        None => face(dialect),
    }
}

fn face(dialect: Dialect) -> Face {
    let (dialect, egress): (_, &dyn Egress) = match dialect {
        Dialect::OpenAi | Dialect::Mock => (Spoken::OpenAi, &OpenAi),
        Dialect::Responses => (Spoken::Responses, &ResponsesUpstream),
        Dialect::Anthropic => (Spoken::Anthropic, &Anthropic),
        Dialect::Gemini => (Spoken::Gemini, &Gemini),
    };
    Face { dialect, egress }
}

fn options(provider: &Provider, http2_ping: Duration, metrics: &Metrics) -> PeerOptions {
    let mut options = PeerOptions::new();
    options.write_timeout = Some(WRITE_TIMEOUT);
    options.idle_timeout = Some(POOL_IDLE);
    options.h2_ping_interval = Some(http2_ping);
    options.max_h2_streams = STREAMS_PER_CONNECTION;
    options.h2_stream_window_size = Some(STREAM_WINDOW);
    options.h2_connection_window_size = Some(CONNECTION_WINDOW);
    options.tcp_keepalive = Some(TcpKeepalive {
        idle: KEEPALIVE,
        interval: Duration::from_secs(5),
        count: 3,
        #[cfg(target_os = "linux")]
        user_timeout: Duration::ZERO,
    });
    options.alpn = match provider.http_version {
        HttpVersion::Auto if provider.base_url.tls => ALPN::H2H1,
        HttpVersion::Auto | HttpVersion::Http1 => ALPN::H1,
        HttpVersion::Http2 | HttpVersion::H2c => ALPN::H2,
    };
    options.ca = provider.ca.as_deref().map(authorities);
    let connections = metrics.upstream_connections(provider.name.as_ref());
    options.tracer = Some(Tracer(Box::new(Connections(connections))));
    if provider.dialect == Dialect::Mock {
        options.custom_l4 = Some(Arc::new(MockConnector));
    }
    options
}

/// The certificates of a PEM file. What cannot be read is left out; if nothing can, the list is
/// empty and no server is trusted.
fn authorities(pem: &[u8]) -> Arc<[WrappedX509]> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(|certificate| {
            let certificate = certificate.ok()?.to_vec();
            WrappedX509::try_new(certificate, |raw| {
                X509Certificate::from_der(raw).map(|(_, certificate)| certificate)
            })
            .ok()
        })
        .collect()
}

#[derive(Clone, Debug)]
struct Connections(UpstreamConnections);

impl Tracing for Connections {
    fn on_connected(&self) {
        self.0.opened();
    }

    fn on_disconnected(&self) {
        self.0.closed();
    }

    fn boxed_clone(&self) -> Box<dyn Tracing> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use conf_schema::plan;

    use super::*;

    #[test]
    fn every_preset_of_the_configuration_is_known_to_the_dialect_at_the_same_address() {
        for configured in plan::Preset::ALL {
            let name = configured.name();
            let known = preset::find(name).unwrap_or_else(|| panic!("{name}"));
            let address = configured.base_url().map(|url| url.to_string());
            assert_eq!(address.as_deref(), known.base_url, "{}", known.name);
        }
    }
}
