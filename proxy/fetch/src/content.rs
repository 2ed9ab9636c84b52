//! Whether what came is of the kind that was asked for: what its server calls it, and how it begins.
//!
//! Pictures, sounds, films and PDFs must begin as such files do. A server that calls something else
//! a picture, a page that says who may log in, an answer of a service that knows no pictures: none
//! of these gets into a conversation.

use adapters_canonical::media::MediaKind;

use crate::fault::Fault;

/// What a server calls what it sends, if that means anything.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Declared(Option<String>);

/// Reads a `content-type`.
///
/// # Errors
///
/// [`Fault::WrongKind`] if it is not of the kind that was asked for.
pub fn declared(kind: MediaKind, content_type: Option<&str>) -> Result<Declared, Fault> {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    match essence.as_str() {
        "" | "application/octet-stream" | "binary/octet-stream" | "application/force-download" => {
            Ok(Declared(None))
        }
        _ if fits(kind, &essence) => Ok(Declared(Some(essence))),
        _ => Err(Fault::WrongKind),
    }
}

/// The media type of all of `bytes`.
///
/// # Errors
///
/// [`Fault::WrongKind`] if they are not what they are called, or not what was asked for.
pub fn media_type(kind: MediaKind, declared: Declared, bytes: &[u8]) -> Result<String, Fault> {
    let Declared(declared) = declared;
    match (declared, signature(bytes)) {
        // A container of either: who knows it by its beginning alone knows half.
        (Some(declared), Some(seen)) if kind == MediaKind::Audio && seen.starts_with("video/") => {
            Ok(declared)
        }
        // Documents of an office are archives, and so is much else.
        (Some(declared), Some("application/zip")) if kind == MediaKind::Document => Ok(declared),
        (_, Some(seen)) if fits(kind, seen) => Ok(seen.to_owned()),
        (_, Some(_)) => Err(Fault::WrongKind),
        (Some(declared), None) if kind == MediaKind::Document && is_text(&declared) => {
            let text = core::str::from_utf8(bytes).is_ok() && !bytes.contains(&0);
            if text { Ok(declared) } else { Err(Fault::WrongKind) }
        }
        (_, None) => Err(Fault::WrongKind),
    }
}

/// Whether a media type is of a kind.
fn fits(kind: MediaKind, mime: &str) -> bool {
    match kind {
        MediaKind::Image => mime.starts_with("image/"),
        MediaKind::Audio => mime.starts_with("audio/"),
        MediaKind::Video => mime.starts_with("video/"),
        MediaKind::Document => {
            is_text(mime)
                || matches!(mime, "application/pdf" | "application/msword" | "application/rtf")
                || mime.starts_with("application/vnd.openxmlformats-officedocument.")
                || mime.starts_with("application/vnd.oasis.opendocument.")
                || mime.starts_with("application/vnd.ms-")
        }
    }
}

fn is_text(mime: &str) -> bool {
    mime.starts_with("text/") || matches!(mime, "application/json" | "application/xml")
}

