//! What the gateway has an address for, and what a request is called.

use http::Method;
use pingora::http::RequestHeader;

use crate::reply;

/// The route's pattern and the one method it takes.
pub(crate) fn find(path: &str) -> Option<(&'static str, &'static Method)> {
    match path {
        "/v1/chat/completions" => Some(("/v1/chat/completions", &Method::POST)),
        "/v1/models" | "/v1/models/" => Some(("/v1/models", &Method::GET)),
        "/healthz" => Some(("/healthz", &Method::GET)),
        "/readyz" => Some(("/readyz", &Method::GET)),
        _ if path.starts_with("/v1/models/") => Some(("/v1/models/{id}", &Method::GET)),
        _ => None,
    }
}

/// The client's own name for the request if it is harmless, else a new one.
pub(crate) fn request_id(header: &RequestHeader) -> String {
    const LONGEST: usize = 128;
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    let given = header.headers.get(reply::REQUEST_ID).and_then(|value| value.to_str().ok());
    match given {
        Some(id) if (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(harmless) => {
            id.to_owned()
        }
        _ => uuid::Uuid::now_v7().to_string(),
    }
}
