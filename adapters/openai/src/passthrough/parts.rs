//! Content parts as servers take them that have a form of their own for files and sounds.

use adapters_json::write;
use serde::Serialize;
use serde_json::value::RawValue;

use super::members::{Edit, elements, get, members, replace};
use crate::quirk::{Quirk, Quirks};

/// Whether such a server's parts differ at all.
pub(super) fn differ(quirks: Quirks) -> bool {
    quirks.has(Quirk::FileUrls) || quirks.has(Quirk::DocumentUrls) || quirks.has(Quirk::PlainAudio)
}

/// Says the parts of one message's content in the server's form.
pub(super) fn adapt(json: &str, content: &RawValue, quirks: Quirks, edits: &mut Vec<Edit>) {
    for part in elements(content) {
        let all = members(part.value);
        if let Some(file) = get(&all, "file") {
            let all = members(file);
            let Some(data) = get(&all, "file_data") else { continue };
            if quirks.has(Quirk::DocumentUrls) {
                let said = Document {
                    kind: "document_url",
                    document_url: data,
                    document_name: get(&all, "filename"),
                };
                replace(json, part.value.get(), &write::body(&said), edits);
            } else if quirks.has(Quirk::FileUrls) && is_address(data) {
                replace(json, file.get(), &write::body(&File { url: data }), edits);
            }
        }
        if let Some(sound) = get(&all, "input_audio").filter(|_| quirks.has(Quirk::PlainAudio))
            && let Some(data) = get(&members(sound), "data")
        {
            replace(json, sound.get(), data.get().as_bytes(), edits);
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    document_url: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    document_name: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct File<'a> {
    url: &'a RawValue,
}

fn is_address(written: &RawValue) -> bool {
    let text = written.get();
    text.starts_with("\"https:") || text.starts_with("\"http:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passthrough::adapt_request;

    #[track_caller]
    fn check(quirk: Quirk, part: &str, expected: &str) {
        let body = |part: &str| format!(r#"{{"messages":[{{"content":[ {part} ]}}]}}"#);
        let fit = adapt_request(body(part).as_bytes(), Quirks::of(&[quirk])).value.into_owned();
        assert_eq!(String::from_utf8(fit).unwrap(), body(expected));
    }

    #[test]
    fn files_are_said_by_address_where_a_server_takes_that() {
        let at = r#"{"type":"file","file":{"filename":"a.pdf","file_data":"https://a.example/"}}"#;
        let data = r#"{"type":"file","file":{"file_data":"data:application/pdf;base64,AA=="}}"#;
        let id = r#"{"type":"file","file":{"file_id":"f"}}"#;
        let document = r#"{"type":"document_url","document_url":"https://a.example/","document_name":"a.pdf"}"#;
        check(Quirk::DocumentUrls, at, document);
        let document =
            r#"{"type":"document_url","document_url":"data:application/pdf;base64,AA=="}"#;
        check(Quirk::DocumentUrls, data, document);
        check(Quirk::FileUrls, at, r#"{"type":"file","file":{"url":"https://a.example/"}}"#);
        for quirk in [Quirk::FileUrls, Quirk::FileDataUrls, Quirk::PlainAudio] {
            check(quirk, data, data);
            check(quirk, id, id);
        }
        check(Quirk::DocumentUrls, id, id);
        check(Quirk::FileDataUrls, at, at);
    }

    #[test]
    fn a_sound_is_plain_where_a_server_wants_it_so() {
        let sound = r#"{"type":"input_audio","input_audio":{"format":"wav","data":"UklGRg=="}}"#;
        check(Quirk::PlainAudio, sound, r#"{"type":"input_audio","input_audio":"UklGRg=="}"#);
        check(Quirk::FileUrls, sound, sound);
    }
}
