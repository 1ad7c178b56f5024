//! Address blocks: how they are written, whom they cover, and exceptions that take nothing away.

use super::{
    Code, Severity,
    findings::{At, Findings, listed},
    ground::Ground,
    peer_index::Shape,
    port_index::{self, Among},
    prefixes::Prefixes,
    rule_index::Admissions,
    services::{self, Services},
    view::{RuleView, rules, rules_of},
};
use crate::{
    address::parse_cidr,
    ip_block::IpBlock,
    network_policy::{Direction, NetworkPolicy},
    peer::PeerMatch,
    rule::Peers,
    shown::quote,
};
use ipnet::IpNet;
use std::{cell::OnceCell, net::IpAddr};

/// The addresses of the pod network, in order.
pub(super) struct PodAddresses<'a>(Vec<(IpAddr, &'a crate::Pod)>);

impl<'a> PodAddresses<'a> {
    /// Of all living pods.
    pub(super) fn new(pods: impl Iterator<Item = &'a crate::Pod>) -> Self {
        let live = pods.filter(|pod| pod.in_pod_network());
        let mut addresses: Vec<_> = live.flat_map(|pod| pod.ips.iter().map(move |ip| (*ip, pod))).collect();
        addresses.sort_by(|(ip, pod), (other_ip, other)| {
            (ip, pod.namespace(), &pod.name).cmp(&(other_ip, other.namespace(), &other.name))
        });
        Self(addresses)
    }

    /// How many addresses the block covers, and one of the pods.
    fn covered(&self, block: &IpBlock) -> Option<(usize, &'a crate::Pod)> {
        let Ground { cidr, holes } = Ground::of(block);
        let inside = self.range(&cidr);
        let taken: usize = holes.iter().map(|hole| self.range(hole).len()).sum();
        let count = inside.len().checked_sub(taken).filter(|count| *count > 0)?;
        let mut rest = inside;
        for hole in holes {
            if rest.first().is_some_and(|(ip, _)| hole.contains(ip)) {
                rest = rest.get(rest.partition_point(|(ip, _)| *ip <= hole.broadcast())..)?;
            }
        }
        rest.first().map(|(_, pod)| (count, *pod))
    }

