//! Which words of an answer reach a client, found by changing them one at a time.
//!
//! A scalar is *said* if the client's answer, or what is reported of it, changes with it. It is *lost* if not, and a loss is
//! reported because of it: one that vanishes when the scalar, or the least object around it that
//! brings the loss about, is taken away. Everything else is dropped in silence.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A place in an answer.
pub type Path = Vec<Step>;

/// One step on the way to a place.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Step {
    /// A member of an object.
    Member(String),
    /// An element of an array.
    Element(usize),
}

/// What a client gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Its answer.
    pub body: Value,
    /// What is reported as lost, each with its path free of numbers, and how often.
    pub losses: BTreeMap<String, usize>,
}

/// What becomes of a scalar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// The client is told.
    Said,
    /// It is not, and that is reported.
    Lost,
    /// It is not, and nobody says so.
    Silent,
}

/// What becomes of the scalars at `places` of `answer`. `tell` is the way to the client; `None` if
/// the answer cannot be read.
pub fn fates(
    answer: &Value,
    places: &[Path],
    told: &Told,
    tell: &dyn Fn(&Value) -> Option<Told>,
) -> Vec<Fate> {
    let causes = causes(answer, told, tell);
    let fate = |path: &Path| {
        let Some(value) = at(answer, path) else { return Fate::Silent };
        let name = name(path);
        let said = others(name, value).into_iter().any(|other| {
            let mut answer = answer.clone();
            set(&mut answer, path, other);
            tell(&answer).is_some_and(|other| other != *told)
        });
        match said {
            true => Fate::Said,
            false if causes.iter().any(|cause| path.starts_with(cause)) => Fate::Lost,
            false => Fate::Silent,
        }
    };
    places.iter().map(fate).collect()
}

/// The scalars of an answer that `plain` does not have in the same place.
#[must_use]
pub fn new_scalars(answer: &Value, plain: &Value) -> Vec<Path> {
    let mut all = Vec::new();
    walk(answer, &mut Vec::new(), &mut |path, value| {
        let scalar = !matches!(value, Value::Null | Value::Array(_) | Value::Object(_));
        if scalar && at(plain, path) != Some(value) {
            all.push(path.clone());
        }
    });
    all
}

/// A place as people write it, without the numbers: `choices[].message.content`.
#[must_use]
pub fn pattern(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Element(_) => text.push_str("[]"),
            Step::Member(name) if text.is_empty() => text.push_str(name),
            Step::Member(name) => {
                text.push('.');
                text.push_str(name);
            }
        }
    }
    text
}

/// A path of a loss without its numbers.
#[must_use]
pub fn unnumbered(path: &str) -> String {
    path.split_inclusive('[')
        .map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit()))
        .collect()
}

/// The least places without which a loss vanishes. That a `type` brings it about says nothing: the
/// object it is the type of does.
fn causes(answer: &Value, told: &Told, tell: &dyn Fn(&Value) -> Option<Told>) -> Vec<Path> {
    let mut ended: Vec<(Path, Vec<&String>)> = Vec::new();
    walk(answer, &mut Vec::new(), &mut |path, _| {
        if path.is_empty() || name(path) == "type" {
            return;
        }
        let mut answer = answer.clone();
        remove(&mut answer, path);
        let Some(less) = tell(&answer) else { return };
        // What is no answer any more, or another one, says nothing about the loss.
        if less.losses.keys().any(|loss| !told.losses.contains_key(loss)) {
            return;
        }
        let fewer = |loss: &&String| less.losses.get(*loss) < told.losses.get(*loss);
        let gone: Vec<_> = told.losses.keys().filter(fewer).collect();
        if !gone.is_empty() {
            ended.push((path.clone(), gone));
        }
    });
    let least = |(path, losses): &(Path, Vec<&String>)| {
        losses.iter().any(|loss| {
            let within = |(other, gone): &(Path, Vec<&String>)| {
                other.len() > path.len() && other.starts_with(path) && gone.contains(loss)
            };
            !ended.iter().any(within)
        })
    };
    ended.iter().filter(|one| least(one)).map(|(path, _)| path.clone()).collect()
}

