//! Tells a media type by a name.

/// Tells the type by the path of an address, whatever its query.
pub(crate) fn of_url(url: &str) -> Option<&'static str> {
    url_path(url).and_then(by_extension)
}

/// Whether an address is that of a film at YouTube.
pub(crate) fn is_youtube(uri: &str) -> bool {
    let host = uri.strip_prefix("https://").unwrap_or(uri);
    ["www.youtube.com/", "youtube.com/", "youtu.be/"].iter().any(|at| host.starts_with(at))
}

/// What comes after the host and before the query.
fn url_path(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (_, path) = rest.split_once('/')?;
    path.split(['?', '#']).next()
}

/// Tells the type by a file's name.
pub(crate) fn by_extension(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "wav" => "audio/wav",
        "mp3" => "audio/mp3",
        "aiff" => "audio/aiff",
        "aac" => "audio/aac",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "m4a" => "audio/m4a",
        "mp4" => "video/mp4",
        "mpeg" | "mpg" => "video/mpeg",
        "mov" => "video/mov",
        "avi" => "video/avi",
        "flv" => "video/x-flv",
        "webm" => "video/webm",
        "wmv" => "video/wmv",
        "3gp" => "video/3gpp",
        "pdf" => "application/pdf",
        "json" => "application/json",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "html" | "htm" => "text/html",
        "csv" => "text/csv",
        "xml" => "text/xml",
        "rtf" => "text/rtf",
        _ => return None,
    })
}
