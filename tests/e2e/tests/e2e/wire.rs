//! Clients that read as much as they are told to, over HTTP/1.1 and HTTP/2, and a gateway that
//! speaks both.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::gateway::{Gateway, free_port};
use crate::tls::{Authority, Files};

/// What a client's socket takes in before anybody reads; the kernel doubles it.
const SOCKET: u32 = 8 << 10;
/// What an HTTP/1.1 client takes in beyond that; the least that there is.
const BUFFER: usize = 8 << 10;
/// What an HTTP/2 client lets in on each of its streams before anybody reads.
pub(crate) const WINDOW: u32 = 16 << 10;

/// What a client speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

/// A gateway with a listener for each version.
pub(crate) struct Doors {
    pub(crate) gateway: Gateway,
    /// The port of the listener that speaks TLS.
    pub(crate) tls_port: u16,
    pub(crate) authority: Authority,
    _files: Files,
}

impl Doors {
    /// Serves `config`, which names no listeners.
    pub(crate) async fn open(config: &str) -> Self {
        let authority = Authority::new();
        let files = Files::of(&authority);
        let (tls_port, cert, key) = (free_port(), files.certificate.display(), files.key.display());
        let gateway = Gateway::start(&format!(
            "listeners: [{{address: \"{{listen}}\"}}, {{address: \"127.0.0.1:{tls_port}\", \
             tls: {{cert_file: {cert}, key_file: {key}}}}}]\n{config}",
        ))
        .await;
        Self { gateway, tls_port, authority, _files: files }
    }

    /// A client on a connection of its own.
    pub(crate) async fn client(&self, version: Version) -> Client {
        match version {
            Version::Http1 => Client::http1(self.gateway.address().1).await,
            Version::Http2 => Client::http2(self.tls_port, &self.authority.pem()).await,
        }
    }
}

/// A connection to the gateway that takes in little unless somebody reads.
pub(crate) struct Client {
    sender: Sender,
    port: u16,
    connection: JoinHandle<()>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    /// Speaks HTTP/1.1 to a listener without TLS.
    async fn http1(port: u16) -> Self {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(BUFFER);
        let socket = TokioIo::new(connect(port).await);
        let (sender, connection) = builder.handshake(socket).await.unwrap();
        // How it ends is seen by whoever reads.
        let connection = tokio::spawn(async move { drop(connection.await) });
        Self { sender: Sender::Http1(sender), port, connection }
    }

    /// Speaks HTTP/2 to a listener with TLS, whose certificate `authority` has issued.
    async fn http2(port: u16, authority: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let socket = connect(port).await;
        let tls = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(WINDOW);
        let (sender, connection) = builder.handshake(TokioIo::new(tls)).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        Self { sender: Sender::Http2(sender), port, connection }
    }

    /// Asks for a chat completion, and waits for the answer's header.
    pub(crate) async fn chat(&mut self, body: &Value) -> hyper::Result<Response<Incoming>> {
        self.ask(body).await
    }

    /// Asks for a chat completion at once. Dropping the future gives it up.
    pub(crate) fn ask(&mut self, body: &Value) -> Asked {
        let path = "/v1/chat/completions";
        let host = format!("127.0.0.1:{}", self.port);
        let request = match self.sender {
            Sender::Http1(_) => Request::post(path).header("host", host),
            Sender::Http2(_) => Request::post(format!("https://{host}{path}")),
        };
        let request = request.header("content-type", "application/json");
        let request = request.body(Full::from(body.to_string())).unwrap();
        match &mut self.sender {
            Sender::Http1(sender) => Box::pin(sender.send_request(request)),
            Sender::Http2(sender) => Box::pin(sender.send_request(request)),
        }
    }
}

/// The answer to come.
pub(crate) type Asked = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// The next piece of an answer; `None` at its end.
pub(crate) async fn next(body: &mut Incoming) -> Option<hyper::Result<Bytes>> {
    loop {
        match body.frame().await? {
            Ok(frame) => match frame.into_data() {
                Ok(bytes) => return Some(Ok(bytes)),
                Err(_trailers) => {}
            },
            Err(error) => return Some(Err(error)),
        }
    }
}

/// Everything that is left of an answer.
pub(crate) async fn rest(body: &mut Incoming) -> hyper::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(bytes) = next(body).await {
        all.extend_from_slice(&bytes?);
    }
    Ok(all)
}

async fn connect(port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(SOCKET).unwrap();
    socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.unwrap()
}
