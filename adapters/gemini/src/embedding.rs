//! `embedContent` and `batchEmbedContents`, on both sides: texts as vectors.
//!
//! Clients are answered in the form they asked in; providers are always asked for a batch.

use std::borrow::Cow;

use adapters_canonical::dialect::{Target, UpstreamRequest};
use adapters_canonical::embedding::{EmbeddingInput, EmbeddingRequest, EmbeddingResponse};
use adapters_canonical::ingress::Envelope;
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use adapters_canonical::operation::{EmbedEgress, EmbedIngress};
use adapters_canonical::usage::Usage;
use adapters_json::{read, write};
use serde::{Deserialize, Serialize};

use crate::egress::{Model, Tally, VERSION};
use crate::passthrough;
use crate::wire::asked::{Batch, Content, Embed};
use crate::wire::response::UsageMetadata;
use adapters_json::string::Str;

/// Which of the two methods a client called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// `embedContent`: one content, one vector.
    One,
    /// `batchEmbedContents`: many.
    Batch,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::One => "embedContent",
            Self::Batch => "batchEmbedContents",
        }
    }

    /// Where the content `at` stands in a request.
    fn request(self, at: usize) -> String {
        match self {
            Self::One => String::new(),
            Self::Batch => format!("requests[{at}]."),
        }
    }
}

impl EmbedIngress for Method {
    fn decode_request(
        &self,
        body: &[u8],
        envelope: &Envelope<'_>,
    ) -> Result<Translated<EmbeddingRequest>, DecodeError> {
        decode_request(*self, &envelope.model, body)
    }

    /// What holds for all of a batch is said in its first request.
    fn client_path<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let index = path.strip_prefix("input[").and_then(|rest| rest.strip_suffix(']'));
        let (at, name) = match (index.and_then(|index| index.parse().ok()), path) {
            (Some(at), _) => (at, "content"),
            (None, "dimensions") => (0, "outputDimensionality"),
            (None, "task_type") => (0, "taskType"),
            (None, "title") => (0, "title"),
            (None, _) => return Cow::Borrowed(path),
        };
        Cow::Owned(format!("{}{name}", self.request(at)))
    }

    fn encode_response(&self, _: &EmbeddingRequest, response: &EmbeddingResponse) -> Vec<u8> {
        encode_response(*self, response)
    }

    fn pass_request(&self, body: &[u8], _: &Envelope<'_>, target: &Target<'_>) -> UpstreamRequest {
        passthrough::pass_method(self.name(), body, target)
    }

    fn read_usage(&self, body: &[u8]) -> Option<Usage> {
        passthrough::read_usage(body)
    }
}

/// Asks for vectors, always by `batchEmbedContents`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Embeddings;

impl EmbedEgress for Embeddings {
    fn encode_request(
        &self,
        request: &EmbeddingRequest,
        target: &Target<'_>,
    ) -> Result<Translated<UpstreamRequest>, DecodeError> {
        encode_request(request, target)
    }

    fn decode_response(&self, body: &[u8]) -> Result<EmbeddingResponse, DecodeError> {
        decode_response(body)
    }
}

