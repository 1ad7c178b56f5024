//! Three-valued truth: what cannot be known names the facts that are missing (U1, U6).

use std::collections::BTreeSet;

/// Yes, no, or whatever the named facts make of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    Yes,
    No,
    Maybe(BTreeSet<String>),
}

impl Truth {
    /// Not known for want of one fact.
    pub(crate) fn missing(fact: impl Into<String>) -> Self {
        Self::Maybe([fact.into()].into())
    }

    pub(crate) fn possible(&self) -> bool {
        *self != Self::No
    }

    pub(crate) fn certain(&self) -> bool {
        *self == Self::Yes
    }

    /// The facts it hangs on.
    pub(crate) fn facts(&self) -> BTreeSet<String> {
        match self {
            Self::Maybe(facts) => facts.clone(),
            Self::Yes | Self::No => BTreeSet::new(),
        }
    }
}

impl From<bool> for Truth {
    fn from(known: bool) -> Self {
        if known { Self::Yes } else { Self::No }
    }
}

/// True if one is true, else unknown if one is unknown.
pub(crate) fn any(truths: impl IntoIterator<Item = Truth>) -> Truth {
    weigh(truths, Truth::Yes, Truth::No)
}

/// False if one is false, else unknown if one is unknown.
pub(crate) fn all(truths: impl IntoIterator<Item = Truth>) -> Truth {
    weigh(truths, Truth::No, Truth::Yes)
}

fn weigh(truths: impl IntoIterator<Item = Truth>, decisive: Truth, otherwise: Truth) -> Truth {
    let mut facts = BTreeSet::new();
    for truth in truths {
        if truth == decisive {
            return decisive;
        }
        facts.extend(truth.facts());
    }
    if facts.is_empty() { otherwise } else { Truth::Maybe(facts) }
}
