//! What the gateway has an address for, in whose dialect, and what a request is called.

use std::borrow::Cow;

use adapters_anthropic::ingress::Messages;
use adapters_canonical::ingress::Ingress;
use adapters_gemini::ingress::GenerateContent;
use adapters_openai::ingress::ChatCompletions;
use adapters_responses::ingress::Responses;
use http::Method;
use percent_encoding::percent_decode_str;
use pingora::http::RequestHeader;

use crate::reply;

/// An address of ours.
pub(crate) struct Route<'p> {
    /// What the log and the metrics call it.
    pub(crate) pattern: &'static str,
    /// The one method it takes.
    pub(crate) method: &'static Method,
    pub(crate) place: Place,
    /// The model that the address names, and whether it asks for a stream.
    pub(crate) model: Option<Cow<'p, str>>,
    pub(crate) stream: bool,
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
pub(crate) fn find(path: &str) -> Option<Route<'_>> {
    let of =
        |pattern, method, place| Some(Route { pattern, method, place, model: None, stream: false });
    match path {
        "/v1/chat/completions" => of("/v1/chat/completions", &Method::POST, Place::Chat),
        "/v1/responses" => of("/v1/responses", &Method::POST, Place::Chat),
        "/v1/messages" => of("/v1/messages", &Method::POST, Place::Chat),
        "/v1/models" | "/v1/models/" => of("/v1/models", &Method::GET, Place::Models),
        "/v1beta/models" | "/v1beta/models/" => of("/v1beta/models", &Method::GET, Place::Models),
        "/healthz" => of("/healthz", &Method::GET, Place::Alive),
        "/readyz" => of("/readyz", &Method::GET, Place::Ready),
        _ => match gemini(path) {
            Some((model, action)) => generate(model, action),
            None if path.starts_with("/v1/models/") => {
                of("/v1/models/{id}", &Method::GET, Place::Model)
            }
            None if path.starts_with("/v1beta/models/") => {
                of("/v1beta/models/{id}", &Method::GET, Place::Model)
            }
            None => None,
        },
    }
}

/// The model and what is asked of it, of an address in Gemini's form. Names may have slashes; the AI
/// SDK takes one that has for a whole path, and leaves out `models/`.
fn gemini(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/v1beta/").or_else(|| path.strip_prefix("/v1/"))?;
    let rest = rest.strip_prefix("models/").unwrap_or(rest);
    let (model, action) = rest.rsplit_once(':')?;
    let known = matches!(action, "generateContent" | "streamGenerateContent");
    (known && !model.is_empty()).then_some((model, action))
}

fn generate<'p>(model: &'p str, action: &str) -> Option<Route<'p>> {
    let stream = action == "streamGenerateContent";
    Some(Route {
        pattern: if stream {
            "/v1beta/models/{model}:streamGenerateContent"
        } else {
            "/v1beta/models/{model}:generateContent"
        },
        method: &Method::POST,
        place: Place::Chat,
        model: Some(percent_decode_str(model).decode_utf8_lossy()),
        stream,
    })
}

/// The dialect a client speaks that asks there, whether or not there is anything.
pub(crate) fn dialect(path: &str, header: &RequestHeader) -> &'static dyn Ingress {
    let said = |name: &str| header.headers.contains_key(name);
    let is_at = |place: &str| {
        path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if is_at("/v1/messages") {
        &Messages
    } else if is_at("/v1/responses") {
        &Responses
    } else if is_at("/v1beta") || gemini(path).is_some() {
        &GenerateContent
    } else if is_at("/v1/models") && said("anthropic-version") {
        &Messages
    } else if is_at("/v1/models") && said("x-goog-api-key") {
        &GenerateContent
    } else {
        &ChatCompletions
    }
}

/// The client's own name for the request if it is harmless, else a new one.
pub(crate) fn request_id(header: &RequestHeader) -> String {
    const LONGEST: usize = 128;
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    let given = header.headers.get(&reply::REQUEST_ID).and_then(|value| value.to_str().ok());
    match given {
        Some(id) if (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(harmless) => {
            id.to_owned()
        }
        _ => uuid::Uuid::now_v7().to_string(),
    }
}
