//! The Admin and Baseline tiers (C1–C5, C17, A1, A2, A6; docs/decisions/0006-tiers.md).

use crate::naive::{
    ending::{Ending, Endings},
    peers::{Place, is_peer, is_subject, is_understood},
    ports::{self, Entry},
    side::{Direction, Side},
    truth::{Truth, all, any},
};
use portolan_policy::{
    Object, PolicyKind, PolicyRef,
    api::{Peer, Subject},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    Admin,
    Baseline,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Accept,
    Deny,
    Pass,
}

/// A policy of any of the three kinds.
struct Policy {
    kind: PolicyKind,
    name: String,
    tier: Tier,
    /// Its place in the tier; the baseline policy of the older API comes last.
    order: i64,
    subject: Subject,
    /// The rules of the side's direction; of both, all actions are known.
    rules: Vec<Rule>,
}

struct Rule {
    action: Action,
    peers: Vec<Peer>,
    ports: Vec<Entry>,
}

/// A rule that a policy may be decided by.
type Hit = (Action, usize);

/// What a tier makes of a side.
pub(crate) struct Outcome {
    pub(crate) endings: Endings,
    /// Whether the next tier may be asked.
    pub(crate) goes_on: bool,
}

/// Walks down the policies of a tier.
pub(crate) fn ask(tier: Tier, side: &Side<'_>) -> Outcome {
    let mut policies: Vec<Policy> =
        side.view.objects.iter().filter_map(|it| read(it, side.direction)).collect();
    policies.retain(|policy| policy.tier == tier);
    policies.sort_by_key(|policy| (policy.order, policy.kind, policy.name.clone()));
    let mut endings = Endings::default();
    let mut passes = false;
    for group in policies.chunk_by(|one, next| one.order == next.order) {
        let mut silent = false;
        for hits in completions(group, side, &mut endings) {
            silent |= hits.is_empty();
            passes |= end(&hits, &mut endings);
        }
        if !silent {
            return Outcome { endings, goes_on: passes };
        }
    }
    Outcome { endings, goes_on: true }
}

/// Whether a policy with rules of the side's direction may be about the subject.
pub(crate) fn may_speak(side: &Side<'_>) -> bool {
    let policies = side.view.objects.iter().filter_map(|object| read(object, side.direction));
    let mut speaking = policies.filter(|policy| !policy.rules.is_empty());
    speaking.any(|policy| is_subject(&policy.subject, side.subject, side.view, &policy.name).possible())
}

/// Every way in which the policies of one priority may match together.
fn completions<'a>(
    group: &'a [Policy],
    side: &Side<'_>,
    endings: &mut Endings,
) -> Vec<Vec<(&'a Policy, Hit)>> {
    let mut ways = vec![Vec::new()];
    for policy in group {
        let outcomes = outcomes(policy, side, endings);
        let extended = ways.iter().flat_map(|way: &Vec<_>| {
            outcomes.iter().map(move |outcome| {
                let mut way = way.clone();
                way.extend(outcome.map(|hit| (policy, hit)));
                way
            })
        });
        ways = extended.collect();
    }
    ways
}

/// Adds the endings of policies that all match, each of which may be the first (C5); whether one
/// may be a Pass.
fn end(hits: &[(&Policy, Hit)], endings: &mut Endings) -> bool {
    let Some((_, (first, _))) = hits.first() else { return false };
    let agree = hits.iter().all(|(_, (action, _))| action == first);
    if !agree {
        let names: Vec<_> = hits.iter().map(|(policy, _)| policy.name.clone()).collect();
        endings.hang_on([format!("which of {} comes first", names.join(", "))]);
    }
    let mut passes = false;
    for (policy, (action, rule)) in &hits[..if agree { 1 } else { hits.len() }] {
        match action {
            Action::Accept => endings.add(Ending::Admitted([policy.named(Some(*rule))].into())),
            Action::Deny => endings.add(Ending::Denied([policy.named(None)].into())),
            Action::Pass => passes = true,
        }
    }
    passes
}

/// The rules that may decide a policy, `None` where none may.
fn outcomes(policy: &Policy, side: &Side<'_>, endings: &mut Endings) -> Vec<Option<Hit>> {
    let whose = format!("{} {}", policy.kind.as_str(), policy.name);
    let selects = is_subject(&policy.subject, side.subject, side.view, &whose);
    if !selects.possible() {
        return vec![None];
    }
    endings.hang_on(selects.facts());
    let mut outcomes = Vec::new();
    let mut ends = false;
    for (index, rule) in policy.rules.iter().enumerate() {
        let (action, truth) = matches(rule, policy.kind, side);
        endings.hang_on(truth.facts());
        outcomes.extend(truth.possible().then_some(Some((action, index))));
        if truth.certain() {
            ends = true;
            break;
        }
    }
    if !ends || !selects.certain() {
        outcomes.push(None);
    }
    outcomes
}

