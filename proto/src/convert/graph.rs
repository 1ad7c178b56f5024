//! What the graph says.

use super::{
    error::{ConvertError, Problem, Within as _},
    flow::each,
    scalar::{address, address_to_proto, optional_port, required, text, time, timestamp_to_proto},
    words::Word as _,
};
use crate::{
    graph::{
        Covered, DecisionCount, Direction, Edge, Latency, OutcomeCount, Party, PolicyHit, Service, by_verdict,
    },
    v1,
};
use portolan_policy::{Outcome, Protocol, Verdict, Workload};
use v1::party::Party as Wire;

impl From<Covered> for v1::Covered {
    fn from(Covered { from, to, damaged, matching, told, attempts, others, behind }: Covered) -> Self {
        let (from, to) = (Some(timestamp_to_proto(from)), Some(timestamp_to_proto(to)));
        Self { from, to, damaged, matching, told, attempts, others, behind }
    }
}

impl TryFrom<v1::Covered> for Covered {
    type Error = ConvertError;

    fn try_from(wire: v1::Covered) -> Result<Self, ConvertError> {
        let v1::Covered { from, to, damaged, matching, told, attempts, others, behind } = wire;
        let (from, to) = (time(from, "from")?, time(to, "to")?);
        Ok(Self { from, to, damaged, matching, told, attempts, others, behind })
    }
}

impl From<Edge> for v1::Edge {
    fn from(edge: Edge) -> Self {
        let Edge {
            source,
            destination,
            service,
            port,
            protocol,
            attempts,
            revised,
            // The sums of the outcomes.
            verdicts: _,
            outcomes,
            packets,
            bytes,
            retransmits,
            first,
            last,
            latency_us,
            decisions,
        } = edge;
        Self {
            source: Some(source.into()),
            destination: Some(destination.into()),
            service: service.map(|Service { namespace, name }| v1::ServiceName { namespace, name }),
            port: port.map(u32::from),
            protocol: v1::Protocol::from(protocol).into(),
            attempts,
            revised,
            outcomes: outcomes.into_iter().map(Into::into).collect(),
            packets,
            bytes,
            retransmits,
            first: Some(timestamp_to_proto(first)),
            last: Some(timestamp_to_proto(last)),
            latency_us: latency_us.map(Into::into),
            decisions: decisions.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::Edge> for Edge {
    type Error = ConvertError;

    fn try_from(wire: v1::Edge) -> Result<Self, ConvertError> {
        let v1::Edge {
            source,
            destination,
            service,
            port,
            protocol,
            attempts,
            revised,
            outcomes,
            packets,
            bytes,
            retransmits,
            first,
            last,
            latency_us,
            decisions,
        } = wire;
        let outcomes = each(outcomes, "outcomes")?;
        Ok(Self {
            source: required(source, "source")?.try_into().within("source")?,
            destination: required(destination, "destination")?.try_into().within("destination")?,
            service: service.map(service_name).transpose().within("service")?,
            port: optional_port(port, "port")?,
            protocol: Protocol::from_wire(protocol, "protocol")?,
            attempts,
            revised,
            verdicts: by_verdict(&outcomes),
            outcomes,
            packets,
            bytes,
            retransmits,
            first: time(first, "first")?,
            last: time(last, "last")?,
            latency_us: latency_us.map(TryInto::try_into).transpose().within("latency_us")?,
            decisions: each(decisions, "decisions")?,
        })
    }
}

fn service_name(wire: v1::ServiceName) -> Result<Service, ConvertError> {
    let v1::ServiceName { namespace, name } = wire;
    Ok(Service { namespace: text(namespace, "namespace")?, name: text(name, "name")? })
}

impl From<Party> for v1::Party {
    fn from(party: Party) -> Self {
        let wire = match party {
            Party::Workload { namespace, workload: Workload { kind, name } } => {
                Wire::Workload(v1::WorkloadParty { namespace, workload: Some(v1::Workload { kind, name }) })
            }
            Party::Node { node } => Wire::Node(node),
            Party::Service { namespace, name } => Wire::Service(v1::ServiceName { namespace, name }),
            Party::External { ip } => Wire::External(address_to_proto(ip)),
            Party::Other => Wire::Other(v1::OtherParty {}),
        };
        Self { party: Some(wire) }
    }
}

impl TryFrom<v1::Party> for Party {
    type Error = ConvertError;

    fn try_from(v1::Party { party }: v1::Party) -> Result<Self, ConvertError> {
        Ok(match required(party, "party")? {
            Wire::Workload(v1::WorkloadParty { namespace, workload }) => {
                let v1::Workload { kind, name } = required(workload, "workload.workload")?;
                let kind = text(kind, "workload.workload.kind")?;
                let workload = Workload { kind, name: text(name, "workload.workload.name")? };
                Self::Workload { namespace: text(namespace, "workload.namespace")?, workload }
            }
            Wire::Node(node) => Self::Node { node: text(node, "node")? },
            Wire::Service(service) => {
                let Service { namespace, name } = service_name(service).within("service")?;
                Self::Service { namespace, name }
            }
            Wire::External(octets) => Self::External { ip: address(&octets, "external")? },
            Wire::Other(v1::OtherParty {}) => Self::Other,
        })
    }
}

impl From<OutcomeCount> for v1::OutcomeCount {
    fn from(OutcomeCount { outcome, verdict, drop_reason, attempts }: OutcomeCount) -> Self {
        let (outcome, verdict) = (v1::Outcome::from(outcome).into(), v1::Verdict::from(verdict).into());
        Self { outcome, verdict, drop_reason, attempts }
    }
}

impl TryFrom<v1::OutcomeCount> for OutcomeCount {
    type Error = ConvertError;

    fn try_from(wire: v1::OutcomeCount) -> Result<Self, ConvertError> {
        let v1::OutcomeCount { outcome, verdict, drop_reason, attempts } = wire;
        let outcome = Outcome::from_wire(outcome, "outcome")?;
        Ok(Self { outcome, verdict: Verdict::from_wire(verdict, "verdict")?, drop_reason, attempts })
    }
}

impl From<Latency> for v1::LatencySummary {
    fn from(Latency { count, min, p50, p90, p99, max, histogram }: Latency) -> Self {
        let (values, counts) = histogram.into_iter().unzip();
        Self { count, min, p50, p90, p99, max, values, counts }
    }
}

impl TryFrom<v1::LatencySummary> for Latency {
    type Error = ConvertError;

    fn try_from(wire: v1::LatencySummary) -> Result<Self, ConvertError> {
        let v1::LatencySummary { count, min, p50, p90, p99, max, values, counts } = wire;
        if values.len() != counts.len() {
            return Err(Problem::Missing.at(if values.len() < counts.len() { "values" } else { "counts" }));
        }
        Ok(Self { count, min, p50, p90, p99, max, histogram: values.into_iter().zip(counts).collect() })
    }
}

impl From<Direction> for v1::Direction {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Egress => Self::Egress,
            Direction::Ingress => Self::Ingress,
        }
    }
}

fn direction(number: i32) -> Result<Direction, ConvertError> {
    match v1::Direction::try_from(number) {
        Ok(v1::Direction::Egress) => Ok(Direction::Egress),
        Ok(v1::Direction::Ingress) => Ok(Direction::Ingress),
        Ok(v1::Direction::Unspecified) | Err(_) => Err(Problem::UnknownValue(number).at("direction")),
    }
}

impl From<DecisionCount> for v1::DecisionCount {
    fn from(DecisionCount { direction, decision, attempts, first, last }: DecisionCount) -> Self {
        Self {
            direction: v1::Direction::from(direction).into(),
            decision: Some(decision.into()),
            attempts,
            first: Some(timestamp_to_proto(first)),
            last: Some(timestamp_to_proto(last)),
        }
    }
}

impl TryFrom<v1::DecisionCount> for DecisionCount {
    type Error = ConvertError;

