//! AdminNetworkPolicy and BaselineAdminNetworkPolicy (A1–A6).

use super::{Peer, Subject, cluster_scoped_object};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

/// An AdminNetworkPolicy: a policy of the Admin tier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AdminNetworkPolicy {
    /// Its name; it has no namespace.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What it says.
    #[serde(default)]
    pub spec: AdminNetworkPolicySpec,
}

cluster_scoped_object!(AdminNetworkPolicy, "v1alpha1", "adminnetworkpolicies");

/// A BaselineAdminNetworkPolicy: what holds where no NetworkPolicy decides (A2).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BaselineAdminNetworkPolicy {
    /// Its name, which must be `default`; it has no namespace.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What it says; it has no priority.
    #[serde(default)]
    pub spec: AdminNetworkPolicySpec,
}

cluster_scoped_object!(BaselineAdminNetworkPolicy, "v1alpha1", "baselineadminnetworkpolicies");

/// The spec of both kinds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AdminNetworkPolicySpec {
    /// Its place in the tier, 0 to 1000, the lower first; a baseline policy has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Whom it is about.
    #[serde(default)]
    pub subject: Subject,
    /// What it says about connections to its subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Vec<IngressRule>>,
    /// What it says about connections from its subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Vec<EgressRule>>,
}

/// A rule about connections to the subject.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IngressRule {
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `Allow`, `Deny` or `Pass`.
    #[serde(default)]
    pub action: String,
    /// The peers, at least one.
    #[serde(default)]
    pub from: Option<Vec<Peer>>,
    /// The ports at the destination; absent means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<Port>>,
}

/// A rule about connections from the subject.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EgressRule {
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `Allow`, `Deny` or `Pass`.
    #[serde(default)]
    pub action: String,
    /// The peers, at least one.
    #[serde(default)]
    pub to: Option<Vec<Peer>>,
    /// The ports at the destination; absent means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<Port>>,
}

/// Ports at the destination: exactly one of the fields (A3).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// One number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_number: Option<PortNumber>,
    /// A container port's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_port: Option<String>,
    /// All from start to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_range: Option<PortRange>,
}

/// One port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PortNumber {
    /// TCP where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// 1 to 65535.
    #[serde(default)]
    pub port: i32,
}

/// A range of ports, both ends included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PortRange {
    /// TCP where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The first.
    #[serde(default)]
    pub start: i32,
    /// The last.
    #[serde(default)]
    pub end: i32,
}
