//! Pictures, sounds, films and documents, and parts that only Gemini knows.

use adapters_canonical::chat::{Media, MediaSource, Opaque, Part};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::{DecodeError, Loss};
use serde_json::value::RawValue;

use super::request::{missing, others};
use super::seal::standard;
use crate::wire::asked::{Blob, FileData, Part as WirePart};
use crate::wire::mime;

/// Reads what is inline, or else what lies elsewhere.
pub(super) fn read(
    path: &str,
    inline: Option<Blob<'_>>,
    file: Option<FileData<'_>>,
    losses: &mut Vec<Loss>,
) -> Result<Part, DecodeError> {
    if let Some(blob) = inline {
        let path = format!("{path}.inlineData");
        others(&blob.other, &path, losses);
        let mime_type = blob.mime_type.map(String::from);
        let mime_type = mime_type.ok_or_else(|| missing(format!("{path}.mimeType")))?;
        let data = blob.data.ok_or_else(|| missing(format!("{path}.data")))?;
        let source = MediaSource::Base64(standard(&data).into_owned());
        return Ok(medium(source, Some(mime_type), blob.display_name.map(String::from)));
    }
    let path = format!("{path}.fileData");
    let file = file.ok_or_else(|| missing(path.clone()))?;
    others(&file.other, &path, losses);
    let uri = file.file_uri.map(String::from).filter(|uri| !uri.is_empty());
    let uri = uri.ok_or_else(|| missing(format!("{path}.fileUri")))?;
    let mime_type = file.mime_type.map(String::from).filter(|mime| !mime.is_empty());
    let of_google = uri.starts_with("gs://")
        || uri.starts_with("files/")
        || uri.starts_with("https://generativelanguage.googleapis.com/");
    let mime_type = mime_type.or_else(|| mime::of_url(&uri).map(str::to_owned));
    let source = if of_google { MediaSource::File(uri) } else { MediaSource::Url(uri) };
    Ok(medium(source, mime_type, file.display_name.map(String::from)))
}

fn medium(source: MediaSource, mime_type: Option<String>, name: Option<String>) -> Part {
    let kind = match (mime_type.as_deref(), &source) {
        (Some(mime_type), _) => mime_type.split('/').next(),
        (None, MediaSource::Url(url)) if mime::is_youtube(url) => Some("video"),
        (None, _) => None,
    };
    let media = Media { source, mime_type: mime_type.clone(), name, detail: None, cache: None };
    match kind {
        Some("image") => Part::Image(media),
        Some("audio") => Part::Audio(media),
        Some("video") => Part::Video(media),
        _ => Part::Document(media),
    }
}

/// A part that nobody else knows, whole; `None` if nothing is in it.
pub(super) fn opaque(part: &WirePart<'_>) -> Option<Opaque> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Inline<'a> {
        mime_type: &'a str,
        data: &'a str,
    }
    let inline = part.inline_data.as_ref().map(|blob| Inline {
        mime_type: blob.mime_type.as_deref().unwrap_or_default(),
        data: blob.data.as_deref().unwrap_or_default(),
    });
    let inline = inline.and_then(|inline| serde_json::value::to_raw_value(&inline).ok());
    let inline = inline.as_deref().map(|json| ("inlineData", json));
    let others = part.other.0.iter().map(|(name, value)| (&**name, *value));
    let members: Vec<(&str, &RawValue)> = inline.into_iter().chain(others).collect();
    if members.is_empty() {
        return None;
    }
    let thought = part.thought == Some(true);
    let json = crate::wire::whole_part(&members, thought, part.thought_signature.as_deref())?;
    Some(Opaque { dialect: Dialect::Gemini, json })
}
