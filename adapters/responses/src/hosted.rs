//! Tools that the provider runs itself: how clients offer them, what an answer says was done with
//! them, and both the other way round.

mod said;
mod step;
mod tool;

pub(crate) use said::{Item, MARK, is_made_up};
pub(crate) use step::read;
pub(crate) use tool::{Wire, name_of, read as read_tool, write as write_tool};
