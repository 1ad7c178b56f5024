//! The three cluster-wide kinds seen as one: what they share, by reference.

use crate::{
    Object, ObjectKind,
    api::{Peer, Subject, v1alpha1, v1alpha2},
    tier_policy::{TierPolicy, Written},
};

/// A cluster-wide policy of any kind.
#[derive(Clone, Debug)]
pub(crate) struct Tiered<'a> {
    pub(crate) kind: ObjectKind,
    /// The word under `tier`; only a ClusterNetworkPolicy has one.
    pub(crate) tier: Option<&'a str>,
    pub(crate) priority: Option<i32>,
    pub(crate) subject: &'a Subject,
    pub(crate) ingress: Vec<Rule<'a>>,
    pub(crate) egress: Vec<Rule<'a>>,
}

/// A rule of such a policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) action: &'a str,
    /// `from` or `to`.
    pub(crate) peers: &'a [Peer],
    pub(crate) ports: Ports<'a>,
}

/// The ports of a rule, as each version of the API writes them; absent means any.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ports<'a> {
    Admin(Option<&'a [v1alpha1::Port]>),
    Cluster(Option<&'a [v1alpha2::ProtocolMatch]>),
}

impl<'a> Tiered<'a> {
    /// The view of an object; `None` for other kinds.
    pub(crate) fn of(object: &'a Object) -> Option<Self> {
        match object {
            Object::ClusterNetworkPolicy(policy) => Some(Self::cluster(&policy.spec)),
            Object::AdminNetworkPolicy(policy) => Some(Self::admin(object.kind(), &policy.spec)),
            Object::BaselineAdminNetworkPolicy(policy) => Some(Self::admin(object.kind(), &policy.spec)),
            _ => None,
        }
    }

    /// The view of a policy that was compiled.
    pub(crate) fn of_policy(policy: &'a TierPolicy) -> Self {
        match &policy.written {
            Written::Cluster(spec) => Self::cluster(spec),
            Written::Admin(spec) => Self::admin(ObjectKind::AdminNetworkPolicy, spec),
        }
    }

    fn cluster(spec: &'a v1alpha2::ClusterNetworkPolicySpec) -> Self {
        Self {
            kind: ObjectKind::ClusterNetworkPolicy,
            tier: Some(&spec.tier),
            priority: spec.priority,
            subject: &spec.subject,
            ingress: spec.ingress.iter().flatten().map(Rule::from).collect(),
            egress: spec.egress.iter().flatten().map(Rule::from).collect(),
        }
    }

    fn admin(kind: ObjectKind, spec: &'a v1alpha1::AdminNetworkPolicySpec) -> Self {
        Self {
            kind,
            tier: None,
            priority: spec.priority,
            subject: &spec.subject,
            ingress: spec.ingress.iter().flatten().map(Rule::from).collect(),
            egress: spec.egress.iter().flatten().map(Rule::from).collect(),
        }
    }
}

/// The four types of rule differ in the names of two fields.
macro_rules! rule_from {
    ($($rule:ty, $peers:ident, $ports:ident => $variant:ident;)+) => {
        $(impl<'a> From<&'a $rule> for Rule<'a> {
            fn from(rule: &'a $rule) -> Self {
                Self {
                    name: rule.name.as_deref(),
                    action: &rule.action,
                    peers: rule.$peers.as_deref().unwrap_or_default(),
                    ports: Ports::$variant(rule.$ports.as_deref()),
                }
            }
        })+
    };
}

rule_from!(
    v1alpha1::IngressRule, from, ports => Admin;
    v1alpha1::EgressRule, to, ports => Admin;
    v1alpha2::IngressRule, from, protocols => Cluster;
    v1alpha2::EgressRule, to, protocols => Cluster;
);
