//! Batches on the wire: records as columns, what they share in tables, all of it compressed.
//!
//! ```text
//! View ──► tables (each thing once) + rows (references, figures) ──► protobuf ──► zstd ──► v1::Batch
//! Observation ◄── entries, checked once ◄── columns, checked ◄── bounded ◄── bounded ◄── v1::Batch
//! ```
//!
//! A row or an entry that is wrong costs the rows that use it; what cannot be taken apart at all costs the batch.
//! Whatever comes in, reading it takes no more memory than [`MAX_CONTENT`] and [`MAX_MEMORY`] allow.

mod column;
mod decode;
mod encode;
mod ends;
mod error;
mod frame;
mod names;
mod relations;
mod rows;
mod said;
mod share;
mod table;
mod texts;
mod view;

pub use decode::{Decoded, decode, decode_sharing};
pub use encode::{Header, encode};
pub use error::{BatchError, Flaw};
pub use share::{Apart, Labels, Share};
pub use view::View;

/// The longest content of a batch that is read, before compression. Agents end a batch long before.
pub const MAX_CONTENT: usize = 4 << 20;

/// So many batches that were given up are named in one batch at the most: an agent has tens on their way.
pub const MAX_GIVEN_UP: usize = 256;

/// What the observations of a batch may take in memory, each written out: a few bytes can name a long text many times,
/// and not everybody who takes flows from here can share it.
pub const MAX_MEMORY: usize = 128 << 20;
