//! Each wish of each client dialect at each provider, and each answer of each provider at each
//! client.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a fixture that cannot be read fails the test"
)]

mod answers;
mod silence;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests_golden::{assert_json, assert_text, fixture};
use tests_translation::{Client, Outcome, clients, providers};

const ANSWERS: &str = "
# What becomes of each answer

The other way: what a client gets of what a provider says, written by the same run out of the answers
in `tests/fixtures/answers`; the files there have each answer as each client gets it. Every answer is
told in one piece and as a stream, and what a client has of the stream once it has put it together is
the same, and so are its losses.

* **exact**: the client gets the same, in its own words.
* **adapted**: it gets nearly the same, in another way. Reported as a loss.
* **lost**: it does not get this. Reported as a loss.
* **left out**: it does not get this, nobody says so, and the table says why that does not matter;
  what is left out of every answer stands in the first row of its table only.

The test changes every scalar of every answer: what neither changes the client's answer, nor is
reported, nor has a reason on the list in `tests/translation/tests/table/silence.rs` fails it. Losses are
named by where they stand in the canonical answer, such as `choices[0].parts[1]`, or, of what it has no
place for, as the provider calls them.

The header `x-penstock-losses` names the losses of an answer in one piece. Of a stream they are known
only at its end, when the header has long gone: a comment in the stream, `: penstock-losses: …`, says
them before its last events, in the header's words. Google's Python SDK takes comments for answers, and
an array has none: Gemini clients get a member `penstockLosses` in the last chunk instead. Answers are
never refused for what they lose, `x-penstock-losses: refuse` or not: it is about requests.
";

const INTRODUCTION: &str = "# What becomes of each wish

Written by `cargo nextest run -p tests-translation` out of what the translators did with the
requests in `tests/fixtures/translation`; the files there have each request as the provider gets
it. Not edited by hand.

* **exact**: the provider is asked for the same.
* **adapted**: it is asked for nearly the same, in another way or within other bounds. Reported as
  a loss.
* **lost**: it is not asked for this part. Reported as a loss.
* **refused**: the request gets an error of its client's dialect that names the field.
* **fetched**: what becomes of it with `media.fetch: on`, if the gateway gets what stands at the address.
* **passes**: client and provider speak one dialect, and the bytes pass untouched.

What is reported stands in the answer's header `x-penstock-losses`; a request that says
`x-penstock-losses: refuse` is refused instead, and `losses` in the configuration sets what is done
for all. The models asked are `gpt-5.2`, `claude-sonnet-5` and `gemini-3-pro`: of others some are
more and some less capable.
";

struct Wish {
    path: PathBuf,
    field: String,
    file: Value,
}

fn wishes(client: &Client) -> Vec<Wish> {
    let folder = fixture("translation").join(client.ingress.dialect().to_string());
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 30, "{}", paths.len());
    let read = |path: PathBuf| {
        let file: Value = serde_json::from_slice(&tests_golden::read(&path)).unwrap();
        Wish { field: file["field"].as_str().unwrap().to_owned(), path, file }
    };
    paths.into_iter().map(read).collect()
}

/// Tries all of a client's wishes, and gives the rows of its table.
fn tried(client: &Client) -> String {
    let mut rows = String::new();
    for Wish { path, field, file } in wishes(client) {
        let mut golden = json!({"field": field, "request": file["request"]});
        if let Some(same) = file.get("same") {
            golden["same"] = same.clone();
        }
        let request = client.with(file["request"].as_object().unwrap());
        let _ = write!(rows, "| {field} |");
        for provider in providers() {
            if provider.dialect == client.ingress.dialect() {
                rows.push_str(" passes |");
                continue;
            }
            let outcome = client.ask(&request, &provider);
            says_it(client, &outcome, &provider, file.get("same").is_some(), &path);
            let _ = write!(rows, " {} |", outcome.in_table());
            golden[provider.dialect.to_string()] = outcome.to_json();
        }
        rows.push('\n');
        assert_json(&path, &golden);
    }
    rows
}

/// What is not reported as lost must be asked for, and so the request is another.
fn says_it(
    client: &Client,
    outcome: &Outcome,
    provider: &tests_translation::Provider,
    may_be_same: bool,
    path: &Path,
) {
    let Outcome::Asked { body, losses } = outcome else { return };
    if !losses.is_empty() || may_be_same {
        return;
    }
    let Outcome::Asked { body: plain, .. } = client.ask(&client.plain, provider) else {
        panic!("a plain request is refused");
    };
    assert!(*body != plain, "{}: dropped in silence at {}", path.display(), provider.title);
}

#[test]
fn nothing_is_dropped_in_silence_and_the_table_says_what_becomes_of_each_wish_and_answer() {
    let mut text = INTRODUCTION.to_owned();
    for client in clients() {
        let titles: Vec<&str> = providers().iter().map(|provider| provider.title).collect();
        let _ = write!(
            text,
            "\n## {}\n\n| what a client says | {} |\n|---|{}\n",
            client.title,
            titles.join(" | "),
            "---|".repeat(titles.len())
        );
        text.push_str(&tried(&client));
    }
    let mut findings = answers::Findings::default();
    text.push_str(ANSWERS);
    text.push_str(&answers::tables(&mut findings));
    let answers::Findings { mut wrong, silences } = findings;
    let idle = (0..silence::SILENCES.len()).filter(|at| !silences.contains(at));
    wrong.extend(idle.map(|at| format!("nobody needs the silence of {}", silence::SILENCES[at])));
    assert!(wrong.is_empty(), "{} findings\n{}", wrong.len(), wrong.join("\n"));
    assert_text(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/translation.md"), &text);
}
