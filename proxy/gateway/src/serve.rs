//! Serving: builds every part and joins them.

use std::error::Error;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use conf_load::{LoadError, Loaded, Source, Watcher};
use conf_schema::plan::{Listener, Plan};
use pingora::server::configuration::ServerConf;
use pingora::server::{Server, ShutdownWatch};
use pingora::services::background::{BackgroundService, background_service};
use pingora_proxy::http_proxy;
use proxy_admin::Admin;
use proxy_pingora::Gateway;
use proxy_telemetry::Metrics;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Configuration;
use crate::door::{Door, Entrance};
use crate::listening::Socket;
use crate::logging::{self, LogFormat, Logs};
use crate::memory::MemoryWatch;
use crate::{shutdown, tls};

/// How often one request may be tried. Room for every account; the gateway decides.
const MOST_TRIES: usize = 16;

/// Serves until told to stop.
pub(crate) fn run(arguments: &Configuration, format: LogFormat) -> ExitCode {
    let logs = logging::start(format);
    let status = match prepare(arguments, &logs) {
        Ok(server) => {
            server.run(pingora::server::RunArgs::default());
            ExitCode::SUCCESS
        }
        Err(NotStarted) => ExitCode::FAILURE,
    };
    logs.flush();
    status
}

/// It could not start, and has said why.
struct NotStarted;

fn prepare(arguments: &Configuration, logs: &Logs) -> Result<Server, NotStarted> {
    let Loaded { plan, source, name, .. } = load(arguments)?;
    tracing::info!("configuration: {name}");
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")).map_err(|error| {
        tracing::error!(%error, "the metrics are described wrongly");
        NotStarted
    })?);
    metrics.config_loaded(true, now());
    let admin = bound(plan.admin.address, TcpListener::bind)?;
    let sockets = plan.listeners.iter().map(|listener| bound(listener.address, Socket::bind));
    let sockets = sockets.collect::<Result<Vec<_>, _>>()?;
    let listeners = plan.listeners.clone();
    let plan = Arc::new(ArcSwap::new(plan));
    let mut entrances = Vec::with_capacity(listeners.len());
    for (listener, socket) in listeners.iter().zip(sockets) {
        let tls = listener.tls.as_ref().map(|it| tls::settings(listener.address, it, &plan));
        let tls = tls.transpose().map_err(|error| {
            let address = listener.address;
            tracing::error!(%address, %error, "the certificate or its key cannot be used");
            NotStarted
        })?;
        let Listener { h2c, proxy_protocol, .. } = *listener;
        entrances.push(Entrance { socket, tls, h2c, proxy_protocol });
    }
    let watcher = source.map(|source| watch(source, &plan, &metrics)).transpose()?;
    let ready = Arc::new(AtomicBool::new(false));
    let mut server = Server::new_with_opt_and_conf(None, server_conf());
    server.bootstrap();
    shutdown::leave_early(&server, Arc::clone(&metrics), Arc::clone(&ready), logs.clone());
    let admin = AdminService { admin: Admin::new(Arc::clone(&metrics), ready), listener: admin };
    assemble(&mut server, plan, watcher, metrics, admin, entrances);
    for Listener { address, tls, .. } in listeners {
        let scheme = if tls.is_some() { "https" } else { "http" };
        tracing::info!("listening on {scheme}://{address}");
    }
    Ok(server)
}

fn load(arguments: &Configuration) -> Result<Loaded, NotStarted> {
    let loaded = arguments.load().map_err(|error| {
        match &error {
            LoadError::Invalid { name, problems } => {
                for problem in problems {
                    tracing::error!("{}", problem.display(name));
                }
            }
            other => tracing::error!(cause = other.source(), "{other}"),
        }
        NotStarted
    })?;
    loaded.log_warnings();
    Ok(loaded)
}

fn watch(
    source: Source,
    plan: &Arc<ArcSwap<Plan>>,
    metrics: &Arc<Metrics>,
) -> Result<Watcher, NotStarted> {
    let observed = Arc::clone(metrics);
    let observer = move |taken| observed.config_reloaded(taken, now());
    Watcher::spawn(source, Arc::clone(plan), observer).map_err(|error| {
        tracing::error!(%error, "the configuration cannot be watched");
        NotStarted
    })
}

fn assemble(
    server: &mut Server,
    plan: Arc<ArcSwap<Plan>>,
    watcher: Option<Watcher>,
    metrics: Arc<Metrics>,
    admin: AdminService,
    entrances: Vec<Entrance>,
) {
    let gateway = Gateway::new(Arc::clone(&plan), Arc::clone(&metrics));
    let proxy = http_proxy(&server.configuration, gateway);
    server.add_service(Door::new(proxy, Arc::clone(&plan), Arc::clone(&metrics), entrances));

    let mut memory = background_service("memory", MemoryWatch { plan, metrics });
    memory.threads = Some(1);
    server.add_service(memory);

    let mut admin = background_service("admin", admin);
    admin.threads = Some(1);
    server.add_service(admin);

    if let Some(watcher) = watcher {
        let mut reload = background_service("reload", ReloadService { watcher });
        reload.threads = Some(1);
        server.add_service(reload);
    }
}

fn server_conf() -> ServerConf {
    ServerConf {
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        max_retries: MOST_TRIES,
        grace_period_seconds: Some(shutdown::GRACE.as_secs()),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    }
}

fn bound<T>(
    address: SocketAddr,
    bind: impl FnOnce(SocketAddr) -> io::Result<T>,
) -> Result<T, NotStarted> {
    bind(address).map_err(|error| {
        tracing::error!(%address, %error, "cannot listen");
        NotStarted
    })
}

#[expect(clippy::disallowed_methods, reason = "this is the clock of the binary")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

struct AdminService {
    admin: Admin,
    listener: TcpListener,
}

#[async_trait]
impl BackgroundService for AdminService {
    async fn start(&self, _: ShutdownWatch) {
        let listener = match self.listener.try_clone() {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "the admin listener is gone"),
        };
        if let Ok(address) = listener.local_addr() {
            tracing::info!("metrics and health on http://{address}");
        }
        // To the end of the process: whoever watches it drain asks here.
        let never = std::future::pending();
        if let Err(error) = self.admin.clone().serve(listener, never).await {
            tracing::error!(%error, "the admin listener failed");
        }
    }
}

/// Reloads the configuration on SIGHUP; the watcher does so when the file changes.
struct ReloadService {
    watcher: Watcher,
}

#[async_trait]
impl BackgroundService for ReloadService {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut hangups = match signal(SignalKind::hangup()) {
            Ok(hangups) => hangups,
            Err(error) => return tracing::error!(%error, "SIGHUP cannot be caught"),
        };
        loop {
            tokio::select! {
                _ = shutdown.changed() => return,
                _ = hangups.recv() => self.watcher.reload(),
            }
        }
    }
}
