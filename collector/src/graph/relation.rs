//! What the graph tells flows apart by, borrowed from wherever it stands.

use super::answer::Party;
use portolan_policy::{
    End, Flow, Outcome, PodEnd, PolicyRef, Protocol, ServiceRef, SideDecision, SideVerdict, Verdict, Who,
};
use std::net::IpAddr;

/// A [`Party`], borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum PartyKey<'a> {
    Workload { namespace: &'a str, kind: &'a str, name: &'a str },
    Node { name: &'a str },
    Service { namespace: &'a str, name: &'a str },
    External { ip: IpAddr },
    Other,
}

impl<'a> From<&'a End> for PartyKey<'a> {
    fn from(end: &'a End) -> Self {
        match end.who() {
            Who::Pod(PodEnd { namespace, workload, .. }) => {
                Self::Workload { namespace, kind: &workload.kind, name: &workload.name }
            }
            Who::Node { node, .. } => Self::Node { name: node },
            Who::Service { namespace, name, .. } => Self::Service { namespace, name },
            Who::External { ip } => Self::External { ip: *ip },
        }
    }
}

impl<'a> From<&'a Party> for PartyKey<'a> {
    fn from(party: &'a Party) -> Self {
        match party {
            Party::Workload { namespace, kind, name } => Self::Workload { namespace, kind, name },
            Party::Node { name } => Self::Node { name },
            Party::Service { namespace, name } => Self::Service { namespace, name },
            Party::External { ip } => Self::External { ip: *ip },
            Party::Other => Self::Other,
        }
    }
}

impl PartyKey<'_> {
    /// The party itself.
    pub(super) fn to_party(self) -> Party {
        match self {
            Self::Workload { namespace, kind, name } => Party::Workload {
                namespace: namespace.to_owned(),
                kind: kind.to_owned(),
                name: name.to_owned(),
            },
            Self::Node { name } => Party::Node { name: name.to_owned() },
            Self::Service { namespace, name } => {
                Party::Service { namespace: namespace.to_owned(), name: name.to_owned() }
            }
            Self::External { ip } => Party::External { ip },
            Self::Other => Party::Other,
        }
    }
}

/// How an attempt ended, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct KindKey<'a> {
    pub(super) outcome: Outcome,
    pub(super) verdict: Verdict,
    pub(super) drop_reason: Option<&'a str>,
}

impl<'a> From<&'a Flow> for KindKey<'a> {
    fn from(Flow { outcome, verdict, drop_reason, .. }: &'a Flow) -> Self {
        Self { outcome: *outcome, verdict: *verdict, drop_reason: drop_reason.as_deref() }
    }
}

/// What the policies say on one side, without the reason of an undecidable one: that has no bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SideKey<'a> {
    pub(super) verdict: SideVerdict,
    pub(super) policies: &'a [PolicyRef],
}

impl<'a> From<&'a SideDecision> for SideKey<'a> {
    fn from(SideDecision { verdict, policies, reason: _ }: &'a SideDecision) -> Self {
        Self { verdict: *verdict, policies }
    }
}

/// Namespace and name of a service.
pub(super) type ServiceKey<'a> = (&'a str, &'a str);

/// What the flows of a cell have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Relation<'a> {
    pub(super) source: PartyKey<'a>,
    pub(super) destination: PartyKey<'a>,
    pub(super) service: Option<ServiceKey<'a>>,
    pub(super) port: Option<u16>,
    pub(super) protocol: Protocol,
    pub(super) kind: KindKey<'a>,
    pub(super) egress: SideKey<'a>,
    pub(super) ingress: SideKey<'a>,
}

impl<'a> From<&'a Flow> for Relation<'a> {
    fn from(flow: &'a Flow) -> Self {
        let service = |ServiceRef { namespace, name, .. }: &'a ServiceRef| (&**namespace, &**name);
        Self {
            source: PartyKey::from(&flow.source),
            destination: PartyKey::from(&flow.destination),
            service: flow.service.as_deref().map(service),
            port: flow.destination.port(),
            protocol: flow.protocol,
            kind: KindKey::from(flow),
            egress: SideKey::from(&*flow.egress),
            ingress: SideKey::from(&*flow.ingress),
        }
    }
}

impl Relation<'_> {
    /// The same beyond the bounds: who, where and which policies is not told any more, so that there are
    /// only some thousand of these.
    pub(super) const fn beyond(self) -> Relation<'static> {
        let KindKey { outcome, verdict, drop_reason: _ } = self.kind;
        Relation {
            source: PartyKey::Other,
            destination: PartyKey::Other,
            service: None,
            port: None,
            protocol: self.protocol,
            kind: KindKey { outcome, verdict, drop_reason: None },
            egress: SideKey { verdict: self.egress.verdict, policies: &[] },
            ingress: SideKey { verdict: self.ingress.verdict, policies: &[] },
        }
    }
}
