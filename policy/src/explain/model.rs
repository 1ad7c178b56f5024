//! The parts of an explanation, in the order in which JSON holds them.
//!
//! Every fact of the text is a field here; a `text` is the sentence that the text prints for it.

use super::proposal::Proposal;
use crate::{Family, PolicyKind, PolicyRef, Protocol, SideVerdict, Tier, Workload};
use serde::Serialize;
use std::net::IpAddr;

/// A decision in words a person on call can act on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The answer in one sentence.
    pub answer: String,
    /// Whether the policies admit the connection; `None` (`null`) when that cannot be said.
    pub allowed: Option<bool>,
    /// Who opens the connection.
    pub source: Endpoint,
    /// Whom it is for, as it was dialled.
    pub destination: Endpoint,
    /// The port that was dialled.
    pub port: Option<u16>,
    /// The protocol.
    pub protocol: Protocol,
    /// The family of the addresses.
    pub family: Family,
    /// What the service that was dialled leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Translation>,
    /// Why the service that was dialled leads to no endpoint, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unserved: Option<String>,
    /// The side of the source.
    pub egress: SideExplanation,
    /// The side of the destination.
    pub ingress: SideExplanation,
}

/// What kind of thing an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointKind {
    /// A live pod of the pod network.
    Pod,
    /// Several live pods, or several nodes, claim the address.
    Contested,
    /// A node, or a pod that shares the network of its node.
    Node,
    /// A service address.
    Service,
    /// Nobody in the cluster.
    External,
}

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Endpoint {
    /// What it is.
    pub kind: EndpointKind,
    /// `namespace/name` of a pod or service, the name of a node; absent for an address alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The workload of a pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<Workload>,
    /// The pod that shares the network of its node, or the pods that claim the address.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<String>,
    /// Whether it is a service whose name leads to its endpoints, with no address between.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub headless: bool,
    /// The address in use; absent for a headless service, and for one whose ClusterIP is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
}

/// What a service leads to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Translation {
    /// The namespace of the service.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What stands behind it, each with its own answer; the sides explain the first that is denied,
    /// else the first.
    pub endpoints: Vec<Backend>,
    /// The index of the endpoint that the sides explain.
    pub explained: usize,
    /// What may be the mistake, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// How many endpoints have reasons that are not told, since too many others are.
    #[serde(skip_serializing_if = "is_zero")]
    pub untold: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// One endpoint of a service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Backend {
    /// Who it is.
    pub endpoint: Endpoint,
    /// The port that policies see.
    pub port: Option<u16>,
    /// What the policies of the source say.
    pub egress: SideVerdict,
    /// What the policies of the endpoint say.
    pub ingress: SideVerdict,
    /// The missing facts where its answer hangs on some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it has its answer, where the sides of the explanation do not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// The index of another endpoint of the same workload that has its answer for the same reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub like: Option<usize>,
}

/// Why one endpoint of a service has its answer: the sides that differ from those of others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Why {
    /// The side of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress: Option<SideExplanation>,
    /// The side of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<SideExplanation>,
}

/// What the policies say on one side, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SideExplanation {
    /// The answer.
    pub verdict: SideVerdict,
    /// What the answer rests on.
    pub cause: Cause,
    /// The policies of the answer, as [`Cluster::decide`](crate::Cluster::decide) names them.
    pub policies: Vec<PolicyRef>,
    /// The missing facts when undecidable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The tiers in the order in which they were asked, as far as one decided.
    pub tiers: Vec<TierExplanation>,
    /// What else is worth knowing, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The smallest change that would admit the connection on this side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Proposal>,
}

/// What the answer of a side rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The end is no pod of the pod network: policies do not speak about it.
    NoSubject,
    /// The connection stays on its own address: it is outside all policies.
    OwnAddress,
    /// Source and destination are one pod.
    SamePod,
    /// A node may always reach the pods that run on it.
    OwnNode,
    /// No policy speaks about it.
    NotIsolated,
    /// A rule of the Admin tier accepts.
    AdminAccepted,
    /// A rule of the Admin tier denies.
    AdminDenied,
    /// Rules of NetworkPolicies admit.
    Admitted,
    /// NetworkPolicies isolate the pod and none admits.
    DeniedByIsolation,
    /// A rule of the Baseline tier accepts.
    BaselineAccepted,
    /// A rule of the Baseline tier denies.
    BaselineDenied,
    /// Several endings are possible and all of them allow.
    AllowedInAnyCase,
    /// Several endings are possible and all of them deny.
    DeniedInAnyCase,
    /// A fact is missing.
    Undecidable,
}

