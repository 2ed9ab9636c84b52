//! A whole answer in the client's words.

use std::borrow::Cow;

use adapters_canonical::chat::{
    ChatResponse, Choice, FinishReason, Media, MediaSource, Part, Text, Thought, ToolCall, ToolKind,
};
use adapters_canonical::dialect::AnswerContext;
use adapters_canonical::loss::{Loss, Translated};
use adapters_canonical::unsaid::unsaid;
use serde::Serialize;

use super::chunk::finish_word;
use super::logprobs::Logprobs;
use super::vocabulary::VOCABULARY;
use crate::call_id;
use crate::citation::{List, Written, characters};
use crate::thought::{Detail, is_bound};
use crate::wire::usage::Usage;
use adapters_json::write;

/// Writes a `chat.completion` object.
///
/// Texts of one answer are joined. Parts only one dialect knows, documents and films are left out,
/// each with a [`Loss`]. An answer without choices means that the prompt was blocked: the client gets one choice
/// without content that ends in `content_filter`, since SDKs take `choices[0]` for granted.
/// Tokens: `prompt_tokens` contains cached ones; a count the provider did not report is absent.
pub fn encode_response(response: &ChatResponse, context: &AnswerContext) -> Translated<Vec<u8>> {
    let mut losses = unsaid(&VOCABULARY, response);
    let written = response.choices.iter().enumerate();
    let mut choices: Vec<_> =
        written.map(|(at, choice)| WireChoice::new(choice, at, &mut losses)).collect();
    if choices.is_empty() {
        choices.push(WireChoice::blocked());
    }
    let value = write::body(&Completion {
        id: translated_id(&response.id, &context.request_id),
        object: "chat.completion",
        created: response.created.unwrap_or(context.created),
        model: if response.model.is_empty() { &context.model } else { &response.model },
        choices,
        usage: response.usage.as_ref().map(Usage::from),
        service_tier: response.service_tier.as_deref(),
    });
    Translated { value, losses }
}

/// The provider's id, or one made of the request's.
pub(crate) fn completion_id<'a>(id: &'a str, request_id: &str) -> Cow<'a, str> {
    match id {
        "" => Cow::Owned(format!("chatcmpl-{request_id}")),
        id => Cow::Borrowed(id),
    }
}

/// The same for the answer of a provider of another dialect: in OpenAI's form, by which some clients
/// know a completion.
pub(crate) fn translated_id<'a>(id: &'a str, request_id: &str) -> Cow<'a, str> {
    match completion_id(id, request_id) {
        id if id.starts_with("chatcmpl-") => id,
        id => Cow::Owned(format!("chatcmpl-{id}")),
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
    logprobs: Option<Logprobs<'a>>,
    finish_reason: &'static str,
}

#[derive(Default, Serialize)]
struct Message<'a> {
    role: &'static str,
    #[serde(serialize_with = "write::some_text")]
    content: Option<Cow<'a, str>>,
    #[serde(serialize_with = "write::some_text")]
    refusal: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write::some_text")]
    reasoning_content: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<Detail<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Image>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<Audio<'a>>,
    /// Always there, as OpenAI has it.
    annotations: Vec<Written>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    citations: Vec<Written>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: Cow<'a, str>,
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
    #[serde(serialize_with = "write::text")]
    arguments: &'a str,
}

#[derive(Serialize)]
struct Custom<'a> {
    name: &'a str,
    #[serde(serialize_with = "write::text")]
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
pub(super) struct Image {
    /// In streams: SDKs that put them together merge list items by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) index: Option<u32>,
    #[serde(rename = "type")]
    kind: &'static str,
    image_url: Address,
}

#[derive(Serialize)]
struct Address {
    url: String,
}

#[derive(Serialize)]
pub(super) struct Audio<'a> {
    id: &'static str,
    data: &'a str,
    transcript: &'static str,
    expires_at: u64,
}

