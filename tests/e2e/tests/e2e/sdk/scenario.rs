//! What the upstreams behind the SDKs' gateway play, by the model's name.
//!
//! | model     | answer                                                             |
//! |-----------|--------------------------------------------------------------------|
//! | `tools`   | two calls at once; to their results, a text                        |
//! | `json`    | an object                                                          |
//! | `picture` | a text                                                             |
//! | `think`   | a thought before two calls, if there are tools, or before a text   |
//! | `limited` | 429, always                                                        |
//! | `busy`    | 429 once, to be tried again in a little more than a second         |
//! | `dying`   | the beginning of a stream                                          |
//! | `cut`     | two calls; the provider dies in the middle of the second's arguments |
//! | any other | a text, behind a thought where thinking is asked for; a call where one is required |
//!
//! An upstream that does not find in the request, in its own words, what a scenario is about (tools
//! and the results of the calls, a schema, a picture, the wish for thoughts and their seals) answers
//! 400 and says so.

mod anthropic;
mod gemini;
mod openai;
mod responses;

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use serde_json::{Value, json};
use tests_mock::{Recorded, Reply, Script, Step};

use crate::dialects::sse;

const TEXT: [&str; 4] = ["Good ", "morning ", "from ", "upstream"];
const THOUGHT: [&str; 3] = ["They ", "ask ", "politely"];
/// What must come back byte for byte.
const SEAL: &str = "c2VhbGVkIHRob3VnaHQ=";
const OBJECT: &str = r#"{"city": "Oslo", "degrees": 7}"#;
/// The calls: ids, names and cities.
const CALLS: [(&str, &str, &str); 2] =
    [("call_mock_1", "get_weather", "Oslo"), ("call_mock_2", "get_time", "Bergen")];
/// Stands in the results that the scripts send.
const RESULT: &str = "21 degrees";
/// The picture that the scripts show begins so, in base64.
const PICTURE: &str = "iVBORw0KGgo";
/// What an answer took: input, of which cached, and output, of which for thoughts if there are any.
const INPUT: u64 = 11;
const CACHED: u64 = 3;
const OUTPUT: u64 = 7;
const THINKING: u64 = 2;

/// What an upstream speaks.
#[derive(Clone, Copy)]
pub(super) enum Upstream {
    OpenAi,
    Responses,
    Anthropic,
    Gemini,
}

/// All of them.
pub(super) const UPSTREAMS: [Upstream; 4] =
    [Upstream::OpenAi, Upstream::Responses, Upstream::Anthropic, Upstream::Gemini];

/// What a request asks for.
#[derive(Debug, Default)]
struct Asked {
    /// Whether it has what every request must have.
    complete: bool,
    tools: Vec<String>,
    /// Whether some tool must be called.
    required: bool,
    thinks: bool,
    /// Whether it is to tell its thoughts.
    tells: bool,
    /// The schema of the answer.
    schema: Value,
    /// Pictures, in base64.
    pictures: Vec<String>,
    /// What was called before, by id.
    calls: Vec<String>,
    /// Results by the id of their call.
    results: Vec<(String, String)>,
    /// The seals of what was thought and called before.
    seals: Vec<String>,
    /// Whether a model spoke before.
    spoke: bool,
}

/// A part of an answer.
enum Piece<'a> {
    Thought,
    /// That it thought is told with the usage only.
    Hidden,
    Text(&'a [&'a str]),
    /// Id, name and arguments.
    Call(&'a str, &'a str, Value),
}

impl Piece<'_> {
    fn hide_unless(&mut self, tells: bool) {
        if matches!(self, Self::Thought) && !tells {
            *self = Self::Hidden;
        }
    }
}

