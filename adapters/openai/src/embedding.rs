//! `POST /v1/embeddings`, on both sides: texts as vectors.
//!
//! An extension: `task_type` and `title` say what the vectors are for, in Gemini's words.
//!
//! Spec: <https://platform.openai.com/docs/api-reference/embeddings>.

use std::collections::BTreeMap;
use std::fmt;

use adapters_canonical::dialect::{Target, UpstreamRequest};
use adapters_canonical::embedding::{EmbeddingInput, EmbeddingRequest, EmbeddingResponse};
use adapters_canonical::ingress::Envelope;
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use adapters_canonical::operation::{EmbedEgress, EmbedIngress};
use adapters_canonical::usage::Usage as Tokens;
use adapters_json::{read, write};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{self, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::wire::usage::Usage;
use crate::{address, passthrough};

/// Where the dialect is asked for vectors, below the base URL.
const PATH: &str = "/embeddings";

/// Embeddings, as clients ask for them and as providers are asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Embeddings;

impl EmbedIngress for Embeddings {
    fn decode_request(
        &self,
        body: &[u8],
        _: &Envelope<'_>,
    ) -> Result<Translated<EmbeddingRequest>, DecodeError> {
        decode_request(body)
    }

    fn encode_response(&self, request: &EmbeddingRequest, response: &EmbeddingResponse) -> Vec<u8> {
        encode_response(request, response)
    }

    fn pass_request(
        &self,
        body: &[u8],
        envelope: &Envelope<'_>,
        target: &Target<'_>,
    ) -> UpstreamRequest {
        UpstreamRequest {
            path: address::path(target, PATH),
            headers: Vec::new(),
            body: passthrough::rewrite_request(body, envelope, target.model, false),
        }
    }

    fn read_usage(&self, body: &[u8]) -> Option<Tokens> {
        passthrough::read_usage(body)
    }
}

impl EmbedEgress for Embeddings {
    fn encode_request(
        &self,
        request: &EmbeddingRequest,
        target: &Target<'_>,
    ) -> Result<Translated<UpstreamRequest>, DecodeError> {
        Ok(encode_request(request, target))
    }

    fn decode_response(&self, body: &[u8]) -> Result<EmbeddingResponse, DecodeError> {
        decode_response(body)
    }
}

/// Reads the body of `POST /v1/embeddings`.
///
/// # Errors
///
/// [`DecodeError::Syntax`] with line and column, or [`DecodeError::Shape`] with the path of what did
/// not fit.
pub fn decode_request(body: &[u8]) -> Result<Translated<EmbeddingRequest>, DecodeError> {
    #[derive(Deserialize)]
    struct Request {
        model: String,
        input: Input,
        encoding_format: Option<String>,
        dimensions: Option<u32>,
        user: Option<String>,
        task_type: Option<String>,
        title: Option<String>,
        #[serde(flatten)]
        other: BTreeMap<String, IgnoredAny>,
    }

    let wire: Request = read::body(body)?;
    let base64 = match wire.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => {
            return Err(DecodeError::shape("encoding_format", "must be `float` or `base64`"));
        }
    };
    let reason = "only providers of the OpenAI dialect have it";
    let losses = wire.other.into_keys().map(|name| Loss::dropped(name, reason)).collect();
    let value = EmbeddingRequest {
        model: wire.model,
        inputs: wire.input.into_inputs()?,
        dimensions: wire.dimensions,
        task: wire.task_type,
        title: wire.title,
        user: wire.user,
        base64,
    };
    Ok(Translated { value, losses })
}

fn encode_request(request: &EmbeddingRequest, target: &Target<'_>) -> Translated<UpstreamRequest> {
    #[derive(Serialize)]
    struct Request<'a> {
        model: &'a str,
        input: Vec<Said<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        dimensions: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<&'a str>,
    }

    #[derive(Serialize)]
    #[serde(untagged)]
    enum Said<'a> {
        Text(&'a str),
        Tokens(&'a [u32]),
    }

    let EmbeddingRequest { model: _, inputs, dimensions, task, title, user, base64: _ } = request;
    let said = inputs.iter().map(|input| match input {
        EmbeddingInput::Text(text) => Said::Text(text),
        EmbeddingInput::Tokens(tokens) => Said::Tokens(tokens),
    });
    let body = write::body(&Request {
        model: target.model,
        input: said.collect(),
        dimensions: *dimensions,
        user: user.as_deref(),
    });
    let losses = [("task_type", task.is_some()), ("title", title.is_some())]
        .into_iter()
        .filter(|(_, said)| *said)
        .map(|(path, _)| Loss::dropped(path, "the provider makes one kind of vector only"))
        .collect();
    let value = UpstreamRequest { path: address::path(target, PATH), headers: Vec::new(), body };
    Translated { value, losses }
}

