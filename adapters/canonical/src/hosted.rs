//! Tools that the provider runs itself: what a client may ask for, and what was done with them.
//!
//! A client has nothing to answer there, so none of this is ever a call of the client's tools. Each
//! value keeps what its dialect wrote, byte for byte, for that dialect; beside it stands what it
//! means, for all others.

use std::fmt;
use std::fmt::Write as _;

use serde_json::value::RawValue;

use crate::chat::{Message, Opaque, Part, Role, Thought};
use crate::delta::PartKind;
use crate::dialect::Dialect;

/// A tool that the provider runs itself.
#[derive(Clone, Debug)]
pub struct HostedTool {
    /// What it does.
    pub does: Hosted,
    /// The same as the client wrote it, for providers of its dialect; `None` where it was no tool of
    /// its own there.
    pub own: Option<Opaque>,
}

impl HostedTool {
    /// What the client wrote, if `dialect` is the one it wrote it in.
    #[must_use]
    pub fn own(&self, dialect: Dialect) -> Option<&Opaque> {
        self.own.as_ref().filter(|own| own.dialect == dialect)
    }

    /// What a choice among the tools calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.does {
            Hosted::WebSearch(_) => WEB_SEARCH,
            Hosted::PageReading(_) => WEB_FETCH,
            Hosted::CodeExecution(_) => CODE_EXECUTION,
            Hosted::Mcp(server) => &server.label,
        }
    }
}

/// What a choice among tools calls a search of the web.
pub const WEB_SEARCH: &str = "web_search";
/// What it calls the reading of pages.
pub const WEB_FETCH: &str = "web_fetch";
/// What it calls a place where code runs.
pub const CODE_EXECUTION: &str = "code_execution";

/// What a hosted tool does.
///
/// Losses name members of a [`WebSearch`] `tools[i].web_search.…`, of a [`PageReading`]
/// `tools[i].web_fetch.…`, of a [`CodeExecution`] `tools[i].code_execution.…` and of a
/// [`McpServer`] `tools[i].mcp.…`.
#[derive(Clone, Debug)]
pub enum Hosted {
    /// Searches the web.
    WebSearch(WebSearch),
    /// Reads pages whose addresses stand in the conversation.
    PageReading(PageReading),
    /// Runs code that the model writes.
    CodeExecution(CodeExecution),
    /// Calls tools of a server that speaks the Model Context Protocol.
    Mcp(McpServer),
}

/// How the web is searched.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WebSearch {
    /// Only pages of these domains; empty for all.
    pub allowed_domains: Vec<String>,
    /// No pages of these domains.
    pub blocked_domains: Vec<String>,
    /// At most so many searches.
    pub max_uses: Option<u64>,
    /// About where the user is.
    pub location: Option<Location>,
    /// How much of what is found the model is shown: `low`, `medium` or `high`.
    pub context_size: Option<String>,
}

/// About where a user is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Location {
    /// The city.
    pub city: Option<String>,
    /// Two letters of ISO 3166-1.
    pub country: Option<String>,
    /// A region of the country.
    pub region: Option<String>,
    /// A time zone of the IANA.
    pub timezone: Option<String>,
}

/// How pages are read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PageReading {
    /// Only pages of these domains; empty for all.
    pub allowed_domains: Vec<String>,
    /// No pages of these domains.
    pub blocked_domains: Vec<String>,
    /// At most so many pages.
    pub max_uses: Option<u64>,
    /// At most so many tokens of a page.
    pub max_content_tokens: Option<u64>,
    /// Whether the answer must say which words of a page it rests on.
    pub citations: bool,
}

/// Where code runs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CodeExecution {
    /// Whether there is a shell too, and files that stay: not only Python.
    pub shell: bool,
}

/// A server that speaks the Model Context Protocol. Its tools run without anybody's approval.
#[derive(Clone, Debug, Default)]
pub struct McpServer {
    /// What calls name it by.
    pub label: String,
    /// Where it is.
    pub url: String,
    /// What it is told to let the provider in.
    pub authorization: Option<Token>,
    /// Only these of its tools; `None` for all.
    pub allowed_tools: Option<Vec<String>>,
}

/// A credential; it never shows in what is printed.
#[derive(Clone, Eq, PartialEq)]
pub struct Token(String);

impl Token {
    /// Keeps `secret` out of sight.
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself, to be written to the provider.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Opaque {
    /// Why other providers are not offered a tool that only one dialect has: lower case, no full
    /// stop.
    #[must_use]
    pub fn why_lost(&self) -> &'static str {
        #[derive(serde::Deserialize)]
        struct Tool<'a> {
            #[serde(borrow, rename = "type")]
            kind: Option<std::borrow::Cow<'a, str>>,
        }

