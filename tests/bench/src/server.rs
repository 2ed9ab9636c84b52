//! How each server under test, and the upstreams behind it, are started.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::Process;

/// Where the programs are, and which cores they run on.
#[derive(Clone, Debug)]
pub struct Site {
    /// The folder of `mock-upstream` and `bare-pingora`.
    pub programs: PathBuf,
    /// The gateway's binary.
    pub gateway: PathBuf,
    /// nginx's binary.
    pub nginx: PathBuf,
    /// For configurations and logs.
    pub scratch: PathBuf,
    /// Core of the server under test.
    pub server_core: usize,
    /// Core of the upstreams and the clients.
    pub load_core: usize,
}

impl Site {
    /// Writes the configuration of a server into a folder of its own, which holds nothing else
    /// that is written while the gateway runs: it watches the folder of its configuration.
    fn write(
        &self,
        server: &str,
        file: &str,
        content: impl Fn(&Path) -> String,
    ) -> io::Result<PathBuf> {
        let own = self.scratch.join(server);
        fs::create_dir_all(&own)?;
        let path = own.join(file);
        fs::write(&path, content(&own))?;
        Ok(path)
    }

    /// Where a server's output goes: away from all configurations.
    fn log(&self, server: &str) -> io::Result<PathBuf> {
        let logs = self.scratch.join("logs");
        fs::create_dir_all(&logs)?;
        Ok(logs.join(format!("{server}.log")))
    }
}

/// Which server is under test.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// None: the clients ask the upstream themselves.
    Direct,
    /// nginx with `proxy_buffering off`.
    Nginx,
    /// Pingora with nothing in it.
    Bare,
    /// The gateway.
    Penstock,
}

impl Kind {
    /// All, in the order they are measured.
    pub const ALL: [Self; 4] = [Self::Direct, Self::Nginx, Self::Bare, Self::Penstock];

    /// How reports call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Bare => "bare pingora",
            Self::Penstock => "penstock",
        }
    }
}

/// A mock upstream for each dialect.
#[derive(Debug)]
pub struct Upstreams {
    openai: (Process, SocketAddr),
    anthropic: (Process, SocketAddr),
    gemini: (Process, SocketAddr),
}

impl Upstreams {
    /// Starts them with these further flags.
    ///
    /// # Errors
    ///
    /// Fails if `mock-upstream` cannot be started.
    pub fn start(site: &Site, flags: &[&str]) -> io::Result<Self> {
        let program = site.programs.join("mock-upstream");
        let program = program.to_string_lossy();
        let start = |dialect| {
            let command = [&[&*program, "--dialect", dialect], flags].concat();
            let (process, line) = Process::start_and_hear(site.load_core, &command)?;
            Ok::<_, io::Error>((process, line.parse().map_err(io::Error::other)?))
        };
        Ok(Self {
            openai: start("openai")?,
            anthropic: start("anthropic")?,
            gemini: start("gemini")?,
        })
    }

    /// The upstream that speaks as the clients do.
    #[must_use]
    pub fn openai(&self) -> SocketAddr {
        self.openai.1
    }
}

/// A server under test that is ready.
#[derive(Debug)]
pub struct Server {
    /// Where clients send requests.
    pub address: SocketAddr,
    process: Option<Process>,
}

impl Server {
    /// Starts a server in front of these upstreams and waits until it is ready.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be started, or is not ready within 15 s; its log is in the scratch
    /// folder.
    pub async fn start(kind: Kind, site: &Site, upstreams: &Upstreams) -> io::Result<Self> {
        match kind {
            Kind::Direct => Ok(Self { address: upstreams.openai(), process: None }),
            Kind::Nginx => Self::nginx(site, upstreams.openai()).await,
            Kind::Bare => Self::bare(site, upstreams.openai()).await,
            Kind::Penstock => Self::penstock(site, upstreams).await,
        }
    }

    async fn nginx(site: &Site, upstream: SocketAddr) -> io::Result<Self> {
        let address = free_address()?;
        let config =
            site.write("nginx", "nginx.conf", |own| nginx_config(own, address, upstream))?;
        let (program, config) = (site.nginx.to_string_lossy(), config.to_string_lossy());
        let prefix = site.scratch.to_string_lossy();
        let command = [&*program, "-p", &prefix, "-c", &config];
        Self::launch(site, "nginx", &command, address, address, None).await
    }

    async fn bare(site: &Site, upstream: SocketAddr) -> io::Result<Self> {
        let address = free_address()?;
        let program = site.programs.join("bare-pingora");
        let (program, listen) = (program.to_string_lossy(), address.to_string());
        let upstream = upstream.to_string();
        let command = [&*program, "--listen", &listen, "--upstream", &upstream];
        Self::launch(site, "bare-pingora", &command, address, address, None).await
    }