/// The body that answers `request`.
#[must_use]
pub fn encode_response(request: &EmbeddingRequest, response: &EmbeddingResponse) -> Vec<u8> {
    #[derive(Serialize)]
    struct Answer<'a> {
        object: &'static str,
        data: Vec<Entry<'a>>,
        model: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<Counted>,
    }

    #[derive(Serialize)]
    struct Entry<'a> {
        object: &'static str,
        index: usize,
        embedding: Numbers<'a>,
    }

    #[derive(Serialize)]
    #[serde(untagged)]
    enum Numbers<'a> {
        Plain(&'a [f32]),
        Packed(String),
    }

    #[derive(Serialize)]
    struct Counted {
        prompt_tokens: u64,
        total_tokens: u64,
    }

    let data = response.vectors.iter().enumerate().map(|(index, vector)| Entry {
        object: "embedding",
        index,
        embedding: match request.base64 {
            true => Numbers::Packed(pack(vector)),
            false => Numbers::Plain(vector),
        },
    });
    let tokens = response.usage.as_ref().and_then(Tokens::total_input);
    let model = if response.model.is_empty() { &request.model } else { &response.model };
    write::body(&Answer {
        object: "list",
        data: data.collect(),
        model,
        usage: tokens.map(|tokens| Counted { prompt_tokens: tokens, total_tokens: tokens }),
    })
}

/// Reads an answer, its numbers plain or packed, in whatever order the vectors come.
///
/// # Errors
///
/// [`DecodeError`] if there are none.
pub fn decode_response(body: &[u8]) -> Result<EmbeddingResponse, DecodeError> {
    #[derive(Deserialize)]
    struct Answer {
        data: Vec<Entry>,
        model: Option<String>,
        usage: Option<Usage>,
    }

    #[derive(Deserialize)]
    struct Entry {
        index: Option<usize>,
        embedding: Vector,
    }

    let mut answer: Answer = read::body(body)?;
    // Stable: without numbers they stay in their order.
    answer.data.sort_by_key(|entry| entry.index.unwrap_or_default());
    Ok(EmbeddingResponse {
        model: answer.model.unwrap_or_default(),
        vectors: answer.data.into_iter().map(|entry| entry.embedding.0).collect(),
        usage: answer.usage.map(Tokens::from),
    })
}

fn pack(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    BASE64.encode(bytes)
}

fn unpack(text: &str) -> Option<Vec<f32>> {
    let bytes = BASE64.decode(text).ok()?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
}

/// A vector, plain or packed.
struct Vector(Vec<f32>);

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Vector;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of numbers or base64 of floats")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Vector, E> {
                unpack(text).map(Vector).ok_or_else(|| E::custom("not base64 of floats"))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vector, A::Error> {
                let mut numbers = Vec::new();
                while let Some(number) = seq.next_element()? {
                    numbers.push(number);
                }
                Ok(Vector(numbers))
            }
        }

        from.deserialize_any(Either)
    }
}

/// What `input` may be.
enum Input {
    One(String),
    Many(Vec<Item>),
}

impl Input {
    fn into_inputs(self) -> Result<Vec<EmbeddingInput>, DecodeError> {
        let items = match self {
            Self::One(text) => return Ok(vec![EmbeddingInput::Text(text)]),
            Self::Many(items) if items.is_empty() => {
                return Err(DecodeError::shape("input", "must not be empty"));
            }
            Self::Many(items) => items,
        };
        let number = |item: &Item| match item {
            Item::Number(number) => Some(*number),
            Item::Text(_) | Item::Tokens(_) => None,
        };
        if let Some(tokens) = items.iter().map(number).collect() {
            return Ok(vec![EmbeddingInput::Tokens(tokens)]);
        }
        let each = items.into_iter().enumerate().map(|(at, item)| match item {
            Item::Text(text) => Ok(EmbeddingInput::Text(text)),
            Item::Tokens(tokens) => Ok(EmbeddingInput::Tokens(tokens)),
            Item::Number(_) => {
                let reason = "must be a string or an array of tokens, as the others are";
                Err(DecodeError::shape(format!("input[{at}]"), reason))
            }
        });
        each.collect()
    }
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Input;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or an array of strings or tokens")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Input, E> {
                Ok(Input::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Input, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Input::Many(items))
            }
        }

        from.deserialize_any(Either)
    }
}

