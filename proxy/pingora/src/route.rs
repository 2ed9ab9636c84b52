//! What the gateway has an address for, in whose dialect, and what a request is called.

use adapters_canonical::ingress::Ingress;
use adapters_openai::ingress::ChatCompletions;
use http::Method;
use pingora::http::RequestHeader;

use crate::reply;

/// An address of ours.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    /// What the log and the metrics call it.
    pub(crate) pattern: &'static str,
    /// The one method it takes.
    pub(crate) method: &'static Method,
    pub(crate) place: Place,
}

/// What is at an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Alive,
    Ready,
    Models,
    Model,
    Chat,
}

impl Place {
    /// Whether it is for everybody, without a key.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Alive | Self::Ready)
    }
}

/// What is at `path`.
pub(crate) fn find(path: &str) -> Option<Route> {
    let of = |pattern, method, place| Some(Route { pattern, method, place });
    match path {
        "/v1/chat/completions" => of("/v1/chat/completions", &Method::POST, Place::Chat),
        "/v1/models" | "/v1/models/" => of("/v1/models", &Method::GET, Place::Models),
        "/healthz" => of("/healthz", &Method::GET, Place::Alive),
        "/readyz" => of("/readyz", &Method::GET, Place::Ready),
        _ if path.starts_with("/v1/models/") => of("/v1/models/{id}", &Method::GET, Place::Model),
        _ => None,
    }
}

/// The dialect a client speaks that asks there, whether or not there is anything.
pub(crate) fn dialect(_path: &str, _header: &RequestHeader) -> &'static dyn Ingress {
    &ChatCompletions
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
