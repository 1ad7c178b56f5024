//! The fields that the objects of the policy kinds have, from the texts of their APIs.
//!
//! A table, since the types cannot tell: they skip what they do not know.

use crate::ObjectKind;

/// An object of the API: its fields and what each holds.
pub(crate) struct Type {
    fields: &'static [(&'static str, Holds)],
    /// Other keys are none of its business: its type keeps them, and the check of that type names
    /// them, or nothing but these fields is looked through.
    pub(super) keeps_unknown: bool,
}

/// What a field holds.
#[derive(Clone, Copy)]
pub(super) enum Holds {
    /// A value, a map with any keys, or what no decision reads.
    Anything,
    One(&'static Type),
    Many(&'static Type),
}
use Holds::{Anything, Many, One};

impl Type {
    const fn new(fields: &'static [(&'static str, Holds)]) -> Self {
        Self { fields, keeps_unknown: false }
    }

    const fn keeping_unknown(fields: &'static [(&'static str, Holds)]) -> Self {
        Self { fields, keeps_unknown: true }
    }

    /// What a field holds; `None` where it is none.
    pub(super) fn get(&self, field: &str) -> Option<Holds> {
        self.fields.iter().find(|(name, _)| *name == field).map(|(_, holds)| *holds)
    }

    /// The names of its fields.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().map(|(name, _)| *name)
    }

    /// Its fields whose objects have a field of this name.
    pub(super) fn holders_of(&self, name: &str) -> Vec<&'static str> {
        let holds = |holds: &Holds| match holds {
            Anything => false,
            One(inner) | Many(inner) => inner.get(name).is_some(),
        };
        self.fields.iter().filter(|(_, held)| holds(held)).map(|(field, _)| *field).collect()
    }

    /// Whether it is a selector: whoever writes labels right into it means `matchLabels`.
    pub(super) fn is_selector(&self) -> bool {
        self.get("matchLabels").is_some()
    }
}

/// The fields of a policy kind; `None` for kinds that are no policies.
pub(super) const fn of(kind: ObjectKind) -> Option<&'static Type> {
    match kind {
        ObjectKind::NetworkPolicy => Some(&NETWORK_POLICY),
        ObjectKind::ClusterNetworkPolicy => Some(&CLUSTER_NETWORK_POLICY),
        ObjectKind::AdminNetworkPolicy => Some(&ADMIN_NETWORK_POLICY),
        ObjectKind::BaselineAdminNetworkPolicy => Some(&BASELINE_ADMIN_NETWORK_POLICY),
        _ => None,
    }
}

