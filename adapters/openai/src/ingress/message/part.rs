//! One content part.

use adapters_canonical::chat::{CacheBreakpoint, Media, MediaSource, Opaque, Part, Text, Thought};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::{DecodeError, Loss};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::request::missing;
use crate::wire::content::{self as wire, Address, CacheControl, File, InputAudio};
use adapters_json::read;

/// Reads one part, and knows where it stands.
pub(super) struct Reader<'a, 'b> {
    pub(super) unread: &'a mut Unread<'b>,
    pub(super) losses: &'a mut Vec<Loss>,
    pub(super) message: usize,
    pub(super) part: usize,
}

impl Reader<'_, '_> {
    pub(super) fn read(&mut self, part: wire::Part<'_>) -> Result<Part, DecodeError> {
        let kind = part.kind.ok_or_else(|| self.missing("type"))?;
        let rare = part.rare.map(|rare| *rare).unwrap_or_default();
        let cache = self.cache(rare.cache_control, rare.prompt_cache_breakpoint);
        match &*kind {
            "text" => {
                let text = part.text.ok_or_else(|| self.missing("text"))?;
                Ok(Part::Text(Text { text, cache, ..Text::default() }))
            }
            "refusal" => rare.refusal.map(Part::Refusal).ok_or_else(|| self.missing("refusal")),
            "image_url" => {
                let image = rare.image_url.ok_or_else(|| self.missing("image_url"))?;
                Ok(Part::Image(self.at_address(image, "image_url", cache)?))
            }
            "video_url" => {
                let video = rare.video_url.ok_or_else(|| self.missing("video_url"))?;
                Ok(Part::Video(self.at_address(video, "video_url", cache)?))
            }
            "input_audio" => {
                let audio = rare.input_audio.ok_or_else(|| self.missing("input_audio"))?;
                Ok(Part::Audio(sound(audio, cache)))
            }
            "file" => {
                let file = rare.file.ok_or_else(|| self.missing("file"))?;
                self.file(file, cache)
            }
            "thinking" => Ok(Part::Reasoning(Thought {
                text: rare.thinking.map(|thinking| thinking.0).unwrap_or_default(),
                signature: rare.signature.filter(|seal| !seal.is_empty()),
                ..Thought::default()
            })),
            _ => self.opaque(),
        }
    }

    fn path(&self, member: &str) -> String {
        format!("messages[{}].content[{}].{member}", self.message, self.part)
    }

    fn missing(&self, member: &str) -> DecodeError {
        missing(self.path(member))
    }

    fn cache(
        &mut self,
        control: Option<CacheControl>,
        breakpoint: Option<CacheControl>,
    ) -> Option<CacheBreakpoint> {
        if let Some(control) = control {
            return Some(CacheBreakpoint { ttl: control.ttl });
        }
        let ttl = breakpoint?.ttl.map(|_| {
            // OpenAI's lifetimes are 30 minutes and 12 hours; nobody else has either.
            let path = self.path("prompt_cache_breakpoint.ttl");
            self.losses.push(Loss::adapted(path, "other providers cache for an hour at most"));
            "1h".to_owned()
        });
        Some(CacheBreakpoint { ttl })
    }

    fn at_address(
        &self,
        address: Address<'_>,
        member: &str,
        cache: Option<CacheBreakpoint>,
    ) -> Result<Media, DecodeError> {
        if address.url.is_empty() {
            let path = self.path(&format!("{member}.url"));
            return Err(DecodeError::shape(path, "must not be empty"));
        }
        let (source, mime_type) = located(address.url.0.into_owned());
        Ok(Media { source, mime_type, name: None, detail: address.detail, cache })
    }

