//! Parts of NetworkPolicies that admit nothing that others do not admit.
//!
//! What is found can be taken out all at once without changing any decision: each part is held
//! against parts that stay.

use super::{
    Code,
    conditions::is_readable,
    findings::{At, Findings, listed},
    peer_index::{PeerIndex, Shape},
    port_index::{Among, PortIndex},
    rule_index::{Indexed, RuleId, RuleIndex, Subjects},
    selections::Selection,
    view::{RuleView, rules, rules_of},
};
use crate::{
    labels::NAMESPACE_NAME_LABEL,
    network_policy::{Direction, NetworkPolicy},
    peer::PeerMatch,
    port::PortMatch,
    rule::{Peers, Rule},
    selector::{Requirement, Selector},
    truth::Truth,
};
use std::collections::{BTreeSet, HashMap};

/// The policies of one namespace, by name.
struct Namespace<'a> {
    policies: &'a [&'a NetworkPolicy],
    subjects: Subjects<'a>,
    ingress: Section<'a>,
    egress: Section<'a>,
}

/// What stays of the policies in one direction.
struct Section<'a> {
    rules: RuleIndex<'a>,
    /// The policies that isolate, by their subject.
    isolating: HashMap<usize, Isolating>,
}

/// The policies of one subject that isolate.
#[derive(Default)]
struct Isolating {
    all: BTreeSet<usize>,
    /// Those without rules.
    bare: BTreeSet<usize>,
}

/// Checks the policies of a namespace, which are sorted by name.
pub(super) fn check(findings: &mut Findings, namespace: &str, policies: &[&NetworkPolicy]) {
    let own = Selector::from_iter([Requirement::equals(NAMESPACE_NAME_LABEL, namespace)]);
    for policy in policies {
        for rule in rules(policy) {
            check_entries(findings, &own, policy, rule);
        }
    }
    let mut namespace = Namespace::new(&own, policies);
    // From the last one on, so that of two alike the first stays.
    for at in (0..policies.len()).rev() {
        namespace.check_policy(findings, at);
    }
}

impl<'a> Namespace<'a> {
    fn new(own: &'a Selector, policies: &'a [&'a NetworkPolicy]) -> Self {
        let subject =
            |policy: &&'a NetworkPolicy| is_readable(&policy.subject).then(|| Selection::of(&policy.subject));
        let subjects = Subjects::new(policies.iter().map(subject));
        let section = |direction| Section::new(own, &subjects, policies, direction);
        let (ingress, egress) = (section(Direction::Ingress), section(Direction::Egress));
        Self { policies, subjects, ingress, egress }
    }

    const fn section(&self, direction: Direction) -> &Section<'a> {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    const fn section_mut(&mut self, direction: Direction) -> &mut Section<'a> {
        match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        }
    }

    fn check_policy(&mut self, findings: &mut Findings, at: usize) {
        let policy = self.policies[at];
        if !is_certain(policy) {
            return;
        }
        let subject = Selection::of(&policy.subject);
        let around = self.subjects.around(&subject);
        if let Some(others) = self.redundant(at, &subject, &around) {
            let message = format!("changes nothing beside {}", self.names(&others));
            findings.add(
                Code::RedundantPolicy,
                &policy.id,
                message,
                "delete it, or make it say what they do not",
            );
            return self.forget_policy(at);
        }
        let views: Vec<_> = rules(policy).collect();
        for view in views.into_iter().rev() {
            self.check_rule(findings, at, &around, view);
        }
    }

    fn check_rule(&mut self, findings: &mut Findings, at: usize, around: &[usize], view: RuleView<'a>) {
        let id = (at, view.index);
        let Some(used) = self.covered(view, around, &Among::others(&(id..=id))) else { return };
        let policy = self.policies[at];
        let name = |(other, index): &RuleId| {
            let field = view.direction.rule_field(*index);
            if *other == at { field } else { format!("{field} of {}", self.policies[*other].id) }
        };
        let message = format!("admits nothing that {} does not admit", listed("and", used.iter().map(name)));
        let field = At::from(&policy.id).field(view.field());
        findings.add(Code::RedundantRule, field, message, "take it out, or make it say what is missing");
        self.forget_rule(at, view);
    }

    fn forget_policy(&mut self, at: usize) {
        let number = self.subjects.number(at);
        for view in rules(self.policies[at]) {
            self.forget_rule(at, view);
        }
        for direction in Direction::BOTH {
            if let Some(isolating) = self.section_mut(direction).isolating.get_mut(&number) {
                isolating.all.remove(&at);
                isolating.bare.remove(&at);
            }
        }
    }

    fn forget_rule(&mut self, at: usize, view: RuleView<'a>) {
        let subject = self.subjects.number(at);
        let rule = Indexed { subject, id: (at, view.index), rule: view.compiled };
        self.section_mut(view.direction).rules.remove(rule);
    }

