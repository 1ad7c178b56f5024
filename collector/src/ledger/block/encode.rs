//! From flows to a block.

use super::{
    Columns, Content, Flows, Rare, Row, Shared,
    alike::Alike,
    names::{EndRow, Index, KindRow, PolicyRow, RelationRow, ServiceRow, SideRow, Table},
    pack,
};
use jiff::Timestamp;
use portolan_policy::{Flow, Latency, PodEnd, PolicyRef, ServiceRef, SideDecision, Who};
use portolan_proto::Latencies;

const MICROSECOND: i128 = 1000;

/// The block of these flows, in their order.
pub(crate) fn encode(rows: &[Row<'_>]) -> Vec<u8> {
    let whole = rows.iter().all(|row| is_whole(row.flow.time) && is_whole(row.flow.end_time));
    let unit = if whole { MICROSECOND } else { 1 };
    let mut tables = Tables::default();
    let mut alike = Alike::default();
    let mut columns = Columns { unit: unit as u32, ..Columns::default() };
    let mut rare = Rare::default();
    let (mut last, mut last_ordinal) = (0, 0_u64);
    for (place, row) in rows.iter().enumerate() {
        let Row { ordinal, flow, latencies: _ } = *row;
        columns.ordinal.push(ordinal.wrapping_sub(last_ordinal).cast_signed());
        last_ordinal = ordinal;
        let time = flow.time.as_nanosecond() / unit;
        columns.time.push(time - last);
        columns.duration.push(flow.end_time.as_nanosecond() / unit - time);
        last = time;
        columns.relation.push(alike.place(flow, || tables.relation(flow)));
        columns.kind.push(tables.kind(flow));
        columns.push(flow);
        rare.push(place as Index, *row);
    }
    let Tables { names, ends, services, sides, relations, kinds } = tables;
    let shared = Shared {
        names: names.into_things(),
        ends: ends.into_things(),
        services: services.into_things(),
        sides: sides.into_things(),
        relations: relations.into_things(),
        kinds: kinds.into_things(),
    };
    pack(&Content { shared, flows: Flows { columns, rare } })
}

fn is_whole(time: Timestamp) -> bool {
    time.as_nanosecond() % MICROSECOND == 0
}

impl Columns {
    fn push(&mut self, flow: &Flow) {
        self.port.push(flow.source.port().map_or(0, |port| u32::from(port) + 1));
        self.attempts.push(flow.attempts);
        self.tries.push(flow.tries);
        self.packets.push(flow.packets);
        self.bytes.push(flow.bytes);
        self.latency.push(flow.latency_us.map(|latency| latency.min));
    }
}

impl Rare {
    fn push(&mut self, place: Index, Row { ordinal: _, flow, latencies }: Row<'_>) {
        self.latencies.extend(latencies.map(|latencies| (place, steps(latencies))));
        if let Some(latency) = flow.latency_us.filter(|latency| *latency != Latency::single(latency.min)) {
            self.latency.push((place, latency.p50, latency.p99, latency.max));
        }
        self.retransmits.extend(flow.retransmits.map(|count| (place, count)));
        self.srtt.extend(flow.srtt_us.map(|micros| (place, micros)));
        if flow.lost != 0 || !flow.losses.is_empty() {
            self.lost.push((place, flow.lost, flow.losses.clone()));
        }
    }
}

fn steps(latencies: &Latencies) -> Vec<(u64, u64)> {
    let mut before = 0;
    let step = |(value, count): &(u64, u64)| (value - std::mem::replace(&mut before, *value), *count);
    latencies.counts().iter().map(step).collect()
}

#[derive(Default)]
struct Tables {
    names: Table<String>,
    ends: Table<EndRow>,
    services: Table<ServiceRow>,
    sides: Table<SideRow>,
    relations: Table<RelationRow>,
    kinds: Table<KindRow>,
}

impl Tables {
    fn relation(&mut self, flow: &Flow) -> Index {
        let row = RelationRow {
            source: self.end(flow.source.who()),
            destination: self.end(flow.destination.who()),
            port: flow.destination.port(),
            service: flow.service.as_ref().map(|service| self.service(service)),
            protocol: flow.protocol,
            egress: self.side(&flow.egress),
            ingress: self.side(&flow.ingress),
        };
        self.relations.place(row)
    }

    fn kind(&mut self, flow: &Flow) -> Index {
        let row = KindRow {
            outcome: flow.outcome,
            revises: flow.revises,
            verdict: flow.verdict,
            inferred: flow.inferred,
            reporter: flow.reporter,
            drop_reason: self.perhaps(flow.drop_reason.as_deref()),
            drop_location: self.perhaps(flow.drop_location.as_deref()),
            enforced_by: flow.enforced_by.as_deref().cloned(),
            passed_netfilter: flow.passed_netfilter,
        };
        self.kinds.place(row)
    }

    fn end(&mut self, end: &Who) -> Index {
        let row = match end {
            Who::Pod(PodEnd { namespace, pod, workload, ip, node, labels }) => EndRow::Pod {
                namespace: self.names.name(namespace),
                pod: self.names.name(pod),
                kind: self.names.name(&workload.kind),
                workload: self.names.name(&workload.name),
                ip: *ip,
                node: self.names.name(node),
                labels: labels
                    .iter()
                    .map(|(key, value)| (self.names.name(key), self.names.name(value)))
                    .collect(),
            },
            Who::Node { node, namespace, pod, ip } => EndRow::Node {
                node: self.names.name(node),
                namespace: self.perhaps(namespace.as_deref()),
                pod: self.perhaps(pod.as_deref()),
                ip: *ip,
            },
            Who::Service { namespace, name, ip } => EndRow::Service {
                namespace: self.names.name(namespace),
                name: self.names.name(name),
                ip: *ip,
            },
            Who::External { ip } => EndRow::External { ip: *ip },
        };
        self.ends.place(row)
    }

    fn service(&mut self, service: &ServiceRef) -> Index {
        let ServiceRef { namespace, name, ip, port } = service;
        let row = ServiceRow {
            namespace: self.names.name(namespace),
            name: self.names.name(name),
            ip: *ip,
            port: *port,
        };
        self.services.place(row)
    }

    fn side(&mut self, side: &SideDecision) -> Index {
        let SideDecision { verdict, policies, reason } = side;
        let policies = policies.iter().map(|PolicyRef { kind, namespace, name, rule }| PolicyRow {
            kind: *kind,
            namespace: self.perhaps(namespace.as_deref()),
            name: self.names.name(name),
            rule: *rule,
        });
        let policies = policies.collect();
        let row = SideRow { verdict: *verdict, policies, reason: self.perhaps(reason.as_deref()) };
        self.sides.place(row)
    }

    fn perhaps(&mut self, name: Option<&str>) -> Option<Index> {
        name.map(|name| self.names.name(name))
    }
}
