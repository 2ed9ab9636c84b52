//! What does which model take? The API refuses what a model does not know, so we must know first.
//!
//! Read from the model pages, migration guides and SDK types of November 2026
//! (<https://platform.claude.com/docs/en/about-claude/models/overview>). One line per generation,
//! newest first within a family; a model that is newer than its family's first line is taken for
//! that line.

/// What one generation of models takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Capability {
    /// `max_tokens`, which the API demands, where the client named none. Less than the model's
    /// most where its context window is small: older models refuse a request whose input and
    /// `max_tokens` do not both fit into it.
    pub(crate) default_max_tokens: u64,
    /// The most it will write; `None` where we do not know.
    pub(crate) most_max_tokens: Option<u64>,
    /// Which of `temperature`, `top_p` and `top_k`.
    pub(crate) samplers: Samplers,
    /// How it is told to think.
    pub(crate) thinking: Thinking,
    /// Levels of `output_config.effort`, lowest first; empty if it takes none.
    pub(crate) efforts: &'static [&'static str],
    /// Whether a schema can be enforced on text and on tools.
    pub(crate) schemas: bool,
    /// Whether instructions may stand in mid-conversation with a role of their own.
    pub(crate) system_turns: bool,
    /// Whether a tool call can be forced (`any`, `tool`).
    pub(crate) forced_calls: bool,
    /// Whether it has tools that the provider runs itself: to search the web, to read pages and to
    /// run code.
    pub(crate) hosted: bool,
    /// Whether the assistant's last words may be the beginning of its answer.
    pub(crate) prefill: bool,
}

/// Which of `temperature`, `top_p` and `top_k` a model takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Samplers {
    All,
    /// Not `temperature` and `top_p` together.
    OneOfTwo,
    None,
}

/// How a model is told to think.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Thinking {
    /// It cannot.
    Never,
    /// With a number of tokens, if asked.
    Budget,
    /// By its own measure or with a number of tokens, if asked.
    AdaptiveOrBudget,
    /// By its own measure, if asked.
    Adaptive,
    /// By its own measure unless told `disabled`.
    UnlessDisabled,
    /// By its own measure unless told `between_tools`.
    UnlessBetweenTools,
    /// By its own measure, whatever it is told.
    Always,
}

const TO_HIGH_AND_MAX: &[&str] = &["low", "medium", "high", "max"];
const TO_MAX: &[&str] = &["low", "medium", "high", "xhigh", "max"];

/// Before Claude 3, and models of others that speak this dialect: nothing is taken for granted.
const PLAIN: Capability = Capability {
    default_max_tokens: 8_192,
    most_max_tokens: None,
    samplers: Samplers::All,
    thinking: Thinking::Never,
    efforts: &[],
    schemas: false,
    system_turns: false,
    forced_calls: true,
    hosted: false,
    prefill: true,
};
const CLAUDE_2: Capability =
    Capability { default_max_tokens: 4_096, most_max_tokens: Some(4_096), ..PLAIN };
const CLAUDE_3_5: Capability =
    Capability { default_max_tokens: 8_192, most_max_tokens: Some(8_192), hosted: true, ..PLAIN };
const SONNET_3_7: Capability = Capability {
    default_max_tokens: 32_000,
    most_max_tokens: Some(64_000),
    thinking: Thinking::Budget,
    hosted: true,
    ..PLAIN
};
const OPUS_4: Capability = Capability { most_max_tokens: Some(32_000), ..SONNET_3_7 };
const OPUS_4_1: Capability = Capability { samplers: Samplers::OneOfTwo, schemas: true, ..OPUS_4 };
const CLAUDE_4_5: Capability = Capability { most_max_tokens: Some(64_000), ..OPUS_4_1 };
const CLAUDE_4_6: Capability = Capability {
    default_max_tokens: 64_000,
    most_max_tokens: Some(128_000),
    thinking: Thinking::AdaptiveOrBudget,
    efforts: TO_HIGH_AND_MAX,
    prefill: false,
    ..CLAUDE_4_5
};
const OPUS_4_7: Capability = Capability {
    samplers: Samplers::None,
    thinking: Thinking::Adaptive,
    efforts: TO_MAX,
    ..CLAUDE_4_6
};
const OPUS_4_8: Capability = Capability { system_turns: true, ..OPUS_4_7 };
const CLAUDE_5: Capability = Capability { thinking: Thinking::UnlessDisabled, ..OPUS_4_8 };
const SONNET_5_5: Capability =
    Capability { thinking: Thinking::UnlessBetweenTools, forced_calls: false, ..CLAUDE_5 };
const FABLE_5: Capability = Capability { thinking: Thinking::Always, ..CLAUDE_5 };
const FABLE_5_1: Capability = Capability { forced_calls: false, ..FABLE_5 };