    fn file(&self, file: File<'_>, cache: Option<CacheBreakpoint>) -> Result<Part, DecodeError> {
        let name = file.filename;
        let (source, mime_type) = match (file.file_data, file.file_id) {
            (Some(data), _) if data.contains(':') => located(data.into()),
            (Some(data), _) => (MediaSource::Base64(data.into()), None),
            (None, Some(id)) => (MediaSource::File(id), None),
            (None, None) => return Err(self.missing("file.file_data")),
        };
        let mime_type = mime_type.or_else(|| name.as_deref().and_then(by_extension));
        let kind = mime_type.as_deref().and_then(|mime| mime.split_once('/')).map(|(kind, _)| kind);
        let wrap = match kind {
            Some("image") => Part::Image,
            Some("audio") => Part::Audio,
            Some("video") => Part::Video,
            _ => Part::Document,
        };
        Ok(wrap(Media { source, mime_type, name, detail: None, cache }))
    }

    fn opaque(&mut self) -> Result<Part, DecodeError> {
        let json = self.unread.part(self.message, self.part)?;
        let json = json.ok_or_else(|| DecodeError::shape(self.path("type"), "is not known"))?;
        Ok(Part::Opaque(Opaque { dialect: Dialect::OpenAi, json: json.to_owned() }))
    }
}

/// The request as it was written, looked at again only if it has parts of a kind we do not know:
/// those stay as they were.
pub(super) struct Unread<'a> {
    body: &'a [u8],
    /// Of each message, the parts of its content.
    parts: Option<Vec<Vec<&'a RawValue>>>,
}

impl<'a> Unread<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, parts: None }
    }

    fn part(&mut self, message: usize, part: usize) -> Result<Option<&'a RawValue>, DecodeError> {
        let parts = match self.parts.take() {
            Some(parts) => parts,
            None => read::body::<UnreadRequest<'a>>(self.body)?.parts(),
        };
        let found = parts.get(message).and_then(|parts| parts.get(part)).copied();
        self.parts = Some(parts);
        Ok(found)
    }
}

#[derive(Deserialize)]
struct UnreadRequest<'a> {
    #[serde(borrow)]
    messages: Vec<UnreadMessage<'a>>,
}

#[derive(Deserialize)]
struct UnreadMessage<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

impl<'a> UnreadRequest<'a> {
    fn parts(self) -> Vec<Vec<&'a RawValue>> {
        let of = |message: UnreadMessage<'a>| serde_json::from_str(message.content?.get()).ok();
        // A content that is a plain string has no parts.
        self.messages.into_iter().map(|message| of(message).unwrap_or_default()).collect()
    }
}

fn sound(audio: InputAudio<'_>, cache: Option<CacheBreakpoint>) -> Media {
    let (source, mime_type) = if audio.data.starts_with("data:") {
        located(audio.data.into())
    } else {
        (MediaSource::Base64(audio.data.into()), None)
    };
    let mime_type = mime_type.or_else(|| {
        let format = audio.format?;
        Some(format!("audio/{}", if format == "mp3" { "mpeg" } else { &format }))
    });
    Media { source, mime_type, name: None, detail: None, cache }
}

/// Takes a `data:` URL apart; any other address stays one.
pub(crate) fn located(mut url: String) -> (MediaSource, Option<String>) {
    let is_data = url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    let Some(comma) = url.find(',').filter(|_| is_data) else {
        return (MediaSource::Url(url), None);
    };
    let described = url.get(5..comma).unwrap_or_default();
    let Some(described) = described.strip_suffix(";base64") else {
        return (MediaSource::Url(url), None);
    };
    let mime = described.split(';').next().filter(|mime| !mime.is_empty()).map(str::to_owned);
    // Megabytes, perhaps: moved within the string, not copied to another one.
    url.drain(..=comma);
    (MediaSource::Base64(url), mime)
}

fn by_extension(name: &str) -> Option<String> {
    let (_, extension) = name.rsplit_once('.')?;
    let mime = match extension.to_ascii_lowercase().as_str() {
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" => "text/html",
        "json" => "application/json",
        _ => return None,
    };
    Some(mime.to_owned())
}
