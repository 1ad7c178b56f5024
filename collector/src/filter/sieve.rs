//! Filters put to what the flows of a block share, each piece once, so that only those that pass need be made.

use super::{Filter, Filters, SourcePort, words::RelationWords};
use portolan_policy::{Outcome, Verdict};

/// What a filter says of all flows of a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    No,
    Yes,
    /// It hangs on the flow's source port.
    ByPort,
}

/// What filters say of the tables of a block.
#[derive(Debug)]
pub(crate) struct Sieve<'filters> {
    /// Of the filters that may take something; none where everything is wanted.
    screens: Vec<Screen<'filters>>,
    open: bool,
}

#[derive(Debug)]
struct Screen<'filters> {
    filter: &'filters Filter,
    relations: Vec<Fit>,
    kinds: Vec<bool>,
}

impl<'filters> Sieve<'filters> {
    /// Asks each filter about each relation and each kind.
    pub(crate) fn new<R: RelationWords>(
        Filters(filters): &'filters Filters,
        relations: &(impl Iterator<Item = R> + Clone),
        kinds: &(impl Iterator<Item = (Verdict, Outcome)> + Clone),
    ) -> Self {
        let screen = |filter: &'filters Filter| {
            let kinds: Vec<_> =
                kinds.clone().map(|(verdict, outcome)| filter.wants_kind(verdict, outcome)).collect();
            if !kinds.contains(&true) {
                return None;
            }
            let relations: Vec<_> = relations.clone().map(|relation| fit(filter, &relation)).collect();
            relations.iter().any(|fit| *fit != Fit::No).then_some(Screen { filter, relations, kinds })
        };
        Self { screens: filters.iter().filter_map(screen).collect(), open: filters.is_empty() }
    }

    /// Whether nothing can pass.
    pub(crate) fn is_closed(&self) -> bool {
        !self.open && self.screens.is_empty()
    }

    /// Whether a flow of this relation and kind passes, with this source port.
    pub(crate) fn passes<R: RelationWords>(
        &self,
        (place, relation): (usize, &R),
        kind: usize,
        port: Option<u16>,
    ) -> bool {
        self.open
            || self.screens.iter().any(|Screen { filter, relations, kinds }| {
                kinds.get(kind) == Some(&true)
                    && match relations.get(place) {
                        None | Some(Fit::No) => false,
                        Some(Fit::Yes) => true,
                        Some(Fit::ByPort) => filter.wants_relation(relation, SourcePort::Is(port)),
                    }
            })
    }
}

/// No field of a filter asks for a port that is not there: if the wanted ones do not help, none does, and where none is
/// needed, any will do.
fn fit(filter: &Filter, relation: &impl RelationWords) -> Fit {
    if !filter.wants_relation(relation, SourcePort::Wanted) {
        Fit::No
    } else if filter.wants_relation(relation, SourcePort::Unwanted) {
        Fit::Yes
    } else {
        Fit::ByPort
    }
}
