//! Policies of one priority, read for comparing: each different selection of pods once.

use super::super::reach::{is_readable, readable};
use crate::{
    domain_name::DomainName,
    lint::{
        population::{Class, Population},
        selections::Selection,
    },
    network_policy::Direction,
    peer::{PeerMatch, Subject},
    port::PortMatch,
    selector::Selector,
    tier_policy::{Action, TierPolicy, TierRule},
};
use ipnet::IpNet;
use std::{cell::OnceCell, collections::HashMap};

/// The policies.
pub(super) struct Parts<'p, 'a> {
    population: &'p Population<'a>,
    pub(super) policies: Vec<Policy<'p>>,
    crowds: Vec<Crowd<'p>>,
}

/// A policy.
pub(super) struct Policy<'p> {
    /// The number of its crowd, where it is certain.
    pub(super) subject: Option<usize>,
    rules: [Vec<Rule<'p>>; 2],
}

/// A rule that is what it says.
pub(super) struct Rule<'p> {
    pub(super) index: usize,
    pub(super) action: Action,
    pub(super) ports: &'p [PortMatch],
    pub(super) peers: Vec<Peer<'p>>,
}

/// A peer.
pub(super) enum Peer<'p> {
    /// The number of its crowd.
    Pods(usize),
    Nodes(Selection<'p>),
    Networks(&'p [IpNet]),
    Names(&'p [DomainName]),
}

/// Those that two selectors select.
pub(super) struct Crowd<'p> {
    pub(super) selection: Selection<'p>,
    /// Of namespaces and of pods.
    selectors: (&'p Selector, &'p Selector),
    /// The classes of pods that they match for certain, as bits.
    classes: OnceCell<Box<[u64]>>,
}

impl<'p> Policy<'p> {
    /// Its rules of a direction.
    pub(super) fn rules(&self, direction: Direction) -> &[Rule<'p>] {
        let [ingress, egress] = &self.rules;
        match direction {
            Direction::Ingress => ingress,
            Direction::Egress => egress,
        }
    }
}

impl<'p, 'a> Parts<'p, 'a> {
    /// Reads policies.
    pub(super) fn read(population: &'p Population<'a>, policies: &[&'p TierPolicy]) -> Self {
        let mut reader = Reader::default();
        let policies = policies.iter().map(|policy| reader.policy(policy)).collect();
        Self { population, policies, crowds: reader.crowds }
    }

    /// The crowd of a number.
    pub(super) fn crowd(&self, number: usize) -> &Crowd<'p> {
        &self.crowds[number]
    }

    /// The classes of a crowd, looked for when they are first asked for.
    pub(super) fn classes<'s>(&self, crowd: &'s Crowd<'p>) -> &'s [u64] {
        crowd.classes.get_or_init(|| {
            let (namespaces, pods) = crowd.selectors;
            let is_in =
                |class: &Class<'_>| class.in_pod_network && self.population.selects(namespaces, pods, class);
            let words = self.population.classes.chunks(64).map(|classes| {
                let bits = classes.iter().enumerate();
                bits.fold(0, |word, (at, class)| word | u64::from(is_in(class)) << at)
            });
            words.collect()
        })
    }

    /// What it takes to look for the classes of a crowd, in pairs.
    pub(super) fn price(&self, crowd: &Crowd<'p>) -> usize {
        if crowd.classes.get().is_some() { 0 } else { self.population.classes.len() / 64 }
    }
}

/// Numbers crowds.
#[derive(Default)]
struct Reader<'p> {
    numbers: HashMap<Selection<'p>, usize>,
    crowds: Vec<Crowd<'p>>,
}

impl<'p> Reader<'p> {
    fn policy(&mut self, policy: &'p TierPolicy) -> Policy<'p> {
        let subject = match &policy.subject {
            Subject::Pods { namespaces, pods } if is_readable(&policy.subject) => {
                Some(self.number(namespaces, pods))
            }
            Subject::Pods { .. } | Subject::Unreadable => None,
        };
        let rules = [Direction::Ingress, Direction::Egress];
        Policy { subject, rules: rules.map(|direction| self.rules(policy.rules(direction))) }
    }

    fn rules(&mut self, rules: &'p [TierRule]) -> Vec<Rule<'p>> {
        let rules = rules.iter().enumerate().filter_map(|(index, rule)| {
            let compiled = readable(rule)?;
            let peers = compiled.peers.as_slice().iter().filter_map(|peer| self.peer(peer)).collect();
            Some(Rule { index, action: rule.action, ports: &compiled.ports, peers })
        });
        rules.collect()
    }

    /// A peer that cluster-wide policies may have.
    fn peer(&mut self, peer: &'p PeerMatch) -> Option<Peer<'p>> {
        match peer {
            PeerMatch::PodsOf { namespaces, pods } => Some(Peer::Pods(self.number(namespaces, pods))),
            PeerMatch::Nodes(nodes) => Some(Peer::Nodes(Selection::of(nodes))),
            PeerMatch::Networks(networks) => Some(Peer::Networks(networks)),
            PeerMatch::Names(names) => Some(Peer::Names(names)),
            PeerMatch::PodsIn { .. } | PeerMatch::Block(_) | PeerMatch::Nothing => None,
        }
    }

    fn number(&mut self, namespaces: &'p Selector, pods: &'p Selector) -> usize {
        let selection = Selection::of_pods(namespaces, pods);
        *self.numbers.entry(selection).or_insert_with_key(|selection| {
            let (selection, selectors) = (selection.clone(), (namespaces, pods));
            self.crowds.push(Crowd { selection, selectors, classes: OnceCell::new() });
            self.crowds.len() - 1
        })
    }
}
