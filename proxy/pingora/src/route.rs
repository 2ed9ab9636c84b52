//! What the gateway has an address for, in whose dialect, and what a request is called.

use std::borrow::Cow;

use adapters_anthropic::ingress::{CountTokens as MessageTokens, Messages};
use adapters_canonical::ingress::Ingress;
use adapters_gemini::count_tokens::CountTokens;
use adapters_gemini::embedding::Method as EmbeddingMethod;
use adapters_gemini::ingress::GenerateContent;
use adapters_openai::embedding::Embeddings;
use adapters_openai::ingress::ChatCompletions;
use adapters_responses::count::InputTokens;
use adapters_responses::ingress::Responses;
use http::Method;
use percent_encoding::percent_decode_str;
use pingora::http::RequestHeader;

use crate::task::Task;
use crate::{head, pass, reply};

/// An address of ours.
pub(crate) struct Route<'p> {
    /// What the log and the metrics call it.
    pub(crate) pattern: &'static str,
    /// The methods it takes.
    pub(crate) methods: &'static [Method],
    /// The same, as `allow` has them.
    pub(crate) allowed: &'static str,
    pub(crate) place: Place,
    /// The model that the address names, and whether it asks for a stream.
    pub(crate) model: Option<Cow<'p, str>>,
    pub(crate) stream: bool,
}

/// What is at an address.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Alive,
    Ready,
    Models,
    Model,
    /// Something that a model is asked for.
    Ask(Task),
}

impl Place {
    /// Whether it is for everybody, without a key.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Alive | Self::Ready)
    }
}

/// What is at `path`.
pub(crate) fn find(path: &str) -> Option<Route<'_>> {
    let of = |pattern, place| {
        let (methods, allowed) = GET;
        Some(Route { pattern, methods, allowed, place, model: None, stream: false })
    };
    let ask = |pattern, task| {
        let (methods, allowed) = POST;
        let place = Place::Ask(task);
        Some(Route { pattern, methods, allowed, place, model: None, stream: false })
    };
    match path {
        "/v1/chat/completions" => ask("/v1/chat/completions", Task::Chat),
        "/v1/responses" => ask("/v1/responses", Task::Chat),
        "/v1/responses/input_tokens" => {
            ask("/v1/responses/input_tokens", Task::Count(&InputTokens))
        }
        "/v1/messages" => ask("/v1/messages", Task::Chat),
        "/v1/messages/count_tokens" => {
            ask("/v1/messages/count_tokens", Task::Count(&MessageTokens))
        }
        "/v1/embeddings" => ask("/v1/embeddings", Task::Embed(&Embeddings)),
        "/v1/models" | "/v1/models/" => of("/v1/models", Place::Models),
        "/v1beta/models" | "/v1beta/models/" => of("/v1beta/models", Place::Models),
        "/healthz" => of("/healthz", Place::Alive),
        "/readyz" => of("/readyz", Place::Ready),
        _ => match gemini(path) {
            Some((model, method)) => Some(Route {
                pattern: method.pattern,
                methods: POST.0,
                allowed: POST.1,
                place: Place::Ask(method.task),
                model: Some(percent_decode_str(model).decode_utf8_lossy()),
                stream: method.stream,
            }),
            None if path.starts_with("/v1/models/") => of("/v1/models/{id}", Place::Model),
            None if path.starts_with("/v1beta/models/") => of("/v1beta/models/{id}", Place::Model),
            None => pass::find(path).map(|endpoint| Route {
                pattern: endpoint.pattern,
                methods: endpoint.methods,
                allowed: endpoint.allowed,
                place: Place::Ask(Task::Pass(endpoint)),
                model: None,
                stream: false,
            }),
        },
    }
}

const GET: (&[Method], &str) = (&[Method::GET], "GET");
const POST: (&[Method], &str) = (&[Method::POST], "POST");

/// What Gemini's clients may ask of a model.
struct GeminiMethod {
    name: &'static str,
    pattern: &'static str,
    task: Task,
    stream: bool,
}

static GEMINI: [GeminiMethod; 5] = [
    GeminiMethod {
        name: "generateContent",
        pattern: "/v1beta/models/{model}:generateContent",
        task: Task::Chat,
        stream: false,
    },
    GeminiMethod {
        name: "streamGenerateContent",
        pattern: "/v1beta/models/{model}:streamGenerateContent",
        task: Task::Chat,
        stream: true,
    },
    GeminiMethod {
        name: "countTokens",
        pattern: "/v1beta/models/{model}:countTokens",
        task: Task::Count(&CountTokens),
        stream: false,
    },
    GeminiMethod {
        name: "embedContent",
        pattern: "/v1beta/models/{model}:embedContent",
        task: Task::Embed(&EmbeddingMethod::One),
        stream: false,
    },
    GeminiMethod {
        name: "batchEmbedContents",
        pattern: "/v1beta/models/{model}:batchEmbedContents",
        task: Task::Embed(&EmbeddingMethod::Batch),
        stream: false,
    },
];

/// The model and what is asked of it, of an address in Gemini's form. Names may have slashes; the AI
/// SDK takes one that has for a whole path, and leaves out `models/`.
fn gemini(path: &str) -> Option<(&str, &'static GeminiMethod)> {
    let rest = path.strip_prefix("/v1beta/").or_else(|| path.strip_prefix("/v1/"))?;
    let rest = rest.strip_prefix("models/").unwrap_or(rest);
    let (model, name) = rest.rsplit_once(':')?;
    let method = GEMINI.iter().find(|method| method.name == name)?;
    (!model.is_empty()).then_some((model, method))
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
    let given = head::said(header, &reply::REQUEST_ID).and_then(|value| value.to_str().ok());
    match given {
        Some(id) if (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(harmless) => {
            id.to_owned()
        }
        _ => uuid::Uuid::now_v7().to_string(),
    }
}
