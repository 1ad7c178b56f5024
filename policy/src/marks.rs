//! A few bits that stand for labels: who lacks one that a rule needs is ruled out before a label is
//! read.

use crate::fingerprint::Fingerprint;
use std::ops::{BitAnd, BitOr};

/// What a peer carries, or what a rule needs its peer to carry.
///
/// Labels that differ may have the same mark, so having all that are needed says nothing; lacking one
/// says that the label is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks(u64);

impl Marks {
    /// What needs nothing, or what carries nothing: an address that is no pod's.
    pub(crate) const NONE: Self = Self(0);
    /// What every pod carries, and nobody else.
    pub(crate) const POD: Self = Self(1);
    /// What may carry anything.
    pub(crate) const ANY: Self = Self(u64::MAX);

    /// The mark of a label with its value, or of a namespace's name.
    pub(crate) const fn of(print: Fingerprint) -> Self {
        Self(2 << (print.bits() % 63))
    }

    /// Whether all are there that are needed.
    pub(crate) const fn have(self, needed: Self) -> bool {
        needed.0 & !self.0 == 0
    }
}

impl BitOr for Marks {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Marks {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl FromIterator<Self> for Marks {
    fn from_iter<I: IntoIterator<Item = Self>>(marks: I) -> Self {
        marks.into_iter().fold(Self::NONE, BitOr::bitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_labels_has_their_marks_and_is_marked_as_a_pod() {
        let prints: Vec<Fingerprint> = (0..200).map(|at| Fingerprint::of(&at.to_string())).collect();
        for few in prints.chunks(3) {
            let marks: Marks = few.iter().map(|print| Marks::of(*print)).collect();
            assert!(few.iter().all(|print| marks.have(Marks::of(*print))));
            assert!(!marks.have(Marks::POD), "no label is taken for being a pod");
            assert!((marks | Marks::POD).have(Marks::POD) && Marks::ANY.have(marks));
            assert!(!Marks::NONE.have(marks));
        }
    }
}
