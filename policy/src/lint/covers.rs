//! Whether one thing matches all that another matches, whatever pods there are.
//!
//! "Yes" is certain in every cluster; "no" only means that it is not certain.

use super::conditions::conditions;
use crate::{
    ip_block::IpBlock,
    labels::NAMESPACE_NAME_LABEL,
    peer::{PeerMatch, Subject},
    port::PortMatch,
    rule::{Peers, Rule},
    selector::{Requirement, Selector},
};
use ipnet::IpNet;
use std::ops::RangeInclusive;

/// Whatever `inner` matches, `outer` matches.
pub(super) fn selector(outer: &Selector, inner: &Selector) -> bool {
    let known = conditions(inner);
    conditions(outer).all(|wanted| known.clone().any(|known| known.implies(wanted)))
}

/// Whatever the subject `inner` selects, `outer` selects.
pub(super) fn subject(outer: &Subject, inner: &Subject) -> bool {
    match (outer, inner) {
        (
            Subject::Pods { namespaces, pods },
            Subject::Pods { namespaces: inner_namespaces, pods: inner_pods },
        ) => selector(namespaces, inner_namespaces) && selector(pods, inner_pods),
        _ => false,
    }
}

/// Compares peers and rules of one namespace's policies, or of cluster-wide ones.
#[derive(Clone, Debug)]
pub(super) struct Covers {
    /// What the namespace of the policies has for certain: its own name.
    own: Selector,
}

impl Covers {
    /// Between policies of this namespace.
    pub(super) fn within(namespace: &str) -> Self {
        let name = Requirement::equals(NAMESPACE_NAME_LABEL, namespace);
        Self { own: Selector::from_iter([name]) }
    }

    /// Between cluster-wide policies, which have no peers of an own namespace.
    pub(super) fn cluster_wide() -> Self {
        Self { own: Selector::default() }
    }

    /// Whoever the peer `inner` matches, `outer` matches.
    pub(super) fn peer(&self, outer: &PeerMatch, inner: &PeerMatch) -> bool {
        match (self.pods(outer), self.pods(inner)) {
            (Some((outer_namespaces, outer_pods)), Some((namespaces, pods))) => {
                selector(outer_namespaces, namespaces) && selector(outer_pods, pods)
            }
            (None, None) => addresses(outer, inner),
            _ => false,
        }
    }

    /// Namespaces and pods of a peer that selects pods.
    fn pods<'a>(&'a self, peer: &'a PeerMatch) -> Option<(&'a Selector, &'a Selector)> {
        match peer {
            PeerMatch::PodsIn { namespace: _, pods } => Some((&self.own, pods)),
            PeerMatch::PodsOf { namespaces, pods } => Some((namespaces, pods)),
            _ => None,
        }
    }

    /// The rules among `outer` that together match all that `inner` matches; none of them where they
    /// do not.
    pub(super) fn rule<'a, T: Copy + Ord>(
        &self,
        outer: &(impl Iterator<Item = (T, &'a Rule)> + Clone),
        inner: &'a Rule,
    ) -> Option<Vec<T>> {
        let mut used = Vec::new();
        let mut cover = |peer: Option<&PeerMatch>| {
            let around = outer.clone().filter(|(_, rule)| self.peers(&rule.peers, peer));
            let around = around.map(|(tag, rule)| (tag, rule.ports.as_slice()));
            let tags = ports(&around, &inner.ports)?;
            used.extend(tags);
            Some(())
        };
        match &inner.peers {
            Peers::Any => cover(None)?,
            peers => peers.as_slice().iter().try_for_each(|peer| cover(Some(peer)))?,
        }
        used.sort_unstable();
        used.dedup();
        Some(used)
    }

    /// Whether one of the peers matches whoever `inner` matches; `None` is anybody.
    fn peers(&self, outer: &Peers, inner: Option<&PeerMatch>) -> bool {
        match (outer, inner) {
            (Peers::Any, _) => true,
            (_, None) => false,
            (outer, Some(inner)) => outer.as_slice().iter().any(|outer| self.peer(outer, inner)),
        }
    }
}