/// What one tier did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TierExplanation {
    /// Which tier.
    pub tier: Tier,
    /// What it did.
    pub outcome: Outcome,
    /// The policies of the tier that speak about the pod in this direction, in the order in which
    /// they are asked.
    pub policies: Vec<PolicyExplanation>,
    /// The policies of the namespace that do not; absent for cluster-wide tiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub others: Option<Others>,
}

/// What a tier, a policy or a rule did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It allows the connection, and no later tier is asked.
    Allows,
    /// It denies the connection, and no later tier is asked.
    Denies,
    /// A NetworkPolicy isolates the pod and none of its rules admits the connection.
    DoesNotAdmit,
    /// A Pass rule matches: the next tier is asked.
    Passes,
    /// It has nothing to say.
    Silent,
    /// What it does hangs on a fact that is missing.
    Unknown,
}

/// What one policy did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PolicyExplanation {
    /// Its kind.
    pub kind: PolicyKind,
    /// Its namespace; absent for cluster-wide kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its place in the tier, the lower first; absent where the kind has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// By which labels it selects the pod, in words; absent where it selects every pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selects_by: Option<String>,
    /// Whether the state at hand cannot tell that it selects the pod.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub perhaps: bool,
    /// What it did.
    pub outcome: Outcome,
    /// How many rules of this direction it has.
    pub rules: usize,
    /// The rules that match: of a NetworkPolicy all, of a cluster-wide policy the first.
    pub matching: Vec<RuleExplanation>,
    /// The rule that would admit and came nearest; absent where it has none or one matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<RuleExplanation>,
}

impl PolicyExplanation {
    /// `NetworkPolicy shop/db`.
    pub(super) fn title(&self) -> String {
        let namespace = self.namespace.as_ref().map_or_else(String::new, |name| format!("{name}/"));
        format!("{} {namespace}{}", self.kind.as_str(), self.name)
    }
}

/// What one rule did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleExplanation {
    /// Its index in the list of its direction.
    pub rule: usize,
    /// Its name, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its action; absent in a NetworkPolicy, whose rules all admit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<&'static str>,
    /// The index of the first peer that matches; absent where none does or the rule lists none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<usize>,
    /// By what the peer matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
    /// The index of the first port that matches; absent where none does or the rule lists none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<usize>,
    /// The conditions that do not hold, in the order namespace, pod, port, protocol.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmet: Vec<Unmet>,
    /// A condition that cannot be judged: the missing fact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// By what a peer of a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// The rule lists no peers: anybody.
    AnyPeer,
    /// Labels of a pod or its namespace.
    Selector,
    /// A block of addresses.
    IpBlock,
    /// Labels of a node.
    Node,
    /// A name of the DNS.
    DomainName,
    /// A rule that cannot be read and therefore denies everything.
    FailsClosed,
}

/// A kind of condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// The peer is the wrong kind of thing.
    PeerKind,
    /// A label of the namespace, or the namespace itself.
    Namespace,
    /// A label of the pod.
    Pod,
    /// The address.
    Address,
    /// A label of the node.
    Node,
    /// A name of the DNS.
    DomainName,
    /// The port.
    Port,
    /// The protocol.
    Protocol,
    /// The entry cannot be read.
    Invalid,
}

/// A condition that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// What it is about.
    pub condition: Condition,
    /// Where it is written, such as `spec.ingress[0].from[1].podSelector`.
    pub field: String,
    /// What is there, such as `app=front-end`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has: Option<String>,
    /// What the rule wants, such as `app=frontend`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wants: Option<String>,
    /// How little they differ, where it is little: `one hyphen apart`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close: Option<String>,
    /// All of it in words.
    pub text: String,
    /// Whether no live pod of the cluster matches the entry.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub matches_nobody: bool,
    /// What may be the mistake, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The policies of the namespace that do not isolate the pod in this direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Others {
    /// How many do not select the pod.
    pub not_selecting: usize,
    /// Those among them that nearly do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<NearMiss>,
    /// The others among them that are about this direction and select no pod at all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub selecting_nobody: Vec<Idle>,
    /// The names of those that select the pod but are not about this direction.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_direction: Vec<String>,
    /// Those among them whose rules of this direction are ignored: `policyTypes` leaves it out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored_rules: Vec<String>,
}

/// A policy that selects no pod of its namespace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Idle {
    /// The policy.
    pub policy: PolicyRef,
    /// What its `podSelector` wants, in words.
    pub wants: String,
}

/// A policy that nearly selects the pod.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NearMiss {
    /// The policy.
    pub policy: PolicyRef,
    /// The one condition that does not hold.
    pub unmet: Unmet,
    /// Whether its selector matches no pod at all.
    pub selects_nobody: bool,
    /// Whether it would admit the connection.
    pub would_admit: bool,
}
