//! Promise: an account that fails far more than its siblings, or keeps its clients waiting, is left
//! alone for a while, and comes back when it has shown that it works; no client notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tests_mock::{MockUpstream, Reply, Script, openai};

use crate::gateway::{Gateway, PATIENCE};

/// Two accounts of one provider; the one called `sick` does what `fault` says until it is well.
struct Pair {
    gateway: Gateway,
    upstream: MockUpstream,
    sick: Arc<AtomicBool>,
    asked: usize,
}

const AVAILABLE: &str = "penstock_account_available";
const SICK: [&str; 1] = ["account=\"sick\""];

impl Pair {
    async fn start(fault: Reply) -> Self {
        let sick = Arc::new(AtomicBool::new(true));
        let is_sick = Arc::clone(&sick);
        let script = Script::new(move |request, _| {
            let its_own = request.header("authorization") == Some("Bearer sk-sick");
            match its_own && is_sick.load(Ordering::Acquire) {
                true => fault.clone(),
                false => openai::chat("Hej"),
            }
        });
        let upstream = MockUpstream::start(script).await.unwrap();
        let gateway = Gateway::start(&format!(
            "providers: [{{name: up, dialect: openai, base_url: \"{}/v1\", \
             timeouts: {{first_byte: 300ms}}, accounts: [\
             {{name: sick, api_key: sk-sick}}, {{name: sound, api_key: sk-sound}}]}}]\n\
             models: [{{name: m, targets: [{{provider: up, model: x}}]}}]\n",
            upstream.url()
        ))
        .await;
        Self { gateway, upstream, sick, asked: 0 }
    }

    /// One more conversation, which must be answered.
    async fn ask(&mut self) {
        self.asked += 1;
        assert_eq!(self.gateway.ask_anew("m", self.asked).await.status(), 200);
    }

    /// How often the sick account was tried.
    fn tries(&self) -> usize {
        let requests = self.upstream.requests();
        requests.iter().filter(|it| it.header("authorization") == Some("Bearer sk-sick")).count()
    }

    async fn is_available(&self) -> bool {
        self.gateway.metric(AVAILABLE, &SICK).await > 0.5
    }
}

async fn check(what: &str, fault: Reply) {
    let mut pair = Pair::start(fault).await;
    let started = Instant::now();
    // Out: a few failures in a row are enough, and none of them reaches a client.
    while pair.is_available().await {
        pair.ask().await;
        assert!(started.elapsed() < PATIENCE, "{what}: it is never ejected");
    }
    let failures = pair.tries();
    assert!(failures <= 8, "{what}: {failures} requests met it");
    // Left alone, as long as it is out.
    let mut left_alone = 0;
    while left_alone < 10 && started.elapsed() < PATIENCE {
        let before = pair.tries();
        pair.ask().await;
        if !pair.is_available().await && pair.tries() == before {
            left_alone += 1;
        }
    }
    assert_eq!(left_alone, 10, "{what}: it is not left alone");
    let tries = pair.tries() - failures;
    assert!(tries <= 4, "{what}: {tries} probes in so short a time");
    // Back: probes come through, and then everybody does again.
    pair.sick.store(false, Ordering::Release);
    let before = pair.tries();
    let started = Instant::now();
    while pair.tries() < before + 6 {
        pair.ask().await;
        assert!(started.elapsed() < PATIENCE, "{what}: it does not come back");
    }
    assert!(pair.is_available().await, "{what}");
}

#[tokio::test]
async fn an_account_that_fails_is_ejected_and_returns_by_a_probe() {
    let error = openai::error(500, "server_error", None, "No");
    check("errors", error).await;
}

#[tokio::test]
async fn an_account_that_keeps_clients_waiting_is_ejected_and_returns_by_a_probe() {
    check("silence", Reply::hang()).await;
}
