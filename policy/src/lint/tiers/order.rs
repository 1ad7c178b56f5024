//! First match wins: rules that are never reached, and policies whose order nobody defines.

use crate::{
    PolicyId,
    lint::{
        Code, conditions, covers,
        covers::Covers,
        findings::{At, Findings},
        population::Population,
        redundant::is_readable_rule,
    },
    network_policy::Direction,
    peer::{PeerMatch, Subject},
    port::PortMatch,
    rule::Rule,
    tier_policy::{Matched, TierPolicy, TierRule},
    truth::Truth,
};

/// Policies of one priority that are held against each other, at most.
const TIES: usize = 1000;

/// Rules that a rule before them, of the same policy or of one that is asked before it, always
/// beats. The policies are in their order.
pub(super) fn check_reach(findings: &mut Findings, policies: &[&TierPolicy]) {
    for (at, policy) in policies.iter().enumerate() {
        let before: Vec<&TierPolicy> =
            policies.iter().take(at).copied().filter(|earlier| is_before(earlier, policy)).collect();
        for direction in Direction::BOTH {
            for (index, rule) in policy.rules(direction).iter().enumerate() {
                check_rule(findings, policy, &before, direction, (index, rule));
            }
        }
    }
}

/// Asked before for certain, about all pods that the other is about. The two APIs have no order.
fn is_before(earlier: &TierPolicy, policy: &TierPolicy) -> bool {
    earlier.id.tier == policy.id.tier
        && earlier.id.kind == policy.id.kind
        && earlier.id.priority < policy.id.priority
        && is_readable(&earlier.subject)
        && covers::subject(&earlier.subject, &policy.subject)
}

fn is_readable(subject: &Subject) -> bool {
    match subject {
        Subject::Pods { namespaces, pods } => {
            conditions::is_readable(namespaces) && conditions::is_readable(pods)
        }
        Subject::Unreadable => false,
    }
}

fn check_rule(
    findings: &mut Findings,
    policy: &TierPolicy,
    before: &[&TierPolicy],
    direction: Direction,
    (index, rule): (usize, &TierRule),
) {
    let Some(rule) = readable(rule) else { return };
    let own = policy.rules(direction).iter().take(index);
    let own = own.enumerate().filter_map(|(at, rule)| Some(((None, at), readable(rule)?)));
    let of_others = before.iter().enumerate().flat_map(|(other, policy)| {
        let rules = policy.rules(direction).iter().enumerate();
        rules.filter_map(move |(at, rule)| Some(((Some(other), at), readable(rule)?)))
    });
    let earlier = own.chain(of_others);
    let Some(used) = Covers::cluster_wide().rule(&earlier, rule) else { return };
    let name = |(other, at): &(Option<usize>, usize)| match other.and_then(|other| before.get(other)) {
        Some(policy) => format!("{} of {}", direction.rule_field(*at), policy.id),
        None => direction.rule_field(*at),
    };
    let names: Vec<_> = used.iter().take(3).map(name).collect();
    let message = format!("is never reached: {} always matches first", names.join(" or "));
    let at = At::from(&policy.id).field(direction.rule_field(index));
    findings.add(Code::UnreachableRule, at, message, "move it to the front, or take it out");
}

/// A rule that is what it says: none that fails closed or has invalid parts.
fn readable(rule: &TierRule) -> Option<&Rule> {
    match rule.matched() {
        Matched::Rule(rule) => Some(rule).filter(|rule| is_readable_rule(rule)),
        Matched::All | Matched::Nothing => None,
    }
}

/// C5: policies of one priority that want different things for the same connections.
pub(super) fn check_ties(findings: &mut Findings, population: &Population<'_>, policies: &[&TierPolicy]) {
    let place = |policy: &&TierPolicy| (policy.id.tier, policy.id.priority);
    for tied in policies.chunk_by(|one, other| place(one) == place(other)) {
        for (at, policy) in
            tied.iter().enumerate().take(TIES).filter(|(_, policy)| policy.id.priority.is_some())
        {
            let mut others = tied.iter().skip(at + 1).take(TIES);
            if let Some((other, tie)) =
                others.find_map(|other| Some((other, tie(population, policy, other)?)))
            {
                report_tie(findings, policy, &other.id, &tie);
            }
        }
    }
}

