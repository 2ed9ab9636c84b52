//! Pictures, documents, and whatever else is not text; and cache breakpoints, which any of it may
//! carry.

use std::fmt::Display;

use adapters_canonical::chat::{CacheBreakpoint, Media, MediaSource, is_google_file};
use adapters_canonical::loss::{DecodeError, Loss};

use crate::wire::request::{Block, CacheControl, Source};

/// A picture as a block.
///
/// # Errors
///
/// [`DecodeError::Shape`] at `path` for a format that the API does not take.
pub(super) fn image<'a>(
    media: &'a Media,
    path: &dyn Display,
    losses: &mut Vec<Loss>,
) -> Result<Block<'a>, DecodeError> {
    if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
        losses.push(Loss::dropped(
            format!("{path}.image_url.detail"),
            "how closely to look cannot be set",
        ));
    }
    let source = match &media.source {
        MediaSource::Url(url) => Source::Url { url },
        MediaSource::File(file_id) => file(file_id, path)?,
        MediaSource::Text(_) => {
            return Err(DecodeError::shape(path.to_string(), "an image cannot be text"));
        }
        MediaSource::Base64(data) => {
            let media_type = image_type(media.mime_type.as_deref(), data).ok_or_else(|| {
                DecodeError::shape(path.to_string(), "an image must be a JPEG, PNG, GIF or WebP")
            })?;
            Source::Base64 { media_type, data }
        }
    };
    let cache_control = cache_control(media.cache.as_ref(), || path.to_string(), losses);
    Ok(Block::Image { source, cache_control })
}

fn file<'a>(file_id: &'a str, path: &dyn Display) -> Result<Source<'a>, DecodeError> {
    if is_google_file(file_id) {
        return Err(DecodeError::shape(path.to_string(), "not a file that this provider knows"));
    }
    Ok(Source::File { file_id })
}

/// The types the API takes. What the client did not name is told by how its base64 begins.
fn image_type(named: Option<&str>, data: &str) -> Option<&'static str> {
    match named {
        Some("image/jpeg" | "image/jpg") => Some("image/jpeg"),
        Some("image/png") => Some("image/png"),
        Some("image/gif") => Some("image/gif"),
        Some("image/webp") => Some("image/webp"),
        Some(_) => None,
        None if data.starts_with("/9j/") => Some("image/jpeg"),
        None if data.starts_with("iVBORw0K") => Some("image/png"),
        None if data.starts_with("R0lGOD") => Some("image/gif"),
        None if data.starts_with("UklGR") => Some("image/webp"),
        None => None,
    }
}

/// A document as a block: a PDF, or plain text.
///
/// # Errors
///
/// [`DecodeError::Shape`] at `path` for a format that the API does not take.
pub(super) fn document<'a>(
    media: &'a Media,
    path: &dyn Display,
    losses: &mut Vec<Loss>,
) -> Result<Block<'a>, DecodeError> {
    let named = media.mime_type.as_deref();
    let is_pdf = named.is_none_or(|mime| mime == "application/pdf");
    let refused = || DecodeError::shape(path.to_string(), "a document must be a PDF or plain text");
    let source = match &media.source {
        MediaSource::File(file_id) => file(file_id, path)?,
        MediaSource::Text(text) => Source::Text { media_type: "text/plain", data: text.clone() },
        MediaSource::Url(url) if is_pdf => Source::Url { url },
        MediaSource::Url(_) => {
            return Err(DecodeError::shape(
                path.to_string(),
                "a document at an address must be a PDF",
            ));
        }
        MediaSource::Base64(data) => match named {
            Some("application/pdf") => Source::Base64 { media_type: "application/pdf", data },
            None if data.starts_with("JVBERi0") => {
                Source::Base64 { media_type: "application/pdf", data }
            }
            Some(mime) if mime.starts_with("text/") || mime == "application/json" => {
                let data = base64_text(data).ok_or_else(|| {
                    DecodeError::shape(path.to_string(), "a text document must be UTF-8 in base64")
                })?;
                Source::Text { media_type: "text/plain", data }
            }
            Some(_) | None => return Err(refused()),
        },
    };
    let cache_control = cache_control(media.cache.as_ref(), || path.to_string(), losses);
    Ok(Block::Document { source, title: media.name.as_deref(), cache_control })
}

/// A cache breakpoint in Anthropic's words.
pub(super) fn cache_control(
    wanted: Option<&CacheBreakpoint>,
    path: impl FnOnce() -> String,
    losses: &mut Vec<Loss>,
) -> Option<CacheControl> {
    let ttl = match wanted?.ttl.as_deref() {
        None => None,
        Some("5m") => Some("5m"),
        Some("1h") => Some("1h"),
        Some(_) => {
            losses.push(Loss::adapted(path(), "the cache keeps for `5m` or `1h`; taken as `5m`"));
            None
        }
    };
    Some(CacheControl { ttl })
}

/// Text out of standard base64, with or without its padding.
fn base64_text(data: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(data.len() / 4 * 3 + 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in data.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'\r' | b'\n' => continue,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xFF).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_and_without_padding() {
        assert_eq!(base64_text("aMOpIQ==").as_deref(), Some("hé!"));
        assert_eq!(base64_text("aMOpIQ").as_deref(), Some("hé!"));
        assert_eq!(base64_text("YWJj\r\nZGVm").as_deref(), Some("abcdef"));
        assert_eq!(base64_text("").as_deref(), Some(""));
        assert_eq!(base64_text("a*=="), None);
        assert_eq!(base64_text("//79"), None, "not UTF-8");
    }

    #[test]
    fn an_image_without_a_type_is_told_by_its_first_bytes() {
        assert_eq!(image_type(None, "iVBORw0KGgo="), Some("image/png"));
        assert_eq!(image_type(None, "AAAA"), None);
        assert_eq!(image_type(Some("image/jpg"), ""), Some("image/jpeg"));
        assert_eq!(image_type(Some("image/tiff"), "iVBORw0KGgo="), None);
    }
}
