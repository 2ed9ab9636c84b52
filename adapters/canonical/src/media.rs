//! What of a request stands at an address although its provider takes such things as data only, so
//! that somebody who does I/O can fetch it and put it there.

use crate::chat::{ChatRequest, Media, MediaSource, Part, Role};
use crate::dialect::Egress;

/// What a [`Media`] is for its client.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A sound.
    Audio,
    /// A film.
    Video,
    /// A document such as a PDF.
    Document,
}

/// Something at an address that its provider wants as data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remote {
    /// Where the address stands, as the canonical request calls it.
    pub path: String,
    /// What it is to be.
    pub kind: MediaKind,
    /// The address, `http` or `https`.
    pub url: String,
}

/// What was fetched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fetched {
    /// All of it, in standard base64.
    pub base64: String,
    /// Such as `image/png`.
    pub mime_type: String,
    /// What it may be called, where the request does not say.
    pub name: Option<String>,
}

/// What this provider wants as data and the request has at an address, each address of a kind once.
///
/// Only users and tools are looked at: nobody takes back pictures of the assistant.
#[must_use]
pub fn remote(request: &ChatRequest, egress: &dyn Egress) -> Vec<Remote> {
    let mut found: Vec<Remote> = Vec::new();
    for (at, message) in request.messages.iter().enumerate() {
        if !may_show(message.role) {
            continue;
        }
        let note = &mut |index: usize, part: &Part| {
            let Some((kind, url)) = wanted(part, egress) else { return };
            if !found.iter().any(|one| one.kind == kind && one.url == url) {
                let path = format!("messages[{at}].content[{index}].{}", member(kind));
                found.push(Remote { path, kind, url: url.to_owned() });
            }
        };
        let content = message.parts.iter().filter(|part| is_content(part));
        for (index, part) in content.enumerate() {
            match part {
                Part::ToolResult(result) => {
                    (0..).zip(&result.parts).for_each(|(index, part)| note(index, part));
                }
                part => note(index, part),
            }
        }
    }
    found
}

/// Puts what was fetched in the place of the addresses that this provider does not take. What
/// `find` does not know stays as it is.
pub fn embed(
    request: &mut ChatRequest,
    egress: &dyn Egress,
    find: impl Fn(MediaKind, &str) -> Option<Fetched>,
) {
    let put = |part: &mut Part| {
        let found = wanted(part, egress).and_then(|(kind, url)| find(kind, url));
        let (Some(found), Some((_, media))) = (found, media_mut(part)) else { return };
        media.source = MediaSource::Base64(found.base64);
        media.mime_type = Some(found.mime_type);
        media.name = media.name.take().or(found.name);
    };
    let heard = request.messages.iter_mut().filter(|message| may_show(message.role));
    for part in heard.flat_map(|message| &mut message.parts) {
        match part {
            Part::ToolResult(result) => result.parts.iter_mut().for_each(put),
            part => put(part),
        }
    }
}

fn may_show(role: Role) -> bool {
    match role {
        Role::User | Role::Tool => true,
        Role::System | Role::Developer | Role::Assistant => false,
    }
}

/// Whether a part counts among the `content` of its message.
fn is_content(part: &Part) -> bool {
    !matches!(part, Part::ToolCall(_) | Part::Reasoning(_))
}

fn wanted<'p>(part: &'p Part, egress: &dyn Egress) -> Option<(MediaKind, &'p str)> {
    let (kind, media) = media(part)?;
    let MediaSource::Url(url) = &media.source else { return None };
    let begins = |scheme: &str| {
        url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let fetchable = begins("https://") || begins("http://");
    (fetchable && egress.wants_data(kind, media)).then_some((kind, url))
}

fn media(part: &Part) -> Option<(MediaKind, &Media)> {
    match part {
        Part::Image(media) => Some((MediaKind::Image, media)),
        Part::Audio(media) => Some((MediaKind::Audio, media)),
        Part::Video(media) => Some((MediaKind::Video, media)),
        Part::Document(media) => Some((MediaKind::Document, media)),
        Part::Text(_)
        | Part::Reasoning(_)
        | Part::Refusal(_)
        | Part::ToolCall(_)
        | Part::ToolResult(_)
        | Part::Opaque(_) => None,
    }
}

fn media_mut(part: &mut Part) -> Option<(MediaKind, &mut Media)> {
    match part {
        Part::Image(media) => Some((MediaKind::Image, media)),
        Part::Audio(media) => Some((MediaKind::Audio, media)),
        Part::Video(media) => Some((MediaKind::Video, media)),
        Part::Document(media) => Some((MediaKind::Document, media)),
        Part::Text(_)
        | Part::Reasoning(_)
        | Part::Refusal(_)
        | Part::ToolCall(_)
        | Part::ToolResult(_)
        | Part::Opaque(_) => None,
    }
}

/// The member of a content part in which the address stands.
fn member(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image_url.url",
        MediaKind::Audio => "input_audio.data",
        MediaKind::Video => "video_url.url",
        MediaKind::Document => "file.file_data",
    }
}
