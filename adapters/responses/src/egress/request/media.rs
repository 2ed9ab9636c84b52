//! What is not text, in the provider's words.

use adapters_canonical::chat::{Media, MediaSource, is_google_file};
use adapters_canonical::loss::DecodeError;

use super::item::{Content, Sound};

pub(super) fn image<'a>(media: &'a Media, path: &str) -> Result<Content<'a>, DecodeError> {
    let (image_url, file_id) = match &media.source {
        MediaSource::Url(url) => (Some(url.clone()), None),
        MediaSource::Base64(data) => (Some(address(media, "image/png", data)), None),
        MediaSource::File(id) => (None, Some(file(id, path)?)),
        MediaSource::Text(_) => {
            return Err(DecodeError::shape(path, "the provider takes no picture in words"));
        }
    };
    let detail = media.detail.as_deref().unwrap_or("auto");
    Ok(Content::InputImage { image_url, file_id, detail })
}

pub(super) fn audio<'a>(media: &'a Media, path: &str) -> Result<Content<'a>, DecodeError> {
    let MediaSource::Base64(data) = &media.source else {
        return Err(DecodeError::shape(path, "the provider takes sound as data only"));
    };
    let format = match media.mime_type.as_deref() {
        Some("audio/mpeg" | "audio/mp3") => "mp3",
        Some("audio/wav" | "audio/x-wav" | "audio/wave") | None => "wav",
        Some(_) => return Err(DecodeError::shape(path, "the provider takes MP3 and WAV only")),
    };
    Ok(Content::InputAudio { input_audio: Sound { data, format } })
}

pub(super) fn document<'a>(media: &'a Media, path: &str) -> Result<Content<'a>, DecodeError> {
    let name = media.name.as_deref();
    let mut file = (None, None, None);
    match &media.source {
        MediaSource::Text(text) => return Ok(Content::InputText { text }),
        MediaSource::Base64(data) => file.0 = Some(address(media, "application/pdf", data)),
        MediaSource::File(id) => file.1 = Some(self::file(id, path)?),
        MediaSource::Url(url) => file.2 = Some(url.as_str()),
    }
    let (file_data, file_id, file_url) = file;
    // Data must have a name, and what is known by its id must not.
    let filename = match &file_data {
        Some(_) => Some(name.unwrap_or("document.pdf")),
        None => name.filter(|_| file_url.is_some()),
    };
    Ok(Content::InputFile { file_data, file_id, file_url, filename })
}

fn file<'a>(id: &'a str, path: &str) -> Result<&'a str, DecodeError> {
    if is_google_file(id) {
        return Err(DecodeError::shape(path, "not a file that this provider knows"));
    }
    Ok(id)
}

fn address(media: &Media, otherwise: &str, data: &str) -> String {
    format!("data:{};base64,{data}", media.mime_type.as_deref().unwrap_or(otherwise))
}