/// A type of the API: `NAME = field: what it holds, …`.
macro_rules! types {
    ($($(#[$doc:meta])* $vis:vis $name:ident $new:ident { $($field:ident: $holds:expr),+ $(,)? })+) => {
        $($(#[$doc])* $vis static $name: Type = Type::$new(&[$((stringify!($field), $holds)),+]);)+
    };
}

types! {
    METADATA new {
        name: Anything, namespace: Anything, labels: Anything, annotations: Anything,
        generateName: Anything, uid: Anything, resourceVersion: Anything, generation: Anything,
        creationTimestamp: Anything, deletionTimestamp: Anything, deletionGracePeriodSeconds: Anything,
        finalizers: Anything, ownerReferences: Anything, managedFields: Anything, selfLink: Anything,
        // Written by API servers of old.
        clusterName: Anything,
    }
    /// An object of which only the metadata is looked through, and that of the pods that it makes.
    pub(super) PLAIN keeping_unknown { metadata: One(&METADATA), spec: One(&PLAIN_SPEC) }
    PLAIN_SPEC keeping_unknown { template: One(&PLAIN), jobTemplate: One(&PLAIN) }
    REQUIREMENT new { key: Anything, operator: Anything, values: Anything }

    NETWORK_POLICY new {
        apiVersion: Anything, kind: Anything, metadata: One(&METADATA), spec: One(&NETWORK_POLICY_SPEC),
        status: Anything,
    }
    NETWORK_POLICY_SPEC new {
        podSelector: One(&SELECTOR), policyTypes: Anything,
        ingress: Many(&NETWORK_POLICY_INGRESS), egress: Many(&NETWORK_POLICY_EGRESS),
    }
    NETWORK_POLICY_INGRESS new { from: Many(&NETWORK_POLICY_PEER), ports: Many(&NETWORK_POLICY_PORT) }
    NETWORK_POLICY_EGRESS new { to: Many(&NETWORK_POLICY_PEER), ports: Many(&NETWORK_POLICY_PORT) }
    NETWORK_POLICY_PEER new {
        podSelector: One(&SELECTOR), namespaceSelector: One(&SELECTOR), ipBlock: One(&IP_BLOCK),
    }
    NETWORK_POLICY_PORT new { port: Anything, endPort: Anything, protocol: Anything }
    SELECTOR new { matchLabels: Anything, matchExpressions: Many(&REQUIREMENT) }
    IP_BLOCK new { cidr: Anything, except: Anything }

    /// The subject of a cluster-wide policy.
    pub(super) SUBJECT keeping_unknown { namespaces: One(&WIDE_SELECTOR), pods: One(&WIDE_PODS) }
    /// The peer of a cluster-wide policy.
    pub(super) PEER keeping_unknown {
        namespaces: One(&WIDE_SELECTOR), pods: One(&WIDE_PODS), nodes: One(&WIDE_SELECTOR),
        networks: Anything, domainNames: Anything,
    }
    /// The pods of a subject or peer of a cluster-wide policy.
    pub(super) WIDE_PODS keeping_unknown {
        namespaceSelector: One(&WIDE_SELECTOR), podSelector: One(&WIDE_SELECTOR),
    }
    /// A selector of a cluster-wide policy.
    pub(super) WIDE_SELECTOR keeping_unknown { matchLabels: Anything, matchExpressions: Many(&REQUIREMENT) }

    CLUSTER_NETWORK_POLICY new {
        apiVersion: Anything, kind: Anything, metadata: One(&METADATA),
        spec: One(&CLUSTER_NETWORK_POLICY_SPEC), status: Anything,
    }
    CLUSTER_NETWORK_POLICY_SPEC new {
        tier: Anything, priority: Anything, subject: One(&SUBJECT),
        ingress: Many(&CLUSTER_INGRESS), egress: Many(&CLUSTER_EGRESS),
    }
    CLUSTER_INGRESS new {
        name: Anything, action: Anything, from: Many(&PEER), protocols: Many(&PROTOCOL),
    }
    CLUSTER_EGRESS new {
        name: Anything, action: Anything, to: Many(&PEER), protocols: Many(&PROTOCOL),
    }
    /// An entry of the protocols of a ClusterNetworkPolicy.
    pub(super) PROTOCOL keeping_unknown {
        tcp: One(&PROTOCOL_PORTS), udp: One(&PROTOCOL_PORTS), sctp: One(&PROTOCOL_PORTS),
        destinationNamedPort: Anything,
    }
    PROTOCOL_PORTS new { destinationPort: One(&DESTINATION_PORT) }
    DESTINATION_PORT new { number: Anything, range: One(&RANGE) }
    RANGE new { start: Anything, end: Anything }

    ADMIN_NETWORK_POLICY new {
        apiVersion: Anything, kind: Anything, metadata: One(&METADATA),
        spec: One(&ADMIN_NETWORK_POLICY_SPEC), status: Anything,
    }
    ADMIN_NETWORK_POLICY_SPEC new {
        priority: Anything, subject: One(&SUBJECT), ingress: Many(&ADMIN_INGRESS), egress: Many(&ADMIN_EGRESS),
    }
    BASELINE_ADMIN_NETWORK_POLICY new {
        apiVersion: Anything, kind: Anything, metadata: One(&METADATA),
        spec: One(&BASELINE_ADMIN_NETWORK_POLICY_SPEC), status: Anything,
    }
    BASELINE_ADMIN_NETWORK_POLICY_SPEC new {
        subject: One(&SUBJECT), ingress: Many(&ADMIN_INGRESS), egress: Many(&ADMIN_EGRESS),
    }
    ADMIN_INGRESS new { name: Anything, action: Anything, from: Many(&PEER), ports: Many(&ADMIN_PORT) }
    ADMIN_EGRESS new { name: Anything, action: Anything, to: Many(&PEER), ports: Many(&ADMIN_PORT) }
    ADMIN_PORT new { portNumber: One(&PORT_NUMBER), portRange: One(&PORT_RANGE), namedPort: Anything }
    PORT_NUMBER new { protocol: Anything, port: Anything }
    PORT_RANGE new { protocol: Anything, start: Anything, end: Anything }
}
