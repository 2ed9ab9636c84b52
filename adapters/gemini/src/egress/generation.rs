//! Writes sampling, the form of the output, and how much to think.

use adapters_canonical::chat::{
    ChatRequest, OutputFormat, Reasoning, Sampling as CanonicalSampling,
};
use adapters_canonical::loss::Loss;

use super::model::{Model, Thinking};
use super::schema;
use crate::wire::request::{GenerationConfig, Sampling, ThinkingConfig};

/// How many stop sequences Gemini takes.
const MAX_STOPS: usize = 5;
const JSON: &str = "application/json";

/// Writes how to answer; `None` if the client leaves all of it to the provider.
pub(super) fn encode<'a>(
    request: &'a ChatRequest,
    model: Model<'_>,
    losses: &mut Vec<Loss>,
) -> Option<GenerationConfig<'a>> {
    let (response_mime_type, response_json_schema) = match &request.output_format {
        OutputFormat::Text => (None, None),
        OutputFormat::JsonObject => (Some(JSON), None),
        OutputFormat::JsonSchema(format) => {
            if format.description.is_some() {
                let path = "response_format.json_schema.description";
                losses.push(Loss::dropped(path, "a schema has no description beside it"));
            }
            (Some(JSON), format.schema.as_deref().map(|schema| schema::fit(schema, losses)))
        }
    };
    let stop_sequences = request.stop.get(..MAX_STOPS).unwrap_or(&request.stop);
    if request.stop.len() > MAX_STOPS {
        losses.push(Loss::adapted("stop", "only the first five are heeded"));
    }
    let config = GenerationConfig {
        candidate_count: request.choices.filter(|choices| *choices != 1),
        max_output_tokens: request.max_output_tokens.map(|max| bound(max, losses)),
        sampling: sampling(&request.sampling, losses),
        stop_sequences,
        response_mime_type,
        response_json_schema,
        response_modalities: modalities(&request.modalities, losses),
        thinking_config: request.reasoning.as_ref().and_then(|wish| thinking(wish, model, losses)),
    };
    (!says_nothing(&config)).then_some(config)
}

fn says_nothing(config: &GenerationConfig<'_>) -> bool {
    let GenerationConfig {
        candidate_count: None,
        max_output_tokens: None,
        sampling,
        stop_sequences: [],
        response_mime_type: None,
        response_json_schema: None,
        response_modalities,
        thinking_config: None,
    } = config
    else {
        return false;
    };
    response_modalities.is_empty() && *sampling == Sampling::default()
}

fn modalities(wish: &[String], losses: &mut Vec<Loss>) -> Vec<&'static str> {
    let word = |modality: &String| match modality.as_str() {
        "text" => Some("TEXT"),
        "image" => Some("IMAGE"),
        "audio" => Some("AUDIO"),
        "video" => Some("VIDEO"),
        _ => {
            losses.push(Loss::dropped("modalities", "an answer cannot be made of this"));
            None
        }
    };
    wish.iter().filter_map(word).collect()
}

fn bound(max: u64, losses: &mut Vec<Loss>) -> i32 {
    i32::try_from(max).unwrap_or_else(|_| {
        losses.push(Loss::adapted("max_completion_tokens", "lowered to 2147483647"));
        i32::MAX
    })
}

fn sampling(wish: &CanonicalSampling, losses: &mut Vec<Loss>) -> Sampling {
    let CanonicalSampling {
        temperature,
        top_p,
        top_k,
        seed,
        presence_penalty,
        frequency_penalty,
        logit_bias,
        logprobs,
        top_logprobs,
    } = wish;
    if !logit_bias.is_empty() {
        losses.push(Loss::dropped("logit_bias", "single tokens cannot be favoured"));
    }
    let response_logprobs = logprobs.filter(|wanted| *wanted);
    Sampling {
        temperature: *temperature,
        top_p: *top_p,
        top_k: *top_k,
        seed: seed.map(|seed| fold_seed(seed, losses)),
        presence_penalty: *presence_penalty,
        frequency_penalty: *frequency_penalty,
        response_logprobs,
        logprobs: response_logprobs.and(top_logprobs.filter(|many| *many > 0)),
    }
}

