//! Each answer of each provider, at each client.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tests_golden::{assert_json, fixture};
use tests_translation::answer::Answered;
use tests_translation::heard::level;
use tests_translation::trace::{Fate, Told, fates, new_scalars, pattern};
use tests_translation::{Client, Provider, clients, in_table, providers};

use crate::silence::SILENCES;

struct File {
    path: PathBuf,
    field: String,
    json: Value,
}

/// What the answers told beside the table.
#[derive(Default)]
pub(crate) struct Findings {
    /// What is wrong.
    pub(crate) wrong: Vec<String>,
    /// Which entries of [`SILENCES`] were needed.
    pub(crate) silences: BTreeSet<usize>,
}

fn files(folder: PathBuf) -> Vec<File> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "json"));
    paths.sort();
    let read = |path: PathBuf| {
        let json: Value = serde_json::from_slice(&tests_golden::read(&path)).unwrap();
        File { field: json["field"].as_str().unwrap().to_owned(), path, json }
    };
    paths.into_iter().map(read).collect()
}

/// Tries all of a provider's answers, and gives the rows of its table.
pub(crate) fn tried(provider: &Provider, findings: &mut Findings) -> String {
    let folder = fixture("answers").join(provider.dialect.to_string());
    let files = files(folder);
    assert!(files.len() > 30, "{}", files.len());
    let plain = files[0].json["answer"].clone();
    let mut rows = String::new();
    // What each client is not told of any answer is said once.
    let mut always: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (at, File { path, field, json }) in files.iter().enumerate() {
        let answer = &json["answer"];
        let mut golden = json!({"field": field, "answer": answer});
        if let Some(why) = json.get("whole_only") {
            golden["whole_only"] = why.clone();
        }
        let _ = write!(rows, "| {field} |");
        for client in clients() {
            if provider.dialect == client.ingress.dialect() {
                rows.push_str(" passes |");
                continue;
            }
            let name = format!("{} for {}", path.display(), client.title);
            let whole = client.hear(answer, provider).unwrap_or_else(|e| panic!("{name}: {e}"));
            if json.get("whole_only").is_none() {
                streams_alike(&name, &client, provider, answer, &whole, findings);
            }
            let compared = if at == 0 { json!({}) } else { plain.clone() };
            let mut left_out =
                silent(&name, &client, provider, (answer, &compared), &whole, findings);
            if at == 0 {
                always.insert(client.title, left_out.reasons.clone());
            } else if let (false, Some(always)) = (left_out.all, always.get(client.title)) {
                left_out.reasons.retain(|why| !always.contains(why));
            }
            let _ = write!(rows, " {} |", cell(&whole, &left_out));
            let usual = match at {
                0 => json!({}),
                _ => client.hear(&plain, provider).unwrap().body,
            };
            golden[client.ingress.dialect().to_string()] = whole.to_json(&usual);
        }
        rows.push('\n');
        assert_json(path, &golden);
    }
    rows
}

/// What the table says: what is reported, and what is left out without a word and why.
fn cell(whole: &Answered, left_out: &LeftOut) -> String {
    let mut cell = match (whole.losses.is_empty(), left_out.all) {
        (true, true) => String::new(),
        (_, _) => in_table(&whole.losses),
    };
    for (at, why) in left_out.reasons.iter().enumerate() {
        let before = if cell.is_empty() { "" } else { "; " };
        let begin = if at == 0 { "left out: " } else { "" };
        let _ = write!(cell, "{before}{begin}{why}");
    }
    if cell.is_empty() { "exact".to_owned() } else { cell }
}

/// The stream of an answer says what the answer says, and loses what it loses.
fn streams_alike(
    name: &str,
    client: &Client,
    provider: &Provider,
    answer: &Value,
    whole: &Answered,
    findings: &mut Findings,
) {
    let streamed = match client.hear_streamed(answer, provider) {
        Ok(streamed) => streamed,
        Err(error) => return findings.wrong.push(format!("{name}, streamed: {error}")),
    };
    let dialect = client.ingress.dialect();
    let (one, other) = (level(dialect, &whole.body), level(dialect, &streamed.body));
    if one != other {
        findings.wrong.push(format!("{name}: whole\n{one:#}\nstreamed\n{other:#}"));
    }
    let (one, other) = (whole.told().losses, streamed.told().losses);
    if one != other {
        findings.wrong.push(format!("{name}: whole loses\n{one:#?}\nstreamed\n{other:#?}"));
    }
}

#[derive(Default)]
struct LeftOut {
    reasons: Vec<&'static str>,
    /// Whether nothing of what is new is said.
    all: bool,
}

/// Finds what of an answer the client is not told.
fn silent(
    name: &str,
    client: &Client,
    provider: &Provider,
    (answer, plain): (&Value, &Value),
    whole: &Answered,
    findings: &mut Findings,
) -> LeftOut {
    let tell = |answer: &Value| -> Option<Told> {
        client.hear(answer, provider).ok().map(|answered| answered.told())
    };
    let places = new_scalars(answer, plain);
    let fates = fates(answer, &places, &whole.told(), &tell);
    let mut left_out = LeftOut { all: true, ..LeftOut::default() };
    for (place, fate) in places.iter().zip(fates) {
        let place = pattern(place);
        if fate != Fate::Silent {
            left_out.all = false;
            continue;
        }
        let (from, to) = (provider.dialect, client.ingress.dialect());
        match SILENCES.iter().position(|silence| silence.covers(from, to, &place)) {
            Some(at) => {
                findings.silences.insert(at);
                let silence = &SILENCES[at];
                if !silence.is_form() && !left_out.reasons.contains(&silence.why) {
                    left_out.reasons.push(silence.why);
                }
            }
            None => findings.wrong.push(format!("{name}: `{place}` is dropped in silence")),
        }
    }
    left_out.all &= !left_out.reasons.is_empty();
    left_out
}

/// Each error of a provider, and the status and kind of what each client gets.
pub(crate) fn errors(provider: &Provider) -> String {
    let folder = fixture("answers").join(provider.dialect.to_string()).join("errors");
    let mut rows = String::new();
    for File { path, field, json } in files(folder) {
        let status = u16::try_from(json["status"].as_u64().unwrap()).unwrap();
        let mut golden = json!({"field": field, "status": status, "error": json["error"]});
        let _ = write!(rows, "| {} {field} |", provider.title);
        for client in clients() {
            let (status, body) = client.hear_error(status, &json["error"], provider);
            let error = &body["error"];
            let kind = error["type"].as_str().or(error["status"].as_str()).unwrap_or_default();
            let code = error["code"].as_str().map(|code| format!(", `{code}`"));
            let _ = write!(rows, " {status} `{kind}`{} |", code.unwrap_or_default());
            golden[client.ingress.dialect().to_string()] = json!({"status": status, "body": body});
        }
        rows.push('\n');
        assert_json(path, &golden);
    }
    rows
}

/// All tables of answers.
pub(crate) fn tables(findings: &mut Findings) -> String {
    let titles: Vec<&str> = clients().iter().map(|client| client.title).collect();
    let head = |what: &str| {
        format!("\n\n| {what} | {} |\n|---|{}\n", titles.join(" | "), "---|".repeat(titles.len()))
    };
    let mut text = String::new();
    for provider in providers() {
        let _ = write!(text, "\n## Answers of {}", provider.title);
        text.push_str(&head("what the provider says"));
        text.push_str(&tried(&provider, findings));
    }
    text.push_str("\n## Errors");
    text.push_str(&head("what the provider says"));
    for provider in providers() {
        text.push_str(&errors(&provider));
    }
    text
}
