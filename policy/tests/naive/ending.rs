//! The ways in which a side may end, and the answer that they add up to (docs/decisions/0006-tiers.md).

use portolan_policy::{PolicyRef, SideDecision, SideVerdict};
use std::collections::BTreeSet;

/// One way in which a side may end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    NotApplicable,
    NotIsolated,
    Admitted(BTreeSet<PolicyRef>),
    Denied(BTreeSet<PolicyRef>),
    /// Whatever the facts are: the texts do not say.
    Undefined,
}

/// The ways that are possible, and the facts that decide between them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Endings {
    possible: BTreeSet<Ending>,
    facts: BTreeSet<String>,
}

impl Endings {
    pub(crate) fn only(ending: Ending) -> Self {
        Self { possible: [ending].into(), facts: BTreeSet::new() }
    }

    /// Nothing can be said for want of a fact.
    pub(crate) fn undefined(fact: impl Into<String>) -> Self {
        Self { possible: [Ending::Undefined].into(), facts: [fact.into()].into() }
    }

    pub(crate) fn add(&mut self, ending: Ending) {
        self.possible.insert(ending);
    }

    pub(crate) fn hang_on(&mut self, facts: impl IntoIterator<Item = String>) {
        self.facts.extend(facts);
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.possible.extend(other.possible);
        self.facts.extend(other.facts);
    }

    /// One ending is the answer; several are where they all allow or all deny.
    pub(crate) fn conclude(self) -> SideDecision {
        let Self { possible, facts } = self;
        let none_allows = possible.iter().all(|ending| matches!(ending, Ending::Denied(_)));
        let none_denies = !possible.iter().any(|it| matches!(it, Ending::Denied(_) | Ending::Undefined));
        if none_allows {
            return decided(SideVerdict::Denied, policies(possible));
        }
        if !none_denies {
            return SideDecision::undecidable(facts.into_iter().collect::<Vec<_>>().join("; "));
        }
        if possible.iter().all(|ending| *ending == Ending::NotApplicable) {
            return SideDecision::plain(SideVerdict::NotApplicable);
        }
        match policies(possible) {
            none if none.is_empty() => SideDecision::plain(SideVerdict::NotIsolated),
            some => decided(SideVerdict::Admitted, some),
        }
    }
}

fn decided(verdict: SideVerdict, policies: BTreeSet<PolicyRef>) -> SideDecision {
    SideDecision { policies: policies.into_iter().collect(), ..SideDecision::plain(verdict) }
}

/// The policies that all endings name together.
fn policies(endings: BTreeSet<Ending>) -> BTreeSet<PolicyRef> {
    let named = endings.into_iter().filter_map(|ending| match ending {
        Ending::Admitted(policies) | Ending::Denied(policies) => Some(policies),
        Ending::NotApplicable | Ending::NotIsolated | Ending::Undefined => None,
    });
    named.flatten().collect()
}