/// A seed of more than 32 bits loses its upper ones: the same seed still draws the same tokens.
#[expect(clippy::cast_possible_truncation, reason = "the upper bits are to be lost")]
fn fold_seed(seed: i64, losses: &mut Vec<Loss>) -> i32 {
    i32::try_from(seed).unwrap_or_else(|_| {
        losses.push(Loss::adapted("seed", "only its lower 32 bits are heeded"));
        seed as i32
    })
}

/// How much to think, in the words of the model's generation.
///
/// | effort          | budget (2.5)                          | level (3 and later)              |
/// |-----------------|---------------------------------------|----------------------------------|
/// | `none`          | 0; where thinking stays on, the least | the lowest (¹)                   |
/// | `minimal`       | 1024                                  | `MINIMAL`, else `LOW` (¹)        |
/// | `low`           | 1024                                  | `LOW`                            |
/// | `medium`        | 8192                                  | `MEDIUM`, else `HIGH` (¹)        |
/// | `high`          | 24576                                 | `HIGH`                           |
/// | `xhigh`, `max`  | the most                              | `HIGH` (¹)                       |
///
/// (¹) with a [`Loss`]. A bound on tokens is a budget, and comes before the effort, where there
/// are budgets; where there are levels it stands in for a missing effort. The budgets are those of
/// Google's own OpenAI-compatible endpoint.
fn thinking(wish: &Reasoning, model: Model<'_>, losses: &mut Vec<Loss>) -> Option<ThinkingConfig> {
    let config = match model.thinking() {
        Thinking::Never => {
            let wanted = wish.max_tokens.is_some_and(|max| max > 0)
                || wish.effort.as_deref().is_some_and(|effort| effort != "none");
            if wanted {
                losses.push(Loss::dropped("reasoning_effort", "this model does not think"));
            }
            return None;
        }
        Thinking::Budget { off, min, max } => ThinkingConfig {
            include_thoughts: wish.visible.filter(|visible| *visible),
            thinking_budget: budget(wish, off, min, max, losses),
            thinking_level: None,
        },
        Thinking::Level { minimal, medium } => ThinkingConfig {
            include_thoughts: wish.visible.filter(|visible| *visible),
            thinking_budget: None,
            thinking_level: level(wish, minimal, medium, losses),
        },
    };
    (config != ThinkingConfig::default()).then_some(config)
}

fn budget(wish: &Reasoning, off: bool, min: u32, max: u32, losses: &mut Vec<Loss>) -> Option<u32> {
    if let Some(tokens) = wish.max_tokens {
        let wanted = u32::try_from(tokens).unwrap_or(u32::MAX);
        let given = if off && wanted == 0 { 0 } else { wanted.clamp(min, max) };
        if u64::from(given) != tokens {
            let reason = format!("this model thinks between {min} and {max} tokens");
            losses.push(Loss::adapted("reasoning.max_tokens", reason));
        }
        return Some(given);
    }
    Some(match wish.effort.as_deref()? {
        "none" if off => 0,
        "none" => {
            losses.push(Loss::adapted("reasoning_effort", "this model always thinks a little"));
            min
        }
        "minimal" | "low" => 1024,
        "medium" => 8192,
        "high" => 24_576,
        "xhigh" | "max" => max,
        _ => return unknown_effort(losses),
    })
}

fn level(
    wish: &Reasoning,
    minimal: bool,
    medium: bool,
    losses: &mut Vec<Loss>,
) -> Option<&'static str> {
    let effort = match (wish.effort.as_deref(), wish.max_tokens) {
        (Some(effort), None) => effort,
        (Some(effort), Some(_)) => {
            let reason = "this model is told an effort, not a number of tokens";
            losses.push(Loss::dropped("reasoning.max_tokens", reason));
            effort
        }
        (None, Some(tokens)) => {
            let reason = "this model is told an effort, not a number of tokens";
            losses.push(Loss::adapted("reasoning.max_tokens", reason));
            match tokens {
                0 => "minimal",
                1..=1024 => "low",
                1025..=8192 => "medium",
                _ => "high",
            }
        }
        (None, None) => return None,
    };
    let lowest = if minimal { "MINIMAL" } else { "LOW" };
    let (level, exact) = match effort {
        "none" => (lowest, false),
        "minimal" => (lowest, minimal),
        "low" => ("LOW", true),
        "medium" if medium => ("MEDIUM", true),
        "medium" => ("HIGH", false),
        "high" => ("HIGH", true),
        "xhigh" | "max" => ("HIGH", false),
        _ => return unknown_effort(losses),
    };
    if !exact && wish.effort.is_some() {
        let reason = format!("the nearest that this model knows is {level}");
        losses.push(Loss::adapted("reasoning_effort", reason));
    }
    Some(level)
}