impl Upstream {
    /// What its names of models begin with, so that the gateway knows what they can do.
    pub(super) fn model(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Responses => "",
            Self::Anthropic => "claude-sonnet-4-5-",
            Self::Gemini => "gemini-3-flash-",
        }
    }

    /// As the configuration calls its dialect, and as the scripts call the provider.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }

    /// Where its API is, below where the server is.
    pub(super) fn base(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Responses => "/v1",
            Self::Anthropic | Self::Gemini => "",
        }
    }

    fn asked(self, body: &Value) -> Asked {
        match self {
            Self::OpenAi => openai::asked(body),
            Self::Responses => responses::asked(body),
            Self::Anthropic => anthropic::asked(body),
            Self::Gemini => gemini::asked(body),
        }
    }

    /// Whether the seal of a thought can travel to it.
    fn seals(self) -> bool {
        match self {
            Self::OpenAi => false,
            Self::Responses | Self::Anthropic | Self::Gemini => true,
        }
    }

    fn whole(self, answer: &[Piece<'_>]) -> Value {
        match self {
            Self::OpenAi => openai::whole(answer),
            Self::Responses => responses::whole(answer),
            Self::Anthropic => anthropic::whole(answer),
            Self::Gemini => gemini::whole(answer),
        }
    }

    fn events(self, answer: &[Piece<'_>]) -> Vec<Bytes> {
        match self {
            Self::OpenAi => openai::events(answer),
            Self::Responses => responses::events(answer),
            Self::Anthropic => anthropic::events(answer),
            Self::Gemini => gemini::events(answer),
        }
    }

    /// Gemini can say fractions of a second, the others only whole ones.
    fn limited(self, seconds: f64) -> Reply {
        match self {
            Self::OpenAi | Self::Responses => tests_mock::openai::rate_limited(1),
            Self::Anthropic => tests_mock::anthropic::rate_limited(1),
            Self::Gemini => tests_mock::gemini::quota_exhausted(seconds),
        }
    }

    fn refusal(self, why: &str) -> Reply {
        match self {
            Self::OpenAi | Self::Responses => {
                tests_mock::openai::error(400, "invalid_request_error", None, why)
            }
            Self::Anthropic => tests_mock::anthropic::error(400, "invalid_request_error", why),
            Self::Gemini => tests_mock::gemini::error(400, "INVALID_ARGUMENT", why),
        }
    }
}

/// Plays the scenarios.
pub(super) fn script(upstream: Upstream) -> Script {
    let was_busy = AtomicBool::new(false);
    Script::new(move |request, _| {
        let body = request.json();
        let model = model(request, &body);
        let model = model.strip_prefix(upstream.model()).unwrap_or(&model);
        let streamed = body["stream"] == true || request.path.ends_with(":streamGenerateContent");
        let asked = upstream.asked(&body);
        if let Err(why) = fits(upstream, model, &asked) {
            return upstream.refusal(&format!("{why} {asked:?}"));
        }
        match model {
            "limited" => upstream.limited(1.0),
            "busy" if !was_busy.swap(true, Ordering::AcqRel) => upstream.limited(1.2),
            "dying" => dying(upstream),
            "cut" => cut(upstream),
            _ => {
                let mut answer = answer(model, &asked);
                answer.iter_mut().for_each(|piece| piece.hide_unless(asked.tells));
                match streamed {
                    true => sse(upstream.events(&answer)),
                    false => Reply::json(200, &[], &upstream.whole(&answer)),
                }
            }
        }
    })
}

/// Gemini has it in the path: `/v1beta/models/tools:generateContent`.
fn model(request: &Recorded, body: &Value) -> String {
    let in_path = request.path.rsplit('/').next().and_then(|last| last.split_once(':'));
    match (in_path, body["model"].as_str()) {
        (Some((model, _)), _) | (None, Some(model)) => model.to_owned(),
        (None, None) => String::new(),
    }
}

/// Whether the request has what the scenario is about.
fn fits(upstream: Upstream, model: &str, asked: &Asked) -> Result<(), &'static str> {
    let must = |holds: bool, why| if holds { Ok(()) } else { Err(why) };
    let offered = asked.tools == ["get_weather", "get_time"];
    let answered = || {
        // Clients of Gemini may leave the ids out, so that they are not those that were given.
        let ids: Vec<_> = asked.results.iter().map(|(id, _)| id.clone()).collect();
        must(asked.calls.len() == 2, "the calls are not what was called")?;
        must(ids == asked.calls, "the results are not those of the calls")?;
        must(asked.results.iter().all(|(_, text)| text.contains(RESULT)), "a result is another")
    };
    must(asked.complete, "a member is missing that every request has")?;
    match model {
        "tools" => {
            must(offered, "the tools are missing")?;
            if asked.spoke { answered() } else { Ok(()) }
        }
        "json" => must(asked.schema["properties"]["degrees"].is_object(), "the schema is missing"),
        "picture" => must(
            asked.pictures.len() == 1 && asked.pictures[0].starts_with(PICTURE),
            "the picture is missing",
        ),
        "think" => {
            must(asked.tools.is_empty() || offered, "the tools are others")?;
            if asked.spoke && offered {
                answered()?;
            }
            let needs_seal = asked.spoke && upstream.seals();
            must(!needs_seal || asked.seals == [SEAL], "the seal is missing")?;
            must(asked.thinks, "no thoughts are wanted")
        }
        _ => Ok(()),
    }
}

