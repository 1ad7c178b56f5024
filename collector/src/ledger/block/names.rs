//! The tables of a block: each name, end, decision and so on is written once.

use foldhash::quality::RandomState;
use portolan_policy::{Enforcer, Outcome, PolicyKind, Protocol, Reporter, SideVerdict, Verdict};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, hash::Hash, net::IpAddr};

/// The place of something in its table.
pub(super) type Index = u32;

/// Every different thing once, in the order of its first use.
#[derive(Debug)]
pub(super) struct Table<T> {
    things: Vec<T>,
    /// The things are for anyone to choose: the hash is drawn at random.
    places: HashMap<T, Index, RandomState>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { things: Vec::new(), places: HashMap::default() }
    }
}

impl<T: Clone + Eq + Hash> Table<T> {
    /// The place of a thing, which is added where it is new.
    pub(super) fn place(&mut self, thing: T) -> Index {
        if let Some(place) = self.places.get(&thing) {
            return *place;
        }
        let place = self.things.len() as Index;
        self.things.push(thing.clone());
        self.places.insert(thing, place);
        place
    }

    pub(super) fn into_things(self) -> Vec<T> {
        self.things
    }
}

/// An end without its port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum EndRow {
    Pod {
        namespace: Index,
        pod: Index,
        kind: Index,
        workload: Index,
        ip: IpAddr,
        node: Index,
        labels: Vec<(Index, Index)>,
    },
    Node {
        node: Index,
        namespace: Option<Index>,
        pod: Option<Index>,
        ip: IpAddr,
    },
    Service {
        namespace: Index,
        name: Index,
        ip: IpAddr,
    },
    External {
        ip: IpAddr,
    },
}

/// A service that was dialled.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct ServiceRow {
    pub(super) namespace: Index,
    pub(super) name: Index,
    pub(super) ip: IpAddr,
    pub(super) port: u16,
}

/// A policy and its rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct PolicyRow {
    pub(super) kind: PolicyKind,
    pub(super) namespace: Option<Index>,
    pub(super) name: Index,
    pub(super) rule: Option<u32>,
}

/// What the policies say on one side.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct SideRow {
    pub(super) verdict: SideVerdict,
    pub(super) policies: Vec<PolicyRow>,
    pub(super) reason: Option<Index>,
}

/// What flows between the same ends have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct RelationRow {
    pub(super) source: Index,
    pub(super) destination: Index,
    pub(super) port: Option<u16>,
    pub(super) service: Option<Index>,
    pub(super) protocol: Protocol,
    pub(super) egress: Index,
    pub(super) ingress: Index,
}

/// What became of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct KindRow {
    pub(super) outcome: Outcome,
    pub(super) revises: Option<Outcome>,
    pub(super) verdict: Verdict,
    pub(super) inferred: bool,
    pub(super) reporter: Reporter,
    pub(super) drop_reason: Option<Index>,
    pub(super) drop_location: Option<Index>,
    pub(super) enforced_by: Option<Enforcer>,
    pub(super) passed_netfilter: Option<bool>,
}
