//! From events to attempts: one attempt, one outcome.
//!
//! Owns the attempts that are under way on this node. Does no I/O and reads no clock; the counters
//! of conversations, which live in the kernel, come in through [`ConversationCounters`].
//!
//! ```text
//! events -> Connections -> attempts that are over
//! ```

mod attempt;
mod conclusion;
mod conversations;
mod deadline;
mod due;
mod evidence;
mod register;
mod standing;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod unwanted;

pub use attempt::Attempt;
pub use conclusion::{Conclusion, Locality, conclude};
pub use conversations::{ConversationCounters, Counters};
pub use deadline::Limits;
pub use evidence::{DropSeen, Drops, Place};
pub use table::Connections;
pub use unwanted::Unwanted;
