//! Where clients come in: connections are accepted, counted, asked who they are, and handed on.
//!
//! Pingora has an accept loop of its own, and we do without it. It knows no limit of connections,
//! no PROXY protocol, no deadline for a whole header, and on a listener with h2c it waits for 24
//! bytes for as long as it takes. What comes after a header stays Pingora's.
//!
//! | module    | answers                                                    |
//! |-----------|------------------------------------------------------------|
//! | `client`  | what does a connection look like to Pingora?               |
//! | `places`  | is there room for one more?                                |
//! | `opening` | who is it, and what does it speak?                         |
//! | `http1`   | is there a whole header, in time and in order?             |
//! | `http2`   | how long is a connection kept, and with how many streams?  |
//! | `refusal` | what is somebody told who sent no proper request?          |

mod client;
mod http1;
mod http2;
mod opening;
mod places;
mod refusal;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use conf_schema::Plan;
use pingora::apps::HttpServerApp;
use pingora::listeners::tls::{Acceptor, TlsSettings};
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use pingora_proxy::HttpProxy;
use pingora_runtime::current_handle;
use proxy_pingora::Gateway;
use proxy_telemetry::{Metrics, Refused};
use tokio::net::TcpListener;

use crate::listening::Socket;
use opening::Opening;
use places::Places;

/// How long to wait when the system has no more descriptors to give.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);

/// The service that clients connect to.
pub(crate) struct Door {
    entrances: Vec<Entrance>,
    house: Arc<House>,
}

/// What all entrances lead to.
struct House {
    proxy: Arc<HttpProxy<Gateway>>,
    plan: Arc<ArcSwap<Plan>>,
    metrics: Arc<Metrics>,
    places: Places,
}

/// One address on which clients are served.
pub(crate) struct Entrance {
    /// Listens already.
    pub(crate) socket: Socket,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) h2c: bool,
    pub(crate) proxy_protocol: bool,
}

/// What a connection through one entrance begins with.
struct Manners {
    tls: Option<Acceptor>,
    h2c: bool,
    proxy_protocol: bool,
}

impl Door {
    pub(crate) fn new(
        proxy: HttpProxy<Gateway>,
        plan: Arc<ArcSwap<Plan>>,
        metrics: Arc<Metrics>,
        entrances: Vec<Entrance>,
    ) -> Self {
        let house = House { proxy: Arc::new(proxy), plan, metrics, places: Places::default() };
        Self { entrances, house: Arc::new(house) }
    }
}

#[async_trait]
impl Service for Door {
    async fn start_service(&mut self, _: Option<ListenFds>, shutdown: ShutdownWatch, _: usize) {
        let mut loops = Vec::with_capacity(self.entrances.len());
        for Entrance { socket, tls, h2c, proxy_protocol } in self.entrances.drain(..) {
            let address = socket.address();
            let manners = Manners { tls: tls.map(TlsSettings::build), h2c, proxy_protocol };
            match TcpListener::from_std(socket.into_listener()) {
                Ok(listener) => {
                    let house = Arc::clone(&self.house);
                    let serving = accept(listener, Arc::new(manners), house, shutdown.clone());
                    loops.push(current_handle().spawn(serving));
                }
                Err(error) => tracing::error!(%address, %error, "the listener is gone"),
            }
        }
        for accepting in loops {
            // It ends only with the shutdown; were it to panic, the others go on.
            let _ = accepting.await;
        }
        // From here on no connection is kept for another request.
        self.house.proxy.http_cleanup().await;
    }

    fn name(&self) -> &str {
        "proxy"
    }
}

/// Accepts connections until the shutdown begins; the socket closes with it.
async fn accept(
    listener: TcpListener,
    manners: Arc<Manners>,
    house: Arc<House>,
    mut shutdown: ShutdownWatch,
) {
    let connections_shutdown = shutdown.clone();
    let stopped = stopped(&mut shutdown);
    tokio::pin!(stopped);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let most = house.plan.load().limits.connections;
                let Some(place) = house.places.take(most) else {
                    house.metrics.edge.refused(Refused::Connections);
                    continue;
                };
                let (manners, house) = (Arc::clone(&manners), Arc::clone(&house));
                let shutdown = connections_shutdown.clone();
                current_handle().spawn(async move {
                    let _counted = (place, house.metrics.edge.connection());
                    // Small pieces leave at once. The rest is inherited from the listening socket.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "a connection cannot be set up");
                    }
                    Opening { house: &house, manners: &manners, shutdown }
                        .serve(stream, peer)
                        .await;
                });
            }
            Err(error) if is_exhaustion(&error) => {
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
            }
            // The client was gone before it was accepted.
            Err(error) => tracing::debug!(%error, "a connection could not be accepted"),
        }
    }
}

/// Waits until the shutdown begins.
async fn stopped(shutdown: &mut ShutdownWatch) {
    // An error says that nobody is left to say so.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Whether the system, and not one client, is at fault.
fn is_exhaustion(error: &std::io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    matches!(error.raw_os_error(), Some(ENOMEM | ENFILE | EMFILE | ENOBUFS))
}
