//! What names a policy, and its place among the tiers.

use crate::{PolicyKind, PolicyRef};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// The tiers in the order in which they are asked (T1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Tier {
    /// Before NetworkPolicy.
    Admin,
    /// The policies of the namespace.
    NetworkPolicy,
    /// Where no NetworkPolicy isolates.
    Baseline,
}

impl Tier {
    /// The tier as the Kubernetes API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "Admin",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::Baseline => "Baseline",
        }
    }
}

/// What names a policy, and its place among the tiers; ordered as answers list policies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyId {
    /// The kind of the policy.
    pub kind: PolicyKind,
    /// Its namespace; absent for cluster-wide kinds.
    pub namespace: Option<Arc<str>>,
    /// Its name.
    pub name: Arc<str>,
    /// Its tier.
    pub tier: Tier,
    /// Its place in the tier, the lower first; absent where the kind has none.
    pub priority: Option<i32>,
}

impl PolicyId {
    /// The policy as a decision that is kept names it.
    pub fn reference(&self, rule: Option<u32>) -> PolicyRef {
        PolicyRef {
            kind: self.kind,
            namespace: self.namespace.as_deref().map(str::to_owned),
            name: self.name.as_ref().to_owned(),
            rule,
        }
    }
}

/// `NetworkPolicy shop/db`.
impl fmt::Display for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind.as_str())?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}