impl<'a> WireChoice<'a> {
    fn new(choice: &'a Choice, at: usize, losses: &mut Vec<Loss>) -> Self {
        let logprobs = choice.logprobs.as_deref().map(Logprobs::new);
        Self {
            index: choice.index,
            message: Message::new(&choice.parts, at, losses),
            logprobs,
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

impl<'a> Message<'a> {
    fn new(parts: &'a [Part], choice: usize, losses: &mut Vec<Loss>) -> Self {
        let mut message = Self { role: "assistant", ..Self::default() };
        let (mut thoughts, mut seal, mut said) = (Vec::new(), None, 0_u64);
        for (at, part) in parts.iter().enumerate() {
            let mut lose = |reason: &'static str| {
                losses.push(Loss::dropped(format!("choices[{choice}].parts[{at}]"), reason));
            };
            match part {
                Part::Text(text) => {
                    if text.signature.is_some() && seal.is_some() {
                        lose("only one seal on the words of an answer has a place");
                    }
                    seal = text.signature.as_deref().or(seal);
                    said = message.text(text, said);
                }
                Part::Refusal(text) => append(&mut message.refusal, text),
                Part::Reasoning(thought) => {
                    if !thought.text.is_empty() {
                        append(&mut message.reasoning_content, &thought.text);
                    }
                    thoughts.push(thought);
                }
                Part::ToolCall(call) => message.tool_calls.push(Call::from(call)),
                Part::Image(media) => message.images.extend(image(media)),
                Part::Audio(media) => match sound(media) {
                    Some(_) if message.audio.is_some() => lose("the dialect takes one sound"),
                    sound => message.audio = sound.or(message.audio),
                },
                // The vocabulary says what is left out.
                Part::Hosted(_)
                | Part::Opaque(_)
                | Part::Video(_)
                | Part::Document(_)
                | Part::ToolResult(_) => {}
            }
        }
        message.reasoning_details = details(&thoughts, seal);
        let said_nothing = message.tool_calls.is_empty() && message.refusal.is_none();
        if message.content.is_none() && said_nothing {
            message.content = Some(Cow::Borrowed(""));
        }
        message
    }

    /// Takes a text and its citations; `said` characters stand before it. Answers how many stand
    /// before the next one.
    fn text(&mut self, text: &'a Text, said: u64) -> u64 {
        append(&mut self.content, &text.text);
        let length = characters(&text.text);
        for citation in &text.citations {
            let (list, written) = Written::new(citation, (said, length), |_| None);
            match list {
                List::Annotations => self.annotations.push(written),
                List::Citations => self.citations.push(written),
            }
        }
        said.saturating_add(length)
    }
}

fn append<'a>(slot: &mut Option<Cow<'a, str>>, text: &'a str) {
    match slot {
        None => *slot = Some(Cow::Borrowed(text)),
        Some(before) => before.to_mut().push_str(text),
    }
}

/// All thoughts in order if any of them must be sent back unchanged, and none otherwise; then the
/// seal on the words of the answer.
fn details<'a>(thoughts: &[&'a Thought], seal: Option<&'a str>) -> Vec<Detail<'a>> {
    let bound = thoughts.iter().any(|thought| is_bound(thought));
    let thoughts = thoughts.iter().filter(|_| bound);
    let mut details: Vec<_> =
        (0..).zip(thoughts).map(|(index, thought)| Detail::of(thought, index)).collect();
    let next = u32::try_from(details.len()).unwrap_or(u32::MAX);
    details.extend(seal.map(|seal| Detail::content_seal(seal, next)));
    details
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
        let id = call_id::seal_in(&call.id, call.signature.as_deref());
        Self { id, kind, function, custom, extra_content }
    }
}

pub(super) fn image(media: &Media) -> Option<Image> {
    let url = match &media.source {
        MediaSource::Url(url) => url.clone(),
        MediaSource::Base64(data) => {
            format!("data:{};base64,{data}", media.mime_type.as_deref().unwrap_or("image/png"))
        }
        MediaSource::File(_) | MediaSource::Text(_) => return None,
    };
    Some(Image { index: None, kind: "image_url", image_url: Address { url } })
}

pub(super) fn sound(media: &Media) -> Option<Audio<'_>> {
    match &media.source {
        MediaSource::Base64(data) => {
            Some(Audio { id: "audio_0", data, transcript: "", expires_at: 0 })
        }
        MediaSource::Url(_) | MediaSource::File(_) | MediaSource::Text(_) => None,
    }
}
