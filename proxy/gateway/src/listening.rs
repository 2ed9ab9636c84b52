//! Sockets that listen before anything else starts.
//!
//! Services start in the background, after Pingora says that it runs: were the sockets bound there,
//! the gateway would for a moment call itself ready and refuse connections, and a port that is taken
//! would be noticed too late.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, TcpKeepalive, Type};

/// Connections that wait to be accepted: as many as the system allows. The standard library's 128
/// would turn a burst of clients away for a second.
const BACKLOG: i32 = 65_535;

/// After so much silence a client's machine is asked whether it is still there: one that is gone
/// without a word is found, and so is its request, and a middlebox keeps the connection in mind.
const KEEPALIVE: Duration = Duration::from_secs(15);

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

    /// The address it was asked for.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket itself, which does not block.
    pub(crate) fn into_listener(self) -> TcpListener {
        self.listener
    }
}
