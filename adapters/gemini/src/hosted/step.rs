//! Parts that say which code was run, and what it printed.

use adapters_canonical::chat::Opaque;
use adapters_canonical::dialect::Dialect;
use adapters_canonical::hosted::{Action, HostedStep, Outcome};
use adapters_json::object::{Ignored, object};
use adapters_json::string::Str;
use serde_json::value::RawValue;

object! {
    /// A part with one of the two.
    Part<'a> {
        executable_code or "executableCode": Code<'a>,
        code_execution_result or "codeExecutionResult": Printed<'a>,
        ..others: Ignored
    }
}

object! {
    /// Code that was run.
    Code<'a> {
        id: Str<'a>,
        code: String,
        ..others: Ignored
    }
}

object! {
    /// What it printed.
    Printed<'a> {
        id: Str<'a>,
        outcome: Str<'a>,
        output: String,
        ..others: Ignored
    }
}

/// Reads such parts of one answer. A result belongs to the code before it; few models name them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Codes(u32);

impl Codes {
    /// Reads a part of the answer `choice`; `None` if it is of another kind.
    pub(crate) fn read(&mut self, raw: &RawValue, choice: u32) -> Option<HostedStep> {
        let part: Part<'_> = serde_json::from_str(raw.get()).ok()?;
        let own = Some(Opaque::new(Dialect::Gemini, raw));
        if let Some(Code { id, code, .. }) = part.executable_code {
            self.0 = self.0.saturating_add(1);
            let code = code.unwrap_or_default();
            let action = Some(Action::RunCode { code, language: "python" });
            return Some(HostedStep { id: self.name(id, choice), action, outcome: None, own });
        }
        let Printed { id, outcome, output, .. } = part.code_execution_result?;
        let ok = outcome.is_none_or(|outcome| &*outcome == "OUTCOME_OK");
        let outcome = Some(Outcome::Ran { output: output.unwrap_or_default(), ok });
        Some(HostedStep { id: self.name(id, choice), action: None, outcome, own })
    }

    fn name(self, id: Option<Str<'_>>, choice: u32) -> String {
        let id = id.filter(|id| !id.is_empty());
        id.map_or_else(|| format!("code_{choice}_{}", self.0), String::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_belongs_to_the_code_before_it() {
        let mut codes = Codes::default();
        let mut read = |json: &str| codes.read(&RawValue::from_string(json.to_owned()).unwrap(), 0);
        let code = r#"{"executableCode":{"language":"PYTHON","code":"print(1)"}}"#;
        let printed = r#"{"codeExecutionResult":{"outcome":"OUTCOME_FAILED","output":"1"}}"#;
        let (first, result) = (read(code).unwrap(), read(printed).unwrap());
        assert_eq!((&first.id, &result.id), (&"code_0_1".to_owned(), &"code_0_1".to_owned()));
        let output = "1".to_owned();
        assert_eq!(result.outcome, Some(Outcome::Ran { output, ok: false }));
        assert_eq!(read(code).unwrap().id, "code_0_2");
        assert_eq!(read(r#"{"executableCode":{"id":"x","code":""}}"#).unwrap().id, "x");
        assert!(read(r#"{"toolCall":{"id":"x"}}"#).is_none());
    }
}
