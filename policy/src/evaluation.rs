//! An answer that borrows from the cluster: nothing is copied until it is kept.

use crate::{Decision, PolicyRef, SideDecision, SideVerdict, policy_id::PolicyId};
use smallvec::SmallVec;

/// What the policies say about a connection: both sides, borrowed from the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation<'a> {
    /// The egress side, whose subject is the source.
    pub egress: Side<'a>,
    /// The ingress side, whose subject is the destination.
    pub ingress: Side<'a>,
}

/// What the policies say on one side, and which ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side<'a> {
    /// The answer.
    pub verdict: SideVerdict,
    /// All that admit or all that isolate, or the one explicit Accept or Deny; sorted, else empty.
    pub hits: Hits<'a>,
    /// The missing facts when undecidable.
    pub reason: Option<String>,
}

/// Policies with what they did; four and fewer need no allocation.
pub type Hits<'a> = SmallVec<[Hit<'a>; 4]>;

/// A policy that took part in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit<'a> {
    /// The policy, with its tier and priority.
    pub policy: &'a PolicyId,
    /// The index of the rule that admits or, in a cluster-wide policy, denies; absent where the
    /// policy denies by isolation.
    pub rule: Option<u32>,
}

impl Side<'_> {
    /// A side that no policy takes part in.
    pub(crate) fn plain(verdict: SideVerdict) -> Self {
        Self { verdict, hits: Hits::new(), reason: None }
    }

    /// The same, to keep.
    pub fn to_decision(&self) -> SideDecision {
        let mut policies: Vec<PolicyRef> = self.hits.iter().map(|hit| self.reference(hit)).collect();
        policies.dedup();
        SideDecision { verdict: self.verdict, policies, reason: self.reason.clone() }
    }

    /// The rule appears on admitting entries only.
    fn reference(&self, hit: &Hit<'_>) -> PolicyRef {
        hit.policy.reference(hit.rule.filter(|_| self.verdict == SideVerdict::Admitted))
    }
}

impl Evaluation<'_> {
    /// Whether the policies admit the connection; `None` when that cannot be said (V3).
    pub fn admits(&self) -> Option<bool> {
        SideVerdict::admit([self.egress.verdict, self.ingress.verdict])
    }

    /// The same, to keep.
    pub fn to_decision(&self) -> Decision {
        Decision { egress: self.egress.to_decision().into(), ingress: self.ingress.to_decision().into() }
    }
}
