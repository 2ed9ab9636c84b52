//! Promise: a peer that has vanished without a word is found even where nothing is said for long:
//! TCP keepalive is on towards clients and towards upstreams.
//!
//! Seen where the kernel shows it: the timer that runs on each socket of the gateway.

#![cfg(target_os = "linux")]

use std::fs;
use std::time::Instant;

use tests_mock::{MockUpstream, Script, Transport, openai};
use tokio::net::TcpStream;

use crate::dialects::Dialect;
use crate::gateway::{Gateway, PATIENCE};
use crate::raw::Raw;

/// What `/proc/net/tcp` calls a running keepalive timer.
const KEEPALIVE: &str = "02";
const ESTABLISHED: &str = "01";

/// The timers of the open connections between these ports; `None`: any port.
fn timers(local: Option<u16>, remote: Option<u16>) -> Vec<String> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let matches = |address: &str, port: Option<u16>| {
        let found = address.split_once(':').map(|(_, port)| u16::from_str_radix(port, 16).unwrap());
        port.is_none_or(|port| found == Some(port))
    };
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows = rows
        .filter(|row| row[3] == ESTABLISHED && matches(row[1], local) && matches(row[2], remote));
    rows.map(|row| row[5].split_once(':').unwrap().0.to_owned()).collect()
}

/// Waits until one connection is there and its timer is that of keepalive: data that is not yet
/// acknowledged has a timer of its own.
async fn until_kept_alive(local: Option<u16>, remote: Option<u16>, what: &str) {
    let started = Instant::now();
    while timers(local, remote) != [KEEPALIVE] {
        let seen = timers(local, remote);
        assert!(started.elapsed() < PATIENCE, "{what}: {seen:?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn clients_are_kept_alive() {
    let gateway = Gateway::start("providers: [{name: m, dialect: mock}]\n").await;
    let silent = TcpStream::connect(gateway.address()).await.unwrap();
    let port = silent.local_addr().unwrap().port();
    until_kept_alive(Some(gateway.address().1), Some(port), "one that has said nothing").await;
    // The client's own socket is not: what was seen is the gateway's doing.
    assert_ne!(timers(Some(port), Some(gateway.address().1)), [KEEPALIVE]);
    let mut served = Raw::open(&gateway).await;
    assert!(served.is_served().await);
}

#[tokio::test]
async fn upstreams_are_kept_alive_over_both_versions_of_http() {
    for (transport, more) in [(Transport::Http1, ""), (Transport::H2c, "http_version: h2c,")] {
        let script: Script = openai::answering("Hej");
        let upstream = MockUpstream::start_as(script, transport).await.unwrap();
        let config = Dialect::OpenAi.config(&upstream.url(), more);
        let gateway = Gateway::start(&config).await;
        assert_eq!(gateway.ask("m").await.status(), 200);
        // It waits in the pool.
        let port = upstream.address.port();
        until_kept_alive(None, Some(port), &format!("{transport:?}")).await;
        assert_ne!(timers(Some(port), None), [KEEPALIVE], "the upstream does nothing");
    }
}