/// What an array may have in it.
enum Item {
    Text(String),
    Tokens(Vec<u32>),
    Number(u32),
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a token or an array of tokens")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Item, E> {
                Ok(Item::Text(text.to_owned()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Item, E> {
                let token = u32::try_from(number);
                token.map(Item::Number).map_err(|_| E::custom("larger than any token"))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Item, A::Error> {
                let mut tokens = Vec::new();
                while let Some(token) = seq.next_element()? {
                    tokens.push(token);
                }
                Ok(Item::Tokens(tokens))
            }
        }

        from.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(input: Value) -> Result<Vec<EmbeddingInput>, DecodeError> {
        let body = json!({"model": "m", "input": input}).to_string();
        decode_request(body.as_bytes()).map(|request| request.value.inputs)
    }

    fn path(input: Value) -> String {
        read(input).unwrap_err().path().map(str::to_owned).unwrap_or_default()
    }

    #[test]
    fn an_input_is_a_text_or_tokens_one_or_many() {
        let text = |text: &str| EmbeddingInput::Text(text.to_owned());
        assert_eq!(read(json!("a")), Ok(vec![text("a")]));
        assert_eq!(read(json!(["a", "b"])), Ok(vec![text("a"), text("b")]));
        assert_eq!(read(json!([1, 2])), Ok(vec![EmbeddingInput::Tokens(vec![1, 2])]));
        let many = vec![EmbeddingInput::Tokens(vec![1]), EmbeddingInput::Tokens(vec![2, 3])];
        assert_eq!(read(json!([[1], [2, 3]])), Ok(many));
    }

    #[test]
    fn what_cannot_be_embedded_is_named() {
        assert_eq!(path(json!([])), "input");
        assert_eq!(path(json!(["a", 1])), "input[1]");
        assert_eq!(path(json!(["a", true])), "input[1]");
        assert_eq!(path(json!(7)), "input");
        assert_eq!(decode_request(br#"{"model":"m"}"#).unwrap_err().path(), Some("input"));
        let odd = br#"{"model":"m","input":"a","encoding_format":"int8"}"#;
        assert_eq!(decode_request(odd).unwrap_err().path(), Some("encoding_format"));
    }

    #[test]
    fn what_only_this_dialect_has_is_reported() {
        let body =
            br#"{"model":"m","input":"a","dimensions":3,"user":"u","task_type":"T","new":[1]}"#;
        let Translated { value, losses } = decode_request(body).unwrap();
        assert_eq!(losses.iter().map(|loss| &*loss.path).collect::<Vec<_>>(), ["new"]);
        assert_eq!((value.dimensions, value.task.as_deref()), (Some(3), Some("T")));
        let target = Target { model: "e", api_version: None };
        let asked = encode_request(&value, &target);
        let expected = json!({"model": "e", "input": ["a"], "dimensions": 3, "user": "u"});
        assert_eq!(serde_json::from_slice::<Value>(&asked.value.body).unwrap(), expected);
        assert_eq!(asked.losses[0].path, "task_type");
    }

    #[test]
    fn vectors_are_written_as_the_client_wants_and_read_in_either_form() {
        let response = EmbeddingResponse {
            model: "e".to_owned(),
            vectors: vec![vec![0.1, -0.25], vec![1.0, f32::MIN_POSITIVE]],
            usage: Some(Tokens { input: Some(7), ..Tokens::default() }),
        };
        for base64 in [false, true] {
            let request = EmbeddingRequest { base64, ..EmbeddingRequest::default() };
            let body = encode_response(&request, &response);
            assert_eq!(decode_response(&body), Ok(response.clone()));
            let said: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(said["data"][0]["embedding"].is_string(), base64);
            assert_eq!(said["usage"], json!({"prompt_tokens": 7, "total_tokens": 7}));
        }
    }

    #[test]
    fn vectors_come_in_the_order_of_their_numbers() {
        let body = br#"{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":"AACAPw=="}]}"#;
        assert_eq!(decode_response(body).unwrap().vectors, [vec![1.0], vec![2.0]]);
        assert!(decode_response(br#"{"data":[{"embedding":"AAA="}]}"#).is_err());
        assert_eq!(decode_response(b"{}").unwrap_err().path(), Some("data"));
    }
}