    fn try_from(wire: v1::DecisionCount) -> Result<Self, ConvertError> {
        let v1::DecisionCount { direction: side, decision, attempts, first, last } = wire;
        Ok(Self {
            direction: direction(side)?,
            decision: required(decision, "decision")?.try_into().within("decision")?,
            attempts,
            first: time(first, "first")?,
            last: time(last, "last")?,
        })
    }
}

impl From<PolicyHit> for v1::PolicyHit {
    fn from(hit: PolicyHit) -> Self {
        let PolicyHit { direction, policy, admitted, denied, edges, first, last } = hit;
        Self {
            direction: v1::Direction::from(direction).into(),
            policy: Some(policy.into()),
            admitted,
            denied,
            edges,
            first: Some(timestamp_to_proto(first)),
            last: Some(timestamp_to_proto(last)),
        }
    }
}

impl TryFrom<v1::PolicyHit> for PolicyHit {
    type Error = ConvertError;

    fn try_from(wire: v1::PolicyHit) -> Result<Self, ConvertError> {
        let v1::PolicyHit { direction: side, policy, admitted, denied, edges, first, last } = wire;
        Ok(Self {
            direction: direction(side)?,
            policy: required(policy, "policy")?.try_into().within("policy")?,
            admitted,
            denied,
            edges,
            first: time(first, "first")?,
            last: time(last, "last")?,
        })
    }
}