/// A model's place in its family: major and minor version.
type Version = (u8, u8);

const OPUS: &[(Version, Capability)] = &[
    ((5, 5), FABLE_5_1),
    ((5, 0), CLAUDE_5),
    ((4, 8), OPUS_4_8),
    ((4, 7), OPUS_4_7),
    ((4, 6), CLAUDE_4_6),
    ((4, 5), CLAUDE_4_5),
    ((4, 1), OPUS_4_1),
    ((4, 0), OPUS_4),
    ((0, 0), CLAUDE_2),
];
const SONNET: &[(Version, Capability)] = &[
    ((5, 5), SONNET_5_5),
    ((5, 0), CLAUDE_5),
    ((4, 6), CLAUDE_4_6),
    ((4, 5), CLAUDE_4_5),
    ((3, 7), SONNET_3_7),
    ((3, 5), CLAUDE_3_5),
    ((0, 0), CLAUDE_2),
];
const HAIKU: &[(Version, Capability)] =
    &[((5, 0), CLAUDE_5), ((4, 5), CLAUDE_4_5), ((3, 5), CLAUDE_3_5), ((0, 0), CLAUDE_2)];
/// Fable, Mythos and `claude-mythos-preview`, which has no number.
const FABLE: &[(Version, Capability)] = &[((5, 1), FABLE_5_1), ((0, 0), FABLE_5)];

impl Capability {
    /// What the model called `name` takes. Knows the names of other clouds too, such as
    /// `us.anthropic.claude-opus-4-6-v1` and `claude-sonnet-4-5@20250929`.
    pub(crate) fn of(name: &str) -> Self {
        let Some(at) = name.find("claude") else {
            return PLAIN;
        };
        let name = &name[at..];
        let family = if name.contains("sonnet") {
            SONNET
        } else if name.contains("haiku") {
            HAIKU
        } else if name.contains("fable") || name.contains("mythos") {
            FABLE
        } else {
            OPUS
        };
        let newest = (u8::MAX, u8::MAX);
        let version = match version(name) {
            None if name.contains("preview") => (0, 0),
            None => newest,
            Some(version) => version,
        };
        family
            .iter()
            .find(|(since, _)| version >= *since)
            .map_or(PLAIN, |(_, capability)| *capability)
    }
}

/// The first number of one or two digits, and the one right behind it. Dates have eight.
fn version(name: &str) -> Option<Version> {
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let number = |word: &str| if word.len() <= 2 { word.parse::<u8>().ok() } else { None };
    let major = words.find_map(number)?;
    Some((major, words.next().and_then(number).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Capability) {
        assert_eq!(Capability::of(name), expected, "{name}");
    }

    #[test]
    fn every_published_name_finds_its_generation() {
        check("claude-2.1", CLAUDE_2);
        check("claude-instant-1.2", CLAUDE_2);
        check("claude-3-opus-20240229", CLAUDE_2);
        check("claude-3-haiku-20240307", CLAUDE_2);
        check("claude-3-5-haiku-latest", CLAUDE_3_5);
        check("claude-3-5-sonnet-20241022", CLAUDE_3_5);
        check("claude-3-7-sonnet-20250219", SONNET_3_7);
        check("claude-opus-4-20250514", OPUS_4);
        check("claude-sonnet-4-0", SONNET_3_7);
        check("claude-opus-4-1-20250805", OPUS_4_1);
        check("claude-haiku-4-5-20251001", CLAUDE_4_5);
        check("claude-opus-4-5", CLAUDE_4_5);
        check("claude-sonnet-4-6", CLAUDE_4_6);
        check("claude-opus-4-7", OPUS_4_7);
        check("claude-opus-4-8", OPUS_4_8);
        check("claude-mythos-preview", FABLE_5);
        check("claude-opus-5", CLAUDE_5);
        check("claude-sonnet-5", CLAUDE_5);
        check("claude-fable-5", FABLE_5);
        check("claude-haiku-5-5", CLAUDE_5);
        check("claude-sonnet-5-5", SONNET_5_5);
        check("claude-opus-5-5", FABLE_5_1);
        check("claude-mythos-5-2", FABLE_5_1);
    }

    #[test]
    fn names_of_other_clouds_are_read_too() {
        check("us.anthropic.claude-opus-4-6-v1", CLAUDE_4_6);
        check("anthropic.claude-opus-4-1-20250805-v1:0", OPUS_4_1);
        check("claude-opus-4@20250514", OPUS_4);
        check("anthropic/claude-4.7-opus", OPUS_4_7);
    }

    #[test]
    fn an_unknown_claude_is_taken_for_the_newest_and_a_stranger_for_the_plainest() {
        check("claude-sonnet-9", SONNET_5_5);
        check("claude-sonnet-latest", SONNET_5_5);
        check("deepseek-chat", PLAIN);
        check("", PLAIN);
    }
}