        let json = self.json.get();
        let tool = serde_json::from_str::<Tool<'_>>(json).ok();
        let kind = tool.and_then(|tool| tool.kind);
        // Gemini's tools have no type: the name of the only member says it.
        let kind = kind.as_deref().or_else(|| json.split('"').nth(1)).unwrap_or_default();
        match kind {
            kind if kind.starts_with("file_search") || kind.starts_with("fileSearch") => {
                "the files it searches lie with the provider that keeps them"
            }
            kind if kind.starts_with("computer") || kind.starts_with("browser") => {
                "each provider drives a screen with actions of its own, which the client would not know"
            }
            "image_generation" => "no other provider draws pictures with a tool",
            kind if kind.starts_with("mcp") => "other providers could not keep to what it allows",
            _ => "only providers of another dialect have this tool",
        }
    }
}

/// Something a provider did with a tool of its own, or what came of it, or both.
#[derive(Clone, Debug)]
pub struct HostedStep {
    /// Names the deed: what came of it bears the same name. Never empty.
    pub id: String,
    /// What was done, where this says so.
    pub action: Option<Action>,
    /// What came of it, where this says so.
    pub outcome: Option<Outcome>,
    /// The same as the provider wrote it, to be sent back to it; `None` where it is no part of the
    /// answer there.
    pub own: Option<Opaque>,
}

/// What was done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// The web was searched for these words.
    Search {
        /// What was searched for; empty where nobody says.
        queries: Vec<String>,
    },
    /// A page was read.
    ReadPage {
        /// Its address.
        url: String,
    },
    /// Code was run.
    RunCode {
        /// The code, or the command.
        code: String,
        /// What it is written in, such as `python` or `bash`.
        language: &'static str,
    },
    /// A tool of a server was called.
    CallMcp {
        /// Which server.
        server: String,
        /// Which tool.
        tool: String,
        /// JSON.
        arguments: String,
    },
}

/// What came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Pages were found or read.
    Pages(Vec<Page>),
    /// Code ran.
    Ran {
        /// What it printed, errors included.
        output: String,
        /// Whether it ended well.
        ok: bool,
    },
    /// A tool of a server answered.
    Answered {
        /// In words.
        text: String,
        /// Whether it did what it was asked.
        ok: bool,
    },
    /// Nothing, and why not, in the provider's word, such as `max_uses_exceeded`.
    Failed(String),
}

/// How a thought begins that is none, but carries what a provider wrote.
const CARRIED: &str = "step:";

/// The most that is carried, in bytes: what is larger would burden each further request more than
/// it helps.
const MOST_CARRIED: usize = 128 << 10;

/// What a provider must be sent back, and what has no form in the client's dialect, travels as a
/// thought that only this provider can read: those go to clients of every dialect and come back
/// unread.
impl Opaque {
    fn carried(&self) -> Option<Thought> {
        let json = self.json.get();
        (json.len() <= MOST_CARRIED).then(|| Thought {
            redacted: Some(format!("{CARRIED}{json}")),
            origin: Some(self.dialect),
            ..Thought::default()
        })
    }
}

impl Part {
    /// What carries this part of an answer through a client of another dialect, behind it.
    #[must_use]
    pub fn carrier(&self) -> Option<Self> {
        let own = match self {
            Self::Hosted(step) => step.own.as_ref(),
            Self::Opaque(own) => Some(own),
            Self::Text(_)
            | Self::Image(_)
            | Self::Audio(_)
            | Self::Video(_)
            | Self::Document(_)
            | Self::Reasoning(_)
            | Self::Refusal(_)
            | Self::ToolCall(_)
            | Self::ToolResult(_) => None,
        };
        own?.carried().map(Self::Reasoning)
    }
}

impl PartKind {
    /// The same for a part of a stream.
    #[must_use]
    pub fn carrier(&self) -> Option<Self> {
        let own = match self {
            Self::Hosted(step) => step.own.as_ref(),
            Self::Opaque(own) => Some(own),
            Self::Text
            | Self::Reasoning { .. }
            | Self::Refusal
            | Self::ToolCall { .. }
            | Self::Image(_)
            | Self::Audio(_) => None,
        };
        let Thought { redacted, origin, id, .. } = own?.carried()?;
        Some(Self::Reasoning { redacted, origin, id })
    }
}

impl PartKind {
    /// Whether it is what carries something of a provider of `dialect`: its own clients do not need
    /// that.
    #[must_use]
    pub fn carries(&self, dialect: Dialect) -> bool {
        match self {
            Self::Reasoning { redacted: Some(carried), origin, .. } => {
                *origin == Some(dialect) && carried.starts_with(CARRIED)
            }
            Self::Text
            | Self::Reasoning { .. }
            | Self::Refusal
            | Self::ToolCall { .. }
            | Self::Image(_)
            | Self::Audio(_)
            | Self::Hosted(_)
            | Self::Opaque(_) => false,
        }
    }
}

impl Thought {
    /// What it carries, if it is of a provider of `dialect` and carries something: to be sent back
    /// in its place.
    #[must_use]
    pub fn carries(&self, dialect: Dialect) -> Option<&RawValue> {
        let carried = self.redacted.as_deref().filter(|_| self.origin == Some(dialect))?;
        serde_json::from_str(carried.strip_prefix(CARRIED)?).ok()
    }

