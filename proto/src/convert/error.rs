//! What can be wrong with a message, and where.

/// A message that cannot be understood: which field, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}`: {problem}")]
pub struct ConvertError {
    /// The path of the field from the message that was converted, joined by dots.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A required field is absent.
    #[error("is missing")]
    Missing,
    /// A required text is empty.
    #[error("is empty")]
    Empty,
    /// An enum value that this version does not know, or the unspecified one.
    #[error("{0} is not a known value; is the sender newer than the reader?")]
    UnknownValue(i32),
    /// An address of the wrong length.
    #[error("has {0} bytes; an address has 4 or 16")]
    AddressLength(usize),
    /// A port above 65535.
    #[error("{0} is not a port; ports go up to 65535")]
    Port(u32),
    /// A time outside the years that can be told.
    #[error("is not a time: {seconds} s and {nanos} ns since 1970")]
    Time {
        /// Whole seconds.
        seconds: i64,
        /// The fraction, which must be 0 to 999999999.
        nanos: i32,
    },
}

impl Problem {
    pub(crate) fn at(self, field: &str) -> ConvertError {
        ConvertError { field: field.to_owned(), problem: self }
    }
}

/// Puts the name of the enclosing field before the path of an error.
pub(crate) trait Within<T> {
    fn within(self, field: &str) -> Result<T, ConvertError>;
}

impl<T> Within<T> for Result<T, ConvertError> {
    fn within(self, field: &str) -> Self {
        self.map_err(|ConvertError { field: inner, problem }| ConvertError {
            field: format!("{field}.{inner}"),
            problem,
        })
    }
}
