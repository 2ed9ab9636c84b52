//! How to answer: sampling, output form, thinking.

use adapters_canonical::chat::{ChatRequest, JsonSchema, OutputFormat, Reasoning, Sampling};
use adapters_canonical::loss::{DecodeError, Loss};
use serde_json::value::RawValue;

use super::request::others;
use super::schema;
use crate::wire::asked::{GenerationConfig, ThinkingConfig};

/// What the form of the output is called; Gemini gives it no name.
const NAME: &str = "response";

/// Reads `generationConfig` into `request`.
pub(super) fn read(
    mut config: GenerationConfig<'_>,
    request: &mut ChatRequest,
    losses: &mut Vec<Loss>,
) -> Result<(), DecodeError> {
    others(&config.other, "generationConfig", losses);
    request.max_output_tokens = config.max_output_tokens;
    request.choices = match config.candidate_count {
        Some(0) => return Err(wrong("candidateCount", "must be at least 1")),
        count => count,
    };
    request.sampling = Sampling {
        temperature: config.temperature,
        top_p: config.top_p,
        top_k: config.top_k.map(top_k).transpose()?,
        seed: config.seed,
        presence_penalty: config.presence_penalty,
        frequency_penalty: config.frequency_penalty,
        logprobs: config.response_logprobs,
        top_logprobs: config.logprobs,
        ..Sampling::default()
    };
    request.stop = config.stop_sequences.take().unwrap_or_default();
    let modalities = config.response_modalities.take().unwrap_or_default();
    request.modalities = modalities.iter().map(|one| one.to_ascii_lowercase()).collect();
    request.output_format = output_format(&config, losses)?;
    if let Some(thinking) = config.thinking_config {
        request.reasoning = reasoning(&thinking, losses)?;
    }
    Ok(())
}

fn wrong(member: &str, reason: &str) -> DecodeError {
    DecodeError::shape(format!("generationConfig.{member}"), reason)
}

/// SDKs write it with a decimal point.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
fn top_k(value: f64) -> Result<u64, DecodeError> {
    if value.fract() == 0.0 && (0.0..9e15).contains(&value) {
        Ok(value as u64)
    } else {
        Err(wrong("topK", "must be a whole number"))
    }
}

fn output_format(
    config: &GenerationConfig<'_>,
    losses: &mut Vec<Loss>,
) -> Result<OutputFormat, DecodeError> {
    let schema = match (config.response_json_schema, config.response_schema) {
        (Some(schema), _) => Some(RawValue::to_owned(schema)),
        (None, Some(schema)) => {
            Some(schema::json_schema(schema, "generationConfig.responseSchema")?)
        }
        (None, None) => None,
    };
    Ok(match (config.response_mime_type.as_deref(), schema) {
        (Some("application/json"), Some(schema)) => OutputFormat::JsonSchema(JsonSchema {
            name: NAME.to_owned(),
            description: None,
            schema: Some(schema),
            strict: None,
        }),
        (Some("application/json"), None) => OutputFormat::JsonObject,
        (None | Some("" | "text/plain"), None) => OutputFormat::Text,
        (mime_type, _) => {
            let (member, reason) = match mime_type {
                Some("text/x.enum") => ("responseMimeType", "one word out of a list"),
                None | Some("" | "text/plain") => {
                    return Err(wrong(
                        "responseMimeType",
                        "must be `application/json` with a schema",
                    ));
                }
                Some(_) => ("responseMimeType", "text of this type"),
            };
            let reason = format!("{reason} can be asked only of providers of the Gemini dialect");
            losses.push(Loss::dropped(format!("generationConfig.{member}"), reason));
            OutputFormat::Text
        }
    })
}

fn reasoning(
    wish: &ThinkingConfig<'_>,
    losses: &mut Vec<Loss>,
) -> Result<Option<Reasoning>, DecodeError> {
    others(&wish.other, "generationConfig.thinkingConfig", losses);
    let effort = match wish.thinking_level.as_deref() {
        None | Some("THINKING_LEVEL_UNSPECIFIED") => None,
        Some(level @ ("MINIMAL" | "LOW" | "MEDIUM" | "HIGH" | "XHIGH")) => {
            Some(level.to_ascii_lowercase())
        }
        // SDKs take small letters too.
        Some(level @ ("minimal" | "low" | "medium" | "high" | "xhigh")) => Some(level.to_owned()),
        Some(_) => {
            let reason = "must be `MINIMAL`, `LOW`, `MEDIUM`, `HIGH` or `XHIGH`";
            return Err(wrong("thinkingConfig.thinkingLevel", reason));
        }
    };
    let (effort, max_tokens) = match (effort, wish.thinking_budget) {
        // −1 leaves it to the model.
        (effort, None | Some(-1)) => (effort, None),
        (None, Some(0)) => (Some("none".to_owned()), None),
        (effort, Some(budget)) => match u64::try_from(budget) {
            Ok(budget) => (effort, Some(budget)),
            Err(_) => return Err(wrong("thinkingConfig.thinkingBudget", "must be at least -1")),
        },
    };
    let reasoning = Reasoning { effort, max_tokens, visible: wish.include_thoughts };
    Ok((reasoning != Reasoning::default()).then_some(reasoning))
}
