//! What the policies say about a connection, side by side.

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// The kind of a policy object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum PolicyKind {
    /// `networking.k8s.io/v1`.
    NetworkPolicy,
    /// `policy.networking.k8s.io/v1alpha2`.
    ClusterNetworkPolicy,
    /// `policy.networking.k8s.io/v1alpha1`.
    AdminNetworkPolicy,
    /// `policy.networking.k8s.io/v1alpha1`.
    BaselineAdminNetworkPolicy,
}

impl PolicyKind {
    /// The kind as the Kubernetes API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NetworkPolicy => "NetworkPolicy",
            Self::ClusterNetworkPolicy => "ClusterNetworkPolicy",
            Self::AdminNetworkPolicy => "AdminNetworkPolicy",
            Self::BaselineAdminNetworkPolicy => "BaselineAdminNetworkPolicy",
        }
    }
}

/// One policy and, where it admits, the rule of it that does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PolicyRef {
    /// The kind of the policy.
    pub kind: PolicyKind,
    /// Its namespace; absent for cluster-wide kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The index of the admitting rule in its direction's list; absent on a denial by isolation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<u32>,
}

impl fmt::Display for PolicyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// What the policies say on one side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SideVerdict {
    /// No policy isolates the pod in this direction.
    NotIsolated,
    /// At least one policy admits the connection.
    Admitted,
    /// Policies isolate the pod and none admits, or an explicit rule denies.
    Denied,
    /// There is no pod on this side that policies could speak about.
    NotApplicable,
    /// A fact is missing; [`SideDecision::reason`] names it.
    Undecidable,
}

impl SideVerdict {
    /// The spelling used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotIsolated => "not-isolated",
            Self::Admitted => "admitted",
            Self::Denied => "denied",
            Self::NotApplicable => "not-applicable",
            Self::Undecidable => "undecidable",
        }
    }

    /// Denied on either side is denied, even where the other side is undecidable (V3).
    pub(crate) fn admit(sides: [Self; 2]) -> Option<bool> {
        if sides.contains(&Self::Denied) {
            Some(false)
        } else if sides.contains(&Self::Undecidable) {
            None
        } else {
            Some(true)
        }
    }
}

/// What the policies say on one side of a connection, and which ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SideDecision {
    /// The answer.
    pub verdict: SideVerdict,
    /// All that admit, or all that isolate, sorted; else empty.
    pub policies: Vec<PolicyRef>,
    /// The missing fact when undecidable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl SideDecision {
    /// A decision that no policy takes part in.
    pub const fn plain(verdict: SideVerdict) -> Self {
        Self { verdict, policies: Vec::new(), reason: None }
    }

    /// A decision that misses the named fact.
    pub fn undecidable(reason: impl Into<String>) -> Self {
        Self { verdict: SideVerdict::Undecidable, policies: Vec::new(), reason: Some(reason.into()) }
    }
}

/// What the policies say about a connection: both sides, for many flows to share.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Decision {
    /// The egress side, whose subject is the source.
    pub egress: Arc<SideDecision>,
    /// The ingress side, whose subject is the destination.
    pub ingress: Arc<SideDecision>,
}

impl Decision {
    /// Whether the policies admit the connection; `None` when that cannot be said.
    ///
    /// Denied on either side is denied, even where the other side is undecidable (V3).
    pub fn admits(&self) -> Option<bool> {
        SideVerdict::admit([self.egress.verdict, self.ingress.verdict])
    }
}
