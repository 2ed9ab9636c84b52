//! Where a request goes: on OpenAI's servers the model stands in the body, on Azure's, where an API
//! version is asked for, in the path.

use std::fmt::Write as _;

use adapters_canonical::dialect::Target;

/// Path and query of `method`, such as `/chat/completions`, below the provider's base URL.
///
/// With an API version: `/openai/deployments/MODEL/chat/completions?api-version=VERSION`, as Azure
/// OpenAI's own SDK asks (`AzureOpenAI` in the PyPI package `openai`).
pub(crate) fn path(target: &Target<'_>, method: &str) -> String {
    let Some(version) = target.api_version else { return method.to_owned() };
    let mut path = String::with_capacity(64 + target.model.len() + method.len() + version.len());
    path.push_str("/openai/deployments/");
    escape(target.model, &mut path);
    path.push_str(method);
    path.push_str("?api-version=");
    escape(version, &mut path);
    path
}

/// The same of another endpoint, whose `path` may have a query. Without a model it is none of a
/// deployment's.
#[must_use]
pub fn pass_path(target: &Target<'_>, path_and_query: &str) -> String {
    match target.api_version {
        None => path_and_query.to_owned(),
        Some(_) if !target.model.is_empty() && !path_and_query.contains('?') => {
            path(target, path_and_query)
        }
        Some(version) => {
            let sign = if path_and_query.contains('?') { '&' } else { '?' };
            let mut path = format!("/openai{path_and_query}{sign}api-version=");
            escape(version, &mut path);
            path
        }
    }
}

/// Whatever could end a segment or a query; dots too where they would lead elsewhere.
fn escape(text: &str, out: &mut String) {
    let dots = matches!(text, "." | "..");
    for byte in text.bytes() {
        match byte {
            b'.' if dots => out.push_str("%2E"),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_stands_in_the_path_only_where_there_is_a_version() {
        let plain = Target { model: "gpt-5.4", api_version: None };
        assert_eq!(path(&plain, "/chat/completions"), "/chat/completions");
        let azure = Target { model: "my gpt/5?", api_version: Some("2025-04-01-preview") };
        assert_eq!(
            path(&azure, "/chat/completions"),
            "/openai/deployments/my%20gpt%2F5%3F/chat/completions?api-version=2025-04-01-preview"
        );
        let files = Target { model: "", ..azure };
        assert_eq!(pass_path(&files, "/files"), "/openai/files?api-version=2025-04-01-preview");
        let list = pass_path(&files, "/files?limit=2");
        assert_eq!(list, "/openai/files?limit=2&api-version=2025-04-01-preview");
        assert_eq!(pass_path(&azure, "/e"), path(&azure, "/e"));
        assert_eq!(pass_path(&plain, "/files?limit=2"), "/files?limit=2");
        let elsewhere = Target { model: "..", api_version: Some("1&x") };
        assert_eq!(path(&elsewhere, "/e"), "/openai/deployments/%2E%2E/e?api-version=1%26x");
    }
}
