//! What the generations of Gemini take, told from the model's name.

use std::borrow::Cow;
use std::fmt::Write as _;

use adapters_canonical::loss::DecodeError;

/// A model by the name the provider gives it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model<'a> {
    /// With or without `models/` before it.
    name: &'a str,
    /// Major and minor version; `None` for names without one, such as `gemini-flash-latest`,
    /// which are taken for the newest.
    version: Option<(u32, u32)>,
}

/// How a model is told how much to think.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Thinking {
    /// It does not think (before 2.5).
    Never,
    /// By a number of tokens between these two; 0 as well if thinking can be switched off.
    Budget { off: bool, min: u32, max: u32 },
    /// By a level; `minimal` and `medium` say whether it has those two.
    Level { minimal: bool, medium: bool },
}

/// Whether a model takes tools that its provider runs itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum OwnTools {
    /// Not in the form that we write (before 2.0).
    None,
    /// Where there are no functions of the client's, and no form of the answer.
    Alone,
    /// Beside functions too: Gemini 3 and later
    /// (<https://ai.google.dev/gemini-api/docs/tool-combination>).
    BesideFunctions,
}

impl<'a> Model<'a> {
    pub(crate) fn new(name: &'a str) -> Self {
        Self { name, version: version(last_segment(name)) }
    }

    /// Whether signatures are checked and calls have ids: Gemini 3 and later.
    pub(super) fn seals_calls(self) -> bool {
        self.version.is_none_or(|(major, _)| major >= 3)
    }

    /// Whether the model is addressed as Vertex AI does it.
    pub(crate) fn on_vertex(self) -> bool {
        self.name.starts_with("publishers/") || self.name.starts_with("projects/")
    }

    pub(super) fn hosted(self) -> OwnTools {
        match self.version {
            Some((..=1, _)) => OwnTools::None,
            Some((2, _)) => OwnTools::Alone,
            Some(_) | None => OwnTools::BesideFunctions,
        }
    }

    pub(super) fn thinking(self) -> Thinking {
        let name = last_segment(self.name);
        let (lite, pro) = (name.contains("lite"), name.contains("pro"));
        match self.version {
            Some((major, minor)) if (major, minor) < (2, 5) => Thinking::Never,
            Some((major, _)) if major < 3 => match (pro, lite) {
                (true, _) => Thinking::Budget { off: false, min: 128, max: 32_768 },
                (_, true) => Thinking::Budget { off: true, min: 512, max: 24_576 },
                _ => Thinking::Budget { off: true, min: 1, max: 24_576 },
            },
            // From 3.7 on only the lite models have `MINIMAL`; 3.0 Pro alone lacks `MEDIUM`.
            version => Thinking::Level {
                minimal: !pro && (lite || version.is_some_and(|version| version < (3, 7))),
                medium: !(pro && version == Some((3, 0))),
            },
        }
    }

    /// The name with the collection it is in, as bodies have it.
    pub(crate) fn full_name(self) -> Cow<'a, str> {
        if self.is_full() {
            Cow::Borrowed(self.name)
        } else {
            Cow::Owned(format!("models/{}", self.name))
        }
    }

    fn is_full(self) -> bool {
        let collections = ["models/", "tunedModels/", "publishers/", "projects/"];
        collections.iter().any(|collection| self.name.starts_with(collection))
    }

    /// Path and query of the method that answers for this model.
    ///
    /// A name that already says which collection it is in (`models/`, `tunedModels/`,
    /// `publishers/`, `projects/`) keeps it.
    pub(crate) fn path(self, version: &str, streaming: bool) -> Result<String, DecodeError> {
        let method = if streaming { "streamGenerateContent?alt=sse" } else { "generateContent" };
        self.method(version, method)
    }

    /// Path and query of `method` for this model.
    pub(crate) fn method(self, version: &str, method: &str) -> Result<String, DecodeError> {
        if self.name.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(DecodeError::shape("model", "not a model's name at this provider"));
        }
        let mut path = String::with_capacity(self.name.len() + 64);
        path.push('/');
        percent_encode(version, &mut path);
        path.push_str(if self.is_full() { "/" } else { "/models/" });
        percent_encode(self.name, &mut path);
        path.push(':');
        path.push_str(method);
        Ok(path)
    }
}

fn last_segment(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The `2.5` of `gemini-2.5-flash`.
fn version(name: &str) -> Option<(u32, u32)> {
    let numbers = name.strip_prefix("gemini-")?.split('-').next()?;
    let (major, minor) = numbers.split_once('.').unwrap_or((numbers, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(model: &str, streaming: bool) -> String {
        Model::new(model).path("v1beta", streaming).unwrap()
    }

    #[test]
    fn the_path_names_the_collection_exactly_once() {
        assert_eq!(path("gemini-2.5-pro", false), "/v1beta/models/gemini-2.5-pro:generateContent");
        assert_eq!(path("models/x", false), "/v1beta/models/x:generateContent");
        assert_eq!(path("tunedModels/x", false), "/v1beta/tunedModels/x:generateContent");
        assert_eq!(
            path("publishers/google/models/x", true),
            "/v1beta/publishers/google/models/x:streamGenerateContent?alt=sse"
        );
    }

    #[test]
    fn a_name_cannot_leave_its_place_in_the_path() {
        assert_eq!(path("a b?c#d", false), "/v1beta/models/a%20b%3Fc%23d:generateContent");
        assert!(Model::new("models/../files").path("v1beta", false).is_err());
        assert!(Model::new("").path("v1beta", false).is_err());
    }

    #[test]
    fn generations_think_in_their_own_way() {
        let thinking = |name| Model::new(name).thinking();
        assert_eq!(thinking("gemini-2.0-flash"), Thinking::Never);
        assert_eq!(
            thinking("models/gemini-2.5-pro"),
            Thinking::Budget { off: false, min: 128, max: 32_768 }
        );
        let level = |minimal, medium| Thinking::Level { minimal, medium };
        assert_eq!(thinking("gemini-3-flash-preview"), level(true, true));
        assert_eq!(thinking("gemini-3-pro-preview"), level(false, false));
        assert_eq!(thinking("gemini-3.1-pro-preview"), level(false, true));
        assert_eq!(thinking("gemini-3.7-flash"), level(false, true));
        assert_eq!(thinking("gemini-3.7-flash-lite"), level(true, true));
        assert_eq!(thinking("gemini-flash-latest"), level(false, true));
    }

    #[test]
    fn a_name_without_a_version_is_taken_for_the_newest() {
        assert!(Model::new("gemini-flash-latest").seals_calls());
        assert!(Model::new("tunedModels/mine").seals_calls());
        assert!(!Model::new("gemini-2.5-flash").seals_calls());
    }
}
