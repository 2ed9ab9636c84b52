//! Tools that the provider runs itself: how clients offer them, what an answer says was done with
//! them, and both the other way round.

mod said;
mod step;
mod tool;

pub(crate) use said::{Said, blocks};
pub(crate) use step::{MARK, is_made_up, read};
pub(crate) use tool::{BETA_MCP, McpServers, Wire, read as read_tool, write as write_tool};
