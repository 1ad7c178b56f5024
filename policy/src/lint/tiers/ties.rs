//! Policies whose order nobody defines (C5).

use super::reach::{is_readable, readable};
use crate::{
    lint::{
        Code, Severity,
        findings::{At, Findings},
        ground::overlap,
        population::{Class, Population},
        selections::Selection,
    },
    network_policy::Direction,
    peer::{PeerMatch, Subject},
    port::PortMatch,
    rule::Rule,
    selector::Selector,
    tier_policy::{TierPolicy, TierRule},
};
use std::{collections::HashMap, rc::Rc};

/// Pairs of policies and of their rules that are looked at for one priority, at most.
const PAIRS: usize = 1_000_000;

/// Checks policies in their order.
pub(super) fn check(findings: &mut Findings, population: &Population<'_>, policies: &[&TierPolicy]) {
    let place = |policy: &&TierPolicy| (policy.id.tier, policy.id.priority);
    for tied in policies.chunk_by(|one, other| place(one) == place(other)) {
        let tied: Vec<&TierPolicy> =
            tied.iter().copied().filter(|policy| policy.id.priority.is_some()).collect();
        if differ(&tied) {
            check_tied(findings, population, &tied);
        }
    }
}

/// Whether there are two actions among their rules.
fn differ(policies: &[&TierPolicy]) -> bool {
    let rules = policies.iter().flat_map(|policy| Direction::BOTH.map(|direction| policy.rules(direction)));
    let mut actions = rules.flatten().map(|rule| rule.action);
    actions.next().is_some_and(|first| actions.any(|other| other != first))
}

fn check_tied(findings: &mut Findings, population: &Population<'_>, tied: &[&TierPolicy]) {
    let mut search = Search { population, crowds: HashMap::new(), left: PAIRS };
    for (at, policy) in tied.iter().enumerate() {
        let others = tied.get(at + 1..).unwrap_or_default();
        let found = others.iter().find_map(|other| Some((other, search.tie(policy, other)?)));
        match found {
            Some((other, tie)) => report(findings, policy, other, &tie),
            None if search.left == 0 && !others.is_empty() => {
                return report_cut(findings, policy, at, tied.len());
            }
            None => {}
        }
    }
}

/// A rule of each of two policies.
struct Tie {
    direction: Direction,
    index: usize,
    other: usize,
}

fn report(findings: &mut Findings, policy: &TierPolicy, other: &TierPolicy, tie: &Tie) {
    let field = tie.direction.rule_field(tie.index);
    let other_field = tie.direction.rule_field(tie.other);
    let message = format!(
        "{} has the same priority, and its {other_field} may want something else for the same connection \
         than {field}; which one is asked first is not defined",
        other.id
    );
    let at = At::from(&policy.id).field("spec.priority");
    findings.add(Code::EqualPriorities, at, message, "give one of them another priority");
}

/// What was not looked at is said.
fn report_cut(findings: &mut Findings, policy: &TierPolicy, looked_at: usize, all: usize) {
    let message = format!(
        "{all} policies have the same priority, too many to hold all of them against each other: \
         {looked_at} were, and this one and those behind it by kind and name were not"
    );
    let at = At::from(&policy.id).field("spec.priority");
    let mend = "spread them over several priorities";
    findings.add_as(Severity::Info, Code::EqualPriorities, at, message, mend);
}

/// Looks for connections that two rules match.
struct Search<'p, 'a> {
    population: &'p Population<'a>,
    /// The classes of pods that two selectors match for certain, as bits.
    crowds: HashMap<Selection<'p>, Rc<[u64]>>,
    /// How many pairs may still be looked at.
    left: usize,
}

impl<'p> Search<'p, '_> {
    fn tie(&mut self, one: &'p TierPolicy, other: &'p TierPolicy) -> Option<Tie> {
        self.count()?;
        let (Subject::Pods { namespaces, pods }, Subject::Pods { namespaces: of_other, pods: other_pods }) =
            (&one.subject, &other.subject)
        else {
            return None;
        };
        let is_certain = is_readable(&one.subject) && is_readable(&other.subject);
        if !is_certain || !self.share_pods((namespaces, pods), (of_other, other_pods)) {
            return None;
        }
        Direction::BOTH.into_iter().find_map(|direction| {
            let (index, other) = self.meeting(one.rules(direction), other.rules(direction))?;
            Some(Tie { direction, index, other })
        })
    }

    /// Two rules with different actions that some connection meets.
    fn meeting(&mut self, ones: &'p [TierRule], others: &'p [TierRule]) -> Option<(usize, usize)> {
        for (index, one) in ones.iter().enumerate() {
            for (other_index, other) in
                others.iter().enumerate().filter(|(_, other)| other.action != one.action)
            {
                self.count()?;
                let (Some(one), Some(other)) = (readable(one), readable(other)) else { continue };
                if self.overlap(one, other) {
                    return Some((index, other_index));
                }
            }
        }
        None
    }

    /// Takes a pair; `None` where too many were taken.
    fn count(&mut self) -> Option<()> {
        self.left = self.left.saturating_sub(1);
        (self.left > 0).then_some(())
    }

    /// Whether some connection is matched by both.
    fn overlap(&mut self, one: &'p Rule, other: &'p Rule) -> bool {
        let (peers, others) = (one.peers.as_slice(), other.peers.as_slice());
        ports_overlap(&one.ports, &other.ports)
            && peers.iter().any(|peer| others.iter().any(|other| self.meet(peer, other)))
    }

    /// Whether some peer is matched by both.
    fn meet(&mut self, one: &'p PeerMatch, other: &'p PeerMatch) -> bool {
        match (one, other) {
            (
                PeerMatch::PodsOf { namespaces, pods },
                PeerMatch::PodsOf { namespaces: of_other, pods: other_pods },
            ) => self.share_pods((namespaces, pods), (of_other, other_pods)),
            (PeerMatch::Networks(networks), PeerMatch::Networks(others)) => {
                networks.iter().any(|one| others.iter().any(|other| overlap(one, other)))
            }
            (PeerMatch::Nodes(one), PeerMatch::Nodes(other)) => {
                let (one, other) = (Selection::of(one), Selection::of(other));
                one.implies(&other) || other.implies(&one)
            }
            (PeerMatch::Names(names), PeerMatch::Names(others)) => {
                names.iter().any(|name| others.contains(name))
            }
            _ => false,
        }
    }

    /// Whether one selects all that the other selects, or a pod that is known is selected by both.
    fn share_pods(&mut self, one: Selectors<'p>, other: Selectors<'p>) -> bool {
        let (wanted, others) = (Selection::of_pods(one.0, one.1), Selection::of_pods(other.0, other.1));
        if wanted.implies(&others) || others.implies(&wanted) {
            return true;
        }
        let (crowd, others) = (self.crowd(wanted, one), self.crowd(others, other));
        crowd.iter().zip(others.iter()).any(|(one, other)| one & other != 0)
    }

    fn crowd(&mut self, selection: Selection<'p>, (namespaces, pods): Selectors<'p>) -> Rc<[u64]> {
        let population = self.population;
        let crowd = self.crowds.entry(selection).or_insert_with(|| {
            let is_in =
                |class: &Class<'_>| class.in_pod_network && population.selects(namespaces, pods, class);
            let words = population.classes.chunks(64).map(|classes| {
                let bits = classes.iter().enumerate();
                bits.fold(0, |word, (at, class)| word | u64::from(is_in(class)) << at)
            });
            words.collect()
        });
        Rc::clone(crowd)
    }
}

/// Namespaces and pods.
type Selectors<'p> = (&'p Selector, &'p Selector);

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
