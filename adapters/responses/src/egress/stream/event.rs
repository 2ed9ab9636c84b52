//! One event of a stream.

use adapters_canonical::annotation::TokenLogprob;
use adapters_canonical::loss::DecodeError;
use adapters_json::string::Str;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::response::token;
use crate::wire::item::Logprob;

/// An event of any kind. What differs in shape from kind to kind stays unread.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    pub(super) output_index: Option<u64>,
    pub(super) content_index: Option<u64>,
    pub(super) summary_index: Option<u64>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    part: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) annotation: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) response: Option<&'a RawValue>,
}

impl<'a> Event<'a> {
    pub(super) fn item(&self) -> Result<&'a RawValue, DecodeError> {
        self.item.ok_or_else(|| DecodeError::shape("item", "is missing"))
    }

    pub(super) fn delta(&self) -> Result<String, DecodeError> {
        let raw = self.delta.ok_or_else(|| DecodeError::shape("delta", "is missing"))?;
        serde_json::from_str(raw.get()).map_err(|_| DecodeError::shape("delta", "must be a string"))
    }

    pub(super) fn text(&self) -> String {
        words(self.text)
    }

    pub(super) fn refusal(&self) -> String {
        words(self.refusal)
    }

    /// Those that cannot be read are none.
    pub(super) fn logprobs(&self) -> Vec<TokenLogprob> {
        match self.logprobs.map(RawValue::get) {
            None | Some("[]" | "null") => Vec::new(),
            Some(json) => {
                let tokens: Vec<Logprob> = serde_json::from_str(json).unwrap_or_default();
                tokens.into_iter().map(token).collect()
            }
        }
    }

    pub(super) fn part_kind(&self) -> Option<Str<'a>> {
        #[derive(Deserialize)]
        struct Part<'a> {
            #[serde(borrow, rename = "type")]
            kind: Option<Str<'a>>,
        }

        serde_json::from_str::<Part<'a>>(self.part?.get()).ok()?.kind
    }
}

fn words(raw: Option<&RawValue>) -> String {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// Events that say nothing that another event, most often the one that completes the item, does
/// not say as well.
pub(super) fn is_told_elsewhere(kind: &str) -> bool {
    const WHOLE: &[&str] = &[
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_part.done",
        "response.reasoning_summary_text.done",
        "response.reasoning_text.done",
        "response.function_call_arguments.done",
        "response.custom_tool_call_input.done",
        "keepalive",
    ];
    const STEPS: &[&str] = &[
        "response.apply_patch_call",
        "response.code_interpreter_call",
        "response.compaction",
        "response.computer_call",
        "response.file_search_call",
        "response.image_generation_call",
        "response.local_shell_call",
        "response.mcp_call",
        "response.mcp_list_tools",
        "response.shell_call",
        "response.tool_search_call",
        "response.web_search_call",
    ];
    WHOLE.contains(&kind) || STEPS.iter().any(|steps| kind.starts_with(steps))
}
