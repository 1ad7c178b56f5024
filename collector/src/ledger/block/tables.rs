//! The tables of a block as they are written. A thing is known again by where it is kept, and only one that is
//! kept elsewhere by what it says: flows share what they name.

use super::{
    Columns, Content, Flows, Rare, Shared,
    names::{EndRow, Index, KindRow, PolicyRow, RelationRow, ServiceRow, SideRow, Table},
};
use foldhash::fast::RandomState;
use portolan_policy::{
    Flow, Outcome, PodEnd, PolicyRef, Protocol, Reporter, ServiceRef, SideDecision, Verdict, Who,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Places by where a thing is kept; while the flows of a block live, the same address holds the same.
type Kept<K> = HashMap<K, Index, RandomState>;

/// What flows of one relation share: who, the service and the sides, by address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct RelationKey {
    kept: [usize; 5],
    port: Option<u16>,
    protocol: Protocol,
}

/// What flows of one kind share, with texts by address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct KindKey {
    kept: [usize; 3],
    outcome: Outcome,
    revises: Option<Outcome>,
    verdict: Verdict,
    reporter: Reporter,
    inferred: bool,
    passed_netfilter: Option<bool>,
}

/// The address of what is shared; 0 of nothing.
fn address<T: ?Sized>(thing: Option<&Arc<T>>) -> usize {
    thing.map_or(0, |thing| Arc::as_ptr(thing).cast::<()>().addr())
}

/// Takes flows, and numbers what they share.
#[derive(Default)]
pub(super) struct Tables<'a> {
    names: Table<&'a str>,
    labels: HashMap<usize, Vec<(Index, Index)>, RandomState>,
    kept_ends: Kept<usize>,
    ends: Table<EndRow>,
    kept_services: Kept<usize>,
    services: Table<ServiceRow>,
    kept_sides: Kept<usize>,
    sides: Table<SideRow>,
    kept_relations: Kept<RelationKey>,
    relations: Table<RelationRow>,
    kept_kinds: Kept<KindKey>,
    kinds: Table<KindRow>,
}

impl<'a> Tables<'a> {
    /// The place of a flow's relation.
    pub(super) fn relation(&mut self, flow: &'a Flow) -> Index {
        let Flow { source, destination, service, protocol, egress, ingress, .. } = flow;
        let ends = [source.shared(), destination.shared()].map(|who| address(Some(who)));
        let sides = [egress, ingress].map(|side| address(Some(side)));
        let key = RelationKey {
            kept: [ends[0], ends[1], address(service.as_ref()), sides[0], sides[1]],
            port: destination.port(),
            protocol: *protocol,
        };
        if let Some(place) = self.kept_relations.get(&key) {
            return *place;
        }
        let row = RelationRow {
            source: self.end(source.shared()),
            destination: self.end(destination.shared()),
            port: destination.port(),
            service: service.as_ref().map(|service| self.service(service)),
            protocol: *protocol,
            egress: self.side(egress),
            ingress: self.side(ingress),
        };
        let place = self.relations.place(row);
        self.kept_relations.insert(key, place);
        place
    }

    /// The place of what became of a flow.
    pub(super) fn kind(&mut self, flow: &'a Flow) -> Index {
        let Flow { drop_reason, drop_location, enforced_by, .. } = flow;
        let texts = [drop_reason, drop_location].map(|text| address(text.as_ref()));
        let key = KindKey {
            kept: [texts[0], texts[1], address(enforced_by.as_ref())],
            outcome: flow.outcome,
            revises: flow.revises,
            verdict: flow.verdict,
            reporter: flow.reporter,
            inferred: flow.inferred,
            passed_netfilter: flow.passed_netfilter,
        };
        if let Some(place) = self.kept_kinds.get(&key) {
            return *place;
        }
        let row = KindRow {
            outcome: flow.outcome,
            revises: flow.revises,
            verdict: flow.verdict,
            inferred: flow.inferred,
            reporter: flow.reporter,
            drop_reason: self.perhaps(drop_reason.as_deref()),
            drop_location: self.perhaps(drop_location.as_deref()),
            enforced_by: enforced_by.as_deref().cloned(),
            passed_netfilter: flow.passed_netfilter,
        };
        let place = self.kinds.place(row);
        self.kept_kinds.insert(key, place);
        place
    }

