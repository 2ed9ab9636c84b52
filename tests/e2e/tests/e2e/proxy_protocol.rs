//! Promise: who a client is, the gateway believes only those that the operator trusts.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::gateway::Gateway;
use crate::raw::Raw;
use crate::tls::{Authority, Files};

const REFUSED: &str = "penstock_client_connections_refused_total";
const BEHIND: &str = "listeners: [{address: \"{listen}\", proxy_protocol: true}]\n\
                      trusted_proxies: [127.0.0.1]\n";
const ASK: &str = "GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n";

async fn gateway(config: &str) -> Gateway {
    Gateway::start(&format!("{config}providers: [{{name: m, dialect: mock}}]\n")).await
}

/// Version 2 for TCP over IPv4.
fn version_2(source: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend_from_slice(&source);
    header.extend_from_slice(&[10, 0, 0, 1, 0x30, 0x39, 0, 80]);
    header
}

#[tokio::test]
async fn the_client_is_who_the_proxy_says() {
    let gateway = gateway(BEHIND).await;
    let headers: [(&[u8], &str); 4] = [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 80\r\n", "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 12345 80\r\n", "2001:db8::7"),
        (&version_2([198, 51, 100, 9]), "198.51.100.9"),
        // Its own health checks.
        (b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0", "127.0.0.1"),
    ];
    for (count, (header, client)) in headers.iter().enumerate() {
        let mut connection = Raw::open(&gateway).await;
        // In two pieces, and the request right behind.
        connection.send(&header[..5]).await;
        connection.0.flush().await.unwrap();
        connection.send([&header[5..], ASK.as_bytes()].concat()).await;
        assert_eq!(connection.answer().await.status, 200);
        let lines = gateway.access_log(count + 1).await;
        assert_eq!(lines[count]["client"], *client);
    }
}

#[tokio::test]
async fn a_connection_without_a_right_header_is_closed() {
    let gateway = gateway(&format!("{BEHIND}limits: {{header_timeout: 400ms}}\n")).await;
    let wrong: [&[u8]; 5] = [
        ASK.as_bytes(),
        b"PROXY TCP4 nonsense\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
        // The rest does not come.
        b"PROXY TCP4 192.0.2.7",
        b"",
    ];
    for header in wrong {
        let mut connection = Raw::open(&gateway).await;
        connection.send(header).await;
        assert_eq!(connection.until_closed().await, b"", "{}", header.escape_ascii());
    }
    gateway.until_metric(REFUSED, &["reason=\"proxy_protocol\""], 5.0).await;
}

#[tokio::test]
async fn a_stranger_may_not_say_for_whom_it_speaks() {
    let gateway = gateway(&BEHIND.replace("127.0.0.1", "127.0.0.9")).await;
    let mut connection = Raw::open(&gateway).await;
    connection.send(format!("PROXY TCP4 192.0.2.7 10.0.0.1 1 80\r\n{ASK}")).await;
    assert_eq!(connection.until_closed().await, b"");
    let mut trusted = Raw::open_from("127.0.0.9", &gateway).await;
    trusted.send(format!("PROXY TCP4 192.0.2.7 10.0.0.1 1 80\r\n{ASK}")).await;
    assert_eq!(trusted.answer().await.status, 200);
}

#[tokio::test]
async fn connections_are_counted_for_the_client_and_not_for_the_proxy() {
    let gateway = gateway(&format!("{BEHIND}limits: {{connections_per_address: 1}}\n")).await;
    let mut open = Vec::new();
    for client in ["192.0.2.1", "192.0.2.2", "127.0.0.1", "127.0.0.1"] {
        let mut connection = Raw::open(&gateway).await;
        connection.send(format!("PROXY TCP4 {client} 10.0.0.1 1 80\r\n{ASK}")).await;
        assert_eq!(connection.answer().await.status, 200, "{client}");
        open.push(connection);
    }
    let mut again = Raw::open(&gateway).await;
    again.send(format!("PROXY TCP4 192.0.2.1 10.0.0.1 1 80\r\n{ASK}")).await;
    assert_eq!(again.until_closed().await, b"");
    gateway.until_metric(REFUSED, &["reason=\"connections_per_address\""], 1.0).await;
}

#[tokio::test]
async fn a_tls_handshake_follows_the_header() {
    let authority = Authority::new();
    let files = Files::of(&authority);
    let listeners = files.listeners("", ", proxy_protocol: true");
    let gateway = gateway(&format!("{listeners}trusted_proxies: [127.0.0.1]\n")).await;
    let mut connection = Raw::open(&gateway).await;
    connection.send("PROXY TCP4 192.0.2.7 10.0.0.1 1 80\r\n").await;
    let mut tls = authority.handshake(connection.0).await;
    tls.write_all(ASK.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    tokio::time::timeout(Duration::from_secs(10), tls.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert_eq!(gateway.access_log(1).await[0]["client"], "192.0.2.7");
}

#[tokio::test]
async fn forwarded_addresses_are_believed_only_from_trusted_proxies() {
    for (trusted, client) in [
        ("[]", "127.0.0.1"),
        ("[10.0.0.0/8]", "127.0.0.1"),
        ("[127.0.0.0/8]", "198.51.100.7"),
        ("[127.0.0.1, 198.51.100.0/24]", "203.0.113.9"),
    ] {
        let gateway = gateway(&format!("trusted_proxies: {trusted}\n")).await;
        let answer = gateway
            .client
            .get(gateway.url("/v1/models"))
            .header("x-forwarded-for", "192.0.2.1, 203.0.113.9")
            .header("x-forwarded-for", "198.51.100.7")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(gateway.access_log(1).await[0]["client"], json!(client), "{trusted}");
    }
}
