//! Tokens, by a rule that everybody can check by hand.

/// Cuts a text into tokens: a run of letters and digits, or any other character that is not a
/// space, each with the spaces before it. Spaces at the end belong to the last token. The tokens
/// together are the text.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (token, after) = rest.split_at(first_end(rest));
        rest = after;
        Some(token)
    })
}

/// How many tokens a text has; spaces alone are none.
pub(crate) fn count(text: &str) -> u64 {
    tokens(text).filter(|token| !token.trim().is_empty()).fold(0, |count, _| count + 1)
}

fn first_end(text: &str) -> usize {
    let start = text.len() - text.trim_start().len();
    let body = &text[start..];
    let end = match body.chars().next() {
        None => text.len(),
        Some(first) if first.is_alphanumeric() => {
            let run = body.find(|c: char| !c.is_alphanumeric()).unwrap_or(body.len());
            start + run
        }
        Some(other) => start + other.len_utf8(),
    };
    // What is left after the last token goes with it.
    if text[end..].trim().is_empty() { text.len() } else { end }
}

/// The first `limit` tokens of a text, and how many those are.
pub(crate) fn first(text: &str, limit: u64) -> (&str, u64) {
    let (mut end, mut taken) = (0, 0);
    for token in tokens(text) {
        if taken == limit {
            break;
        }
        end += token.len();
        taken += u64::from(!token.trim().is_empty());
    }
    (&text[..end], taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_and_marks_are_tokens() {
        let cut: Vec<_> = tokens(" It's 21 °C. ").collect();
        assert_eq!(cut, [" It", "'", "s", " 21", " °", "C", ". "]);
        assert_eq!((count(" It's 21 °C. "), count("  "), count("")), (7, 0, 0));
    }

    #[test]
    fn a_text_is_cut_between_tokens() {
        assert_eq!(first("one two, three", 2), ("one two", 2));
        assert_eq!(first("one two", 9), ("one two", 2));
        assert_eq!(first("one", 0), ("", 0));
    }

    proptest! {
        #[test]
        fn tokens_together_are_the_text(text in ".{0,40}") {
            prop_assert_eq!(tokens(&text).collect::<String>(), text.clone());
            let (cut, taken) = first(&text, 3);
            prop_assert!(taken <= 3 && text.starts_with(cut));
            prop_assert_eq!(count(cut), taken);
        }
    }
}
