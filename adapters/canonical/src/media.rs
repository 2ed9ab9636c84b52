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
        | Part::Hosted(_)
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
        | Part::Hosted(_)
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

#[cfg(test)]
mod tests {
    use http::header::InvalidHeaderValue;
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;
    use crate::chat::{ChatResponse, Message, Text, ToolResult};
    use crate::dialect::{StreamDecoder, Target, UpstreamRequest};
    use crate::failure::UpstreamError;
    use crate::loss::{DecodeError, Translated};

    /// Takes pictures at addresses, and nothing else.
    struct Pictures;

    impl Egress for Pictures {
        fn credential(&self, _: &str) -> Result<(HeaderName, HeaderValue), InvalidHeaderValue> {
            unimplemented!()
        }

        fn encode_request(
            &self,
            _: &ChatRequest,
            _: &Target<'_>,
        ) -> Result<Translated<UpstreamRequest>, DecodeError> {
            unimplemented!()
        }

        fn decode_response(&self, _: &[u8]) -> Result<Translated<ChatResponse>, DecodeError> {
            unimplemented!()
        }

        fn decode_stream(&self) -> Box<dyn StreamDecoder> {
            unimplemented!()
        }

        fn decode_error(&self, _: u16, _: &HeaderMap, _: &[u8]) -> UpstreamError {
            unimplemented!()
        }

        fn wants_data(&self, kind: MediaKind, _: &Media) -> bool {
            kind != MediaKind::Image
        }
    }

    fn at(url: &str) -> Media {
        let source = MediaSource::Url(url.to_owned());
        Media { source, mime_type: None, name: None, detail: None, cache: None }
    }

    fn request() -> ChatRequest {
        let said = |role, parts| Message { role, parts, name: None };
        let result = ToolResult {
            call_id: "c".to_owned(),
            parts: vec![Part::Text(Text::from("x")), Part::Document(at("https://a.example/2"))],
            is_error: None,
            cache: None,
        };
        ChatRequest {
            messages: vec![
                said(
                    Role::User,
                    vec![
                        Part::Image(at("https://a.example/0")),
                        Part::Document(at("HTTPS://a.example/1")),
                        Part::Document(at("HTTPS://a.example/1")),
                        Part::Audio(at("ftp://a.example/1")),
                    ],
                ),
                said(Role::Assistant, vec![Part::Document(at("https://a.example/3"))]),
                said(Role::Tool, vec![Part::ToolResult(result)]),
            ],
            ..ChatRequest::default()
        }
    }

    #[test]
    fn what_users_and_tools_show_is_wanted_once_and_named_by_its_path() {
        let found = remote(&request(), &Pictures);
        let found: Vec<_> = found.iter().map(|it| (it.path.as_str(), it.url.as_str())).collect();
        let expected = [
            ("messages[0].content[1].file.file_data", "HTTPS://a.example/1"),
            ("messages[2].content[1].file.file_data", "https://a.example/2"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_was_fetched_takes_the_place_of_every_such_address_and_of_no_other() {
        let mut request = request();
        embed(&mut request, &Pictures, |kind, url| {
            assert_ne!(kind, MediaKind::Image);
            let base64 = url.rsplit_once('/')?.1.to_owned();
            (base64 != "2").then(|| Fetched {
                base64,
                mime_type: "text/plain".to_owned(),
                name: Some("a.txt".to_owned()),
            })
        });
        let said = format!("{:?}", request.messages);
        assert_eq!(said.matches(r#"Base64("1")"#).count(), 2, "{said}");
        assert_eq!(said.matches("a.txt").count(), 2, "{said}");
        assert_eq!(said.matches("Url(").count(), 4, "{said}");
        assert_eq!(remote(&request, &Pictures).len(), 1, "what was not found is still wanted");
    }
}