/// Other values that could stand in the place of one.
fn others(name: &str, value: &Value) -> Vec<Value> {
    let words: &[&str] = match name {
        "finish_reason" => &["stop", "length", "tool_calls", "content_filter"],
        "stop_reason" => &["end_turn", "max_tokens", "tool_use", "refusal"],
        "finishReason" => &["STOP", "MAX_TOKENS", "SAFETY"],
        "blockReason" => &["SAFETY", "OTHER"],
        "reason" => &["max_output_tokens", "content_filter"],
        "status" => &["completed", "incomplete", "failed"],
        "format" => &["anthropic-claude-v1", "google-gemini-v1"],
        "service_tier" | "serviceTier" => &["default", "standard", "priority"],
        _ => &[],
    };
    let words = words.iter().map(|word| json!(word)).filter(|word| word != value);
    match value {
        Value::String(text) => {
            let time = text.replace("T09:", "T08:");
            words.chain([json!(format!("{text}x")), json!(time)]).collect()
        }
        Value::Number(number) => match number.as_i64() {
            Some(number) => vec![json!(number + 1), json!(number + 1000)],
            None => vec![json!(number.as_f64().unwrap_or_default() - 0.5)],
        },
        Value::Bool(truth) => vec![json!(!truth)],
        Value::Null | Value::Array(_) | Value::Object(_) => Vec::new(),
    }
}

fn name(path: &[Step]) -> &str {
    let member = |step: &'_ Step| matches!(step, Step::Member(_));
    match path.iter().rfind(|step| member(step)) {
        Some(Step::Member(name)) => name,
        Some(Step::Element(_)) | None => "",
    }
}

fn walk(value: &Value, path: &mut Path, seen: &mut dyn FnMut(&Path, &Value)) {
    seen(path, value);
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                path.push(Step::Member(name.clone()));
                walk(member, path, seen);
                path.pop();
            }
        }
        Value::Array(elements) => {
            for (at, element) in elements.iter().enumerate() {
                path.push(Step::Element(at));
                walk(element, path, seen);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn at<'v>(value: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Member(name) => value.get(name),
        Step::Element(at) => value.get(at),
    })
}

fn at_mut<'v>(value: &'v mut Value, path: &[Step]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Member(name) => value.get_mut(name),
        Step::Element(at) => value.get_mut(*at),
    })
}

fn set(value: &mut Value, path: &[Step], other: Value) {
    if let Some(place) = at_mut(value, path) {
        *place = other;
    }
}

fn remove(value: &mut Value, path: &[Step]) {
    let Some((last, before)) = path.split_last() else { return };
    match (at_mut(value, before), last) {
        (Some(Value::Object(members)), Step::Member(name)) => {
            members.remove(name);
        }
        (Some(Value::Array(elements)), Step::Element(at)) => {
            elements.remove(*at);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tells `a`, reports the object `b`, and says nothing of `c`.
    fn tell(answer: &Value) -> Option<Told> {
        let losses = answer.get("b").map(|_| ("b".to_owned(), 1));
        Some(Told { body: answer["a"].clone(), losses: losses.into_iter().collect() })
    }

    #[test]
    fn what_is_said_lost_and_dropped_in_silence_is_told_apart() {
        let answer = json!({"a": 1, "b": {"x": "y", "z": [true]}, "c": "d", "e": null});
        let told = tell(&answer).unwrap();
        let places = new_scalars(&answer, &json!({}));
        let fates = fates(&answer, &places, &told, &tell);
        let found: Vec<_> = places.iter().map(|path| pattern(path)).zip(fates).collect();
        let expected =
            [("a", Fate::Said), ("b.x", Fate::Lost), ("b.z[]", Fate::Lost), ("c", Fate::Silent)];
        assert_eq!(found, expected.map(|(path, fate)| (path.to_owned(), fate)));
    }

    #[test]
    fn only_what_is_new_is_looked_at() {
        let new = new_scalars(&json!({"a": 1, "b": [2, 3]}), &json!({"a": 1, "b": [2, 4]}));
        assert_eq!(new.iter().map(|path| pattern(path)).collect::<Vec<_>>(), ["b[]"]);
        assert_eq!(unnumbered("choices[12].parts[0].x"), "choices[].parts[].x");
    }
}