/// Whether a rule matches, and what it then does: one with a peer that is not understood fails
/// closed (C17).
fn matches(rule: &Rule, kind: PolicyKind, side: &Side<'_>) -> (Action, Truth) {
    let egress = side.direction == Direction::Egress;
    let names = egress && rule.action == Action::Accept && kind != PolicyKind::BaselineAdminNetworkPolicy;
    let place = Place { addresses: egress, domain_names: names };
    if !rule.peers.iter().all(|peer| is_understood(peer, place)) {
        return match rule.action {
            Action::Accept => (Action::Accept, Truth::No),
            Action::Deny | Action::Pass => (Action::Deny, Truth::Yes),
        };
    }
    let peers = any(rule.peers.iter().map(|peer| is_peer(peer, side)));
    (rule.action, all([peers, ports::admitted(&rule.ports, &side.question)]))
}

impl Policy {
    fn named(&self, rule: Option<usize>) -> PolicyRef {
        PolicyRef {
            kind: self.kind,
            namespace: None,
            name: self.name.clone(),
            rule: rule.map(|rule| rule as u32),
        }
    }
}

/// A rule's action, peers and ports as they are written.
type Written<'a, P> = (&'a String, &'a Option<Vec<Peer>>, &'a Option<Vec<P>>);

/// The rules; `None` where the word for an action is not known.
fn rules<'a, P: 'a>(
    written: impl Iterator<Item = Written<'a, P>>,
    kind: PolicyKind,
    entry: impl Fn(&P) -> Entry,
) -> Option<Vec<Rule>> {
    let read = |(action, peers, ports): Written<'_, P>| {
        Some(Rule {
            action: read_action(action, kind)?,
            peers: peers.clone().unwrap_or_default(),
            ports: ports.iter().flatten().map(&entry).collect(),
        })
    };
    written.map(read).collect()
}

fn read_action(word: &str, kind: PolicyKind) -> Option<Action> {
    match (word, kind) {
        ("Deny", _) => Some(Action::Deny),
        ("Accept", PolicyKind::ClusterNetworkPolicy) => Some(Action::Accept),
        ("Allow", PolicyKind::AdminNetworkPolicy | PolicyKind::BaselineAdminNetworkPolicy) => {
            Some(Action::Accept)
        }
        ("Pass", PolicyKind::ClusterNetworkPolicy | PolicyKind::AdminNetworkPolicy) => Some(Action::Pass),
        _ => None,
    }
}

/// An object as a policy of a tier; `None` where it is none or says nothing.
fn read(object: &Object, direction: Direction) -> Option<Policy> {
    let name = object.metadata().name.clone().unwrap_or_default();
    let choose = |ingress, egress| if direction == Direction::Ingress { ingress } else { egress };
    match object {
        Object::ClusterNetworkPolicy(policy) => {
            let kind = PolicyKind::ClusterNetworkPolicy;
            let spec = &policy.spec;
            let ingress = spec.ingress.iter().flatten().map(|it| (&it.action, &it.from, &it.protocols));
            let egress = spec.egress.iter().flatten().map(|it| (&it.action, &it.to, &it.protocols));
            let (ingress, egress) =
                (rules(ingress, kind, ports::of_cluster)?, rules(egress, kind, ports::of_cluster)?);
            let tier = read_tier(&spec.tier)?;
            let order = i64::from(spec.priority?);
            let subject = spec.subject.clone();
            Some(Policy { kind, name, tier, order, subject, rules: choose(ingress, egress) })
        }
        Object::AdminNetworkPolicy(policy) => {
            let kind = PolicyKind::AdminNetworkPolicy;
            let order = i64::from(policy.spec.priority?);
            of_old_api(&policy.spec, kind, name, Tier::Admin, order, direction)
        }
        Object::BaselineAdminNetworkPolicy(policy) => {
            let kind = PolicyKind::BaselineAdminNetworkPolicy;
            of_old_api(&policy.spec, kind, name, Tier::Baseline, i64::MAX, direction)
        }
        _ => None,
    }
}

fn read_tier(word: &str) -> Option<Tier> {
    match word {
        "Admin" => Some(Tier::Admin),
        "Baseline" => Some(Tier::Baseline),
        _ => None,
    }
}

fn of_old_api(
    spec: &portolan_policy::api::v1alpha1::AdminNetworkPolicySpec,
    kind: PolicyKind,
    name: String,
    tier: Tier,
    order: i64,
    direction: Direction,
) -> Option<Policy> {
    let ingress = spec.ingress.iter().flatten().map(|it| (&it.action, &it.from, &it.ports));
    let egress = spec.egress.iter().flatten().map(|it| (&it.action, &it.to, &it.ports));
    let (ingress, egress) = (rules(ingress, kind, ports::of_admin)?, rules(egress, kind, ports::of_admin)?);
    let rules = if direction == Direction::Ingress { ingress } else { egress };
    Some(Policy { kind, name, tier, order, subject: spec.subject.clone(), rules })
}