    fn end(&mut self, who: &'a Arc<Who>) -> Index {
        let kept = address(Some(who));
        if let Some(place) = self.kept_ends.get(&kept) {
            return *place;
        }
        let row = match &**who {
            Who::Pod(pod) => self.pod(pod),
            Who::Node { node, namespace, pod, ip } => EndRow::Node {
                node: self.names.place(node),
                namespace: self.perhaps(namespace.as_deref()),
                pod: self.perhaps(pod.as_deref()),
                ip: *ip,
            },
            Who::Service { namespace, name, ip } => EndRow::Service {
                namespace: self.names.place(namespace),
                name: self.names.place(name),
                ip: *ip,
            },
            Who::External { ip } => EndRow::External { ip: *ip },
        };
        let place = self.ends.place(row);
        self.kept_ends.insert(kept, place);
        place
    }

    fn pod(&mut self, pod: &'a PodEnd) -> EndRow {
        let PodEnd { namespace, pod, workload, ip, node, labels } = pod;
        EndRow::Pod {
            namespace: self.names.place(namespace),
            pod: self.names.place(pod),
            kind: self.names.place(&workload.kind),
            workload: self.names.place(&workload.name),
            ip: *ip,
            node: self.names.place(node),
            labels: self.labels(labels),
        }
    }

    fn labels(&mut self, labels: &'a Arc<BTreeMap<String, String>>) -> Vec<(Index, Index)> {
        let Self { names, labels: kept, .. } = self;
        let places = || labels.iter().map(|(key, value)| (names.place(key), names.place(value))).collect();
        kept.entry(address(Some(labels))).or_insert_with(places).clone()
    }

    fn service(&mut self, service: &'a Arc<ServiceRef>) -> Index {
        let kept = address(Some(service));
        if let Some(place) = self.kept_services.get(&kept) {
            return *place;
        }
        let ServiceRef { namespace, name, ip, port } = &**service;
        let row = ServiceRow {
            namespace: self.names.place(namespace),
            name: self.names.place(name),
            ip: *ip,
            port: *port,
        };
        let place = self.services.place(row);
        self.kept_services.insert(kept, place);
        place
    }

    fn side(&mut self, side: &'a Arc<SideDecision>) -> Index {
        let kept = address(Some(side));
        if let Some(place) = self.kept_sides.get(&kept) {
            return *place;
        }
        let SideDecision { verdict, policies, reason } = &**side;
        let policies = policies.iter().map(|PolicyRef { kind, namespace, name, rule }| PolicyRow {
            kind: *kind,
            namespace: self.perhaps(namespace.as_deref()),
            name: self.names.place(name),
            rule: *rule,
        });
        let policies = policies.collect();
        let row = SideRow { verdict: *verdict, policies, reason: self.perhaps(reason.as_deref()) };
        let place = self.sides.place(row);
        self.kept_sides.insert(kept, place);
        place
    }

    fn perhaps(&mut self, name: Option<&'a str>) -> Option<Index> {
        name.map(|name| self.names.place(name))
    }

    /// The block of all flows that were taken, with a number for each.
    pub(super) fn into_content(self, columns: Columns, rare: Rare) -> Content<&'a str> {
        let shared = Shared {
            names: self.names.into_things(),
            ends: self.ends.into_things(),
            services: self.services.into_things(),
            sides: self.sides.into_things(),
            relations: self.relations.into_things(),
            kinds: self.kinds.into_things(),
        };
        Content { shared, flows: Flows { columns, rare } }
    }
}
