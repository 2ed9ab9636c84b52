//! Sockets that listen before anything else starts.
//!
//! Pingora binds its listeners in the background, after it says that it runs: for a moment the
//! gateway would call itself ready and refuse connections, and a port that is taken would end in
//! a panic. So they are bound here and handed over.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ListenFds, RuntimeOpts, ShutdownWatch};
use pingora::services::Service;
use socket2::{Domain, TcpKeepalive, Type};

/// Connections that wait to be accepted: as many as the system allows. The standard library's 128
/// would turn a burst of clients away for a second.
const BACKLOG: i32 = 65_535;

/// After so much silence a client's machine is asked whether it is still there: one that is gone
/// without a word is found, and so is its request, and a middlebox keeps the connection in mind.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// A service whose sockets listen already.
pub(crate) struct Listening<S> {
    service: S,
    sockets: Vec<Socket>,
}

/// A socket that listens, and the address it was asked for.
pub(crate) struct Socket {
    address: SocketAddr,
    listener: TcpListener,
}

impl Socket {
    /// Listens on `address`.
    ///
    /// # Errors
    ///
    /// If the address is taken, or not to be had.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        // Accepted connections inherit it.
        socket.set_tcp_keepalive(
            &TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3),
        )?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Self { address, listener: socket.into() })
    }

    /// The address, as Pingora must be told it.
    pub(crate) fn name(&self) -> String {
        self.address.to_string()
    }
}

impl<S> Listening<S> {
    /// Hands `sockets` to `service` when it starts; it must have been told to listen on each by
    /// its [`name`](Socket::name).
    pub(crate) fn new(service: S, sockets: Vec<Socket>) -> Self {
        Self { service, sockets }
    }
}

#[async_trait]
impl<S: Service> Service for Listening<S> {
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        if let Some(table) = &fds {
            let mut table = table.lock();
            for socket in self.sockets.drain(..) {
                // From here on it is Pingora's to close.
                table.add(socket.name(), socket.listener.into_raw_fd());
            }
        }
        self.service.start_service(fds, shutdown, listeners_per_fd).await;
    }

    fn name(&self) -> &str {
        self.service.name()
    }

    fn threads(&self) -> Option<usize> {
        self.service.threads()
    }

    fn runtime_opts_override(&self, global: &RuntimeOpts) -> Option<RuntimeOpts> {
        self.service.runtime_opts_override(global)
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        self.service.listen_addresses()
    }
}
