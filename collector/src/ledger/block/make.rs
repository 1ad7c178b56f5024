//! What flows of a block share, made when the first of them needs it, for all to share.

use super::{
    Columns, Shared,
    decode::BlockError,
    names::{EndRow, Index, KindRow, PolicyRow, RelationRow, ServiceRow, SideRow},
};
use jiff::Timestamp;
use portolan_policy::{
    End, Enforcer, Flow, Latency, PodEnd, PolicyRef, ServiceRef, SideDecision, Who, Workload,
};
use std::sync::Arc;

/// What became of a flow, named.
#[derive(Clone)]
struct Kind {
    drop_reason: Option<Arc<str>>,
    drop_location: Option<Arc<str>>,
    enforced_by: Option<Arc<Enforcer>>,
}

/// Things by their place in a table, as far as they were made.
struct Things<T>(Vec<Option<T>>);

impl<T: Clone> Things<T> {
    fn of(count: usize) -> Self {
        Self(std::iter::repeat_with(|| None).take(count).collect())
    }

    /// The thing at a place; it is made where it was not.
    fn get(
        &mut self,
        place: Index,
        what: &'static str,
        make: impl FnOnce(usize) -> Result<T, BlockError>,
    ) -> Result<T, BlockError> {
        let thing = self.0.get_mut(place as usize).ok_or(BlockError::Shape(what))?;
        if let Some(thing) = thing {
            return Ok(thing.clone());
        }
        Ok(thing.insert(make(place as usize)?).clone())
    }
}

/// Makes flows.
pub(super) struct Maker<'block> {
    shared: &'block Shared,
    ends: Things<Arc<Who>>,
    services: Things<Arc<ServiceRef>>,
    sides: Things<Arc<SideDecision>>,
    kinds: Things<Kind>,
}

impl<'block> Maker<'block> {
    /// One that has made nothing yet.
    pub(super) fn new(shared: &'block Shared) -> Self {
        Self {
            ends: Things::of(shared.ends.len()),
            services: Things::of(shared.services.len()),
            sides: Things::of(shared.sides.len()),
            kinds: Things::of(shared.kinds.len()),
            shared,
        }
    }

    /// The flow of a place that began at this time, which is told in nanoseconds and in the unit of the columns.
    pub(super) fn flow(
        &mut self,
        columns: &Columns,
        place: usize,
        (time, units): (Timestamp, i128),
    ) -> Result<Flow, BlockError> {
        let shared = self.shared;
        let RelationRow { source, destination, port, service, protocol, egress, ingress } =
            find(&shared.relations, columns.relation[place], "relations")?;
        let kind = find(&shared.kinds, columns.kind[place], "kinds")?;
        let Kind { drop_reason, drop_location, enforced_by } = self.kind(columns.kind[place])?;
        Ok(Flow {
            time,
            end_time: columns.timestamp(units.checked_add(columns.duration[place]))?,
            source: End::new(self.who(*source)?, columns.source_port(place)?),
            destination: End::new(self.who(*destination)?, *port),
            service: service.map(|service| self.service(service)).transpose()?,
            protocol: *protocol,
            outcome: kind.outcome,
            revises: kind.revises,
            drop_reason,
            drop_location,
            enforced_by,
            passed_netfilter: kind.passed_netfilter,
            verdict: kind.verdict,
            inferred: kind.inferred,
            egress: self.side(*egress)?,
            ingress: self.side(*ingress)?,
            reporter: kind.reporter,
            attempts: columns.attempts[place],
            tries: columns.tries[place],
            packets: columns.packets[place],
            bytes: columns.bytes[place],
            latency_us: columns.latency[place].map(Latency::single),
            retransmits: None,
            srtt_us: None,
            lost: 0,
            losses: Vec::new(),
        })
    }

