//! Ports that lead nowhere: one that refuses, one that never completes a connection.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

/// A port kept from others whose connections are refused at once.
#[derive(Debug)]
pub struct RefusingPort {
    address: SocketAddr,
    _bound: TcpSocket,
}

impl RefusingPort {
    /// Takes a free loopback port without listening on it.
    ///
    /// # Errors
    ///
    /// Fails if no port can be had.
    pub fn reserve() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self { address: socket.local_addr()?, _bound: socket })
    }

    /// Where connections are refused.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A port whose connections are neither accepted nor refused: connecting takes for ever.
#[derive(Debug)]
pub struct Blackhole {
    address: SocketAddr,
    _listener: TcpListener,
    _backlog: Vec<TcpStream>,
}

impl Blackhole {
    /// Listens and fills the backlog, so that the kernel drops whoever comes next.
    ///
    /// # Errors
    ///
    /// Fails if no port can be had, or if the backlog does not fill.
    pub async fn open() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(1)?;
        let address = listener.local_addr()?;
        let mut backlog = Vec::new();
        while backlog.len() < 64 {
            match timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
                Ok(connected) => backlog.push(connected?),
                Err(_) => return Ok(Self { address, _listener: listener, _backlog: backlog }),
            }
        }
        Err(io::Error::other("the backlog takes more connections than it was asked to"))
    }

    /// Where connecting takes for ever.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
