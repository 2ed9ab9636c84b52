//! Draws values from what the user said.

/// Hands out what a text offers, each thing once.
pub(crate) struct Draw<'a> {
    text: &'a str,
    /// What stands in quotes, then names; the next one last.
    strings: Vec<&'a str>,
    /// The next one last.
    numbers: Vec<f64>,
}

/// Members that want the whole text.
const WHOLE: &[&str] =
    &["content", "input", "message", "prompt", "q", "query", "question", "search", "text"];

impl<'a> Draw<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let mut strings = quoted(text);
        let quotes = strings.clone();
        let known = |name: &str| quotes.iter().any(|quote| quote.contains(name));
        strings.extend(names(text).into_iter().filter(|name| !known(name)));
        strings.reverse();
        let mut numbers: Vec<f64> = numbers(text).collect();
        numbers.reverse();
        Self { text, strings, numbers }
    }

    /// A string for a member of this name.
    pub(crate) fn string(&mut self, member: &str) -> String {
        let whole = WHOLE.contains(&member.to_ascii_lowercase().as_str());
        if whole && quoted(self.text).is_empty() && !self.text.trim().is_empty() {
            return self.text.trim().to_owned();
        }
        self.strings.pop().map_or_else(|| "example".to_owned(), str::to_owned)
    }

    /// The next number, if it is one that `fits`.
    pub(crate) fn number(&mut self, fits: impl Fn(f64) -> bool) -> Option<f64> {
        let at = self.numbers.iter().rposition(|number| fits(*number))?;
        Some(self.numbers.remove(at))
    }
}

fn quoted(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (open, close) in [('"', '"'), ('“', '”'), ('`', '`')] {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once(open) {
            let Some((inside, after)) = after.split_once(close) else { break };
            if !inside.trim().is_empty() {
                found.push(inside);
            }
            rest = after;
        }
    }
    found
}

/// Words with a capital letter that do not begin a sentence.
fn names(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut begins = true;
    for word in text.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let capital = bare.chars().next().is_some_and(char::is_uppercase);
        if capital && !begins && bare.chars().count() > 1 {
            found.push(bare);
        }
        begins = word.ends_with(['.', '!', '?', ':']);
    }
    found
}

fn numbers(text: &str) -> impl Iterator<Item = f64> {
    text.split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-')))
        .filter_map(|word| word.trim_matches('.').parse::<f64>().ok())
        .filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_go_before_names_and_each_is_drawn_once() {
        let mut draw = Draw::new("How is Ghent, or “Den Haag”? Ask Ann.");
        let drawn: Vec<_> = (0..4).map(|_| draw.string("city")).collect();
        assert_eq!(drawn, ["Den Haag", "Ghent", "Ann", "example"]);
    }

    #[test]
    fn a_query_is_the_whole_text() {
        assert_eq!(Draw::new(" find Ada ").string("query"), "find Ada");
        assert_eq!(Draw::new("find \"Ada\"").string("query"), "Ada");
    }

    #[test]
    fn numbers_are_drawn_if_they_fit() {
        let mut draw = Draw::new("add 2 and 3.5, then -4.");
        assert_eq!(draw.number(|number| number < 0.0), Some(-4.0));
        assert_eq!(draw.number(|_| true), Some(2.0));
        assert_eq!(draw.number(|_| true), Some(3.5));
        assert_eq!(draw.number(|_| true), None);
    }
}
