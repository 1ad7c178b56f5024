//! Conversions between generated messages and domain types.
//!
//! Every direction destructures its input whole, so a new field cannot be forgotten.

mod end;
mod error;
mod flow;
mod graph;
mod scalar;
mod words;

pub use error::{ConvertError, Problem};
pub use scalar::{duration, timestamp, timestamp_to_proto};
pub(crate) use words::{Word, policy_kind_to_proto};