/// Peers that are addresses.
fn addresses(outer: &PeerMatch, inner: &PeerMatch) -> bool {
    match (outer, inner) {
        (PeerMatch::Block(outer), PeerMatch::Block(inner)) => block(outer, inner),
        (PeerMatch::Networks(outer), PeerMatch::Networks(inner)) => {
            inner.iter().all(|inner| outer.iter().any(|outer| outer.contains(inner)))
        }
        (PeerMatch::Nodes(outer), PeerMatch::Nodes(inner)) => selector(outer, inner),
        (PeerMatch::Names(outer), PeerMatch::Names(inner)) => inner.iter().all(|name| outer.contains(name)),
        _ => false,
    }
}

/// The hole of the outer block must be outside the inner one, or a hole of it too.
pub(super) fn block(outer: &IpBlock, inner: &IpBlock) -> bool {
    let is_harmless =
        |hole: &IpNet| !overlap(hole, &inner.cidr) || inner.except.iter().any(|except| except.contains(hole));
    outer.cidr.contains(&inner.cidr) && outer.except.iter().all(is_harmless)
}

/// Blocks overlap only where one contains the other.
pub(super) fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

/// The lists among `outer` that together match every port that `inner` matches; an empty list
/// restricts nothing.
pub(super) fn ports<'a, T: Copy>(
    outer: &(impl Iterator<Item = (T, &'a [PortMatch])> + Clone),
    inner: &'a [PortMatch],
) -> Option<Vec<T>> {
    if let Some((tag, _)) = outer.clone().find(|(_, ports)| ports.is_empty()) {
        return Some(vec![tag]);
    }
    if inner.is_empty() {
        return None;
    }
    let mut used = Vec::new();
    for port in inner {
        used.extend(one_port(outer.clone(), port)?);
    }
    Some(used)
}

fn one_port<'a, T: Copy>(
    outer: impl Iterator<Item = (T, &'a [PortMatch])> + Clone,
    inner: &'a PortMatch,
) -> Option<Vec<T>> {
    let whole = outer.clone().find(|(_, ports)| ports.iter().any(|outer| port(outer, inner)));
    if let Some((tag, _)) = whole {
        return Some(vec![tag]);
    }
    let PortMatch::Range(protocol, wanted) = inner else { return None };
    let ranges = outer.flat_map(|(tag, ports)| ports.iter().map(move |port| (tag, port)));
    let ranges = ranges.filter_map(|(tag, port)| match port {
        PortMatch::Range(known, range) if known == protocol => Some((range, tag)),
        _ => None,
    });
    joined(ranges.collect(), wanted)
}

/// Whether one entry matches all that another matches.
fn port(outer: &PortMatch, inner: &PortMatch) -> bool {
    match (outer, inner) {
        (
            PortMatch::All(outer),
            PortMatch::All(inner) | PortMatch::Range(inner, _) | PortMatch::Named(Some(inner), _),
        ) => outer == inner,
        (PortMatch::Range(outer, around), PortMatch::Range(inner, range)) => {
            outer == inner && around.start() <= range.start() && range.end() <= around.end()
        }
        (PortMatch::Named(outer, name), PortMatch::Named(inner, other)) => {
            name == other && (outer.is_none() || outer == inner)
        }
        _ => false,
    }
}

/// The ranges that together hold all of `wanted`.
fn joined<T: Copy>(
    mut ranges: Vec<(&RangeInclusive<u16>, T)>,
    wanted: &RangeInclusive<u16>,
) -> Option<Vec<T>> {
    ranges.sort_by_key(|(range, _)| (*range.start(), *range.end()));
    let mut used = Vec::new();
    let mut next = u32::from(*wanted.start());
    for (range, tag) in ranges {
        if u32::from(*range.start()) > next {
            break;
        }
        if u32::from(*range.end()) >= next {
            next = u32::from(*range.end()) + 1;
            used.push(tag);
        }
        if next > u32::from(*wanted.end()) {
            return Some(used);
        }
    }
    None
}
