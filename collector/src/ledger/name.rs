//! What tells one store from every other: ordinals mean nothing elsewhere.

use std::fmt;

/// The name of a store, drawn when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreName(pub(super) [u8; 8]);

impl StoreName {
    /// One that no other store has.
    pub(super) fn drawn() -> Self {
        let mut name = [0; 8];
        getrandom::fill(&mut name).expect("Linux has random numbers for everybody");
        Self(name)
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}
