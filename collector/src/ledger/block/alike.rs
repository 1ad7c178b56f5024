//! Flows between the same ends, known again without looking up each of their names.

use super::names::Index;
use foldhash::quality::RandomState;
use portolan_policy::{Flow, PodEnd, Protocol, SideVerdict, Who};
use std::{collections::HashMap, net::IpAddr};

/// How many relations with the same addresses are told apart by comparing; nearly always there is one.
const MOST: usize = 4;

/// What nearly always tells one relation from another, and is quickly hashed.
#[derive(PartialEq, Eq, Hash)]
struct Sign {
    source: IpAddr,
    destination: IpAddr,
    port: Option<u16>,
    service: Option<(IpAddr, u16)>,
    protocol: Protocol,
    verdicts: [SideVerdict; 2],
}

impl Sign {
    fn of(flow: &Flow) -> Self {
        Self {
            source: flow.source.ip(),
            destination: flow.destination.ip(),
            port: flow.destination.port(),
            service: flow.service.as_ref().map(|service| (service.ip, service.port)),
            protocol: flow.protocol,
            verdicts: [flow.egress.verdict, flow.ingress.verdict],
        }
    }
}

/// The first flow of each relation, and the relation's place.
#[derive(Default)]
pub(super) struct Alike<'a>(HashMap<Sign, Vec<(&'a Flow, Index)>, RandomState>);

impl<'a> Alike<'a> {
    /// The place of a flow's relation: that of one before with the same, or the one that it gets.
    pub(super) fn place(&mut self, flow: &'a Flow, place: impl FnOnce() -> Index) -> Index {
        let known = self.0.entry(Sign::of(flow)).or_default();
        if let Some((_, place)) = known.iter().find(|(other, _)| is_alike(flow, other)) {
            return *place;
        }
        let place = place();
        if known.len() < MOST {
            known.push((flow, place));
        }
        place
    }
}

/// Whether two flows with the same sign have the same relation.
fn is_alike(one: &Flow, other: &Flow) -> bool {
    is_same(one.source.who(), other.source.who())
        && is_same(one.destination.who(), other.destination.who())
        && one.service == other.service
        && one.egress == other.egress
        && one.ingress == other.ingress
}

/// Whether two ends with the same address are the same but for the port.
fn is_same(one: &Who, other: &Who) -> bool {
    match (one, other) {
        (Who::Pod(one), Who::Pod(other)) => {
            let PodEnd { namespace, pod, workload, ip: _, node, labels } = one;
            *pod == other.pod
                && *namespace == other.namespace
                && *workload == other.workload
                && *node == other.node
                && *labels == other.labels
        }
        (
            Who::Node { node, namespace, pod, ip: _ },
            Who::Node { node: other, namespace: other_namespace, pod: other_pod, .. },
        ) => node == other && namespace == other_namespace && pod == other_pod,
        (
            Who::Service { namespace, name, ip: _ },
            Who::Service { namespace: other_namespace, name: other_name, .. },
        ) => namespace == other_namespace && name == other_name,
        (Who::External { ip: _ }, Who::External { .. }) => true,
        _ => false,
    }
}