    fn who(&mut self, place: Index) -> Result<Arc<Who>, BlockError> {
        let Shared { names, ends, .. } = self.shared;
        self.ends.get(place, "ends", |place| Ok(Arc::new(Names(names).who(&ends[place])?)))
    }

    fn service(&mut self, place: Index) -> Result<Arc<ServiceRef>, BlockError> {
        let Shared { names, services, .. } = self.shared;
        self.services.get(place, "services", |place| Ok(Arc::new(Names(names).service(&services[place])?)))
    }

    fn side(&mut self, place: Index) -> Result<Arc<SideDecision>, BlockError> {
        let Shared { names, sides, .. } = self.shared;
        self.sides.get(place, "decisions", |place| Ok(Arc::new(Names(names).side(&sides[place])?)))
    }

    fn kind(&mut self, place: Index) -> Result<Kind, BlockError> {
        let Shared { names, kinds, .. } = self.shared;
        self.kinds.get(place, "kinds", |place| Names(names).kind(&kinds[place]))
    }
}

/// The thing at a place of a table.
pub(super) fn find<'table, T>(
    table: &'table [T],
    place: Index,
    what: &'static str,
) -> Result<&'table T, BlockError> {
    table.get(place as usize).ok_or(BlockError::Shape(what))
}

#[derive(Clone, Copy)]
struct Names<'block>(&'block [String]);

impl Names<'_> {
    fn name(self, place: Index) -> Result<String, BlockError> {
        find(self.0, place, "names").cloned()
    }

    fn perhaps(self, place: Option<Index>) -> Result<Option<String>, BlockError> {
        place.map(|place| self.name(place)).transpose()
    }

    fn kind(self, row: &KindRow) -> Result<Kind, BlockError> {
        Ok(Kind {
            drop_reason: self.perhaps(row.drop_reason)?.map(Into::into),
            drop_location: self.perhaps(row.drop_location)?.map(Into::into),
            enforced_by: row.enforced_by.clone().map(Arc::new),
        })
    }

    fn who(self, row: &EndRow) -> Result<Who, BlockError> {
        Ok(match row {
            EndRow::Pod { namespace, pod, kind, workload, ip, node, labels } => {
                let labels = labels.iter().map(|(key, value)| Ok((self.name(*key)?, self.name(*value)?)));
                Who::Pod(PodEnd {
                    namespace: self.name(*namespace)?,
                    pod: self.name(*pod)?,
                    workload: Workload { kind: self.name(*kind)?, name: self.name(*workload)? },
                    ip: *ip,
                    node: self.name(*node)?,
                    labels: Arc::new(labels.collect::<Result<_, BlockError>>()?),
                })
            }
            EndRow::Node { node, namespace, pod, ip } => Who::Node {
                node: self.name(*node)?,
                namespace: self.perhaps(*namespace)?,
                pod: self.perhaps(*pod)?,
                ip: *ip,
            },
            EndRow::Service { namespace, name, ip } => {
                Who::Service { namespace: self.name(*namespace)?, name: self.name(*name)?, ip: *ip }
            }
            EndRow::External { ip } => Who::External { ip: *ip },
        })
    }

    fn service(self, row: &ServiceRow) -> Result<ServiceRef, BlockError> {
        let ServiceRow { namespace, name, ip, port } = row;
        Ok(ServiceRef { namespace: self.name(*namespace)?, name: self.name(*name)?, ip: *ip, port: *port })
    }

    fn side(self, row: &SideRow) -> Result<SideDecision, BlockError> {
        let policies = row.policies.iter().map(|PolicyRow { kind, namespace, name, rule }| {
            let (namespace, name) = (self.perhaps(*namespace)?, self.name(*name)?);
            Ok(PolicyRef { kind: *kind, namespace, name, rule: *rule })
        });
        Ok(SideDecision {
            verdict: row.verdict,
            policies: policies.collect::<Result<_, BlockError>>()?,
            reason: self.perhaps(row.reason)?,
        })
    }
}
