//! Whether two policies have rules that some connection meets, looked for within a bound.

use super::parts::{Parts, Peer, Policy, Rule};
use crate::{
    lint::{ground::overlap, selections::Selection},
    network_policy::Direction,
    port::PortMatch,
};

/// Pairs that are looked at for one priority, at most: of policies, and of their rules, ports, peers,
/// networks and names.
const PAIRS: usize = 5_000_000;

/// Conditions and values that are compared for the price of a pair.
const CHEAP: usize = 16;

/// A rule of each of two policies.
pub(super) struct Tie {
    pub(super) direction: Direction,
    pub(super) index: usize,
    pub(super) other: usize,
}

/// Looks for connections that two rules match.
pub(super) struct Search<'s, 'p, 'a> {
    parts: &'s Parts<'p, 'a>,
    /// How many pairs may still be looked at.
    left: usize,
}

impl<'s, 'p, 'a> Search<'s, 'p, 'a> {
    /// Looks at these.
    pub(super) const fn new(parts: &'s Parts<'p, 'a>) -> Self {
        Self { parts, left: PAIRS }
    }

    /// Whether it ended before all was looked at.
    pub(super) const fn is_cut(&self) -> bool {
        self.left == 0
    }

    /// Two rules of two policies.
    pub(super) fn tie(&mut self, one: usize, other: usize) -> Option<Tie> {
        let (one, other) = (&self.parts.policies[one], &self.parts.policies[other]);
        if !self.pay(1) || !self.share_pods(one.subject?, other.subject?) {
            return None;
        }
        let mut directions = Direction::BOTH.into_iter();
        directions.find_map(|direction| self.meeting(one, other, direction))
    }

    /// Takes pairs; not where too many were taken.
    fn pay(&mut self, pairs: usize) -> bool {
        self.left = self.left.saturating_sub(pairs);
        self.left > 0
    }

    /// Two rules with different actions that some connection meets.
    fn meeting(&mut self, one: &Policy<'p>, other: &Policy<'p>, direction: Direction) -> Option<Tie> {
        one.rules(direction).iter().find_map(|rule| {
            let mut others = other.rules(direction).iter();
            let other = others.find(|other| self.pay(1) && self.overlap(rule, other))?;
            Some(Tie { direction, index: rule.index, other: other.index })
        })
    }

    /// Whether they want different things of some connection.
    fn overlap(&mut self, one: &Rule<'p>, other: &Rule<'p>) -> bool {
        let is_any_port = one.ports.is_empty() || other.ports.is_empty();
        one.action != other.action
            && (is_any_port || self.any(one.ports, other.ports, |_, one, other| same_port(one, other)))
            && self.any(&one.peers, &other.peers, Self::meet)
    }

    /// Whether a pair is such.
    fn any<T>(&mut self, ones: &[T], others: &[T], is: impl Fn(&mut Self, &T, &T) -> bool) -> bool {
        ones.iter().any(|one| others.iter().any(|other| self.pay(1) && is(self, one, other)))
    }

    /// Whether somebody is matched by both.
    fn meet(&mut self, one: &Peer<'p>, other: &Peer<'p>) -> bool {
        match (one, other) {
            (Peer::Pods(one), Peer::Pods(other)) => self.share_pods(*one, *other),
            (Peer::Nodes(one), Peer::Nodes(other)) => self.is_one_within(one, other),
            (Peer::Networks(ones), Peer::Networks(others)) => {
                self.any(ones, others, |_, one, other| overlap(one, other))
            }
            (Peer::Names(ones), Peer::Names(others)) => self.any(ones, others, |_, one, other| one == other),
            _ => false,
        }
    }

    /// Whether one selects all that the other selects, or a pod that is known is selected by both.
    fn share_pods(&mut self, one: usize, other: usize) -> bool {
        let (one, other) = (self.parts.crowd(one), self.parts.crowd(other));
        if self.is_one_within(&one.selection, &other.selection) {
            return true;
        }
        if !self.pay(self.parts.price(one) + self.parts.price(other)) {
            return false;
        }
        let (ones, others) = (self.parts.classes(one), self.parts.classes(other));
        ones.iter().zip(others).any(|(one, other)| one & other != 0)
    }

    /// Whether one selects all that the other selects.
    fn is_one_within(&mut self, one: &Selection<'p>, other: &Selection<'p>) -> bool {
        self.pay((one.size() + other.size()) / CHEAP) && (one.implies(other) || other.implies(one))
    }
}

/// Whether some port is matched by both.
fn same_port(one: &PortMatch, other: &PortMatch) -> bool {
    match (one, other) {
        (PortMatch::Range(protocol, one), PortMatch::Range(other_protocol, other)) => {
            protocol == other_protocol && one.start() <= other.end() && other.start() <= one.end()
        }
        (PortMatch::All(protocol), PortMatch::All(other) | PortMatch::Range(other, _))
        | (PortMatch::Range(protocol, _), PortMatch::All(other)) => protocol == other,
        (PortMatch::Named(_, name), PortMatch::Named(_, other)) => name == other,
        _ => false,
    }
}
