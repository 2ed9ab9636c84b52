//! What an answer says about itself: where its words come from, and how likely they were.

use serde_json::value::RawValue;

/// Where some of the words of a text come from.
#[derive(Clone, Debug, Default)]
pub struct Citation {
    /// The words it is about, as a range of characters (Unicode scalar values) of the text it
    /// stands with; `None` if it is about the text as a whole.
    pub range: Option<(u64, u64)>,
    /// The words of the source.
    pub quote: Option<String>,
    /// The source.
    pub source: CitedSource,
    /// The title of the source.
    pub title: Option<String>,
    /// The whole citation as its dialect wrote it, for clients that speak it.
    pub native: Option<Box<RawValue>>,
}

/// What is cited.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum CitedSource {
    /// Something that has neither an address nor a place in the request.
    #[default]
    Unnamed,
    /// A page of the web.
    Url(String),
    /// A file the provider keeps, by its id.
    File(String),
    /// A document of the request, counted from 0 over all of them.
    Document(u64),
}

/// How likely one token of an answer was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenLogprob {
    /// The token.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f64,
    /// Its bytes in UTF-8, where the provider says: a token need not be a whole character.
    pub bytes: Option<Vec<u8>>,
    /// The likeliest tokens at this place, best first; their own `top` is empty.
    pub top: Vec<TokenLogprob>,
}
