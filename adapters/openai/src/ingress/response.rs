//! A whole answer in the client's words.

use std::borrow::Cow;

use adapters_canonical::chat::{
    ChatResponse, Choice, FinishReason, Media, MediaSource, Part, Thought, ToolCall, ToolKind,
};
use adapters_canonical::dialect::AnswerContext;
use serde::Serialize;

use super::chunk::finish_word;
use crate::wire::usage::Usage;
use adapters_json::write;

/// Writes a `chat.completion` object.
///
/// Texts of one answer are joined; parts only one dialect knows, documents and films are left
/// out. An answer without choices means that the prompt was blocked: the client gets one choice
/// without content that ends in `content_filter`, since SDKs take `choices[0]` for granted.
/// Tokens: `prompt_tokens` contains cached ones; a count the provider did not report is absent.
#[must_use]
pub fn encode_response(response: &ChatResponse, context: &AnswerContext) -> Vec<u8> {
    let mut choices: Vec<_> = response.choices.iter().map(WireChoice::from).collect();
    if choices.is_empty() {
        choices.push(WireChoice::blocked());
    }
    write::body(&Completion {
        id: completion_id(&response.id, &context.request_id),
        object: "chat.completion",
        created: response.created.unwrap_or(context.created),
        model: if response.model.is_empty() { &context.model } else { &response.model },
        choices,
        usage: response.usage.as_ref().map(Usage::from),
        service_tier: response.service_tier.as_deref(),
    })
}

/// The provider's id, or one made of the request's.
pub(crate) fn completion_id<'a>(id: &'a str, request_id: &str) -> Cow<'a, str> {
    match id {
        "" => Cow::Owned(format!("chatcmpl-{request_id}")),
        id => Cow::Borrowed(id),
    }
}

#[derive(Serialize)]
struct Completion<'a> {
    id: Cow<'a, str>,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<WireChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
}

#[derive(Serialize)]
struct WireChoice<'a> {
    index: u32,
    message: Message<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Default, Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<Cow<'a, str>>,
    refusal: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<Detail<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Image>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<Audio<'a>>,
}

/// One of `reasoning_details`.
#[derive(Clone, Copy, Serialize)]
#[serde(tag = "type")]
pub(super) enum Detail<'a> {
    #[serde(rename = "reasoning.text")]
    Text {
        index: u32,
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<&'a str>,
    },
    #[serde(rename = "reasoning.encrypted")]
    Encrypted { index: u32, data: &'a str },
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<Function<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<Custom<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Extra<'a>>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Custom<'a> {
    name: &'a str,
    input: &'a str,
}

#[derive(Serialize)]
struct Extra<'a> {
    google: Google<'a>,
}

#[derive(Serialize)]
struct Google<'a> {
    thought_signature: &'a str,
}

#[derive(Serialize)]
struct Image {
    #[serde(rename = "type")]
    kind: &'static str,
    image_url: Address,
}

#[derive(Serialize)]
struct Address {
    url: String,
}

#[derive(Serialize)]
struct Audio<'a> {
    id: &'static str,
    data: &'a str,
    transcript: &'static str,
    expires_at: u64,
}

impl<'a> From<&'a Choice> for WireChoice<'a> {
    fn from(choice: &'a Choice) -> Self {
        Self {
            index: choice.index,
            message: Message::from(choice.parts.as_slice()),
            logprobs: None,
            finish_reason: finish_word(choice.finish.reason),
        }
    }
}

impl WireChoice<'_> {
    fn blocked() -> Self {
        Self {
            index: 0,
            message: Message { role: "assistant", ..Message::default() },
            logprobs: None,
            finish_reason: finish_word(FinishReason::ContentFilter),
        }
    }
}

impl<'a> From<&'a [Part]> for Message<'a> {
    fn from(parts: &'a [Part]) -> Self {
        let mut message = Self { role: "assistant", ..Self::default() };
        let mut thoughts: Vec<&Thought> = Vec::new();
        for part in parts {
            match part {
                Part::Text(text) => append(&mut message.content, &text.text),
                Part::Refusal(text) => append(&mut message.refusal, text),
                Part::Reasoning(thought) => {
                    if !thought.text.is_empty() {
                        append(&mut message.reasoning_content, &thought.text);
                    }
                    thoughts.push(thought);
                }
                Part::ToolCall(call) => message.tool_calls.push(Call::from(call)),
                Part::Image(media) => message.images.extend(image(media)),
                Part::Audio(media) => message.audio = message.audio.take().or(sound(media)),
                Part::Video(_) | Part::Document(_) | Part::ToolResult(_) | Part::Opaque(_) => {}
            }
        }
        message.reasoning_details = details(&thoughts);
        let said_nothing = message.tool_calls.is_empty() && message.refusal.is_none();
        if message.content.is_none() && said_nothing {
            message.content = Some(Cow::Borrowed(""));
        }
        message
    }
}

fn append<'a>(slot: &mut Option<Cow<'a, str>>, text: &'a str) {
    match slot {
        None => *slot = Some(Cow::Borrowed(text)),
        Some(before) => before.to_mut().push_str(text),
    }
}

/// All thoughts in order if any of them must be sent back unchanged, and none otherwise.
fn details<'a>(thoughts: &[&'a Thought]) -> Vec<Detail<'a>> {
    if !thoughts.iter().any(|it| it.signature.is_some() || it.redacted.is_some()) {
        return Vec::new();
    }
    let detail = |(index, thought): (u32, &&'a Thought)| match &thought.redacted {
        Some(data) => Detail::Encrypted { index, data },
        None => {
            Detail::Text { index, text: &thought.text, signature: thought.signature.as_deref() }
        }
    };
    (0..).zip(thoughts).map(detail).collect()
}

impl<'a> From<&'a ToolCall> for Call<'a> {
    fn from(call: &'a ToolCall) -> Self {
        let (name, text) = (call.name.as_str(), call.arguments.as_str());
        let (kind, function, custom) = match call.kind {
            // Clients parse the arguments, and the empty string is not JSON.
            ToolKind::Function => {
                let arguments = if text.is_empty() { "{}" } else { text };
                ("function", Some(Function { name, arguments }), None)
            }
            ToolKind::Custom => ("custom", None, Some(Custom { name, input: text })),
        };
        let extra_content = call
            .signature
            .as_deref()
            .map(|thought_signature| Extra { google: Google { thought_signature } });
        Self { id: &call.id, kind, function, custom, extra_content }
    }
}

fn image(media: &Media) -> Option<Image> {
    let url = match &media.source {
        MediaSource::Url(url) => url.clone(),
        MediaSource::Base64(data) => {
            format!("data:{};base64,{data}", media.mime_type.as_deref().unwrap_or("image/png"))
        }
        MediaSource::File(_) | MediaSource::Text(_) => return None,
    };
    Some(Image { kind: "image_url", image_url: Address { url } })
}

fn sound(media: &Media) -> Option<Audio<'_>> {
    match &media.source {
        MediaSource::Base64(data) => {
            Some(Audio { id: "audio_0", data, transcript: "", expires_at: 0 })
        }
        MediaSource::Url(_) | MediaSource::File(_) | MediaSource::Text(_) => None,
    }
}