fn answer<'a>(model: &str, asked: &'a Asked) -> Vec<Piece<'a>> {
    let calls = || CALLS.map(|(id, name, city)| Piece::Call(id, name, json!({ "city": city })));
    let fresh = !asked.spoke;
    match model {
        "tools" if fresh => calls().into(),
        "think" if fresh && !asked.tools.is_empty() => {
            [Piece::Thought].into_iter().chain(calls()).collect()
        }
        "json" => vec![Piece::Text(&[OBJECT])],
        "tools" | "think" if !fresh => vec![Piece::Text(&TEXT)],
        _ => match asked.tools.first().filter(|_| asked.required) {
            Some(name) => vec![Piece::Call("call_mock_1", name, json!({ "location": "Oslo" }))],
            None if asked.thinks => vec![Piece::Thought, Piece::Text(&TEXT)],
            None => vec![Piece::Text(&TEXT)],
        },
    }
}

/// The connection breaks behind the second word.
fn dying(upstream: Upstream) -> Reply {
    let events = upstream.events(&[Piece::Text(&TEXT)]);
    let has_word = |event: &Bytes| String::from_utf8_lossy(event).contains(TEXT[1]);
    let second = events.iter().position(has_word).expect("the word is said");
    sse(events).cut_after(second + 1, Step::Reset)
}

/// Before the last piece of the second call's arguments. Gemini's calls come whole; there it dies
/// before it says that there are no more.
fn cut(upstream: Upstream) -> Reply {
    let calls = CALLS.map(|(id, name, city)| Piece::Call(id, name, json!({ "city": city })));
    let events = upstream.events(&calls);
    let has_city = |event: &Bytes| String::from_utf8_lossy(event).contains(CALLS[1].2);
    let last = events.iter().position(has_city).expect("the arguments are said");
    sse(events).cut_after(last + usize::from(matches!(upstream, Upstream::Gemini)), Step::Reset)
}

fn thinks(answer: &[Piece<'_>]) -> u64 {
    let thinks = answer.iter().any(|piece| matches!(piece, Piece::Thought | Piece::Hidden));
    if thinks { THINKING } else { 0 }
}

fn calls(answer: &[Piece<'_>]) -> bool {
    answer.iter().any(|piece| matches!(piece, Piece::Call(..)))
}

/// Arguments in two pieces.
fn halves(arguments: &Value) -> [String; 2] {
    let text = arguments.to_string();
    let (begin, end) = text.split_at(5);
    [begin.to_owned(), end.to_owned()]
}

/// The elements of a list, and none of anything else.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The base64 of a `data:` URL.
fn data(url: &Value) -> Option<String> {
    Some(url.as_str()?.split_once(";base64,")?.1.to_owned())
}
