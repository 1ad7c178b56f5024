//! From events to attempts: one attempt, one outcome.
//!
//! Owns the attempts that are under way on this node. Does no I/O and reads no clock; the counters
//! of conversations, which live in the kernel, come in through [`ConversationCounters`].
//!
//!     events -> Connections -> attempts that are over

mod attempt;
mod conclusion;
mod table;

pub use attempt::{Attempt, DropSeen, Drops, Place};
pub use conclusion::{Conclusion, Locality, conclude};
pub use table::{Connections, ConversationCounters, Counters, Limits};
