//! The cluster-wide policies, compiled once: ClusterNetworkPolicy (C1–C17), AdminNetworkPolicy and
//! BaselineAdminNetworkPolicy (A1–A5).

use crate::{
    PolicyKind,
    api::{self, v1alpha1, v1alpha2},
    gate::{self, Gate},
    labels::Labels,
    network_policy::Direction,
    peer::{PeerMatch, Place, Subject, Surroundings},
    policy_id::{PolicyId, Tier},
    port::PortMatch,
    rule::{Peers, Ports, Question, Rule},
    template::Template,
    truth::Truth,
};
use std::sync::Arc;

/// What becomes of a connection that a rule matches (C2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// `Accept`, in the older API `Allow`.
    Accept,
    /// `Deny`.
    Deny,
    /// `Pass`: the next tier decides (C4).
    Pass,
}

/// A compiled cluster-wide policy.
#[derive(Debug)]
pub(crate) struct TierPolicy {
    pub(crate) id: PolicyId,
    /// As it was written.
    pub(crate) written: Written,
    pub(crate) subject: Subject,
    egress: Section,
    ingress: Section,
}

/// One direction of a policy.
#[derive(Debug)]
struct Section {
    rules: Box<[TierRule]>,
    gates: Box<[Gate]>,
}

impl FromIterator<TierRule> for Section {
    fn from_iter<I: IntoIterator<Item = TierRule>>(rules: I) -> Self {
        let rules: Box<[TierRule]> = rules.into_iter().collect();
        Self { gates: gate::of_policy(rules.iter().map(|rule| Gate::of_matched(&rule.matched))), rules }
    }
}

/// The spec of a cluster-wide policy.
#[derive(Debug, PartialEq)]
pub(crate) enum Written {
    Cluster(v1alpha2::ClusterNetworkPolicySpec),
    Admin(v1alpha1::AdminNetworkPolicySpec),
}

/// One rule of a cluster-wide policy.
#[derive(Debug)]
pub(crate) struct TierRule {
    pub(crate) action: Action,
    /// Its name for people.
    pub(crate) name: Option<String>,
    matched: Matched,
}

/// What a rule matches.
#[derive(Clone, Debug)]
pub(crate) enum Matched {
    /// What this matches.
    Rule(Rule),
    /// Everything: a rule that fails closed (C17).
    All,
    /// Nothing: a rule that accepts and fails closed (C17).
    Nothing,
}

impl TierPolicy {
    /// Compiles a ClusterNetworkPolicy; `None` where it says nothing (§8).
    pub(crate) fn of_cluster(name: &str, spec: v1alpha2::ClusterNetworkPolicySpec) -> Option<Self> {
        let tier = match spec.tier.as_str() {
            "Admin" => Tier::Admin,
            "Baseline" => Tier::Baseline,
            _ => return None,
        };
        let egress = spec.egress.iter().flatten().map(|rule| {
            let (ports, peers) = (protocols(rule.protocols.as_deref()), rule.to.as_deref());
            CLUSTER.compile(Direction::Egress, &rule.action, rule.name.as_deref(), peers, ports)
        });
        let ingress = spec.ingress.iter().flatten().map(|rule| {
            let (ports, peers) = (protocols(rule.protocols.as_deref()), rule.from.as_deref());
            CLUSTER.compile(Direction::Ingress, &rule.action, rule.name.as_deref(), peers, ports)
        });
        Some(Self {
            id: id(PolicyKind::ClusterNetworkPolicy, name, tier, Some(spec.priority?)),
            subject: Subject::compile(&spec.subject),
            egress: egress.collect::<Option<_>>()?,
            ingress: ingress.collect::<Option<_>>()?,
            written: Written::Cluster(spec),
        })
    }

    /// Compiles an AdminNetworkPolicy; `None` where it says nothing (§8).
    pub(crate) fn of_admin(name: &str, spec: v1alpha1::AdminNetworkPolicySpec) -> Option<Self> {
        let id = id(PolicyKind::AdminNetworkPolicy, name, Tier::Admin, Some(spec.priority?));
        Self::of_older(&ADMIN, id, spec)
    }

    /// Compiles a BaselineAdminNetworkPolicy; `None` where it says nothing (§8).
    pub(crate) fn of_baseline(name: &str, spec: v1alpha1::AdminNetworkPolicySpec) -> Option<Self> {
        let id = id(PolicyKind::BaselineAdminNetworkPolicy, name, Tier::Baseline, None);
        Self::of_older(&BASELINE, id, spec)
    }

