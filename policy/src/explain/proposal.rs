//! The smallest change that would admit a connection on one side, tried before it is told.
//!
//! ```text
//! what came nearest -> [ candidates, the smallest first ] -> [ trial on a copy of the cluster ] -> Proposal
//! ```

mod labels;
mod manifest;
mod network;
mod ports;
mod slip;
mod tier;

use super::{
    Cause, EndpointKind, SideExplanation,
    case::{Case, DialledService},
};
use crate::{
    Cluster, Connection, Decision, Object, Pod, PolicyKind, Service, SideVerdict, network_policy::Direction,
    parse_manifest, shown::listed, tier_policy::Written,
};
use json_patch::Patch;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A change to one object that admits the connection on the side that denied it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proposal {
    /// What to change, in words.
    pub text: String,
    /// The change itself.
    pub change: Change,
    /// What the policies say once it is made.
    pub then: Outlook,
    /// What the text shows below its sentence.
    #[serde(skip)]
    pub(super) shown: Option<Value>,
}

/// A change to one object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// An object to add.
    Create(Value),
    /// An object to change.
    Patch {
        /// Its kind.
        kind: &'static str,
        /// Its namespace; absent for cluster-wide kinds.
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        /// Its name.
        name: String,
        /// A JSON patch (RFC 6902).
        operations: Patch,
    },
}

/// What the policies say once a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Outlook {
    /// Whether both sides admit the connection.
    pub allowed: Option<bool>,
    /// The side of the source.
    pub egress: SideVerdict,
    /// The side of the destination.
    pub ingress: SideVerdict,
}

/// A change that may admit the connection.
struct Candidate {
    text: String,
    change: Change,
    shown: Option<Value>,
}

/// The question that a trial asks again.
#[derive(Clone, Copy)]
pub(super) struct Asked<'q> {
    pub(super) connection: &'q Connection,
    pub(super) source: Option<&'q Pod>,
    pub(super) destination: Option<&'q Pod>,
    /// The service without a known address whose endpoints are all asked.
    pub(super) by_name: Option<&'q Service>,
}

impl Asked<'_> {
    fn decide(&self, cluster: &Cluster) -> Decision {
        match self.by_name {
            Some(service) => cluster.decide_by_name(self.connection, self.source, service),
            None => cluster.decide_between(self.connection, self.source, self.destination),
        }
    }
}

/// The first candidate after which the side admits the connection.
pub(super) fn propose(case: &Case<'_, '_>, side: &SideExplanation, asked: Asked<'_>) -> Option<Proposal> {
    let candidates = match side.cause {
        Cause::DeniedByIsolation => network::candidates(case, side),
        Cause::AdminDenied | Cause::BaselineDenied => tier::candidates(case, side),
        _ => Vec::new(),
    };
    candidates.into_iter().find_map(|candidate| try_out(case, candidate, asked))
}

/// Why no change can be told.
pub(super) fn obstacle(case: &Case<'_, '_>, side: &SideExplanation, asked: Asked<'_>) -> Option<String> {
    let cause = side.cause;
    if cause == Cause::DeniedInAnyCase {
        let facts: Vec<String> = missing(case, side).into_iter().collect();
        let facts = if facts.is_empty() { String::new() } else { format!(": {}", facts.join("; ")) };
        return Some(format!("which policy denies this hangs on a fact, so no change is proposed{facts}"));
    }
    if case.laid.peer.is_none() && case.direction == Direction::Ingress && cause != Cause::DeniedByIsolation {
        let words =
            "no ingress rule of a cluster-wide policy can name what is no pod: mend the rule that denies";
        return Some(words.to_owned());
    }
    // For a service that is asked for by name there is no address on either side.
    let dialled = asked.by_name.is_none().then(|| asked.connection.destination.to_canonical());
    let asks_all = |service: &DialledService| service.endpoints > 1 && dialled == service.ip;
    if case.service.as_ref().is_some_and(asks_all) {
        return Some("no one change admits all endpoints: each is told by itself".to_owned());
    }
    let pods = [Some(case.laid.subject), case.laid.peer].into_iter().flatten();
    let mut nameless = pods.filter(|pod| labels::distinguishing(case.cluster, pod).is_none());
    nameless.next().map(|pod| {
        format!("pod {} has no lasting label that a policy could select it by: give it one", pod.title())
    })
}

