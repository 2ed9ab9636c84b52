//! Tools that the client runs and whose form the model knows without being told: a shell, an editor
//! of files, and a memory (<https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview>).
//! Models of other providers are told it, as a function of the same name: what they call it with is
//! what the client expects.

use adapters_canonical::chat::Function;
use serde_json::value::RawValue;

const BASH: &str = r#"{"type":"object","properties":{"command":{"type":"string","description":"The command to run"},"restart":{"type":"boolean","description":"Set to start the shell anew"}}}"#;

const EDITOR: &str = r#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert"]},"path":{"type":"string","description":"The file or directory"},"view_range":{"type":"array","items":{"type":"integer"},"description":"For view: the first and the last line, counted from 1; -1 is the end"},"file_text":{"type":"string","description":"For create: all of the file"},"old_str":{"type":"string","description":"For str_replace: the text to replace; it must be there exactly once"},"new_str":{"type":"string","description":"For str_replace: the text in its place"},"insert_line":{"type":"integer","description":"For insert: the line after which to insert; 0 is the beginning"},"insert_text":{"type":"string","description":"For insert: the text"}},"required":["command","path"]}"#;

const MEMORY: &str = r#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert","delete","rename"]},"path":{"type":"string","description":"A file or directory below /memories"},"view_range":{"type":"array","items":{"type":"integer"}},"file_text":{"type":"string","description":"For create: all of the file"},"old_str":{"type":"string","description":"For str_replace: the text to replace"},"new_str":{"type":"string","description":"For str_replace: the text in its place"},"insert_line":{"type":"integer","description":"For insert: the line after which to insert"},"insert_text":{"type":"string","description":"For insert: the text"},"old_path":{"type":"string","description":"For rename: the old name"},"new_path":{"type":"string","description":"For rename: the new name"}},"required":["command"]}"#;

/// The tool of type `kind` and of this `name` as a function; `None` if it is of another type, or of a
/// version with another form.
pub(super) fn function(kind: &str, name: &str) -> Option<Function> {
    let (description, schema) = match kind {
        "bash_20250124" => ("Runs a command in a shell that stays open.", BASH),
        "text_editor_20250429" | "text_editor_20250728" => {
            ("Shows, creates and edits files of the user.", EDITOR)
        }
        "memory_20250818" => {
            ("Keeps files in /memories from one conversation to the next.", MEMORY)
        }
        _ => return None,
    };
    let parameters = RawValue::from_string(schema.to_owned()).ok()?;
    Some(Function {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        parameters: Some(parameters),
        ..Function::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_a_schema() {
        for kind in ["bash_20250124", "text_editor_20250728", "memory_20250818"] {
            let function = function(kind, "it").unwrap();
            let schema = function.parameters.unwrap();
            let schema: serde_json::Value = serde_json::from_str(schema.get()).unwrap();
            assert_eq!(schema["type"], "object", "{kind}");
        }
        assert!(function("computer_20251124", "computer").is_none());
    }
}
