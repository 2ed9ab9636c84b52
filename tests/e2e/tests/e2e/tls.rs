//! Promise: a listener speaks TLS and, to clients that can, HTTP/2; its certificate changes without
//! a restart; and it lets in only those clients that it was told to.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tests_mock::{Gate, MockUpstream, Script, openai};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::dialects::{Dialect, sse};
use crate::gateway::{Gateway, PATIENCE, Stream};

/// An authority of its own.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for loopback and its key, as PEM.
    fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Begins TLS on a connection, and trusts this authority alone.
    pub(crate) async fn handshake(&self, stream: TcpStream) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    /// Trusts this authority alone, and keeps no connection.
    pub(crate) fn client(&self) -> reqwest::ClientBuilder {
        let root = reqwest::Certificate::from_pem(self.pem().as_bytes()).unwrap();
        reqwest::Client::builder().no_proxy().tls_certs_only([root]).pool_max_idle_per_host(0)
    }
}

/// A certificate and its key, where the gateway reads them.
pub(crate) struct Files {
    _directory: tempfile::TempDir,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Files {
    pub(crate) fn of(authority: &Authority) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let [certificate, key] = ["cert.pem", "key.pem"].map(|name| directory.path().join(name));
        let files = Self { _directory: directory, certificate, key };
        files.write(authority);
        files
    }

    fn write(&self, authority: &Authority) {
        let (certificate, key) = authority.issue();
        fs::write(&self.certificate, certificate).unwrap();
        fs::write(&self.key, key).unwrap();
    }

    /// One listener that shows this certificate, with more keys of its `tls` and of its own.
    pub(crate) fn listeners(&self, tls: &str, more: &str) -> String {
        format!(
            "listeners: [{{address: \"{{listen}}\", tls: {{cert_file: {}, key_file: {}{tls}}}{more}}}]\n",
            self.certificate.display(),
            self.key.display(),
        )
    }

    async fn gateway(
        &self,
        upstream: &MockUpstream,
        client_ca: Option<&Path>,
        more: &str,
    ) -> Gateway {
        let client_ca = client_ca
            .map_or_else(String::new, |path| format!(", client_ca_file: {}", path.display()));
        Gateway::start(&format!(
            "{}{more}{}",
            self.listeners(&client_ca, ""),
            Dialect::OpenAi.config(&upstream.url(), ""),
        ))
        .await
    }
}

pub(crate) fn url(gateway: &Gateway) -> String {
    gateway.url("/v1/chat/completions").replace("http://", "https://")
}

fn streaming() -> serde_json::Value {
    json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hello"}]})
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_tls() {
    let authority = Authority::new();
    let upstream = MockUpstream::start(openai::answering("Hej")).await.unwrap();
    let gateway = Files::of(&authority).gateway(&upstream, None, "").await;
    let newer = authority.client().build().unwrap();
    let older = authority.client().http1_only().build().unwrap();
    for (client, version) in [(newer, reqwest::Version::HTTP_2), (older, reqwest::Version::HTTP_11)]
    {
        let answer = client.post(url(&gateway)).json(&streaming()).send().await.unwrap();
        assert_eq!(answer.version(), version);
        let stream = Stream::read(answer).await;
        assert!(stream.is_done());
        assert_eq!(stream.content(), "Hej");
        let long = "x".repeat(300_000);
        let whole = json!({"model": "m", "messages": [{"role": "user", "content": long}]});
        let answer = client.post(url(&gateway)).json(&whole).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}

#[tokio::test]
async fn a_silent_stream_has_heartbeats_over_http2_too() {
    let authority = Authority::new();
    let gate = Gate::shut();
    let reply = sse(Dialect::OpenAi.events(&["Good", " morning"])).paced(&gate);
    let upstream = MockUpstream::start(Script::always(reply)).await.unwrap();
    let quick = "heartbeat: {after: 100ms, every: 100ms}\n";
    let gateway = Files::of(&authority).gateway(&upstream, None, quick).await;
    let client = authority.client().build().unwrap();
    let mut answer = client.post(url(&gateway)).json(&streaming()).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_2));
    let mut seen = String::new();
    while seen.matches(": keep-alive\n\n").count() < 3 {
        seen.push_str(std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap());
    }
    gate.open();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        seen.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let stream = Stream { status: 200, text: seen };
    assert_eq!(stream.content(), "Good morning");
    assert!(stream.is_done());
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart_and_a_bad_one_is_not() {
    let (first, second) = (Authority::new(), Authority::new());
    let upstream = MockUpstream::start(openai::answering("Hej")).await.unwrap();
    let files = Files::of(&first);
    let gateway = files.gateway(&upstream, None, "").await;
    let trusted = async |authority: &Authority| {
        let client = authority.client().build().unwrap();
        client.post(url(&gateway)).json(&streaming()).send().await.is_ok()
    };
    assert!(trusted(&first).await && !trusted(&second).await);

    // Nobody sends a signal: the files are followed.
    files.write(&second);
    until_taken(async || trusted(&second).await && !trusted(&first).await).await;

    // A key of another certificate.
    let (_, key) = first.issue();
    fs::write(&files.key, key).unwrap();
    let refused = "the new certificate cannot be used";
    until_taken(async || {
        assert!(trusted(&second).await, "the old one stays");
        gateway.log().contains(refused)
    })
    .await;
    assert!(trusted(&second).await, "the old one stays");
    assert!(!gateway.log().contains("PRIVATE KEY"));

    // SIGHUP does not wait for anybody to notice.
    files.write(&first);
    gateway.signal("HUP");
    until_taken(async || trusted(&first).await).await;
}

/// Waits until a change of the files has been noticed.
async fn until_taken(condition: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "the change is not noticed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn only_clients_with_a_certificate_of_the_right_authority_come_in() {
    let (authority, clients, others) = (Authority::new(), Authority::new(), Authority::new());
    let upstream = MockUpstream::start(openai::answering("Hej")).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let client_ca = directory.path().join("clients.pem");
    fs::write(&client_ca, clients.pem()).unwrap();
    let gateway = Files::of(&authority).gateway(&upstream, Some(&client_ca), "").await;
    let ask = async |shown: Option<&Authority>| {
        let mut client = authority.client();
        if let Some(shown) = shown {
            let (certificate, key) = shown.issue();
            let identity = reqwest::Identity::from_pem((key + &certificate).as_bytes()).unwrap();
            client = client.identity(identity);
        }
        let sent = client.build().unwrap().post(url(&gateway)).json(&streaming()).send().await;
        sent.is_ok_and(|answer| answer.status() == 200)
    };
    assert!(ask(Some(&clients)).await);
    assert!(!ask(Some(&others)).await);
    assert!(!ask(None).await);
    assert_eq!(upstream.counts().requests, 1);
}
