//! Messages as items.

use std::borrow::Cow;
use std::collections::BTreeSet;

use adapters_canonical::chat::{Message, Part, Role, Thought, ToolCall, ToolKind, ToolResult};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::hosted::is_shown_only;
use adapters_canonical::loss::{DecodeError, Loss};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::media;
use adapters_json::string::Str;
use adapters_json::write;

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Item<'a> {
    Known(Known<'a>),
    Opaque(&'a RawValue),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Known<'a> {
    Message {
        /// Only with the model's own parts, which must have one.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<&'static str>,
        role: &'static str,
        content: Output<'a>,
    },
    Reasoning {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        summary: Vec<Summary<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<&'a str>,
    },
    FunctionCall {
        call_id: &'a str,
        name: &'a str,
        #[serde(serialize_with = "write::text")]
        arguments: &'a str,
    },
    CustomToolCall {
        call_id: &'a str,
        name: &'a str,
        #[serde(serialize_with = "write::text")]
        input: &'a str,
    },
    FunctionCallOutput {
        call_id: &'a str,
        output: Output<'a>,
    },
    CustomToolCallOutput {
        call_id: &'a str,
        output: Output<'a>,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "summary_text")]
pub(super) struct Summary<'a> {
    #[serde(serialize_with = "write::text")]
    text: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Output<'a> {
    Text(#[serde(serialize_with = "write::text")] Cow<'a, str>),
    Parts(Vec<Said<'a>>),
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Said<'a> {
    Known(Content<'a>),
    Opaque(&'a RawValue),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Content<'a> {
    InputText {
        #[serde(serialize_with = "write::text")]
        text: &'a str,
    },
    OutputText {
        #[serde(serialize_with = "write::text")]
        text: Cow<'a, str>,
        annotations: [&'static str; 0],
    },
    Refusal {
        refusal: &'a str,
    },
    InputImage {
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write::some_text")]
        image_url: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'a str>,
        detail: &'a str,
    },
    InputFile {
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write::some_text")]
        file_data: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<&'a str>,
    },
    InputAudio {
        input_audio: Sound<'a>,
    },
}

#[derive(Serialize)]
pub(super) struct Sound<'a> {
    pub(super) data: &'a str,
    pub(super) format: &'static str,
}

pub(super) fn items<'a>(
    messages: &'a [Message],
    losses: &mut Vec<Loss>,
) -> Result<Vec<Item<'a>>, DecodeError> {
    let custom = messages
        .iter()
        .flat_map(|message| &message.parts)
        .filter_map(|part| if let Part::ToolCall(call) = part { Some(call) } else { None })
        .filter(|call| call.kind == ToolKind::Custom)
        .map(|call| call.id.as_str())
        .collect();
    let mut writer =
        Writer { at: 0, messages, role: Role::User, items: Vec::new(), custom, losses };
    for (at, message) in messages.iter().enumerate() {
        writer.at = at;
        writer.role = message.role;
        writer.message(message)?;
    }
    Ok(writer.items)
}

struct Writer<'a, 'l> {
    at: usize,
    messages: &'a [Message],
    role: Role,
    items: Vec<Item<'a>>,
    /// The ids of calls that take free text: their results are items of another kind.
    custom: BTreeSet<&'a str>,
    losses: &'l mut Vec<Loss>,
}

impl<'a> Writer<'a, '_> {
    fn message(&mut self, message: &'a Message) -> Result<(), DecodeError> {
        if message.name.is_some() {
            self.lost("name", "the provider knows speakers by their role only");
        }
        let mut content = Vec::new();
        for (at, part) in message.parts.iter().enumerate() {
            let path = format!("messages[{}].content[{at}]", self.at);
            match part {
                Part::Reasoning(thought) => {
                    self.flush(&mut content);
                    self.thought(thought);
                }
                Part::ToolCall(call) => {
                    self.flush(&mut content);
                    self.items.push(Item::Known(called(call)));
                }
                Part::ToolResult(result) => {
                    self.flush(&mut content);
                    self.result(result)?;
                }
                Part::Hosted(step)
                    if step.own(Dialect::Responses).is_none()
                        && is_shown_only(self.messages, self.at, at, Dialect::Responses) => {}
                Part::Hosted(step) if step.own(Dialect::Responses).is_some() => {
                    self.flush(&mut content);
                    let own = step.own(Dialect::Responses);
                    self.items.extend(own.map(|own| Item::Opaque(&own.json)));
                }
                Part::Opaque(opaque)
                    if opaque.dialect == Dialect::Responses && is_item(&opaque.json) =>
                {
                    self.flush(&mut content);
                    self.items.push(Item::Opaque(&opaque.json));
                }
                Part::Text(_)
                | Part::Refusal(_)
                | Part::Image(_)
                | Part::Audio(_)
                | Part::Video(_)
                | Part::Document(_)
                | Part::Hosted(_)
                | Part::Opaque(_) => content.extend(self.content(part, &path)?),
            }
        }
        self.flush(&mut content);
        Ok(())
    }

    fn flush(&mut self, content: &mut Vec<Said<'a>>) {
        let role = match self.role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        let parts = std::mem::take(content);
        let (id, status, content) = match &parts[..] {
            [] => return,
            // What the model said is an item of its own, with a name, or else a mere string.
            [Said::Known(Content::OutputText { text, .. })] => {
                (None, None, Output::Text(text.clone()))
            }
            _ if self.role == Role::Assistant => {
                let id = format!("msg_{}", self.items.len());
                (Some(id), Some("completed"), Output::Parts(parts))
            }
            _ => (None, None, Output::Parts(parts)),
        };
        self.items.push(Item::Known(Known::Message { id, status, role, content }));
    }

    fn content(&mut self, part: &'a Part, path: &str) -> Result<Option<Said<'a>>, DecodeError> {
        let assistant = self.role == Role::Assistant;
        let content = match part {
            Part::Text(text) if assistant => {
                Content::OutputText { text: Cow::Borrowed(&text.text), annotations: [] }
            }
            Part::Text(text) => Content::InputText { text: &text.text },
            Part::Refusal(refusal) => Content::Refusal { refusal },
            Part::Hosted(step) => match step.in_words() {
                Some(words) => {
                    let reason = "what another provider did is told in words";
                    self.losses.push(Loss::adapted(path.to_owned(), reason));
                    Content::OutputText { text: Cow::Owned(words), annotations: [] }
                }
                None => {
                    let reason =
                        "what another provider looked up, but for what its answer says of it";
                    self.losses.push(Loss::dropped(path.to_owned(), reason));
                    return Ok(None);
                }
            },
            Part::Opaque(opaque) if opaque.dialect == Dialect::Responses => {
                return Ok(Some(Said::Opaque(&opaque.json)));
            }
            Part::Image(_) | Part::Audio(_) | Part::Video(_) | Part::Document(_) if assistant => {
                let reason = "the provider takes back words of the model only";
                self.losses.push(Loss::dropped(path.to_owned(), reason));
                return Ok(None);
            }
            Part::Image(image) => media::image(image, path)?,
            Part::Audio(audio) => media::audio(audio, path)?,
            Part::Document(document) => media::document(document, path)?,
            Part::Video(_) => {
                return Err(DecodeError::shape(path, "the provider does not take films"));
            }
            Part::Opaque(_) => {
                let reason = "only providers of another dialect know what it is";
                self.losses.push(Loss::dropped(path.to_owned(), reason));
                return Ok(None);
            }
            // Items of their own, which do not nest.
            Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => return Ok(None),
        };
        Ok(Some(Said::Known(content)))
    }

    /// Thoughts go back only to where they come from.
    fn thought(&mut self, thought: &'a Thought) {
        if let Some(own) = thought.carries(Dialect::Responses) {
            // A part of a message does not stand alone.
            self.items.extend(is_item(own).then_some(Item::Opaque(own)));
            return;
        }
        let seal = thought.signature.as_deref().or(thought.redacted.as_deref());
        if thought.origin != Some(Dialect::Responses) || seal.is_none() {
            return self.lost("reasoning_content", "the provider takes back its own thoughts only");
        }
        let summary = Some(Summary { text: &thought.text }).filter(|it| !it.text.is_empty());
        self.items.push(Item::Known(Known::Reasoning {
            id: thought.id.as_deref(),
            summary: summary.into_iter().collect(),
            encrypted_content: seal,
        }));
    }

    fn result(&mut self, result: &'a ToolResult) -> Result<(), DecodeError> {
        if result.is_error == Some(true) {
            self.lost("is_error", "the provider cannot tell a failed tool");
        }
        let role = std::mem::replace(&mut self.role, Role::Tool);
        let mut parts = Vec::with_capacity(result.parts.len());
        for (at, part) in result.parts.iter().enumerate() {
            let path = format!("messages[{}].content[{at}]", self.at);
            parts.extend(self.content(part, &path)?);
        }
        self.role = role;
        let output = match &parts[..] {
            [] => Output::Text(Cow::Borrowed("")),
            [Said::Known(Content::InputText { text })] => Output::Text(Cow::Borrowed(text)),
            _ => Output::Parts(parts),
        };
        let call_id = result.call_id.as_str();
        self.items.push(Item::Known(if self.custom.contains(call_id) {
            Known::CustomToolCallOutput { call_id, output }
        } else {
            Known::FunctionCallOutput { call_id, output }
        }));
        Ok(())
    }

    fn lost(&mut self, member: &str, reason: &'static str) {
        let loss = Loss::dropped(format!("messages[{}].{member}", self.at), reason);
        if self.losses.last() != Some(&loss) {
            self.losses.push(loss);
        }
    }
}

fn called(call: &ToolCall) -> Known<'_> {
    let (call_id, name) = (call.id.as_str(), call.name.as_str());
    match call.kind {
        ToolKind::Function => {
            let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
            Known::FunctionCall { call_id, name, arguments }
        }
        ToolKind::Custom => Known::CustomToolCall { call_id, name, input: &call.arguments },
    }
}

/// Whether it is an item, and not a part of a message.
fn is_item(json: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<Str<'a>>,
    }

    let kind = serde_json::from_str::<Kind<'_>>(json.get());
    kind.is_ok_and(|Kind { kind }| {
        let kind = kind.as_deref().unwrap_or("item_reference");
        !kind.starts_with("input_") && !kind.starts_with("output_")
    })
}
