//! Parts of NetworkPolicies that admit nothing that others do not admit.
//!
//! What is found can be taken out all at once without changing any decision: each part is held
//! against parts that stay.

use super::{
    Code,
    conditions::{Condition, conditions, is_readable},
    covers::{self, Covers},
    findings::{At, Findings},
    view::{RuleView, rules, rules_of},
};
use crate::{
    fingerprint::Fingerprint,
    network_policy::{Direction, NetworkPolicy},
    peer::PeerMatch,
    port::PortMatch,
    rule::{Peers, Rule},
    truth::Truth,
};
use std::collections::{BTreeSet, HashMap};

/// Which rule, by the place of its policy, its direction and its index.
type RuleId = (usize, Direction, usize);

/// The policies of one namespace, by name.
struct Namespace<'a> {
    policies: &'a [&'a NetworkPolicy],
    covers: Covers,
    /// Policies by a condition of their subject, to find those that may cover another.
    by_condition: HashMap<Option<Anchor>, Vec<usize>>,
    gone_policies: BTreeSet<usize>,
    gone_rules: BTreeSet<RuleId>,
}

/// A label, or a key, that a condition is about.
type Anchor = Fingerprint;

/// Checks the policies of a namespace, which are sorted by name.
pub(super) fn check(findings: &mut Findings, namespace: &str, policies: &[&NetworkPolicy]) {
    let covers = Covers::within(namespace);
    for policy in policies {
        for rule in rules(policy) {
            check_entries(findings, &covers, policy, rule);
        }
    }
    let mut by_condition: HashMap<_, Vec<usize>> = HashMap::new();
    for (at, policy) in policies.iter().enumerate() {
        by_condition.entry(anchor(policy)).or_default().push(at);
    }
    let (gone_policies, gone_rules) = (BTreeSet::new(), BTreeSet::new());
    let mut namespace = Namespace { policies, covers, by_condition, gone_policies, gone_rules };
    // From the last one on, so that of two alike the first stays.
    for at in (0..policies.len()).rev() {
        namespace.check_policy(findings, at);
    }
}

/// Any condition of the subject that another subject must share in order to be covered.
fn anchor(policy: &NetworkPolicy) -> Option<Anchor> {
    conditions(&policy.subject).find_map(Condition::anchor)
}

impl<'a> Namespace<'a> {
    fn check_policy(&mut self, findings: &mut Findings, at: usize) {
        let policy = self.policies[at];
        if !is_certain(policy) {
            return;
        }
        let around = self.around(at);
        if let Some(others) = self.redundant(at, &around) {
            let names = self.names(&others);
            let message = format!("changes nothing beside {names}");
            findings.add(
                Code::RedundantPolicy,
                &policy.id,
                message,
                "delete it, or make it say what they do not",
            );
            self.gone_policies.insert(at);
            return;
        }
        let views: Vec<_> = rules(policy).collect();
        for view in views.into_iter().rev() {
            self.check_rule(findings, at, &around, view);
        }
    }

    fn check_rule(&mut self, findings: &mut Findings, at: usize, around: &[usize], view: RuleView<'a>) {
        let own = std::iter::once(at);
        let Some(used) = self.covered(view, around.iter().copied().chain(own), Some(view.index), at) else {
            return;
        };
        let policy = self.policies[at];
        let mut by: Vec<String> = Vec::new();
        for (other, direction, index) in &used {
            let field = direction.rule_field(*index);
            by.push(if *other == at { field } else { format!("{field} of {}", self.policies[*other].id) });
        }
        by.truncate(NAMED);
        let message = format!("admits nothing that {} does not admit", by.join(" and "));
        let field = At::from(&policy.id).field(view.field());
        findings.add(Code::RedundantRule, field, message, "take it out, or make it say what is missing");
        self.gone_rules.insert((at, view.direction, view.index));
    }

    /// The policies that stay and select whomever this one selects.
    fn around(&self, at: usize) -> Vec<usize> {
        let policy = self.policies[at];
        let implied = conditions(&policy.subject).flat_map(Condition::implied_anchors).map(Some);
        let anchors: BTreeSet<Option<Anchor>> = implied.chain([None]).collect();
        let candidates = anchors.iter().filter_map(|anchor| self.by_condition.get(anchor)).flatten().copied();
        let mut around: Vec<usize> = candidates
            .filter(|other| *other != at && !self.gone_policies.contains(other))
            .filter(|other| covers::selector(&self.policies[*other].subject, &policy.subject))
            .collect();
        around.sort_unstable();
        around
    }

    /// The policies that say all that this one says; a policy that only isolates is held against
    /// its like alone, for it is often written on purpose beside others.
    fn redundant(&self, at: usize, around: &[usize]) -> Option<BTreeSet<usize>> {
        let policy = self.policies[at];
        let mut others = BTreeSet::new();
        for direction in
            Direction::BOTH.into_iter().filter(|direction| policy.is_about(*direction) == Truth::Yes)
        {
            let isolating = around.iter().copied().find(|other| {
                self.policies[*other].is_about(direction) == Truth::Yes
                    && (has_rules(policy) || self.is_like(at, *other))
            });
            others.insert(isolating?);
            for view in rules_of(policy, direction) {
                let used = self.covered(view, around.iter().copied(), None, at)?;
                others.extend(used.into_iter().map(|(other, ..)| other));
            }
        }
        Some(others)
    }

