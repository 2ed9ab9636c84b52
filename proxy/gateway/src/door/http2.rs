//! An HTTP/2 connection. Its frames and headers are the business of the library behind Pingora.

use std::sync::Arc;

use async_trait::async_trait;
use conf_schema::plan::Limits;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use proxy_pingora::Gateway;
use proxy_telemetry::Refused;
use tokio::sync::Notify;

use super::House;

/// Serves a connection that speaks HTTP/2 to its end.
pub(super) async fn serve(house: &House, stream: Stream, shutdown: &ShutdownWatch) {
    let limits = house.plan.load().limits;
    let connection = Arc::new(Connection::new(Arc::clone(&house.proxy), &limits));
    let late = async {
        let began = connection.began.notified();
        if tokio::time::timeout(limits.header_timeout, began).await.is_ok() {
            // From here on the connection is kept for as long as it is not idle for too long.
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        _ = connection.process_new(stream, shutdown) => {}
        () = late => house.metrics.edge.refused(Refused::HeaderTimedOut),
    }
}

/// Pingora asks its app for options; this one has those of the moment the connection began.
struct Connection {
    proxy: Arc<HttpProxy<Gateway>>,
    server: HttpServerOptions,
    http2: H2Options,
    /// The first request is there.
    began: Notify,
}

impl Connection {
    fn new(proxy: Arc<HttpProxy<Gateway>>, limits: &Limits) -> Self {
        let mut server = HttpServerOptions::default();
        server.h2_idle_timeout = Some(limits.idle_timeout);
        let mut http2 = default_h2_options();
        http2.max_concurrent_streams(limits.streams_per_connection);
        http2.max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
        Self { proxy, server, http2, began: Notify::new() }
    }
}

#[async_trait]
impl HttpServerApp for Connection {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        self.began.notify_one();
        self.proxy.process_new_http(session, shutdown).await
    }

    fn h2_options(&self) -> Option<H2Options> {
        Some(self.http2.clone())
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.server)
    }
}