/// What a file is by how it begins.
fn signature(bytes: &[u8]) -> Option<&'static str> {
    let riff = |form: &[u8]| bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(form);
    let begins = |with: &[u8]| bytes.starts_with(with);
    Some(match bytes {
        _ if begins(b"\x89PNG\r\n\x1a\n") => "image/png",
        _ if begins(b"\xff\xd8\xff") => "image/jpeg",
        _ if begins(b"GIF87a") || begins(b"GIF89a") => "image/gif",
        _ if riff(b"WEBP") => "image/webp",
        _ if begins(b"II*\0") || begins(b"MM\0*") => "image/tiff",
        _ if begins(b"BM") && bytes.get(6..10) == Some(&[0; 4]) => "image/bmp",
        _ if riff(b"WAVE") => "audio/wav",
        _ if begins(b"ID3") => "audio/mpeg",
        _ if begins(b"fLaC") => "audio/flac",
        _ if begins(b"FORM") && bytes.get(8..11) == Some(b"AIF") => "audio/aiff",
        [0xff, second, ..] if second & 0xf6 == 0xf0 => "audio/aac",
        [0xff, second, ..] if second & 0xe0 == 0xe0 && second & 0x06 != 0 => "audio/mpeg",
        _ if begins(b"OggS") => match bytes.get(28..35) {
            Some(b"\x80theora") => "video/ogg",
            _ => "audio/ogg",
        },
        _ if begins(b"\x1a\x45\xdf\xa3") => "video/webm",
        _ if riff(b"AVI ") => "video/avi",
        _ if begins(b"FLV\x01") => "video/x-flv",
        _ if begins(b"\0\0\x01\xba") || begins(b"\0\0\x01\xb3") => "video/mpeg",
        _ if begins(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11") => "video/wmv",
        _ if bytes.get(4..8) == Some(b"ftyp") => boxed(bytes.get(8..12).unwrap_or_default()),
        _ if begins(b"{\\rtf") => "application/rtf",
        _ if begins(b"PK\x03\x04") => "application/zip",
        _ if begins(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") => "application/msword",
        _ if bytes.trim_ascii_start().starts_with(b"%PDF-") => "application/pdf",
        _ => return None,
    })
}

/// What a file in the format of ISO media is by its brand.
fn boxed(brand: &[u8]) -> &'static str {
    match brand {
        b"avif" | b"avis" => "image/avif",
        b"heic" | b"heix" | b"hevc" | b"heim" | b"heis" => "image/heic",
        b"mif1" | b"msf1" => "image/heif",
        b"M4A " | b"M4B " => "audio/mp4",
        b"qt  " => "video/quicktime",
        [b'3', b'g', ..] => "video/3gpp",
        _ => "video/mp4",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MediaKind::{Audio, Document, Image, Video};

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const MP4: &[u8] = b"\0\0\0\x20ftypisom\0\0";

    fn settled(kind: MediaKind, content_type: Option<&str>, bytes: &[u8]) -> Option<String> {
        media_type(kind, declared(kind, content_type).ok()?, bytes).ok()
    }

    #[track_caller]
    fn is(kind: MediaKind, content_type: &str, bytes: &[u8], expected: &str) {
        assert_eq!(settled(kind, Some(content_type), bytes).as_deref(), Some(expected));
    }

    #[track_caller]
    fn is_none(kind: MediaKind, content_type: &str, bytes: &[u8]) {
        assert_eq!(settled(kind, Some(content_type), bytes), None);
    }

    #[test]
    fn what_a_file_is_counts_for_more_than_what_it_is_called() {
        is(Image, "image/png", PNG, "image/png");
        is(Image, "image/jpg; charset=binary", b"\xff\xd8\xff\xe0", "image/jpeg");
        is(Image, "image/jpeg", PNG, "image/png");
        is(Image, "application/octet-stream", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp");
        assert_eq!(settled(Image, None, b"GIF89a").as_deref(), Some("image/gif"));
        is(Audio, "audio/x-wav", b"RIFF\0\0\0\0WAVEfmt ", "audio/wav");
        is(Audio, "audio/mp3", b"\xff\xfb\x90\x44", "audio/mpeg");
        is(Audio, "audio/aac", b"\xff\xf1\x50\x80", "audio/aac");
        is(Audio, "audio/mp4", MP4, "audio/mp4");
        is(Video, "video/mp4", MP4, "video/mp4");
        is(Document, "application/pdf", b"\n%PDF-1.7\n", "application/pdf");
        is(Document, "Text/Markdown; charset=utf-8", "# Grüße".as_bytes(), "text/markdown");
        let office = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        is(Document, office, b"PK\x03\x04\x14", office);
    }

    #[test]
    fn what_is_called_a_picture_but_is_none_is_refused() {
        is_none(Image, "image/png", b"<!doctype html><title>Log in</title>");
        is_none(Image, "image/png", br#"{"AccessKeyId": "x"}"#);
        is_none(Image, "image/svg+xml", b"<svg/>");
        is_none(Image, "image/png", MP4);
        is_none(Image, "image/png", b"");
        is_none(Image, "text/html", PNG);
        is_none(Audio, "audio/mpeg", b"plain words");
        is_none(Video, "video/mp4", PNG);
    }

    #[test]
    fn a_document_is_text_or_a_format_of_documents() {
        is_none(Document, "text/plain", b"\xff\xfe\0");
        is_none(Document, "text/plain", b"a\0b");
        is_none(Document, "application/pdf", b"<html>");
        is_none(Document, "text/plain", PNG);
        is_none(Document, "application/javascript", b"1");
        is_none(Document, "application/octet-stream", b"words");
        is_none(Document, "application/octet-stream", b"PK\x03\x04");
        is_none(Document, "application/zip", b"PK\x03\x04");
    }
}
