//! What tells one store from every other: ordinals mean nothing elsewhere.

use std::{fmt, num::ParseIntError, str::FromStr};

/// The name of a store, drawn when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreName(u64);

impl StoreName {
    /// One that no other store has.
    pub(super) fn drawn() -> Self {
        Self(getrandom::u64().expect("Linux has random numbers for everybody"))
    }

    /// As it stands in its row.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }

    /// The name in such a row.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(u64::from_be_bytes(bytes.try_into().ok()?)))
    }
}

#[cfg(test)]
impl From<u64> for StoreName {
    fn from(name: u64) -> Self {
        Self(name)
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for StoreName {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        u64::from_str_radix(text, 16).map(Self)
    }
}
