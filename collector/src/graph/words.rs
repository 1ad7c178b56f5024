//! What the numbers of a day stand for: its parties, edges and cells, each at its place.

use super::{
    answer::Party,
    log::{Log, Place},
    relation::{KindKey, PartyKey, ServiceKey, SideKey},
    table::Entry,
};
use portolan_policy::{Outcome, Protocol, SideDecision, SideVerdict, Verdict};
use serde::{Deserialize, Serialize};

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kind {
    pub(super) outcome: Outcome,
    pub(super) verdict: Verdict,
    pub(super) drop_reason: Option<String>,
}

/// Namespace and name of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Service(pub(super) String, pub(super) String);

/// An edge, by the places of what it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct EdgeRow {
    pub(super) source: Place,
    pub(super) destination: Place,
    pub(super) service: Option<Place>,
    pub(super) port: Option<u16>,
    pub(super) protocol: Protocol,
}

/// The flows of an edge that ended in one way and of which the policies say one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct CellRow {
    pub(super) edge: Place,
    pub(super) kind: Place,
    pub(super) egress: Place,
    pub(super) ingress: Place,
}

impl Entry for Party {
    type Key<'a> = PartyKey<'a>;

    fn key(&self) -> PartyKey<'_> {
        PartyKey::from(self)
    }

    fn is(&self, key: &PartyKey<'_>) -> bool {
        PartyKey::from(self) == *key
    }

    fn of(key: &PartyKey<'_>) -> Self {
        key.to_party()
    }
}

impl Entry for Service {
    type Key<'a> = ServiceKey<'a>;

    fn key(&self) -> ServiceKey<'_> {
        (&self.0, &self.1)
    }

    fn is(&self, key: &ServiceKey<'_>) -> bool {
        self.key() == *key
    }

    fn of((namespace, name): &ServiceKey<'_>) -> Self {
        Self((*namespace).to_owned(), (*name).to_owned())
    }
}

impl Entry for Kind {
    type Key<'a> = KindKey<'a>;

    fn key(&self) -> KindKey<'_> {
        let Self { outcome, verdict, drop_reason } = self;
        KindKey { outcome: *outcome, verdict: *verdict, drop_reason: drop_reason.as_deref() }
    }

    fn is(&self, key: &KindKey<'_>) -> bool {
        self.key() == *key
    }

    fn of(KindKey { outcome, verdict, drop_reason }: &KindKey<'_>) -> Self {
        Self { outcome: *outcome, verdict: *verdict, drop_reason: drop_reason.map(ToOwned::to_owned) }
    }
}

impl Entry for SideDecision {
    type Key<'a> = SideKey<'a>;

    fn key(&self) -> SideKey<'_> {
        SideKey::from(self)
    }

    fn is(&self, key: &SideKey<'_>) -> bool {
        self.key() == *key
    }

    fn of(SideKey { verdict, policies }: &SideKey<'_>) -> Self {
        Self { policies: policies.to_vec(), ..Self::plain(*verdict) }
    }
}

/// Rows that are their own key.
macro_rules! plain {
    ($row:ty) => {
        impl Entry for $row {
            type Key<'a> = Self;

            fn key(&self) -> Self {
                *self
            }

            fn is(&self, key: &Self) -> bool {
                self == key
            }

            fn of(key: &Self) -> Self {
                *key
            }
        }
    };
}
plain!(EdgeRow);
plain!(CellRow);

/// Everything of a day. A copy is cheap and stays as it is. What stands in for the unknown is always there,
/// at the first place of each.
#[derive(Clone, Debug)]
pub(super) struct Words {
    pub(super) parties: Log<Party>,
    pub(super) services: Log<Service>,
    pub(super) kinds: Log<Kind>,
    pub(super) sides: Log<SideDecision>,
    pub(super) edges: Log<EdgeRow>,
    pub(super) cells: Log<CellRow>,
}

/// How many there are of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sizes {
    pub(super) parties: u32,
    pub(super) services: u32,
    pub(super) kinds: u32,
    pub(super) sides: u32,
    pub(super) edges: u32,
    pub(super) cells: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { parties: 1, services: 0, kinds: 1, sides: 1, edges: 1, cells: 1 }
    }
}

impl Default for Words {
    fn default() -> Self {
        let mut words = Self {
            parties: Log::default(),
            services: Log::default(),
            kinds: Log::default(),
            sides: Log::default(),
            edges: Log::default(),
            cells: Log::default(),
        };
        words.fill(Sizes::default());
        words
    }
}

impl Words {
    pub(super) fn sizes(&self) -> Sizes {
        Sizes {
            parties: self.parties.len() as u32,
            services: self.services.len() as u32,
            kinds: self.kinds.len() as u32,
            sides: self.sides.len() as u32,
            edges: self.edges.len() as u32,
            cells: self.cells.len() as u32,
        }
    }

    /// Puts something at every place up to these that has nothing.
    pub(super) fn fill(&mut self, sizes: Sizes) {
        fill(&mut self.parties, sizes.parties, &Party::Other);
        fill(&mut self.services, sizes.services, &Service(String::new(), String::new()));
        fill(&mut self.kinds, sizes.kinds, &NO_KIND);
        fill(&mut self.sides, sizes.sides, &NO_SIDE);
        fill(&mut self.edges, sizes.edges, &NO_EDGE);
        fill(&mut self.cells, sizes.cells, &NO_CELL);
    }

    pub(super) fn knows_edge(&self, EdgeRow { source, destination, service, .. }: EdgeRow) -> bool {
        let known = |place: Place, count: usize| (place as usize) < count;
        known(source, self.parties.len())
            && known(destination, self.parties.len())
            && service.is_none_or(|service| known(service, self.services.len()))
    }

    pub(super) fn knows_cell(&self, CellRow { edge, kind, egress, ingress }: CellRow) -> bool {
        let known = |place: Place, count: usize| (place as usize) < count;
        known(edge, self.edges.len())
            && known(kind, self.kinds.len())
            && known(egress, self.sides.len())
            && known(ingress, self.sides.len())
    }
}

/// Stands where a kind is not known.
const NO_KIND: Kind = Kind { outcome: Outcome::NoReply, verdict: Verdict::Undecided, drop_reason: None };

/// Stands where a side is not known.
const NO_SIDE: SideDecision = SideDecision::plain(SideVerdict::Undecidable);

/// Stands where an edge is not known.
pub(super) const NO_EDGE: EdgeRow =
    EdgeRow { source: 0, destination: 0, service: None, port: None, protocol: Protocol::Tcp };

/// Stands where a cell is not known.
pub(super) const NO_CELL: CellRow = CellRow { edge: 0, kind: 0, egress: 0, ingress: 0 };

fn fill<T: Clone>(log: &mut Log<T>, count: u32, unknown: &T) {
    while log.len() < count as usize {
        log.push(unknown.clone());
    }
}