/// Reads what a client wants embedded; `model` is the one its address names.
///
/// # Errors
///
/// [`DecodeError`] with the place that did not fit: only text can be embedded, and all of a batch
/// must be embedded in one way.
pub fn decode_request(
    method: Method,
    model: &str,
    body: &[u8],
) -> Result<Translated<EmbeddingRequest>, DecodeError> {
    let requests = match method {
        Method::One => vec![read::body::<Embed<'_>>(body)?],
        Method::Batch => {
            let batch: Batch<'_> = read::body(body)?;
            batch.requests.unwrap_or_default()
        }
    };
    if requests.is_empty() {
        return Err(DecodeError::shape("requests", "must not be empty"));
    }
    let mut value = EmbeddingRequest { model: model.to_owned(), ..EmbeddingRequest::default() };
    let mut losses = Vec::new();
    for (at, request) in requests.into_iter().enumerate() {
        let base = method.request(at);
        for (name, _) in &request.other.0 {
            let path = format!("{base}{}", &**name);
            losses.push(Loss::dropped(path, "only providers of the Gemini dialect have it"));
        }
        let way = (
            request.output_dimensionality,
            request.task_type.map(String::from),
            request.title.map(String::from),
        );
        if at == 0 {
            (value.dimensions, value.task, value.title) = way;
        } else if way != (value.dimensions, value.task.clone(), value.title.clone()) {
            let reason = "must be embedded in the same way as the first";
            return Err(DecodeError::shape(format!("requests[{at}]"), reason));
        }
        let path = format!("{base}content");
        let content = request.content.ok_or_else(|| DecodeError::shape(&*path, "is missing"))?;
        value.inputs.push(EmbeddingInput::Text(text(content, &path)?));
    }
    Ok(Translated { value, losses })
}

/// The parts of a content are embedded as one text.
fn text(content: Content<'_>, path: &str) -> Result<String, DecodeError> {
    let mut whole = String::new();
    for (at, part) in content.parts.into_iter().flatten().enumerate() {
        let text = part.text.ok_or_else(|| {
            DecodeError::shape(format!("{path}.parts[{at}]"), "only text can be embedded")
        })?;
        if at > 0 {
            whole.push('\n');
        }
        whole.push_str(&text);
    }
    Ok(whole)
}

/// The body that answers a client, in the form of `method`.
#[must_use]
pub fn encode_response(method: Method, response: &EmbeddingResponse) -> Vec<u8> {
    #[derive(Serialize)]
    struct Values<'a> {
        values: &'a [f32],
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        embedding: Option<Values<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        embeddings: Option<Vec<Values<'a>>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage_metadata: Option<Counted>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Counted {
        prompt_token_count: u64,
        total_token_count: u64,
    }

    let mut vectors = response.vectors.iter().map(|values| Values { values });
    let tokens = response.usage.as_ref().and_then(|usage| usage.total_input());
    let usage_metadata =
        tokens.map(|tokens| Counted { prompt_token_count: tokens, total_token_count: tokens });
    let (embedding, embeddings) = match method {
        Method::One => (vectors.next(), None),
        Method::Batch => (None, Some(vectors.collect())),
    };
    write::body(&Answer { embedding, embeddings, usage_metadata })
}

/// Asks `target` for the vectors.
///
/// # Errors
///
/// [`DecodeError::Shape`] for tokens: each provider numbers them in its own way.
pub fn encode_request(
    request: &EmbeddingRequest,
    target: &Target<'_>,
) -> Result<Translated<UpstreamRequest>, DecodeError> {
    #[derive(Serialize)]
    struct Requests<'a> {
        requests: Vec<One<'a>>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct One<'a> {
        model: &'a str,
        content: Said<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        task_type: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        output_dimensionality: Option<u32>,
    }

    #[derive(Serialize)]
    struct Said<'a> {
        parts: [Words<'a>; 1],
    }

    #[derive(Serialize)]
    struct Words<'a> {
        text: &'a str,
    }

    let EmbeddingRequest { model: _, inputs, dimensions, task, title, user, base64: _ } = request;
    let model = Model::new(target.model);
    let path = model.method(target.api_version.unwrap_or(VERSION), "batchEmbedContents")?;
    let name = model.full_name();
    let is_tokens = |input: &EmbeddingInput| matches!(input, EmbeddingInput::Tokens(_));
    if let Some(at) = inputs.iter().position(is_tokens) {
        let reason = "tokens of another provider; send the text";
        return Err(DecodeError::shape(format!("input[{at}]"), reason));
    }
    let texts = inputs.iter().filter_map(|input| match input {
        EmbeddingInput::Text(text) => Some(text),
        EmbeddingInput::Tokens(_) => None,
    });
    let requests = texts.map(|text| One {
        model: &name,
        content: Said { parts: [Words { text }] },
        task_type: task.as_deref(),
        title: title.as_deref(),
        output_dimensionality: *dimensions,
    });
    let body = write::body(&Requests { requests: requests.collect() });
    let losses = user
        .iter()
        .map(|_| Loss::dropped("user", "the provider takes no name of the end user"))
        .collect();
    Ok(Translated { value: UpstreamRequest { path, headers: Vec::new(), body }, losses })
}

