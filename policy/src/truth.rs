//! Three-valued logic over facts that may be missing (U1).

/// A fact that an evaluation asked for and that the cluster state does not hold (U5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Fact {
    /// The labels of the peer's namespace: its Namespace object is not known.
    PeerNamespaceLabels,
    /// The labels of the subject's namespace: its Namespace object is not known.
    SubjectNamespaceLabels,
    /// The labels of the node that holds the peer's address: its Node object is not known.
    NodeLabels,
    /// The destination port.
    Port,
    /// Who the peer is: what stands behind the service that is dialled.
    Backend,
    /// Which names lead to the address: no DNS answers were told (C11).
    DnsAnswers,
    /// Whom the policy is about: its subject is not valid (§8).
    Subject,
    /// Which directions the policy isolates: its `spec.policyTypes` holds an unknown word.
    PolicyTypes,
}

/// Yes, no, or a fact is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Truth {
    /// True under every completion of the missing facts.
    Yes,
    /// False under every completion.
    No,
    /// Depends on the named fact.
    Unknown(Fact),
}

impl From<bool> for Truth {
    fn from(known: bool) -> Self {
        if known { Self::Yes } else { Self::No }
    }
}

impl Truth {
    /// True if one is true, else unknown if one is unknown.
    pub(crate) fn any(truths: impl IntoIterator<Item = Self>) -> Self {
        Self::fold(truths, Self::Yes, Self::No)
    }

    /// False if one is false, else unknown if one is unknown.
    pub(crate) fn all(truths: impl IntoIterator<Item = Self>) -> Self {
        Self::fold(truths, Self::No, Self::Yes)
    }

    /// Both hold.
    pub(crate) fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::No => Self::No,
            Self::Yes => other(),
            Self::Unknown(_) => match other() {
                Self::No => Self::No,
                Self::Yes | Self::Unknown(_) => self,
            },
        }
    }

    /// The opposite.
    pub(crate) const fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown(fact) => Self::Unknown(fact),
        }
    }

    fn fold(truths: impl IntoIterator<Item = Self>, decisive: Self, otherwise: Self) -> Self {
        let mut result = otherwise;
        for truth in truths {
            if truth == decisive {
                return decisive;
            }
            if let (Self::Unknown(_), false) = (truth, matches!(result, Self::Unknown(_))) {
                result = truth;
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::{Fact::Port, Truth, Truth::*};

    #[test]
    fn any_is_true_whatever_else_is_unknown() {
        assert_eq!(Truth::any([Unknown(Port), No, Yes]), Yes);
        assert_eq!(Truth::any([No, Unknown(Port)]), Unknown(Port));
        assert_eq!(Truth::any([No, No]), No);
        assert_eq!(Truth::any([]), No);
    }

    #[test]
    fn all_is_false_whatever_else_is_unknown() {
        assert_eq!(Truth::all([Unknown(Port), Yes, No]), No);
        assert_eq!(Truth::all([Yes, Unknown(Port)]), Unknown(Port));
        assert_eq!(Truth::all([]), Yes);
    }

    #[test]
    fn and_agrees_with_all() {
        for left in [Yes, No, Unknown(Port)] {
            for right in [Yes, No, Unknown(Port)] {
                assert_eq!(left.and(|| right), Truth::all([left, right]));
            }
        }
    }
}
