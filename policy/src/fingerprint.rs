//! Fingerprints of label keys and values, so that comparing labels reads no text.
//!
//! 64 bits of SipHash under a key drawn at random once a process: nobody can make two texts collide
//! on purpose, and among a million different labels any two meet by chance with a probability of
//! 3·10⁻⁸. Nothing that is printed or kept hangs on their values.

use std::{
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Stands for a text, or for a key with its value; equal iff they are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    /// Of one text.
    pub(crate) fn of(text: &str) -> Self {
        Self(KEY.hash_one(text))
    }

    /// Its bits, as good as drawn at random.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// Of a key with its value.
    pub(crate) fn of_pair(key: &str, value: &str) -> Self {
        Self(KEY.hash_one((key, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_and_only_they_have_equal_fingerprints() {
        assert_eq!(Fingerprint::of("app"), Fingerprint::of("app"));
        assert_ne!(Fingerprint::of("app"), Fingerprint::of("App"));
        assert_eq!(Fingerprint::of_pair("app", "web"), Fingerprint::of_pair("app", "web"));
        assert_ne!(Fingerprint::of_pair("app", "web"), Fingerprint::of_pair("appw", "eb"));
        assert_ne!(Fingerprint::of_pair("a", ""), Fingerprint::of_pair("", "a"));
    }
}
