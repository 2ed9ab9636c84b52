//! A model that costs nothing and knows nothing: for trying a gateway without a key.
//!
//! The same request always gets the same answer, down to the ids. Nothing here opens a socket,
//! reads a clock or draws a random number.
//!
//! | the request                                            | the answer                                      |
//! |--------------------------------------------------------|-------------------------------------------------|
//! | ends with a user's words                               | repeats them in a friendly sentence, the first 200 tokens |
//! | ends with tool results                                 | quotes them, whatever `tool_choice` says        |
//! | `tool_choice` names a tool                             | calls it                                        |
//! | `tool_choice` requires a call                          | calls the tools that are asked for, or the first |
//! | asks for a tool by its name, or by a word of it (¹)    | calls it                                        |
//! | says `call`, `use`, `run`, `invoke` or `tool`          | calls the tool whose description fits best, or the first |
//! | asks for several tools                                 | calls them all, unless `parallel_tool_calls` is false |
//! | wants JSON                                             | `{"answer": …}`, or an instance of the schema   |
//! | wants reasoning (`effort` other than `none`)           | thinks one sentence first, unless thoughts are not wanted |
//! | has a stop sequence that the text would contain        | ends before it: `Stop`                          |
//! | has a limit that the answer would pass                 | is cut there, arguments too: `Length`           |
//! | wants several choices                                  | numbers them                                    |
//!
//! (¹) `get_weather` is asked for by “weather”; words that say what any tool does (`get`, `list`,
//! `find` …) and words of less than four letters do not count.
//!
//! Arguments are an instance of the tool's schema: the required members, or all of them if none
//! is said to be required. A string is drawn from the user's words (what stands in quotes, then
//! names, or all of them for a `query`), a number from the numbers there; otherwise `const`,
//! `default`, `examples`, the first of `enum`, or a plain value within the bounds. `pattern` is
//! not obeyed.
//!
//! A token is a run of letters and digits or any other character that is not a space. The input
//! counts the tokens of all texts, results, arguments and tools, and [`MEDIA_TOKENS`] for every
//! picture, sound, film or document; the output counts all choices, reasoning included. Counting
//! alone counts the same.
//!
//! A vector has [`DIMENSIONS`] numbers, or as many as are wished for, and the length 1; texts that
//! share words are near each other.

#![deny(clippy::wildcard_enum_match_arm)]

mod ask;
mod draw;
mod embed;
mod schema;
mod speak;
mod stream;
mod token;
mod usage;

pub use embed::{DIMENSIONS, embed};
pub use speak::answer;
pub use stream::deltas;
pub use usage::{MEDIA_TOKENS, input_tokens};

/// What the model calls itself.
pub const MODEL: &str = "mock-1";
