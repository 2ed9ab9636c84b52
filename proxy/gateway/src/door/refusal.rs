//! What somebody is told who sent no proper request. Pingora never hears of it.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use adapters_canonical::failure::Failure;
use adapters_openai::ingress;
use conf_schema::plan::Limits;
use http::StatusCode;
use pingora::protocols::Stream;
use proxy_admit::request_head::Fault;
use proxy_telemetry::{Chat, Refused, semconv};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::House;

/// How long to go on reading from a client that was told to stop: to close while it sends would
/// reset the connection, answer and all.
const LINGER: Duration = Duration::from_secs(2);
/// For how much of it.
const LINGER_BYTES: usize = 1 << 20;

/// Answers to a header that is wrong, and closes.
pub(super) async fn wrong(
    house: &House,
    stream: Stream,
    client: IpAddr,
    fault: Fault,
    limits: &Limits,
    took: Duration,
) {
    let (failure, why) = match fault {
        Fault::Malformed(reason) => (Failure::RequestMalformed { reason }, Refused::Malformed),
        Fault::TooLarge => {
            (Failure::HeaderTooLarge { limit: limits.header_bytes }, Refused::HeaderTooLarge)
        }
        Fault::TooMany => {
            (Failure::HeadersTooMany { limit: limits.headers }, Refused::HeaderTooLarge)
        }
    };
    refuse(house, stream, client, &failure, why, took).await;
}

/// Answers to a header that did not come to its end in time, and closes.
pub(super) async fn late(house: &House, stream: Stream, client: IpAddr, took: Duration) {
    refuse(house, stream, client, &Failure::HeaderTimedOut, Refused::HeaderTimedOut, took).await;
}

async fn refuse(
    house: &House,
    mut stream: Stream,
    client: IpAddr,
    failure: &Failure,
    why: Refused,
    took: Duration,
) {
    let request_id = uuid::Uuid::now_v7().to_string();
    let (status, answer) = answer(failure, &request_id);
    house.metrics.edge.refused(why);
    let labels = Chat {
        route: "(none)",
        operation: semconv::NONE,
        provider: semconv::NONE,
        account: semconv::NONE,
        model: semconv::NONE,
    };
    house.metrics.request(&labels, status, took);
    tracing::info!(
        target: "penstock::access",
        request_id,
        route = labels.route,
        status,
        %client,
        error = %failure,
    );
    let closing = async {
        stream.write_all(&answer).await?;
        stream.flush().await?;
        AsyncWriteExt::shutdown(&mut stream).await?;
        let mut scratch = [0; 4096];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match stream.read(&mut scratch).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        std::io::Result::Ok(())
    };
    // It was told, or it was gone, or it had its time.
    let _ = tokio::time::timeout(LINGER, closing).await;
}

/// Status and bytes of an answer after which the connection closes.
fn answer(failure: &Failure, request_id: &str) -> (u16, Vec<u8>) {
    let said = ingress::encode_failure(failure, request_id);
    let reason = StatusCode::from_u16(said.status).ok().and_then(|it| it.canonical_reason());
    let mut answer = String::with_capacity(256 + said.body.len());
    // A string takes everything.
    let _ = write!(
        answer,
        "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\nx-request-id: {request_id}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        said.status,
        reason.unwrap_or_default(),
        said.body.len(),
    );
    let mut answer = answer.into_bytes();
    answer.extend_from_slice(&said.body);
    (said.status, answer)
}