    fn of_older(dialect: &Dialect, id: PolicyId, spec: v1alpha1::AdminNetworkPolicySpec) -> Option<Self> {
        let egress = spec.egress.iter().flatten().map(|rule| {
            let (ports, peers) = (ports(rule.ports.as_deref()), rule.to.as_deref());
            dialect.compile(Direction::Egress, &rule.action, rule.name.as_deref(), peers, ports)
        });
        let ingress = spec.ingress.iter().flatten().map(|rule| {
            let (ports, peers) = (ports(rule.ports.as_deref()), rule.from.as_deref());
            dialect.compile(Direction::Ingress, &rule.action, rule.name.as_deref(), peers, ports)
        });
        Some(Self {
            id,
            subject: Subject::compile(&spec.subject),
            egress: egress.collect::<Option<_>>()?,
            ingress: ingress.collect::<Option<_>>()?,
            written: Written::Admin(spec),
        })
    }

    /// Whether it is about pods made from this template.
    pub(crate) fn selects(&self, template: &Template, namespace: Labels<'_>) -> Truth {
        self.subject.selects(template, namespace)
    }

    /// The rules of a direction; without any the policy does not affect it (C3).
    pub(crate) const fn rules(&self, direction: Direction) -> &[TierRule] {
        &self.section(direction).rules
    }

    /// What the rules of a direction need.
    pub(crate) const fn gates(&self, direction: Direction) -> &[Gate] {
        &self.section(direction).gates
    }

    const fn section(&self, direction: Direction) -> &Section {
        match direction {
            Direction::Egress => &self.egress,
            Direction::Ingress => &self.ingress,
        }
    }

    /// What orders policies of a tier: those without a priority come last.
    pub(crate) fn order(&self) -> (i64, &PolicyId) {
        (self.id.priority.map_or(i64::MAX, i64::from), &self.id)
    }
}

/// What the kinds do not have in common.
struct Dialect {
    /// The word for [`Action::Accept`].
    accept: &'static str,
    /// Whether there are `Pass` and domain names (A2).
    full: bool,
}

const CLUSTER: Dialect = Dialect { accept: "Accept", full: true };
const ADMIN: Dialect = Dialect { accept: "Allow", full: true };
const BASELINE: Dialect = Dialect { accept: "Allow", full: false };

impl Dialect {
    fn action(&self, word: &str) -> Option<Action> {
        match word {
            "Deny" => Some(Action::Deny),
            "Pass" if self.full => Some(Action::Pass),
            word if word == self.accept => Some(Action::Accept),
            _ => None,
        }
    }

    /// `None` for an unknown action; a rule with a peer of no known form fails closed (C17).
    fn compile(
        &self,
        direction: Direction,
        action: &str,
        name: Option<&str>,
        peers: Option<&[api::Peer]>,
        ports: Ports,
    ) -> Option<TierRule> {
        let action = self.action(action)?;
        let addresses = direction == Direction::Egress;
        let place = Place { addresses, names: addresses && self.full && action == Action::Accept };
        let peers = peers.unwrap_or_default().iter().map(|peer| PeerMatch::of_cluster_policy(peer, place));
        let (action, matched) = match (peers.collect::<Option<Peers>>(), action) {
            (Some(peers), action) => (action, Matched::Rule(Rule { peers, ports })),
            (None, Action::Accept) => (action, Matched::Nothing),
            (None, Action::Deny | Action::Pass) => (Action::Deny, Matched::All),
        };
        Some(TierRule { action, name: name.map(str::to_owned), matched })
    }
}

impl TierRule {
    /// What the rule matches.
    pub(crate) const fn matched(&self) -> &Matched {
        &self.matched
    }

    pub(crate) fn matches<S: Surroundings>(&self, question: &Question<'_, S>) -> Truth {
        self.matched.matches(question)
    }
}

impl Matched {
    pub(crate) fn matches<S: Surroundings>(&self, question: &Question<'_, S>) -> Truth {
        match self {
            Self::Rule(rule) => rule.matches(question),
            Self::All => Truth::Yes,
            Self::Nothing => Truth::No,
        }
    }
}

fn id(kind: PolicyKind, name: &str, tier: Tier, priority: Option<i32>) -> PolicyId {
    PolicyId { kind, namespace: None, name: Arc::from(name), tier, priority }
}

fn protocols(entries: Option<&[v1alpha2::ProtocolMatch]>) -> Ports {
    entries.unwrap_or_default().iter().map(PortMatch::of_protocol).collect()
}

fn ports(entries: Option<&[v1alpha1::Port]>) -> Ports {
    entries.unwrap_or_default().iter().map(PortMatch::of_admin_policy).collect()
}
