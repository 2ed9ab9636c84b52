//! Writes pictures, sounds, films and documents.
//!
//! A file's name is used to tell its type and goes no further: Gemini shows it to nobody.

use std::borrow::Cow;
use std::fmt::Display;

use adapters_canonical::chat::{Media, MediaSource};
use adapters_canonical::loss::{DecodeError, Loss};

use crate::wire::mime;
use crate::wire::request::{Blob, FileData, KnownPart};

/// Where files lie that were uploaded to the Gemini API; their names begin with `files/`.
const FILES: &str = "https://generativelanguage.googleapis.com/v1beta/";

/// What a medium is for its client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum MediaKind {
    Image,
    Audio,
    Video,
    Document,
}

impl MediaKind {
    /// The member of a content part that holds it.
    fn member(self) -> &'static str {
        match self {
            Self::Image => "image_url",
            Self::Audio => "input_audio",
            Self::Video => "video_url",
            Self::Document => "file",
        }
    }
}

/// Writes `media`, which stands at `path` of the client's request.
///
/// # Errors
///
/// [`DecodeError::Shape`] if Gemini could not tell what it is, or could not get at it.
pub(super) fn part<'a>(
    media: &'a Media,
    kind: MediaKind,
    path: &dyn Display,
    losses: &mut Vec<Loss>,
) -> Result<KnownPart<'a>, DecodeError> {
    let path = format!("{path}.{}", kind.member());
    if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
        losses.push(Loss::dropped(format!("{path}.detail"), "how closely to look cannot be set"));
    }
    let mime_type = mime_type(media);
    match &media.source {
        MediaSource::Base64(data) => {
            let mime_type =
                mime_type.ok_or_else(|| DecodeError::shape(path, "its media type must be said"))?;
            let blob = Blob { mime_type, data };
            Ok(KnownPart { inline_data: Some(Box::new(blob)), ..KnownPart::default() })
        }
        MediaSource::Url(url) => remote(Cow::Borrowed(url), mime_type, kind, path, losses),
        MediaSource::File(id) if id.starts_with("files/") => {
            remote(Cow::Owned(format!("{FILES}{id}")), mime_type, kind, path, losses)
        }
        MediaSource::File(id) => remote(Cow::Borrowed(id), mime_type, kind, path, losses),
        MediaSource::Text(text) => Ok(KnownPart { text: Some(text), ..KnownPart::default() }),
    }
}

fn remote<'a>(
    file_uri: Cow<'a, str>,
    mut mime_type: Option<Cow<'a, str>>,
    kind: MediaKind,
    path: String,
    losses: &mut Vec<Loss>,
) -> Result<KnownPart<'a>, DecodeError> {
    if !["https://", "http://", "gs://"].iter().any(|scheme| file_uri.starts_with(scheme)) {
        return Err(DecodeError::shape(path, "not a file that this provider knows"));
    }
    if mime_type.is_none() && !knows_itself(&file_uri) {
        if kind != MediaKind::Image {
            let reason = "its media type cannot be told from its name; send the bytes inline";
            return Err(DecodeError::shape(path, reason));
        }
        losses.push(Loss::adapted(path, "a picture of unknown type is said to be a JPEG"));
        mime_type = Some(Cow::Borrowed("image/jpeg"));
    }
    let file_data = Box::new(FileData { mime_type, file_uri });
    Ok(KnownPart { file_data: Some(file_data), ..KnownPart::default() })
}

/// Whether it is at an address that does not tell what it is.
pub(super) fn is_unknown(media: &Media) -> bool {
    match &media.source {
        MediaSource::Url(url) => mime_type(media).is_none() && !knows_itself(url),
        MediaSource::Base64(_) | MediaSource::File(_) | MediaSource::Text(_) => false,
    }
}

/// Files of the Gemini API and films of YouTube, whose type the provider looks up.
fn knows_itself(uri: &str) -> bool {
    uri.starts_with("https://generativelanguage.googleapis.com/") || mime::is_youtube(uri)
}

fn mime_type(media: &Media) -> Option<Cow<'_, str>> {
    if let Some(known) = media.mime_type.as_deref().filter(|known| !known.is_empty()) {
        return Some(Cow::Borrowed(known));
    }
    let from_url = match &media.source {
        MediaSource::Url(url) => mime::of_url(url),
        MediaSource::Base64(_) | MediaSource::File(_) | MediaSource::Text(_) => None,
    };
    from_url.or_else(|| mime::by_extension(media.name.as_deref()?)).map(Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(source: MediaSource) -> Media {
        Media { source, mime_type: None, name: None, detail: None, cache: None }
    }

    fn write(media: &Media, kind: MediaKind) -> (Result<String, DecodeError>, Vec<Loss>) {
        let mut losses = Vec::new();
        let part = part(media, kind, &"messages[0].content[0]", &mut losses);
        (part.map(|part| String::from_utf8(adapters_json::write::body(&part)).unwrap()), losses)
    }

    #[test]
    fn the_type_is_told_from_the_address_whatever_its_query() {
        let image = media(MediaSource::Url("https://a.example/x.d/cat.PNG?w=1.jpg#f.gif".into()));
        let (got, losses) = write(&image, MediaKind::Image);
        assert!(got.unwrap().contains(r#""mimeType":"image/png""#));
        assert_eq!(losses, []);
    }

    #[test]
    fn a_picture_of_unknown_type_is_sent_as_a_jpeg_with_a_loss_and_a_document_is_not_sent() {
        let unknown = media(MediaSource::Url("https://a.example/1234".into()));
        let (got, losses) = write(&unknown, MediaKind::Image);
        assert!(got.unwrap().contains("image/jpeg"));
        assert_eq!(losses.len(), 1);
        let error = write(&unknown, MediaKind::Document).0.unwrap_err();
        assert_eq!(error.path(), Some("messages[0].content[0].file"));
    }

    #[test]
    fn bytes_without_a_type_are_refused_unless_their_name_tells_it() {
        let mut document = media(MediaSource::Base64("JVBERi0=".into()));
        assert!(write(&document, MediaKind::Document).0.is_err());
        document.name = Some("report.pdf".into());
        assert!(write(&document, MediaKind::Document).0.unwrap().contains("application/pdf"));
    }

    #[test]
    fn files_of_the_provider_are_found_and_those_of_others_are_refused() {
        let own = media(MediaSource::File("files/abc".into()));
        let expected = r#"{"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/abc"}}"#;
        assert_eq!(write(&own, MediaKind::Document).0.unwrap(), expected);
        let foreign = media(MediaSource::File("file-abc".into()));
        assert!(write(&foreign, MediaKind::Document).0.is_err());
    }
}