    async fn penstock(site: &Site, upstreams: &Upstreams) -> io::Result<Self> {
        let (address, admin) = (free_address()?, free_address()?);
        let content = |_: &Path| penstock_config(address, admin, upstreams);
        let config = site.write("penstock", "penstock.yaml", content)?;
        let (program, config) = (site.gateway.to_string_lossy(), config.to_string_lossy());
        let command = [&*program, "serve", "--config", &config];
        Self::launch(site, "penstock", &command, address, admin, Some("/readyz")).await
    }

    /// Starts a program and waits until `probed` accepts, and answers 200 where a path is given.
    async fn launch(
        site: &Site,
        name: &str,
        command: &[&str],
        address: SocketAddr,
        probed: SocketAddr,
        path: Option<&str>,
    ) -> io::Result<Self> {
        let log = site.log(name)?;
        let mut process = Process::start(site.server_core, command, &log)?;
        for _ in 0..300 {
            if is_ready(probed, path).await {
                return Ok(Self { address, process: Some(process) });
            }
            if process.has_ended() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let said = fs::read_to_string(&log).unwrap_or_default();
        let said: Vec<&str> = said.lines().rev().take(5).collect();
        Err(io::Error::other(format!("{name} did not become ready: {said:?}")))
    }

    /// CPU time so far, in microseconds; `None` without a server.
    ///
    /// # Errors
    ///
    /// Fails if the server is gone.
    pub fn cpu_micros(&self) -> io::Result<Option<f64>> {
        self.process.as_ref().map(Process::cpu_micros).transpose()
    }

    /// Memory resident now, in bytes; nothing without a server.
    ///
    /// # Errors
    ///
    /// Fails if the server is gone.
    pub fn resident(&self) -> io::Result<u64> {
        self.process.as_ref().map_or(Ok(0), Process::resident)
    }
}

/// A loopback address that was free a moment ago.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

async fn is_ready(address: SocketAddr, path: Option<&str>) -> bool {
    let Ok(mut connection) = TcpStream::connect(address).await else { return false };
    let Some(path) = path else { return true };
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let mut answer = [0; 12];
    connection.write_all(request.as_bytes()).await.is_ok()
        && connection.read_exact(&mut answer).await.is_ok()
        && answer == *b"HTTP/1.1 200"
}

fn nginx_config(scratch: &Path, address: SocketAddr, upstream: SocketAddr) -> String {
    let scratch = scratch.display();
    format!(
        "daemon off;
master_process off;
worker_rlimit_nofile 16384;
pid {scratch}/nginx.pid;
error_log {scratch}/nginx-error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {scratch}/nginx-body;
  proxy_temp_path {scratch}/nginx-proxy;
  fastcgi_temp_path {scratch}/nginx-fastcgi;
  uwsgi_temp_path {scratch}/nginx-uwsgi;
  scgi_temp_path {scratch}/nginx-scgi;
  keepalive_requests 1000000000;
  upstream mock {{ server {upstream}; keepalive 2048; keepalive_requests 1000000000; }}
  server {{
    listen {address} backlog=2048;
    location / {{
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header connection '';
      proxy_buffering off;
      proxy_read_timeout 900s;
    }}
  }}
}}
"
    )
}

fn penstock_config(address: SocketAddr, admin: SocketAddr, upstreams: &Upstreams) -> String {
    let (openai, anthropic, gemini) =
        (upstreams.openai.1, upstreams.anthropic.1, upstreams.gemini.1);
    format!(
        "listeners: [{{address: \"{address}\"}}]
admin: {{address: \"{admin}\"}}
auth: {{mode: open}}
providers:
  - {{name: up, dialect: openai, base_url: \"http://{openai}/v1\", accounts: [{{name: main, api_key: k}}]}}
  - {{name: an, dialect: anthropic, base_url: \"http://{anthropic}\", accounts: [{{name: main, api_key: k}}]}}
  - {{name: ge, dialect: gemini, base_url: \"http://{gemini}\", accounts: [{{name: main, api_key: k}}]}}
models:
  - {{name: m-openai, targets: [{{provider: up, model: gpt-x}}]}}
  - {{name: m-anthropic, targets: [{{provider: an, model: claude-x}}]}}
  - {{name: m-gemini, targets: [{{provider: ge, model: gemini-x}}]}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::Site;

    #[test]
    fn no_log_lies_beside_a_configuration() {
        let scratch = tempfile::tempdir().unwrap();
        let site = Site {
            programs: "".into(),
            gateway: "".into(),
            nginx: "".into(),
            scratch: scratch.path().to_owned(),
            server_core: 0,
            load_core: 0,
        };
        let config = site.write("penstock", "penstock.yaml", |_| String::new()).unwrap();
        let log = site.log("penstock").unwrap();
        assert_ne!(config.parent(), log.parent());
        assert_ne!(config.parent(), Some(scratch.path()));
    }
}