    /// The policies that say all that this one says; a policy that only isolates is held against
    /// its like alone, for it is often written on purpose beside others.
    fn redundant(&self, at: usize, subject: &Selection<'_>, around: &[usize]) -> Option<BTreeSet<usize>> {
        let policy = self.policies[at];
        let bare = !has_rules(policy);
        let like = |number: &usize| !bare || self.subjects.is_within(*number, subject);
        let around: Vec<usize> = around.iter().copied().filter(like).collect();
        let mut others = BTreeSet::new();
        for direction in
            Direction::BOTH.into_iter().filter(|direction| policy.is_about(*direction) == Truth::Yes)
        {
            others.insert(self.section(direction).isolating(at, &around, bare)?);
            for view in rules_of(policy, direction) {
                let used = self.covered(view, &around, &Among::others(&((at, 0)..=(at, usize::MAX))))?;
                others.extend(used.into_iter().map(|(other, _)| other));
            }
        }
        Some(others)
    }

    /// The rules of these subjects that together admit what a rule admits.
    fn covered(
        &self,
        view: RuleView<'_>,
        around: &[usize],
        among: &Among<RuleId>,
    ) -> Option<BTreeSet<RuleId>> {
        if !is_readable_rule(view.compiled) {
            return None;
        }
        self.section(view.direction).rules.around(around, view.compiled, among)
    }

    fn names(&self, others: &BTreeSet<usize>) -> String {
        listed("and", others.iter().map(|other| self.policies[*other].id.to_string()))
    }
}

impl<'a> Section<'a> {
    fn new(
        own: &'a Selector,
        subjects: &Subjects<'a>,
        policies: &'a [&'a NetworkPolicy],
        direction: Direction,
    ) -> Self {
        let about = |(_, policy): &(usize, &&NetworkPolicy)| policy.is_about(direction) == Truth::Yes;
        let policies = || policies.iter().enumerate().filter(about);
        let rules = policies().flat_map(|(at, policy)| {
            let subject = subjects.number(at);
            let rules = policy.rules(direction).iter().enumerate();
            rules.map(move |(index, rule)| Indexed { subject, id: (at, index), rule })
        });
        let rules = RuleIndex::new(own, rules);
        let mut isolating: HashMap<usize, Isolating> = HashMap::new();
        for (at, policy) in policies() {
            let Isolating { all, bare } = isolating.entry(subjects.number(at)).or_default();
            all.insert(at);
            if !has_rules(policy) {
                bare.insert(at);
            }
        }
        Self { rules, isolating }
    }

    /// The first policy of these subjects that isolates, but this one.
    fn isolating(&self, policy: usize, subjects: &[usize], bare: bool) -> Option<usize> {
        let among = Among::others(&(policy..=policy));
        let sets = subjects.iter().filter_map(|subject| self.isolating.get(subject));
        sets.filter_map(|Isolating { all, bare: without }| among.first(if bare { without } else { all }))
            .min()
    }
}

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
fn check_entries(findings: &mut Findings, own: &Selector, policy: &NetworkPolicy, rule: RuleView<'_>) {
    if !is_readable_rule(rule.compiled) {
        return;
    }
    for (gone, by) in covered_peers(own, rule.compiled.peers.as_slice()) {
        let message = format!("matches nobody that {} does not match", rule.peer_field(by));
        let at = At::from(&policy.id).field(rule.peer_field(gone));
        findings.add(Code::RedundantPeer, at, message, "take it out");
    }
    for (gone, by) in covered_ports(&rule.compiled.ports) {
        let message = format!("matches no port that {} does not match", rule.port_field(by));
        let at = At::from(&policy.id).field(rule.port_field(gone));
        findings.add(Code::RedundantPort, at, message, "take it out");
    }
}

/// The peers that another one, which stays, covers; with that one.
fn covered_peers(own: &Selector, peers: &[PeerMatch]) -> Vec<(usize, usize)> {
    let shapes: Vec<_> = peers.iter().filter_map(|peer| Shape::read(peer, own)).collect();
    let index = PeerIndex::new(shapes.iter().cloned());
    let mut staying = vec![BTreeSet::new(); index.len()];
    let numbers: Vec<_> = shapes.iter().filter_map(|shape| index.id(shape)).collect();
    for (peer, number) in numbers.iter().enumerate() {
        staying[*number].insert(peer);
    }
    let mut found = Vec::new();
    for (inner, shape) in shapes.iter().enumerate().rev() {
        let among = Among::others(&(inner..=inner));
        if let Some(outer) = index.around(shape).find_map(|number| among.first(&staying[number])) {
            staying[numbers[inner]].remove(&inner);
            found.push((inner, outer));
        }
    }
    found
}

/// The ports that another one, which stays, covers; with that one.
fn covered_ports(ports: &[PortMatch]) -> Vec<(usize, usize)> {
    let mut staying = PortIndex::default();
    for (id, port) in ports.iter().enumerate() {
        staying.insert_one(id, port);
    }
    let mut found = Vec::new();
    for (inner, port) in ports.iter().enumerate().rev() {
        if let Some(outer) = staying.around(port, &Among::others(&(inner..=inner))) {
            staying.remove_one(inner, port);
            found.push((inner, outer));
        }
    }
    found
}
