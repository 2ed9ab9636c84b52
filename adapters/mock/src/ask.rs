//! Which tools a request asks for.

use adapters_canonical::chat::{ChatRequest, CustomTool, Function, Tool, ToolChoice, ToolKind};

/// A tool the model can call.
#[derive(Clone, Copy)]
pub(crate) enum Offer<'a> {
    Function(&'a Function),
    Custom(&'a CustomTool),
}

impl<'a> Offer<'a> {
    pub(crate) fn name(self) -> &'a str {
        match self {
            Self::Function(function) => &function.name,
            Self::Custom(custom) => &custom.name,
        }
    }

    pub(crate) fn kind(self) -> ToolKind {
        match self {
            Self::Function(_) => ToolKind::Function,
            Self::Custom(_) => ToolKind::Custom,
        }
    }

    fn description(self) -> &'a str {
        match self {
            Self::Function(function) => function.description.as_deref().unwrap_or_default(),
            Self::Custom(custom) => custom.description.as_deref().unwrap_or_default(),
        }
    }
}

/// Says in so many words that some tool is wanted.
const WISHES: &[&str] = &["call", "invoke", "run", "tool", "tools", "use", "using"];
/// Says what any tool does.
const COMMON: &[&str] = &[
    "call", "create", "execute", "fetch", "find", "from", "function", "list", "make", "read",
    "retrieve", "show", "tool", "update", "with", "write",
];

/// The tools to call for `text`, what the user said last.
pub(crate) fn asked<'a>(request: &'a ChatRequest, text: &str) -> Vec<Offer<'a>> {
    let mut offers: Vec<Offer<'a>> = request.tools.iter().filter_map(offer).collect();
    let required = match &request.tool_choice {
        Some(ToolChoice::None) => return Vec::new(),
        Some(ToolChoice::Named(name)) => {
            offers.retain(|offer| offer.name() == name);
            offers.truncate(1);
            return offers;
        }
        Some(ToolChoice::Allowed { names, required }) => {
            offers.retain(|offer| names.iter().any(|name| name == offer.name()));
            *required
        }
        Some(ToolChoice::Required) => true,
        Some(ToolChoice::Auto) | None => false,
    };
    let mut asked = wanted(&offers, text);
    if asked.is_empty() && required {
        asked.extend(offers.first());
    }
    if request.parallel_tool_calls == Some(false) {
        asked.truncate(1);
    }
    asked
}

fn offer(tool: &Tool) -> Option<Offer<'_>> {
    match tool {
        Tool::Function(function) => Some(Offer::Function(function)),
        Tool::Custom(custom) => Some(Offer::Custom(custom)),
        Tool::Hosted(_) | Tool::Opaque(_) => None,
    }
}

fn wanted<'a>(offers: &[Offer<'a>], text: &str) -> Vec<Offer<'a>> {
    let said = words(text);
    let lower = text.to_lowercase();
    let named: Vec<_> = offers
        .iter()
        .copied()
        .filter(|offer| {
            let name = offer.name().to_lowercase();
            let whole = !name.is_empty() && said.contains(&name.replace(['-', '.'], "_"));
            let spaced = name.contains('_') && lower.contains(&name.replace('_', " "));
            whole || spaced || telling(&name).any(|word| said_as(&said, &word))
        })
        .collect();
    if !named.is_empty() || !said.iter().any(|word| WISHES.contains(&word.as_str())) {
        return named;
    }
    // Some tool is wanted, but none by name.
    let fit = |offer: &Offer<'_>| {
        telling(&offer.description().to_lowercase()).filter(|word| said_as(&said, word)).count()
    };
    let best = offers.iter().copied().rev().max_by_key(fit);
    best.into_iter().collect()
}

/// The words of a text in lower case; `_` belongs to a word.
fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .replace('-', "_")
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The words of a name or a description that tell one tool from others.
fn telling(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() >= 4 && !COMMON.contains(word))
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

/// Whether a word was said, be it in the plural.
fn said_as(said: &[String], word: &str) -> bool {
    said.iter().any(|one| one == word || one.strip_suffix('s') == Some(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(tools: &[(&str, &str)]) -> ChatRequest {
        let tool = |(name, description): &(&str, &str)| {
            let (name, description) = ((*name).to_owned(), Some((*description).to_owned()));
            Tool::Function(Function { name, description, ..Function::default() })
        };
        ChatRequest { tools: tools.iter().map(tool).collect(), ..ChatRequest::default() }
    }

    fn tools() -> ChatRequest {
        request(&[
            ("get_weather", "Tells how warm it is in a city"),
            ("add", "Adds two numbers"),
            ("list-files", "Lists the files of a folder"),
        ])
    }

    #[track_caller]
    fn check(request: &ChatRequest, text: &str, expected: &[&str]) {
        let names: Vec<_> = asked(request, text).into_iter().map(Offer::name).collect();
        assert_eq!(names, expected, "{text}");
    }

    #[test]
    fn a_tool_is_asked_for_by_its_name_or_a_word_of_it() {
        check(&tools(), "What is the weather in Ghent?", &["get_weather"]);
        check(&tools(), "add 2 and 3", &["add"]);
        check(&tools(), "please get weather", &["get_weather"]);
        check(&tools(), "list_files, please", &["list-files"]);
        check(&tools(), "Hello!", &[]);
        check(&tools(), "I have an address list", &[]);
    }

    #[test]
    fn some_tool_is_found_if_some_tool_is_wanted() {
        check(&tools(), "use a tool", &["get_weather"]);
        check(&tools(), "use a tool on these numbers", &["add"]);
    }

    #[test]
    fn several_are_called_unless_that_is_forbidden() {
        let mut request = tools();
        check(&request, "add the weather", &["get_weather", "add"]);
        request.parallel_tool_calls = Some(false);
        check(&request, "add the weather", &["get_weather"]);
    }

    #[test]
    fn the_choice_goes_before_the_words() {
        let mut request = tools();
        request.tool_choice = Some(ToolChoice::Named("add".to_owned()));
        check(&request, "weather", &["add"]);
        request.tool_choice = Some(ToolChoice::None);
        check(&request, "weather", &[]);
        request.tool_choice = Some(ToolChoice::Required);
        check(&request, "Hello", &["get_weather"]);
        let names = vec!["add".to_owned()];
        request.tool_choice = Some(ToolChoice::Allowed { names: names.clone(), required: true });
        check(&request, "weather", &["add"]);
        request.tool_choice = Some(ToolChoice::Allowed { names, required: false });
        check(&request, "weather", &[]);
    }
}
