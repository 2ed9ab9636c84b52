//! The transcripts, and the bytes they were made of.

use std::fs;
use std::path::{Path, PathBuf};

use adapters_canonical::dialect::Dialect;
use serde_json::Value;

/// What one file holds.
pub enum Content {
    /// A stream, as the client of the provider got it.
    Stream(Vec<u8>),
    /// An answer in one piece.
    Whole(Vec<u8>),
    /// An error, with its status if the body says it.
    Error(Vec<u8>),
}

/// Another API of the provider, which is not translated.
const OTHER: &[&str] = &["completion-text", "embedding", "transcription"];

/// Where the transcripts are, if they are there.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a test, not the product")]
pub fn root() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/transcripts");
    let root = std::env::var_os("PENSTOCK_TRANSCRIPTS").map_or(beside, PathBuf::from);
    root.is_dir().then_some(root)
}

/// All transcripts in one folder, by name.
///
/// # Panics
///
/// If one cannot be read.
#[must_use]
pub fn of(folder: &Path, dialect: Dialect) -> Vec<(String, Content)> {
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().flat_map(|path| read(path, dialect)).collect()
}

/// Some files hold the streams of several requests of one conversation.
fn read(path: &Path, dialect: Dialect) -> Vec<(String, Content)> {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    if OTHER.iter().any(|other| name.contains(other)) {
        return Vec::new();
    }
    let bytes = fs::read(path).unwrap();
    let content = if name.ends_with(".sse") {
        Content::Stream(bytes)
    } else if name.ends_with(".chunks.txt") {
        let lines = String::from_utf8(bytes).unwrap();
        // One recording was damaged where it was made: there is nothing to compare with.
        let valid = |line: &str| serde_json::from_str::<Value>(line).is_ok();
        if !lines.lines().filter(|line| !line.trim().is_empty()).all(valid) {
            return Vec::new();
        }
        let streams = requests(&lines, dialect).into_iter().enumerate();
        let named = |(at, lines): (usize, String)| {
            (format!("{name} ({at})"), Content::Stream(framed(&lines, dialect)))
        };
        return streams.map(named).collect();
    } else if name.ends_with(".json") {
        let json: Value = serde_json::from_slice(&bytes).unwrap();
        let error = json.get("error").is_some_and(|error| !error.is_null());
        if error { Content::Error(bytes) } else { Content::Whole(bytes) }
    } else {
        return Vec::new();
    };
    vec![(name, content)]
}

/// The lines of each stream, which ends with the event that ends every stream of its dialect.
fn requests(lines: &str, dialect: Dialect) -> Vec<String> {
    let last: &[&str] = match dialect {
        Dialect::Anthropic => &["message_stop"],
        Dialect::Responses => &["response.completed", "response.incomplete", "response.failed"],
        Dialect::OpenAi | Dialect::Gemini => &[],
    };
    let mut streams = vec![String::new()];
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let ends = |json: Value| json["type"].as_str().is_some_and(|kind| last.contains(&kind));
        let ended = !last.is_empty() && serde_json::from_str(line).is_ok_and(ends);
        if let Some(stream) = streams.last_mut() {
            *stream += &format!("{line}\n");
        }
        if ended {
            streams.push(String::new());
        }
    }
    streams.retain(|stream| !stream.is_empty());
    streams
}

/// Puts the frames back around the data of each event.
fn framed(lines: &str, dialect: Dialect) -> Vec<u8> {
    let mut stream = String::new();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        match dialect {
            Dialect::OpenAi => stream += &format!("data: {line}\n\n"),
            Dialect::Gemini => stream += &format!("data: {line}\r\n\r\n"),
            Dialect::Anthropic | Dialect::Responses => {
                let json: Value = serde_json::from_str(line).unwrap();
                let name = json["type"].as_str().unwrap();
                stream += &format!("event: {name}\ndata: {line}\n\n");
            }
        }
    }
    if dialect == Dialect::OpenAi {
        stream += "data: [DONE]\n\n";
    }
    stream.into_bytes()
}

/// The data of each event of a stream, but for `[DONE]`; the name of an event must be its type.
///
/// # Panics
///
/// If the stream is not one, or if an event is not JSON.
#[must_use]
pub fn events(stream: &[u8]) -> Vec<Value> {
    let stream = std::str::from_utf8(stream).unwrap().replace("\r\n", "\n");
    let mut events = Vec::new();
    for frame in stream.split("\n\n") {
        let field = |name: &str| -> Option<&str> {
            frame.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let Some(data) = field("data").filter(|data| *data != "[DONE]") else { continue };
        let event: Value = serde_json::from_str(data)
            .unwrap_or_else(|error| panic!("the data of an event is JSON, not {frame}: {error}"));
        if let (Some(name), Some(kind)) = (field("event"), event["type"].as_str()) {
            assert_eq!(name, kind, "an event is called what it is");
        }
        events.push(event);
    }
    events
}
