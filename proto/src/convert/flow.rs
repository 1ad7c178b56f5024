//! The flow itself and what the policies say of it.

use super::{
    error::{ConvertError, Within as _},
    scalar::{required, text, time, timestamp_to_proto},
    words::{Word as _, policy_kind_to_proto},
};
use crate::v1;
use portolan_policy::{
    Enforcer, Flow, Latency, Loss, Outcome, PolicyKind, PolicyRef, Protocol, Reporter, RuleVerdict,
    SideDecision, SideVerdict, Verdict,
};
use std::sync::Arc;

impl From<Flow> for v1::Flow {
    fn from(flow: Flow) -> Self {
        let Flow {
            time,
            end_time,
            source,
            destination,
            service,
            protocol,
            outcome,
            revises,
            drop_reason,
            drop_location,
            enforced_by,
            passed_netfilter,
            verdict,
            inferred,
            egress,
            ingress,
            reporter,
            attempts,
            tries,
            packets,
            bytes,
            latency_us,
            retransmits,
            srtt_us,
            lost,
            losses,
        } = flow;
        Self {
            time: Some(timestamp_to_proto(time)),
            end_time: Some(timestamp_to_proto(end_time)),
            source: Some((&source).into()),
            destination: Some((&destination).into()),
            service: service.as_deref().map(Into::into),
            protocol: v1::Protocol::from(protocol).into(),
            outcome: v1::Outcome::from(outcome).into(),
            revises: revises.map(|outcome| v1::Outcome::from(outcome).into()),
            drop_reason: drop_reason.as_deref().map(str::to_owned),
            drop_location: drop_location.as_deref().map(str::to_owned),
            enforced_by: enforced_by.as_deref().cloned().map(Into::into),
            passed_netfilter,
            verdict: v1::Verdict::from(verdict).into(),
            inferred,
            egress: Some(Arc::unwrap_or_clone(egress).into()),
            ingress: Some(Arc::unwrap_or_clone(ingress).into()),
            reporter: v1::Reporter::from(reporter).into(),
            attempts,
            tries,
            packets,
            bytes,
            latency_us: latency_us.map(|Latency { min, p50, p99, max }| v1::Latency { min, p50, p99, max }),
            retransmits,
            srtt_us,
            lost,
            losses: losses.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::Flow> for Flow {
    type Error = ConvertError;

    fn try_from(wire: v1::Flow) -> Result<Self, ConvertError> {
        let v1::Flow {
            time: begun,
            end_time,
            source,
            destination,
            service,
            protocol,
            outcome,
            revises,
            drop_reason,
            drop_location,
            enforced_by,
            passed_netfilter,
            verdict,
            inferred,
            egress,
            ingress,
            reporter,
            attempts,
            tries,
            packets,
            bytes,
            latency_us,
            retransmits,
            srtt_us,
            lost,
            losses,
        } = wire;
        Ok(Self {
            time: time(begun, "time")?,
            end_time: time(end_time, "end_time")?,
            source: required(source, "source")?.try_into().within("source")?,
            destination: required(destination, "destination")?.try_into().within("destination")?,
            service: service.map(TryInto::try_into).transpose().within("service")?.map(Arc::new),
            protocol: Protocol::from_wire(protocol, "protocol")?,
            outcome: Outcome::from_wire(outcome, "outcome")?,
            revises: revises.map(|outcome| Outcome::from_wire(outcome, "revises")).transpose()?,
            drop_reason: drop_reason.map(Into::into),
            drop_location: drop_location.map(Into::into),
            enforced_by: enforced_by.map(TryInto::try_into).transpose().within("enforced_by")?.map(Arc::new),
            passed_netfilter,
            verdict: Verdict::from_wire(verdict, "verdict")?,
            inferred,
            egress: SideDecision::try_from(required(egress, "egress")?).within("egress")?.into(),
            ingress: SideDecision::try_from(required(ingress, "ingress")?).within("ingress")?.into(),
            reporter: Reporter::from_wire(reporter, "reporter")?,
            attempts,
            tries,
            packets,
            bytes,
            latency_us: latency_us.map(|v1::Latency { min, p50, p99, max }| Latency { min, p50, p99, max }),
            retransmits,
            srtt_us,
            lost,
            losses: each(losses, "losses")?,
        })
    }
}

impl From<Loss> for v1::Loss {
    fn from(Loss { cause, count, from, to }: Loss) -> Self {
        Self { cause, count, from: Some(timestamp_to_proto(from)), to: Some(timestamp_to_proto(to)) }
    }
}

impl TryFrom<v1::Loss> for Loss {
    type Error = ConvertError;

    fn try_from(v1::Loss { cause, count, from, to }: v1::Loss) -> Result<Self, ConvertError> {
        Ok(Self { cause: text(cause, "cause")?, count, from: time(from, "from")?, to: time(to, "to")? })
    }
}

impl From<Enforcer> for v1::Enforcer {
    fn from(Enforcer { family, table, chain, handle, comment, verdict }: Enforcer) -> Self {
        Self { family, table, chain, handle, comment, verdict: v1::RuleVerdict::from(verdict).into() }
    }
}

impl TryFrom<v1::Enforcer> for Enforcer {
    type Error = ConvertError;

    fn try_from(wire: v1::Enforcer) -> Result<Self, ConvertError> {
        let v1::Enforcer { family, table, chain, handle, comment, verdict } = wire;
        Ok(Self {
            family: text(family, "family")?,
            table: text(table, "table")?,
            chain: text(chain, "chain")?,
            handle,
            comment,
            verdict: RuleVerdict::from_wire(verdict, "verdict")?,
        })
    }
}

impl From<SideDecision> for v1::SideDecision {
    fn from(SideDecision { verdict, policies, reason }: SideDecision) -> Self {
        Self {
            verdict: v1::SideVerdict::from(verdict).into(),
            policies: policies.into_iter().map(Into::into).collect(),
            reason,
        }
    }
}

impl TryFrom<v1::SideDecision> for SideDecision {
    type Error = ConvertError;

    fn try_from(wire: v1::SideDecision) -> Result<Self, ConvertError> {
        let v1::SideDecision { verdict, policies, reason } = wire;
        Ok(Self {
            verdict: SideVerdict::from_wire(verdict, "verdict")?,
            policies: each(policies, "policies")?,
            reason,
        })
    }
}

impl From<PolicyRef> for v1::PolicyRef {
    fn from(PolicyRef { kind, namespace, name, rule }: PolicyRef) -> Self {
        Self { kind: policy_kind_to_proto(kind).into(), namespace, name, rule }
    }
}

impl TryFrom<v1::PolicyRef> for PolicyRef {
    type Error = ConvertError;

    fn try_from(v1::PolicyRef { kind, namespace, name, rule }: v1::PolicyRef) -> Result<Self, ConvertError> {
        Ok(Self { kind: PolicyKind::from_wire(kind, "kind")?, namespace, name: text(name, "name")?, rule })
    }
}

/// Converts every item; an error says which.
pub(super) fn each<W, T>(wire: Vec<W>, field: &str) -> Result<Vec<T>, ConvertError>
where
    T: TryFrom<W, Error = ConvertError>,
{
    let convert = |(index, item): (usize, W)| T::try_from(item).within(&format!("{field}[{index}]"));
    wire.into_iter().enumerate().map(convert).collect()
}