    /// Both isolate the same pods and admit nothing.
    fn is_like(&self, one: usize, other: usize) -> bool {
        let (one, other) = (self.policies[one], self.policies[other]);
        !has_rules(other) && covers::selector(&one.subject, &other.subject)
    }

    /// The rules of `policies` that together admit what a rule admits. `own` is its index, to leave
    /// it out of its own policy.
    fn covered(
        &self,
        view: RuleView<'a>,
        policies: impl Iterator<Item = usize> + Clone,
        own: Option<usize>,
        at: usize,
    ) -> Option<Vec<RuleId>> {
        if !is_readable_rule(view.compiled) {
            return None;
        }
        let direction = view.direction;
        let about = policies.filter(|other| self.policies[*other].is_about(direction) == Truth::Yes);
        let rules = about.flat_map(|other| {
            let rules = self.policies[other].rules(direction).iter().enumerate();
            rules.map(move |(index, rule)| ((other, direction, index), rule))
        });
        let staying =
            rules.filter(|(id, _)| !(self.gone_rules.contains(id) || (id.0 == at && Some(id.2) == own)));
        self.covers.rule(&staying, view.compiled)
    }

    fn names(&self, others: &BTreeSet<usize>) -> String {
        let names: Vec<_> =
            others.iter().take(NAMED).map(|other| self.policies[*other].id.to_string()).collect();
        match others.len().saturating_sub(NAMED) {
            0 => names.join(" and "),
            more => format!("{} and {more} more", names.join(", ")),
        }
    }
}

/// Others that a message names, at most.
const NAMED: usize = 3;

fn has_rules(policy: &NetworkPolicy) -> bool {
    rules(policy).next().is_some()
}

/// Whether it is certain whom the policy selects and which directions it is about.
fn is_certain(policy: &NetworkPolicy) -> bool {
    let certain = |direction| !matches!(policy.is_about(direction), Truth::Unknown(_));
    is_readable(&policy.subject) && Direction::BOTH.into_iter().all(certain)
}

/// Invalid parts are reported as such.
pub(super) fn is_readable_rule(rule: &Rule) -> bool {
    let is_readable_peer = |peer: &PeerMatch| match peer {
        PeerMatch::Nothing => false,
        PeerMatch::PodsIn { pods, .. } => is_readable(pods),
        PeerMatch::PodsOf { namespaces, pods } => is_readable(namespaces) && is_readable(pods),
        PeerMatch::Nodes(nodes) => is_readable(nodes),
        PeerMatch::Block(_) => true,
        PeerMatch::Networks(networks) => !networks.is_empty(),
        PeerMatch::Names(names) => !names.is_empty(),
    };
    let peers = match &rule.peers {
        Peers::Any => true,
        peers => !peers.as_slice().is_empty() && peers.as_slice().iter().all(is_readable_peer),
    };
    peers && !rule.ports.iter().any(|port| matches!(port, PortMatch::Nothing))
}

/// Peers and ports that others of the same rule cover.
fn check_entries(findings: &mut Findings, covers: &Covers, policy: &NetworkPolicy, rule: RuleView<'_>) {
    if !is_readable_rule(rule.compiled) {
        return;
    }
    let peers = rule.compiled.peers.as_slice();
    for (gone, by) in covered_ones(peers, |outer, inner| covers.peer(outer, inner)) {
        let message = format!("matches nobody that {} does not match", rule.peer_field(by));
        let at = At::from(&policy.id).field(rule.peer_field(gone));
        findings.add(Code::RedundantPeer, at, message, "take it out");
    }
    let ports = &rule.compiled.ports;
    let covers_port = |outer: &PortMatch, inner: &PortMatch| {
        covers::ports(&std::iter::once(((), std::slice::from_ref(outer))), std::slice::from_ref(inner))
            .is_some()
    };
    for (gone, by) in covered_ones(ports, covers_port) {
        let message = format!("matches no port that {} does not match", rule.port_field(by));
        let at = At::from(&policy.id).field(rule.port_field(gone));
        findings.add(Code::RedundantPort, at, message, "take it out");
    }
}

/// The entries that another one, which stays, covers; with that one.
fn covered_ones<T>(entries: &[T], covers: impl Fn(&T, &T) -> bool) -> Vec<(usize, usize)> {
    let mut gone = BTreeSet::new();
    let mut found = Vec::new();
    for inner in (0..entries.len()).rev() {
        let mut others = (0..entries.len()).filter(|outer| *outer != inner && !gone.contains(outer));
        if let Some(outer) = others.find(|outer| covers(&entries[*outer], &entries[inner])) {
            gone.insert(inner);
            found.push((inner, outer));
        }
    }
    found
}
