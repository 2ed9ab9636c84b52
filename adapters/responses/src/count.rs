//! `POST /v1/responses/input_tokens`, on both sides: how many tokens would a request have?

use adapters_canonical::chat::ChatRequest;
use adapters_canonical::dialect::{Target, UpstreamRequest};
use adapters_canonical::ingress::Envelope;
use adapters_canonical::loss::{DecodeError, Translated};
use adapters_canonical::operation::{CountEgress, CountIngress};
use adapters_json::{read, write};
use serde::{Deserialize, Serialize};

use crate::egress::encode_count;
use crate::ingress::{decode_request, path_of, rename};

/// Where the dialect is asked, below the base URL.
const PATH: &str = "/responses/input_tokens";

pub(crate) fn path(target: &Target<'_>) -> String {
    path_of(PATH, target)
}

/// Counting, as clients ask for it and as providers are asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct InputTokens;

impl CountIngress for InputTokens {
    fn decode_request(
        &self,
        body: &[u8],
        _: &Envelope<'_>,
    ) -> Result<Translated<ChatRequest>, DecodeError> {
        decode_request(body)
    }

    fn encode_response(&self, input_tokens: u64) -> Vec<u8> {
        #[derive(Serialize)]
        struct Count {
            object: &'static str,
            input_tokens: u64,
        }

        write::body(&Count { object: "response.input_tokens", input_tokens })
    }

    fn pass_request(
        &self,
        body: &[u8],
        envelope: &Envelope<'_>,
        target: &Target<'_>,
    ) -> UpstreamRequest {
        let body = rename(body, envelope, target);
        UpstreamRequest { path: path(target), headers: Vec::new(), body }
    }
}

impl CountEgress for InputTokens {
    fn encode_request(
        &self,
        request: &ChatRequest,
        target: &Target<'_>,
    ) -> Result<Translated<UpstreamRequest>, DecodeError> {
        encode_count(request, target)
    }

    fn decode_response(&self, body: &[u8]) -> Result<u64, DecodeError> {
        #[derive(Deserialize)]
        struct Count {
            input_tokens: u64,
        }

        read::body::<Count>(body).map(|count| count.input_tokens)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn only_what_has_tokens_is_asked_about() {
        let body = br#"{"model":"m","input":"hi","instructions":"s","temperature":0.5,"store":true,
            "max_output_tokens":9,"user":"u","metadata":{"a":"b"},"reasoning":{"effort":"low"},
            "tools":[{"type":"function","name":"f","parameters":{}}]}"#;
        let request = InputTokens.decode_request(body, &Envelope::default()).unwrap().value;
        let target = Target { model: "gpt-5", api_version: None };
        let asked = InputTokens.encode_request(&request, &target).unwrap();
        assert_eq!(asked.value.path, "/responses/input_tokens");
        let sent: Value = serde_json::from_slice(&asked.value.body).unwrap();
        let members: Vec<_> = sent.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["input", "model", "reasoning", "tools"]);
        assert_eq!((asked.losses, &sent["model"]), (Vec::new(), &json!("gpt-5")));
    }

    #[test]
    fn the_count_is_read_as_it_is_written() {
        let body = InputTokens.encode_response(31);
        assert_eq!(body, br#"{"object":"response.input_tokens","input_tokens":31}"#);
        assert_eq!(InputTokens.decode_response(&body), Ok(31));
        assert_eq!(InputTokens.decode_response(b"{}").unwrap_err().path(), Some("input_tokens"));
    }
}