/// A rule of each of two policies.
struct Tie {
    direction: Direction,
    index: usize,
    other: usize,
}

fn report_tie(findings: &mut Findings, policy: &TierPolicy, other: &PolicyId, tie: &Tie) {
    let field = tie.direction.rule_field(tie.index);
    let other_field = tie.direction.rule_field(tie.other);
    let message = format!(
        "{other} has the same priority, and its {other_field} may want something else for the same connection \
         than {field}; which one is asked first is not defined"
    );
    let at = At::from(&policy.id).field("spec.priority");
    findings.add(Code::EqualPriorities, at, message, "give one of them another priority");
}

fn tie(population: &Population<'_>, one: &TierPolicy, other: &TierPolicy) -> Option<Tie> {
    let (subject, other_subject) = (as_peer(&one.subject)?, as_peer(&other.subject)?);
    Direction::BOTH.into_iter().find_map(|direction| {
        let differing = pairs(one.rules(direction), other.rules(direction));
        let mut overlapping = differing.filter(|(_, rule, _, other)| overlap(population, rule, other));
        let (index, _, other, _) = overlapping.next()?;
        meet(population, &subject, &other_subject).then_some(Tie { direction, index, other })
    })
}

/// The pairs of rules with different actions.
fn pairs<'a>(
    ones: &'a [TierRule],
    others: &'a [TierRule],
) -> impl Iterator<Item = (usize, &'a Rule, usize, &'a Rule)> {
    ones.iter().enumerate().flat_map(move |(index, one)| {
        let differing = others.iter().enumerate().filter(move |(_, other)| other.action != one.action);
        differing.filter_map(move |(other_index, other)| {
            Some((index, readable(one)?, other_index, readable(other)?))
        })
    })
}

fn as_peer(subject: &Subject) -> Option<PeerMatch> {
    match subject {
        Subject::Pods { namespaces, pods } if is_readable(subject) => {
            Some(PeerMatch::PodsOf { namespaces: namespaces.clone(), pods: pods.clone() })
        }
        _ => None,
    }
}

/// Whether some connection is matched by both.
fn overlap(population: &Population<'_>, one: &Rule, other: &Rule) -> bool {
    let (peers, others) = (one.peers.as_slice(), other.peers.as_slice());
    ports_overlap(&one.ports, &other.ports)
        && peers.iter().any(|peer| others.iter().any(|other| meet(population, peer, other)))
}

/// Whether some peer is matched by both: one covers the other, or a pod that is known is matched.
fn meet(population: &Population<'_>, one: &PeerMatch, other: &PeerMatch) -> bool {
    let covers = Covers::cluster_wide();
    if covers.peer(one, other) || covers.peer(other, one) {
        return true;
    }
    match (one, other) {
        (PeerMatch::PodsOf { .. }, PeerMatch::PodsOf { .. }) => population.classes.iter().any(|class| {
            class.in_pod_network
                && population.peer_matches(one, class) == Truth::Yes
                && population.peer_matches(other, class) == Truth::Yes
        }),
        (PeerMatch::Networks(networks), PeerMatch::Networks(others)) => {
            networks.iter().any(|one| others.iter().any(|other| covers::overlap(one, other)))
        }
        _ => false,
    }
}

fn ports_overlap(ones: &[PortMatch], others: &[PortMatch]) -> bool {
    let overlap = |one: &PortMatch, other: &PortMatch| match (one, other) {
        (PortMatch::Range(protocol, one), PortMatch::Range(other_protocol, other)) => {
            protocol == other_protocol && one.start() <= other.end() && other.start() <= one.end()
        }
        (PortMatch::All(protocol), PortMatch::All(other) | PortMatch::Range(other, _))
        | (PortMatch::Range(protocol, _), PortMatch::All(other)) => protocol == other,
        (PortMatch::Named(_, name), PortMatch::Named(_, other)) => name == other,
        _ => false,
    };
    ones.is_empty()
        || others.is_empty()
        || ones.iter().any(|one| others.iter().any(|other| overlap(one, other)))
}
