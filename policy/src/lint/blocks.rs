//! Address blocks: how they are written, whom they cover, and exceptions that take nothing away.

use super::{
    Code, Severity, covers,
    findings::{At, Findings},
    view::{RuleView, rules},
};
use crate::{
    address::parse_cidr, ip_block::IpBlock, network_policy::NetworkPolicy, peer::PeerMatch, rule::Rule,
    shown::quote,
};
use ipnet::IpNet;
use std::net::IpAddr;

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
        let holes = IpNet::aggregate(&block.except);
        let within: Vec<_> = holes.iter().filter(|hole| block.cidr.contains(*hole)).collect();
        let inside = self.range(&block.cidr);
        let taken: usize = within.iter().map(|hole| self.range(hole).len()).sum();
        let count = inside.len().checked_sub(taken).filter(|count| *count > 0)?;
        if holes.iter().any(|hole| hole.contains(&block.cidr)) {
            return None;
        }
        let mut rest = inside;
        while let Some(((ip, pod), _)) = rest.split_first() {
            let Some(hole) = within.iter().find(|hole| hole.contains(ip)) else { return Some((count, pod)) };
            rest = rest.get(rest.partition_point(|(other, _)| *other <= hole.broadcast())..)?;
        }
        None
    }

    fn range(&self, block: &IpNet) -> &[(IpAddr, &'a crate::Pod)] {
        let first = self.0.partition_point(|(ip, _)| *ip < block.network());
        let end = self.0.partition_point(|(ip, _)| *ip <= block.broadcast());
        self.0.get(first..end).unwrap_or_default()
    }
}

/// Checks one policy.
pub(super) fn check(findings: &mut Findings, pods: &PodAddresses<'_>, policy: &NetworkPolicy) {
    for rule in rules(policy) {
        for (index, peer) in rule.compiled.peers.as_slice().iter().enumerate() {
            let PeerMatch::Block(block) = peer else { continue };
            let at = At::from(&policy.id).field(format!("{}.ipBlock", rule.peer_field(index)));
            check_writing(findings, &at, rule, index);
            check_covered(findings, &at, pods, block);
            check_excepts(findings, &at, policy, rule, (index, block));
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
    policy: &NetworkPolicy,
    rule: RuleView<'_>,
    (peer, block): (usize, &IpBlock),
) {
    for (index, hole) in block.except.iter().enumerate().filter(|(_, hole)| is_real(block, hole)) {
        let place = at.field.as_deref().unwrap_or_default();
        let at = At::from(at.object.clone()).field(format!("{place}.except[{index}]"));
        let twin = block.except.iter().enumerate().find(|(other, outer)| {
            *other != index && outer.contains(hole) && (*other < index || *outer != hole)
        });
        if let Some((other, outer)) = twin {
            let message = format!("the exception {hole} is inside {outer}, which except[{other}] takes away");
            findings.add(Code::ExceptWithoutEffect, at, message, "take it out");
        } else if let Some(by) = admitted_by(policy, rule, peer, hole) {
            let message = format!("the exception {hole} is admitted all the same by {by}");
            findings.add(Code::ExceptWithoutEffect, at, message, "except it there too, or take it out");
        }
    }
}

/// Exceptions that the API would reject are reported as such.
fn is_real(block: &IpBlock, hole: &IpNet) -> bool {
    block.cidr.contains(hole) && *hole != block.cidr
}

/// The peer, or the rule for any peer, that admits the whole exception on the same ports.
fn admitted_by(policy: &NetworkPolicy, rule: RuleView<'_>, own: usize, hole: &IpNet) -> Option<String> {
    let wanted = IpBlock { cidr: *hole, except: Vec::new() };
    let of_same_direction = rules(policy).filter(|other| other.direction == rule.direction);
    for other in of_same_direction.filter(|other| has_ports_of(other.compiled, rule.compiled)) {
        if matches!(other.compiled.peers, crate::rule::Peers::Any) {
            return Some(other.field());
        }
        let admits = |(index, peer): &(usize, &PeerMatch)| match peer {
            PeerMatch::Block(block) => {
                (other.index, *index) != (rule.index, own) && covers::block(block, &wanted)
            }
            _ => false,
        };
        if let Some((index, _)) = other.compiled.peers.as_slice().iter().enumerate().find(admits) {
            return Some(other.peer_field(index));
        }
    }
    None
}

fn has_ports_of(outer: &Rule, inner: &Rule) -> bool {
    covers::ports(&std::iter::once(((), outer.ports.as_slice())), &inner.ports).is_some()
}
