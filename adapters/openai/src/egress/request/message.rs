//! Messages in the provider's words.

use std::borrow::Cow;

use adapters_canonical::chat::{
    CacheBreakpoint, Media, MediaSource, Message as Turn, Part, Role, Text, Thought, ToolCall,
    ToolKind, ToolResult, is_google_file,
};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::{DecodeError, Loss};
use adapters_json::write;
use serde::Serialize;
use serde_json::value::RawValue;

use super::CacheControl;
use crate::quirk::{Quirk, Quirks};
use crate::thought::Detail;

#[derive(Default, Serialize)]
pub(super) struct Message<'a> {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write::some_text")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write::some_text")]
    reasoning: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<Detail<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(#[serde(serialize_with = "write::text")] Cow<'a, str>),
    Parts(Vec<WirePart<'a>>),
}

#[derive(Serialize)]
#[serde(untagged)]
enum WirePart<'a> {
    Known(KnownPart<'a>),
    Opaque(&'a RawValue),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum KnownPart<'a> {
    Text {
        #[serde(serialize_with = "write::text")]
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl<'a>>,
    },
    Refusal {
        refusal: &'a str,
    },
    ImageUrl {
        image_url: Address<'a>,
    },
    VideoUrl {
        video_url: Address<'a>,
    },
    InputAudio {
        input_audio: Sound<'a>,
    },
    File {
        file: File<'a>,
    },
}

#[derive(Serialize)]
struct Address<'a> {
    #[serde(serialize_with = "write::text")]
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

#[derive(Serialize)]
struct Sound<'a> {
    #[serde(serialize_with = "write::text")]
    data: &'a str,
    format: &'a str,
}

#[derive(Serialize)]
struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write::some_text")]
    file_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    #[serde(flatten)]
    of: CallOf<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Extra<'a>>,
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
#[serde(tag = "type", rename_all = "snake_case")]
enum CallOf<'a> {
    Function { function: FunctionCall<'a> },
    Custom { custom: CustomCall<'a> },
}

#[derive(Serialize)]
struct FunctionCall<'a> {
    name: &'a str,
    #[serde(serialize_with = "write::text")]
    arguments: &'a str,
}

#[derive(Serialize)]
struct CustomCall<'a> {
    name: &'a str,
    #[serde(serialize_with = "write::text")]
    input: &'a str,
}

pub(super) fn messages<'a>(
    turns: &'a [Turn],
    quirks: Quirks,
    losses: &mut Vec<Loss>,
) -> Result<Vec<Message<'a>>, DecodeError> {
    let mut messages = Vec::with_capacity(turns.len());
    for (index, turn) in turns.iter().enumerate() {
        Writer { index, part: 0, quirks, losses }.turn(turn, &mut messages)?;
    }
    Ok(messages)
}

struct Writer<'l> {
    index: usize,
    /// Which part of the content is written.
    part: usize,
    quirks: Quirks,
    losses: &'l mut Vec<Loss>,
}