fn unknown_effort<T>(losses: &mut Vec<Loss>) -> Option<T> {
    losses.push(Loss::dropped("reasoning_effort", "not an effort that is known here"));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn think(model: &str, wish: &Reasoning) -> (Option<ThinkingConfig>, usize) {
        let mut losses = Vec::new();
        let config = thinking(wish, Model::new(model), &mut losses);
        (config, losses.len())
    }

    fn effort(model: &str, effort: &str) -> (Option<ThinkingConfig>, usize) {
        think(model, &Reasoning { effort: Some(effort.to_owned()), ..Reasoning::default() })
    }

    fn at_level(level: &'static str) -> Option<ThinkingConfig> {
        Some(ThinkingConfig { thinking_level: Some(level), ..ThinkingConfig::default() })
    }

    fn of_budget(budget: u32) -> Option<ThinkingConfig> {
        Some(ThinkingConfig { thinking_budget: Some(budget), ..ThinkingConfig::default() })
    }

    #[test]
    fn effort_is_a_level_since_gemini_3() {
        assert_eq!(effort("gemini-3-flash", "minimal"), (at_level("MINIMAL"), 0));
        assert_eq!(effort("gemini-3.1-pro", "minimal"), (at_level("LOW"), 1));
        assert_eq!(effort("gemini-3.1-pro", "medium"), (at_level("MEDIUM"), 0));
        assert_eq!(effort("gemini-3-pro", "medium"), (at_level("HIGH"), 1));
        assert_eq!(effort("gemini-flash-latest", "none"), (at_level("LOW"), 1));
        assert_eq!(effort("gemini-3-flash", "xhigh"), (at_level("HIGH"), 1));
        assert_eq!(effort("gemini-3-flash", "plenty"), (None, 1));
    }

    #[test]
    fn effort_is_a_budget_in_gemini_2_5() {
        assert_eq!(effort("gemini-2.5-flash", "none"), (of_budget(0), 0));
        assert_eq!(effort("gemini-2.5-pro", "none"), (of_budget(128), 1));
        assert_eq!(effort("gemini-2.5-pro", "max"), (of_budget(32_768), 0));
        assert_eq!(effort("gemini-2.5-flash", "medium"), (of_budget(8192), 0));
    }

    #[test]
    fn a_bound_on_tokens_is_a_budget_where_there_are_budgets() {
        let wish = |max_tokens| Reasoning { max_tokens: Some(max_tokens), ..Reasoning::default() };
        assert_eq!(think("gemini-2.5-flash", &wish(5000)), (of_budget(5000), 0));
        assert_eq!(think("gemini-2.5-pro", &wish(0)), (of_budget(128), 1));
        assert_eq!(think("gemini-2.5-pro", &wish(u64::MAX)), (of_budget(32_768), 1));
        assert_eq!(think("gemini-3-flash", &wish(5000)), (at_level("MEDIUM"), 1));
    }

    #[test]
    fn a_model_that_does_not_think_is_not_told_to() {
        assert_eq!(effort("gemini-2.0-flash", "none"), (None, 0));
        assert_eq!(effort("gemini-2.0-flash", "high"), (None, 1));
    }

    #[test]
    fn thoughts_are_shown_only_if_wanted() {
        let wish = |visible| Reasoning { visible: Some(visible), ..Reasoning::default() };
        let shown = think("gemini-3-flash", &wish(true)).0;
        assert_eq!(shown.and_then(|config| config.include_thoughts), Some(true));
        assert_eq!(think("gemini-3-flash", &wish(false)), (None, 0));
    }

    #[test]
    fn a_long_seed_still_draws_the_same_tokens() {
        let mut losses = Vec::new();
        let seed = 0x7_1234_5678;
        assert_eq!(fold_seed(seed, &mut losses), fold_seed(seed, &mut losses));
        assert_eq!((fold_seed(7, &mut losses), losses.len()), (7, 2));
    }
}
