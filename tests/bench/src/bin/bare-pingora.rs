//! Pingora with nothing in it: forwards every request to one upstream, on one thread.
//!
//! The yardstick of the benchmark: what the gateway costs beyond this is its own.

use std::net::SocketAddr;

use async_trait::async_trait;
use clap::Parser;
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

/// Forwards every request to one upstream.
#[derive(Parser)]
struct Flags {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// Where to forward to, in HTTP/1.1 in the clear.
    #[arg(long)]
    upstream: SocketAddr,
}

fn main() {
    let flags = Flags::parse();
    let conf = ServerConf { threads: 1, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Forward(flags.upstream));
    service.add_tcp(&flags.listen.to_string());
    server.add_service(service);
    server.run_forever();
}

struct Forward(SocketAddr);

#[async_trait]
impl ProxyHttp for Forward {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _ctx: &mut Self::CTX,
    ) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0, false, String::new())))
    }
}