impl Writer<'_> {
    /// Every tool result becomes a message of its own, and the rest of a turn one message.
    fn turn<'a>(
        &mut self,
        turn: &'a Turn,
        messages: &mut Vec<Message<'a>>,
    ) -> Result<(), DecodeError> {
        let (mut parts, mut tool_calls, mut results) = (Vec::new(), Vec::new(), 0);
        let mut thoughts: Vec<&Thought> = Vec::new();
        for part in &turn.parts {
            let of_content = !matches!(part, Part::ToolCall(_) | Part::Reasoning(_));
            match part {
                Part::ToolCall(it) => tool_calls.push(self.call(it)),
                Part::Reasoning(thought) => thoughts.push(thought),
                Part::Image(_) | Part::Audio(_) | Part::Video(_) | Part::Document(_)
                    if turn.role == Role::Assistant =>
                {
                    self.lose_once("content", "the provider takes back only words of an answer");
                }
                Part::ToolResult(result) => {
                    results += 1;
                    messages.push(self.result(result)?);
                }
                Part::Text(_)
                | Part::Image(_)
                | Part::Audio(_)
                | Part::Video(_)
                | Part::Document(_)
                | Part::Refusal(_)
                | Part::Hosted(_)
                | Part::Opaque(_) => parts.extend(self.part(part)?),
            }
            self.part += usize::from(of_content);
        }
        let mut message = self.thoughts(&thoughts);
        if results > 0 && parts.is_empty() && tool_calls.is_empty() {
            return Ok(());
        }
        // Only an assistant may say nothing, and only beside its calls.
        let silent = parts.is_empty() && !tool_calls.is_empty();
        message.role = role(turn.role);
        message.content = (!silent).then(|| content(parts));
        message.name = turn.name.as_deref();
        message.tool_calls = tool_calls;
        messages.push(message);
        Ok(())
    }

    /// A message with its thoughts, in the form that the server takes back.
    fn thoughts<'a>(&mut self, thoughts: &[&'a Thought]) -> Message<'a> {
        let mut message = Message::default();
        if thoughts.is_empty() {
            return message;
        }
        let words: String = thoughts.iter().map(|thought| thought.text.as_str()).collect();
        let words = Some(words).filter(|words| !words.is_empty());
        if self.quirks.has(Quirk::TakesReasoningDetails) {
            message.reasoning_details =
                (0..).zip(thoughts).map(|(index, thought)| Detail::of(thought, index)).collect();
            return message;
        }
        let path = format!("messages[{}].reasoning_content", self.index);
        if self.quirks.has(Quirk::TakesReasoningContent) {
            message.reasoning_content = words;
        } else if self.quirks.has(Quirk::TakesReasoning) {
            message.reasoning = words;
        } else {
            self.losses.push(Loss::dropped(path, "the provider does not take thoughts back"));
            return message;
        }
        if thoughts.iter().any(|thought| thought.signature.is_some() || thought.redacted.is_some())
        {
            let reason = "the provider takes the words of thoughts back, but no seals";
            self.losses.push(Loss::adapted(path, reason));
        }
        message
    }

    fn call<'a>(&mut self, call: &'a ToolCall) -> Call<'a> {
        let (name, text) = (call.name.as_str(), call.arguments.as_str());
        let of = match call.kind {
            ToolKind::Function => {
                let arguments = if text.is_empty() { "{}" } else { text };
                CallOf::Function { function: FunctionCall { name, arguments } }
            }
            ToolKind::Custom => CallOf::Custom { custom: CustomCall { name, input: text } },
        };
        let takes = self.quirks.has(Quirk::TakesCallSeals);
        let seal = call.signature.as_deref();
        if seal.is_some() && !takes {
            self.lose_once("tool_calls", "the provider does not take the seal on a call");
        }
        let extra_content = seal
            .filter(|_| takes)
            .map(|thought_signature| Extra { google: Google { thought_signature } });
        Call { id: &call.id, of, extra_content }
    }

    /// A loss that is the same for several parts of one message.
    fn lose_once(&mut self, member: &str, reason: &'static str) {
        let path = format!("messages[{}].{member}", self.index);
        let loss = Loss::dropped(path, reason);
        if !self.losses.contains(&loss) {
            self.losses.push(loss);
        }
    }

    fn result<'a>(&mut self, result: &'a ToolResult) -> Result<Message<'a>, DecodeError> {
        if result.is_error == Some(true) {
            let path = format!("messages[{}].is_error", self.index);
            self.losses.push(Loss::dropped(path, "the provider cannot tell a failed tool"));
        }
        let mut parts = Vec::new();
        let at = std::mem::take(&mut self.part);
        for part in &result.parts {
            parts.extend(self.part(part)?);
            self.part += 1;
        }
        self.part = at;
        Ok(Message {
            role: "tool",
            content: Some(content(parts)),
            tool_call_id: Some(&result.call_id),
            ..Message::default()
        })
    }

    fn part<'a>(&mut self, part: &'a Part) -> Result<Option<WirePart<'a>>, DecodeError> {
        let known = match part {
            Part::Text(text) => self.text(text),
            Part::Refusal(refusal) => KnownPart::Refusal { refusal },
            Part::Image(media) => KnownPart::ImageUrl { image_url: self.address(media)? },
            Part::Video(media) => KnownPart::VideoUrl { video_url: self.address(media)? },
            Part::Audio(media) => KnownPart::InputAudio { input_audio: self.sound(media)? },
            Part::Document(Media { source: MediaSource::Text(words), name, cache, .. }) => {
                self.document_in_words(words, name.is_some(), cache.as_ref())
            }
            Part::Document(media) => KnownPart::File { file: self.file(media)? },
            Part::Hosted(step) => match step.in_words() {
                Some(words) => {
                    let reason = "what another provider did is told in words";
                    self.losses.push(Loss::adapted(self.path(), reason));
                    KnownPart::Text { text: Cow::Owned(words), cache_control: None }
                }
                None => {
                    let reason =
                        "what another provider looked up, but for what its answer says of it";
                    self.losses.push(Loss::dropped(self.path(), reason));
                    return Ok(None);
                }
            },
            Part::Opaque(opaque) if opaque.dialect == Dialect::OpenAi => {
                return Ok(Some(WirePart::Opaque(&opaque.json)));
            }
            Part::Opaque(opaque) => {
                let reason = format!("content that only the {} dialect has", opaque.dialect);
                self.losses.push(Loss::dropped(self.path(), reason));
                return Ok(None);
            }
            // Calls and thoughts are no content, and results do not nest.
            Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => return Ok(None),
        };
        Ok(Some(WirePart::Known(known)))
    }

    fn text<'a>(&mut self, text: &'a Text) -> KnownPart<'a> {
        if !text.citations.is_empty() {
            self.lose_once("annotations", "the provider does not take citations back");
        }
        if text.signature.is_some() {
            self.lose_once("reasoning_details", "the provider does not take the seal on words");
        }
        let cache = text.cache.as_ref().filter(|_| self.quirks.has(Quirk::CacheControl));
        KnownPart::Text {
            text: Cow::Borrowed(&text.text),
            cache_control: cache.map(CacheControl::new),
        }
    }

    fn document_in_words<'a>(
        &mut self,
        text: &'a str,
        named: bool,
        cache: Option<&'a CacheBreakpoint>,
    ) -> KnownPart<'a> {
        if named {
            let reason = "a document of plain text is said as words, without its name";
            self.losses.push(Loss::adapted(self.path(), reason));
        }
        let cache = cache.filter(|_| self.quirks.has(Quirk::CacheControl));
        KnownPart::Text { text: Cow::Borrowed(text), cache_control: cache.map(CacheControl::new) }
    }

    fn path(&self) -> String {
        format!("messages[{}].content[{}]", self.index, self.part)
    }

    fn address<'a>(&self, media: &'a Media) -> Result<Address<'a>, DecodeError> {
        let url = match &media.source {
            MediaSource::Url(url) => url.clone(),
            MediaSource::Base64(data) => data_url(media, data),
            MediaSource::File(_) | MediaSource::Text(_) => {
                let reason = "the provider takes pictures as data or at an address";
                return Err(DecodeError::shape(self.path(), reason));
            }
        };
        Ok(Address { url, detail: media.detail.as_deref() })
    }

    fn sound<'a>(&self, media: &'a Media) -> Result<Sound<'a>, DecodeError> {
        let format = match media.mime_type.as_deref() {
            Some("audio/mpeg" | "audio/mp3") => "mp3",
            Some(mime) => mime.strip_prefix("audio/").unwrap_or("wav"),
            None => "wav",
        };
        match &media.source {
            MediaSource::Base64(data) => Ok(Sound { data, format }),
            // Made plain with everything else that is peculiar to the server.
            MediaSource::Url(data) if self.quirks.has(Quirk::PlainAudio) => {
                Ok(Sound { data, format })
            }
            MediaSource::Url(_) | MediaSource::File(_) | MediaSource::Text(_) => {
                Err(DecodeError::shape(self.path(), "the provider takes sound as data only"))
            }
        }
    }

    fn file<'a>(&self, media: &'a Media) -> Result<File<'a>, DecodeError> {
        let filename = media.name.as_deref();
        match &media.source {
            MediaSource::Base64(data) => {
                // The provider refuses data without a name.
                let filename = Some(filename.unwrap_or("document"));
                Ok(File { file_data: Some(data_url(media, data)), file_id: None, filename })
            }
            MediaSource::File(id) if is_google_file(id) => {
                Err(DecodeError::shape(self.path(), "not a file that this provider knows"))
            }
            MediaSource::File(id) => Ok(File { file_data: None, file_id: Some(id), filename }),
            MediaSource::Url(url) if self.quirks.takes_file_urls() => {
                Ok(File { file_data: Some(url.clone()), file_id: None, filename })
            }
            MediaSource::Url(_) | MediaSource::Text(_) => {
                let reason = "the provider takes documents as data or by id, not at an address";
                Err(DecodeError::shape(self.path(), reason))
            }
        }
    }
}

fn content(mut parts: Vec<WirePart<'_>>) -> Content<'_> {
    match parts.as_mut_slice() {
        [] => Content::Text(Cow::Borrowed("")),
        [WirePart::Known(KnownPart::Text { text, cache_control: None })] => {
            Content::Text(std::mem::take(text))
        }
        _ => Content::Parts(parts),
    }
}

fn data_url(media: &Media, data: &str) -> String {
    let mime = media.mime_type.as_deref().unwrap_or("application/octet-stream");
    format!("data:{mime};base64,{data}")
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}