/// The facts that a side hangs on, whatever it comes to.
fn missing(case: &Case<'_, '_>, side: &SideExplanation) -> BTreeSet<String> {
    let rules = side.tiers.iter().flat_map(|tier| &tier.policies).flat_map(|policy| &policy.matching);
    let of_rules = rules.filter_map(|rule| rule.unknown.clone());
    let laid = &case.laid.side;
    let network = laid.network.policies().iter().map(|isolating| (isolating.unless, &isolating.policy.id));
    let tiers = [laid.admin, laid.baseline].into_iter().flat_map(|tier| &tier.policies);
    let selecting = network.chain(tiers.map(|selecting| (selecting.unless, &selecting.policy.id)));
    let of_policies = selecting.filter_map(|(unless, policy)| Some(case.missing(unless?, policy)));
    let claimants = (case.peer.kind == EndpointKind::Contested).then(|| {
        let ip = case.laid.question.peer.ip;
        format!("several live pods claim the address {ip}: {}", listed(case.peer.pods.iter()))
    });
    of_rules.chain(of_policies).chain(claimants).collect()
}

/// Makes the change on a copy of the cluster and asks again.
fn try_out(case: &Case<'_, '_>, candidate: Candidate, asked: Asked<'_>) -> Option<Proposal> {
    let mut cluster = case.cluster.clone();
    candidate.change.make(&mut cluster)?;
    let decision = asked.decide(&cluster);
    let then = Outlook {
        allowed: decision.admits(),
        egress: decision.egress.verdict,
        ingress: decision.ingress.verdict,
    };
    let admits = matches!(then.of(case.direction), SideVerdict::Admitted | SideVerdict::NotIsolated);
    let Candidate { text, change, shown } = candidate;
    admits.then_some(Proposal { text, change, then, shown })
}

impl Proposal {
    /// Makes the change in a cluster; whether it could be made.
    pub fn apply_to(&self, cluster: &mut Cluster) -> bool {
        self.change.make(cluster).is_some()
    }
}

impl Outlook {
    /// The answer of one side.
    pub(super) const fn of(self, direction: Direction) -> SideVerdict {
        match direction {
            Direction::Egress => self.egress,
            Direction::Ingress => self.ingress,
        }
    }
}

impl Change {
    /// A change to a policy.
    fn policy(kind: PolicyKind, namespace: Option<&str>, name: &str, operations: Value) -> Option<Self> {
        let operations = serde_json::from_value(operations).ok()?;
        let namespace = namespace.map(str::to_owned);
        Some(Self::Patch { kind: kind.as_str(), namespace, name: name.to_owned(), operations })
    }

    fn make(&self, cluster: &mut Cluster) -> Option<()> {
        match self {
            Self::Create(manifest) => cluster.apply(object(manifest)?).ok(),
            Self::Patch { kind: "Pod", namespace, name, operations } => {
                let pod = cluster.pod(namespace.as_deref()?, name)?.clone();
                let mut written = json!({"metadata": {"labels": pod.labels()}});
                json_patch::patch(&mut written, operations).ok()?;
                let labels = written.pointer_mut("/metadata/labels")?.take();
                let labels: BTreeMap<String, String> = serde_json::from_value(labels).ok()?;
                cluster.relabel(&pod, labels);
                Some(())
            }
            Self::Patch { kind, namespace, name, operations } => {
                let mut written = written(cluster, kind, namespace.as_deref(), name)?;
                json_patch::patch(&mut written, operations).ok()?;
                cluster.apply(object(&written)?).ok()
            }
        }
    }
}

/// A policy as it is known, with what a change needs of it.
fn written(cluster: &Cluster, kind: &str, namespace: Option<&str>, name: &str) -> Option<Value> {
    let of_kind = |other: PolicyKind| other.as_str() == kind;
    if let Some(namespace) = namespace.filter(|_| of_kind(PolicyKind::NetworkPolicy)) {
        let spec = &cluster.network_policy(namespace, name)?.spec;
        return Some(manifest::object(PolicyKind::NetworkPolicy, Some(namespace), name, &json!(spec)));
    }
    let kinds = [
        PolicyKind::ClusterNetworkPolicy,
        PolicyKind::AdminNetworkPolicy,
        PolicyKind::BaselineAdminNetworkPolicy,
    ];
    let kind = kinds.into_iter().find(|kind| of_kind(*kind))?;
    let spec = match &cluster.tier_policy(kind, name)?.written {
        Written::Cluster(spec) => json!(spec),
        Written::Admin(spec) => json!(spec),
    };
    Some(manifest::object(kind, None, name, &spec))
}

/// Reads an object as any other manifest is read.
fn object(manifest: &Value) -> Option<Object> {
    parse_manifest(&manifest.to_string()).objects.pop()
}