    /// Whether it carries something, whoever wrote that.
    #[must_use]
    pub fn is_carrier(&self) -> bool {
        self.redacted.as_deref().is_some_and(|carried| carried.starts_with(CARRIED))
    }
}

/// Whether the part behind `messages[at].parts[..nth]` is only how a client was shown what a
/// provider of `dialect` did: what that wrote itself follows.
#[must_use]
pub fn is_shown_only(messages: &[Message], at: usize, nth: usize, dialect: Dialect) -> bool {
    let within = messages.get(at).map_or(&[][..], |message| &*message.parts);
    let after = messages.get(at + 1..).unwrap_or_default();
    let after = after.iter().take_while(|message| message.role == Role::Assistant);
    let mut rest = within.iter().skip(nth + 1).chain(after.flat_map(|message| &message.parts));
    let next = rest.find(|part| !matches!(part, Part::Hosted(step) if step.own(dialect).is_none()));
    matches!(next, Some(Part::Reasoning(thought)) if thought.carries(dialect).is_some())
}

/// A page of the web.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Page {
    /// Its address.
    pub url: String,
    /// Its title.
    pub title: Option<String>,
}

impl HostedStep {
    /// What the provider wrote, if `dialect` is the one it wrote it in.
    #[must_use]
    pub fn own(&self, dialect: Dialect) -> Option<&Opaque> {
        self.own.as_ref().filter(|own| own.dialect == dialect)
    }

    /// The step in words, for a provider that did not take it and has no form for it. `None` where
    /// the answer beside it says all that mattered: what was searched for and read.
    #[must_use]
    pub fn in_words(&self) -> Option<String> {
        let mut words = String::new();
        // Writing to a string cannot fail.
        match &self.action {
            Some(Action::RunCode { code, language }) => {
                let _ = write!(words, "This code was run:\n```{language}\n{code}\n```");
            }
            Some(Action::CallMcp { server, tool, arguments }) => {
                let _ = write!(words, "The tool `{tool}` of `{server}` was called:\n{arguments}");
            }
            Some(Action::Search { .. } | Action::ReadPage { .. }) | None => {}
        }
        let (outcome, ok) = match &self.outcome {
            Some(Outcome::Ran { output: text, ok } | Outcome::Answered { text, ok }) => (text, *ok),
            Some(Outcome::Pages(_) | Outcome::Failed(_)) | None => {
                return Some(words).filter(|words| !words.is_empty());
            }
        };
        if !words.is_empty() {
            words.push('\n');
        }
        let what = if ok { "It gave" } else { "It failed with" };
        let _ = write!(words, "{what}:\n{outcome}");
        Some(words)
    }

    /// About how many bytes it takes in any dialect.
    pub(crate) fn length(&self) -> usize {
        self.own.as_ref().map_or(0, |own| own.json.get().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(action: Option<Action>, outcome: Option<Outcome>) -> HostedStep {
        HostedStep { id: "s".to_owned(), action, outcome, own: None }
    }

    #[test]
    fn what_a_provider_wrote_is_carried_to_it_and_to_nobody_else() {
        let json = RawValue::from_string(r#"{"a": 1.0}"#.to_owned()).unwrap();
        let part = Part::Opaque(Opaque::new(Dialect::Gemini, &json));
        let Some(Part::Reasoning(thought)) = part.carrier() else { panic!("a carrier expected") };
        assert!(thought.is_carrier());
        assert_eq!(thought.carries(Dialect::Gemini).unwrap().get(), json.get());
        assert!(thought.carries(Dialect::Anthropic).is_none());
        let long = RawValue::from_string(format!("\"{}\"", "x".repeat(MOST_CARRIED))).unwrap();
        assert!(Part::Opaque(Opaque::new(Dialect::Gemini, &long)).carrier().is_none());
    }

    #[test]
    fn a_token_is_never_printed() {
        let server =
            McpServer { authorization: Some(Token::new("sk".into())), ..Default::default() };
        let said = format!("{server:?}");
        assert!(said.contains("***") && !said.contains("sk"), "{said}");
    }

    #[test]
    fn code_is_told_in_words_and_a_search_is_not() {
        let code = Action::RunCode { code: "print(1)".to_owned(), language: "python" };
        let ran = Outcome::Ran { output: "1\n".to_owned(), ok: true };
        assert_eq!(
            step(Some(code), Some(ran)).in_words().as_deref(),
            Some("This code was run:\n```python\nprint(1)\n```\nIt gave:\n1\n")
        );
        let answered = Outcome::Answered { text: "no".to_owned(), ok: false };
        assert_eq!(step(None, Some(answered)).in_words().as_deref(), Some("It failed with:\nno"));
        let search = Action::Search { queries: vec!["q".to_owned()] };
        assert_eq!(step(Some(search), Some(Outcome::Pages(Vec::new()))).in_words(), None);
    }
}