    fn range(&self, block: &IpNet) -> &[(IpAddr, &'a crate::Pod)] {
        let first = self.0.partition_point(|(ip, _)| *ip < block.network());
        let end = self.0.partition_point(|(ip, _)| *ip <= block.broadcast());
        self.0.get(first..end).unwrap_or_default()
    }
}

/// Checks one policy.
pub(super) fn check(
    findings: &mut Findings,
    pods: &PodAddresses<'_>,
    services: &Services,
    policy: &NetworkPolicy,
) {
    let admitted = Direction::BOTH.map(|direction| (direction, OnceCell::new()));
    for rule in rules(policy) {
        for (index, peer) in rule.compiled.peers.as_slice().iter().enumerate() {
            let PeerMatch::Block(block) = peer else { continue };
            let at = At::from(&policy.id).field(format!("{}.ipBlock", rule.peer_field(index)));
            check_writing(findings, &at, rule, index);
            check_covered(findings, &at, pods, block);
            services::check_address(findings, || at.clone(), services, &block.cidr);
            let of_same = admitted.iter().find(|(direction, _)| *direction == rule.direction);
            let admitted =
                || of_same.map(|(direction, cell)| cell.get_or_init(|| Admitted::new(policy, *direction)));
            check_excepts(findings, &at, block, |hole| admitted()?.by(rule, index, hole));
        }
    }
}

/// N25: newer API servers want the block as it is, without host bits or leading zeros.
fn check_writing(findings: &mut Findings, at: &At, rule: RuleView<'_>, index: usize) {
    let Some(written) = rule.peers.get(index).and_then(|peer| peer.ip_block.as_ref()) else { return };
    let excepts = written.except.iter().flatten().enumerate();
    let excepts = excepts.map(|(index, text)| (format!("except[{index}]"), text));
    for (field, text) in std::iter::once(("cidr".to_owned(), &written.cidr)).chain(excepts) {
        let Some(meant) = parse_cidr(text) else { continue };
        if is_strict(text, meant) {
            continue;
        }
        let place = at.field.as_deref().unwrap_or_default();
        let at = At::from(at.object.clone()).field(format!("{place}.{field}"));
        let message = format!("{} stands for {meant}, and newer API servers refuse it", quote(text));
        findings.add(Code::SloppyCidr, at, message, format!("write {meant}"));
    }
}

/// Whether the text is what newer API servers take: no host bits, no leading zeros, no IPv4 in IPv6.
fn is_strict(text: &str, meant: IpNet) -> bool {
    match meant {
        IpNet::V4(_) => text == meant.to_string(),
        IpNet::V6(_) => text.parse::<IpNet>().is_ok_and(|strict| strict.addr() == meant.addr()),
    }
}

/// N24.
fn check_covered(findings: &mut Findings, at: &At, pods: &PodAddresses<'_>, block: &IpBlock) {
    let Some((count, pod)) = pods.covered(block) else { return };
    let everywhere = block.cidr.prefix_len() == 0;
    let severity = if everywhere { Severity::Info } else { Severity::Warning };
    let message = format!(
        "covers {count} pod addresses, such as that of {}; network plugins differ in whether a block matches pods",
        pod.title()
    );
    let mend = "select pods by labels, and except the pod network from the block";
    findings.add_as(severity, Code::BlockCoversPods, at.clone(), message, mend);
}

/// Exceptions inside others, and exceptions that another peer of the policy admits all the same.
fn check_excepts(
    findings: &mut Findings,
    at: &At,
    block: &IpBlock,
    admitted_by: impl Fn(&IpNet) -> Option<String>,
) {
    let mut first: Prefixes<Option<usize>> = Prefixes::default();
    for (index, hole) in block.except.iter().enumerate() {
        first.entry(*hole).get_or_insert(index);
    }
    for (index, hole) in block.except.iter().enumerate().filter(|(_, hole)| is_real(block, hole)) {
        let place = at.field.as_deref().unwrap_or_default();
        let at = At::from(at.object.clone()).field(format!("{place}.except[{index}]"));
        let around = first.around(*hole).filter_map(|(outer, other)| Some(((*other)?, outer)));
        let twin = around.filter(|(other, outer)| *other < index || outer != hole).min();
        if let Some((other, outer)) = twin {
            let message = format!("the exception {hole} is inside {outer}, which except[{other}] takes away");
            findings.add(Code::ExceptWithoutEffect, at, message, "take it out");
        } else if let Some(by) = admitted_by(hole) {
            let message = format!("the exception {hole} is admitted all the same by {by}");
            findings.add(Code::ExceptWithoutEffect, at, message, "except it there too, or take it out");
        }
    }
}

/// Exceptions that the API would reject are reported as such.
fn is_real(block: &IpBlock, hole: &IpNet) -> bool {
    block.cidr.contains(hole) && *hole != block.cidr
}

/// The rules of one direction, to ask who admits a block; a peer is known by rule and index.
struct Admitted<'a> {
    rules: Vec<RuleView<'a>>,
    admissions: Admissions<'a, (usize, usize)>,
}

impl<'a> Admitted<'a> {
    fn new(policy: &'a NetworkPolicy, direction: Direction) -> Self {
        let rules = rules_of(policy, direction);
        let mut entries = Vec::new();
        for (at, rule) in rules.iter().map(|rule| rule.compiled).enumerate() {
            let ports = rule.ports.as_slice();
            if matches!(rule.peers, Peers::Any) {
                entries.push(((at, 0), None, ports));
            }
            for (index, peer) in rule.peers.as_slice().iter().enumerate() {
                if let PeerMatch::Block(block) = peer {
                    entries.push(((at, index), Some(Shape::Block(Ground::of(block))), ports));
                }
            }
        }
        Self { rules, admissions: Admissions::new(&entries) }
    }

    /// Who admits all of a network on the ports of a rule, its own peer left out.
    fn by(&self, rule: RuleView<'_>, own: usize, network: &IpNet) -> Option<String> {
        let wanted = Shape::Block(Ground::whole(*network));
        let ports: Vec<_> = self.admissions.around(Some(&wanted)).collect();
        let among = Among::others(&((rule.index, own)..=(rule.index, own)));
        let mut used = port_index::around(&ports, &rule.compiled.ports, &among)?;
        used.sort_unstable();
        used.dedup();
        let names: Vec<_> = used.into_iter().filter_map(|(at, peer)| self.name(at, peer)).collect();
        Some(listed("and", names.into_iter()))
    }

    fn name(&self, rule: usize, peer: usize) -> Option<String> {
        let rule = self.rules.get(rule)?;
        let is_any = matches!(rule.compiled.peers, Peers::Any);
        Some(if is_any { rule.field() } else { rule.peer_field(peer) })
    }
}
