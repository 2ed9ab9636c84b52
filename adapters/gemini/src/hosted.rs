//! Tools that the provider runs itself: how clients offer them, what an answer says was done with
//! them, and both the other way round.

mod grounding;
mod said;
mod step;
mod tool;

pub(crate) use grounding::{Grounding, Queries};
pub use said::{Code, Executable, Printed};
pub(crate) use said::{GroundingMetadata, Looked, UrlContextMetadata};
pub(crate) use step::Codes;
pub use tool::{GoogleSearch, Mcp, Own, Reached};
pub(crate) use tool::{member, read as read_tool, write as write_tool};