/// Reads the vectors of either method.
///
/// # Errors
///
/// [`DecodeError`] if there are none.
pub fn decode_response(body: &[u8]) -> Result<EmbeddingResponse, DecodeError> {
    #[derive(Deserialize)]
    struct Values {
        values: Vec<f32>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer<'a> {
        embedding: Option<Values>,
        embeddings: Option<Vec<Values>>,
        #[serde(borrow)]
        usage_metadata: Option<UsageMetadata<'a>>,
        #[serde(borrow)]
        model_version: Option<Str<'a>>,
    }

    let answer: Answer<'_> = read::body(body)?;
    let vectors = match (answer.embeddings, answer.embedding) {
        (Some(many), _) => many.into_iter().map(|one| one.values).collect(),
        (None, Some(one)) => vec![one.values],
        (None, None) => return Err(DecodeError::shape("embeddings", "is missing")),
    };
    let mut tally = Tally::default();
    if let Some(metadata) = &answer.usage_metadata {
        tally.update(metadata);
    }
    let model = answer.model_version.map(String::from).unwrap_or_default();
    Ok(EmbeddingResponse { model, vectors, usage: tally.usage() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(method: Method, body: &Value) -> Result<Translated<EmbeddingRequest>, DecodeError> {
        decode_request(method, "m", body.to_string().as_bytes())
    }

    #[test]
    fn a_batch_comes_back_as_it_went() {
        let one = |text: &str| {
            json!({"model": "models/e", "content": {"parts": [{"text": text}]},
                "taskType": "RETRIEVAL_QUERY", "title": "t", "outputDimensionality": 8})
        };
        let body = json!({"requests": [one("a"), one("b")]});
        let Translated { value, losses } = read(Method::Batch, &body).unwrap();
        assert_eq!((losses.len(), value.inputs.len(), value.dimensions), (0, 2, Some(8)));
        let target = Target { model: "e", api_version: None };
        let asked = encode_request(&value, &target).unwrap().value;
        assert_eq!(asked.path, "/v1beta/models/e:batchEmbedContents");
        assert_eq!(serde_json::from_slice::<Value>(&asked.body).unwrap(), body);
    }

    #[test]
    fn both_methods_are_answered_in_their_own_form_and_read_in_either() {
        let usage = Usage { input: Some(7), ..Usage::default() };
        let vectors = vec![vec![0.1, -0.25], vec![1.0, 0.0]];
        let mut response =
            EmbeddingResponse { vectors, usage: Some(usage), ..EmbeddingResponse::default() };
        assert_eq!(
            decode_response(&encode_response(Method::Batch, &response)),
            Ok(response.clone())
        );
        response.vectors.truncate(1);
        let one = encode_response(Method::One, &response);
        let expected = br#"{"embedding":{"values":[0.1,-0.25]},"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7}}"#;
        assert_eq!(one, expected);
        assert_eq!(decode_response(&one), Ok(response));
        assert_eq!(decode_response(b"{}").unwrap_err().path(), Some("embeddings"));
    }

    #[test]
    fn what_cannot_be_embedded_is_named() {
        let path = |method, body: Value| {
            read(method, &body).unwrap_err().path().map(str::to_owned).unwrap_or_default()
        };
        assert_eq!(path(Method::One, json!({})), "content");
        assert_eq!(path(Method::Batch, json!({"requests": []})), "requests");
        let picture = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
        let body = json!({"requests": [{"content": {"parts": [{"text": "a"}, picture]}}]});
        assert_eq!(path(Method::Batch, body), "requests[0].content.parts[1]");
        let content = json!({"parts": [{"text": "a"}]});
        let body =
            json!({"requests": [{"content": content}, {"content": content, "taskType": "X"}]});
        assert_eq!(path(Method::Batch, body), "requests[1]");
        let tokens = EmbeddingRequest {
            inputs: vec![EmbeddingInput::Tokens(vec![1])],
            ..EmbeddingRequest::default()
        };
        let target = Target { model: "e", api_version: None };
        assert_eq!(encode_request(&tokens, &target).unwrap_err().path(), Some("input[0]"));
    }

    #[test]
    fn losses_are_named_in_the_words_of_the_method() {
        assert_eq!(Method::Batch.client_path("input[2]"), "requests[2].content");
        assert_eq!(Method::One.client_path("input[0]"), "content");
        assert_eq!(Method::Batch.client_path("task_type"), "requests[0].taskType");
        assert_eq!(Method::One.client_path("dimensions"), "outputDimensionality");
        assert_eq!(Method::One.client_path("model"), "model");
    }

    #[test]
    fn what_only_gemini_has_is_reported() {
        let body = json!({"content": {"parts": [{"text": "a"}]}, "autoTruncate": true, "model": "models/m"});
        let losses = read(Method::One, &body).unwrap().losses;
        assert_eq!(losses.len(), 1);
        assert_eq!(losses[0].path, "autoTruncate");
    }
}
