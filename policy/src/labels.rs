//! The labels of a pod, namespace or node: as text for people, as fingerprints for selectors.

use crate::{
    fingerprint::Fingerprint,
    marks::Marks,
    truth::{Fact, Truth},
};
use smallvec::SmallVec;
use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
    sync::LazyLock,
};

/// The label that every namespace carries with its own name (N10).
pub(crate) const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

static NAMESPACE_NAME_KEY: LazyLock<Fingerprint> = LazyLock::new(|| Fingerprint::of(NAMESPACE_NAME_LABEL));

/// A set of labels.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabelSet {
    prints: Prints,
    text: BTreeMap<String, String>,
}

/// The fingerprints of a set of labels: all that a selector asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prints {
    pairs: SmallVec<[Fingerprint; 8]>,
    keys: Box<[Fingerprint]>,
}

impl LabelSet {
    pub(crate) fn new(text: BTreeMap<String, String>) -> Self {
        let prints = Prints {
            pairs: text.iter().map(|(key, value)| Fingerprint::of_pair(key, value)).collect(),
            keys: text.keys().map(|key| Fingerprint::of(key)).collect(),
        };
        Self { prints, text }
    }

    /// As selectors ask for them.
    pub(crate) const fn prints(&self) -> &Prints {
        &self.prints
    }

    /// The labels themselves.
    pub(crate) const fn text(&self) -> &BTreeMap<String, String> {
        &self.text
    }
}

impl Prints {
    /// What whoever has the labels carries.
    pub(crate) fn marks(&self) -> Marks {
        self.pairs.iter().map(|pair| Marks::of(*pair)).collect()
    }
}

impl PartialEq for LabelSet {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for LabelSet {}

impl Hash for LabelSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// The labels that a selector is asked about, as far as they are known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Labels<'a> {
    /// All of them.
    Known(&'a Prints),
    /// Only that a namespace carries its own name, by the fingerprint of that label; its object is
    /// not known.
    NamespaceNamed(Fingerprint),
    /// None of them.
    Unknown(Fact),
}

impl Labels<'_> {
    /// Whether there is a label with this key.
    pub(crate) fn has(self, key: Fingerprint) -> Truth {
        match self {
            Self::Known(labels) => labels.keys.contains(&key).into(),
            Self::NamespaceNamed(_) if key == *NAMESPACE_NAME_KEY => Truth::Yes,
            Self::NamespaceNamed(_) => Truth::Unknown(Fact::PeerNamespaceLabels),
            Self::Unknown(fact) => Truth::Unknown(fact),
        }
    }

    /// Whether the label with this key is one of the pairs; an absent one is none of them.
    pub(crate) fn is_one_of(self, key: Fingerprint, pairs: &[Fingerprint]) -> Truth {
        match self {
            Self::Known(labels) => pairs.iter().any(|pair| labels.pairs.contains(pair)).into(),
            Self::NamespaceNamed(name) if key == *NAMESPACE_NAME_KEY => pairs.contains(&name).into(),
            Self::NamespaceNamed(_) => Truth::Unknown(Fact::PeerNamespaceLabels),
            Self::Unknown(fact) => Truth::Unknown(fact),
        }
    }
}
