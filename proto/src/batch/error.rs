//! What can be wrong with a batch, and with a part of it.

/// A batch that cannot be taken apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// It says that its content is longer than anyone needs.
    #[error("the content has {length} bytes before compression; at most {} are read", super::MAX_CONTENT)]
    TooLong {
        /// The length that it says.
        length: u32,
    },
    /// The compressed frame is damaged.
    #[error("the content cannot be decompressed: {0}")]
    Frame(String),
    /// The frame holds another number of bytes than the batch says.
    #[error("the content has {found} bytes before compression; the batch says {said}")]
    Length {
        /// What the batch says.
        said: u32,
        /// What there is.
        found: usize,
    },
    /// What was decompressed is no content.
    #[error("the content cannot be decoded")]
    Content(#[from] prost::DecodeError),
    /// A column has too many or too few values.
    #[error("column `{column}` has {found} values; its table has {wanted} entries")]
    Column {
        /// The table and the column.
        column: &'static str,
        /// How many values it has.
        found: usize,
        /// How many it needs.
        wanted: usize,
    },
    /// A column tells of a row that is not there.
    #[error("column `{column}` has a distance that leads to none of the {rows} rows")]
    Distance {
        /// The table and the column.
        column: &'static str,
        /// How many rows there are.
        rows: usize,
    },
    /// A few bytes that stand for very much.
    #[error("what the batch stands for takes more than {} bytes of memory", super::MAX_MEMORY)]
    TooMuch,
    /// The batch says that it holds another number of records than it does.
    #[error("the batch says that it holds {said} records; it holds {found}")]
    Records {
        /// What the batch says.
        said: u32,
        /// What there is.
        found: usize,
    },
}

/// What is wrong with an entry of a table, or with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {number} of `{table}`: {problem}")]
pub struct Flaw {
    /// The table.
    pub table: &'static str,
    /// The number of the entry, from 1.
    pub number: usize,
    /// What is wrong.
    pub problem: &'static str,
}
