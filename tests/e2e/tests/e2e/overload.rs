//! Promise: above its limit the gateway says so at once, while what is under way finishes.

use std::time::{Duration, Instant};

use serde_json::Value;
use tests_mock::{Gate, MockUpstream, Script, Step, openai};

use crate::dialects::Dialect;
use crate::gateway::Gateway;

#[tokio::test]
async fn requests_beyond_the_limit_are_told_to_come_back_and_the_others_finish() {
    let gate = Gate::shut();
    let reply = openai::chat("Hej").after(Step::Wait(gate.clone()));
    let upstream = MockUpstream::start(Script::always(reply)).await.unwrap();
    let config = Dialect::OpenAi.config(&upstream.url(), "");
    let gateway = Gateway::start(&format!("limits: {{in_flight_requests: 2}}\n{config}")).await;
    let under_way = async { tokio::join!(gateway.ask("m"), gateway.ask("m")) };
    let beyond = async {
        upstream.until(|counts| counts.in_flight == 2).await;
        let started = Instant::now();
        let answer = gateway.ask("m").await;
        assert!(started.elapsed() < Duration::from_secs(2));
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "1");
        let error = answer.json::<Value>().await.unwrap()["error"].take();
        assert_eq!(error["code"], "overloaded");
        let health = gateway.client.get(gateway.url("/healthz")).send().await.unwrap();
        assert_eq!(health.status(), 200);
        gate.open();
    };
    let ((one, two), ()) = tokio::join!(under_way, beyond);
    assert_eq!((one.status().as_u16(), two.status().as_u16()), (200, 200));
    assert_eq!(gateway.ask("m").await.status(), 200);
    assert_eq!(upstream.counts().requests, 3);
}
