//! Subjects and peers that select or match nobody, no pod and no node.

use crate::{
    api::{LabelSelector, NamespacedPods, Peer, Subject as WrittenSubject},
    labels::Labels,
    lint::{
        Code,
        conditions::is_empty,
        findings::{At, Findings, listed},
        known::{Known, explain},
        population::{Class, Hint, Population},
        redundant::is_readable_rule,
    },
    network_policy::Direction,
    peer::{PeerMatch, Subject},
    selector::Selector,
    tier_policy::{Matched, TierPolicy, TierRule},
    truth::Truth,
    validate::view::Tiered,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use std::collections::BTreeSet;

/// Whom a selection finds.
enum Found<'s, 'a> {
    /// Somebody, or that is not certain.
    Somebody,
    /// Host-network pods only.
    HostNetwork(&'s Class<'a>),
    Nobody,
    /// No node, and why.
    NoNode(String),
}

/// Checks one policy.
pub(super) fn check(findings: &mut Findings, population: &Population<'_>, policy: &TierPolicy) {
    let written = Tiered::of_policy(policy);
    check_subject(findings, population, policy, written.subject);
    for (direction, rules) in Direction::BOTH.into_iter().zip([&written.ingress, &written.egress]) {
        for (index, rule) in rules.iter().enumerate() {
            let Some(Matched::Rule(compiled)) = policy.rules(direction).get(index).map(TierRule::matched)
            else {
                continue;
            };
            if is_readable_rule(compiled) {
                let field = direction.rule_field(index);
                check_peers(
                    findings,
                    population,
                    policy,
                    (&field, direction),
                    rule.peers,
                    compiled.peers.as_slice(),
                );
            }
        }
    }
}

fn check_subject(
    findings: &mut Findings,
    population: &Population<'_>,
    policy: &TierPolicy,
    written: &WrittenSubject,
) {
    let Subject::Pods { namespaces, pods } = &policy.subject else { return };
    let peer = PeerMatch::PodsOf { namespaces: namespaces.clone(), pods: pods.clone() };
    let selector = written.pods.as_ref().and_then(known_pods);
    let at = At::from(&policy.id).field("spec.subject");
    match find_pods(population, &peer, selector.as_ref()) {
        Found::Somebody | Found::NoNode(_) => {}
        Found::HostNetwork(class) => {
            let message =
                format!("selects host-network pods{} only; they are never a subject", example(class));
            findings.add(Code::SelectsHostNetwork, at, message, "select other pods, or filter on the node");
        }
        Found::Nobody => {
            findings.add(
                Code::SelectsNoPod,
                at,
                "selects no pod",
                "correct the labels, or delete the policy",
            );
        }
    }
}

fn check_peers(
    findings: &mut Findings,
    population: &Population<'_>,
    policy: &TierPolicy,
    (field, direction): (&str, Direction),
    written: &[Peer],
    compiled: &[PeerMatch],
) {
    let nobody = |(written, compiled): (&Peer, &PeerMatch)| match find(population, written, compiled) {
        Found::Somebody => None,
        Found::HostNetwork(class) => {
            Some(format!("matches host-network pods{} only, which no selector reaches", example(class)))
        }
        Found::Nobody => Some(NOBODY.to_owned()),
        Found::NoNode(why) => Some(format!("{NOBODY}: {why}")),
    };
    let found: Vec<_> = written.iter().zip(compiled).map(nobody).collect();
    let mend = "correct the labels, or take it out";
    if found.iter().all(Option::is_some) {
        let at = At::from(&policy.id).field(field);
        let whys: BTreeSet<String> = found.into_iter().flatten().filter(|why| why != NOBODY).collect();
        let colon = if whys.is_empty() { "" } else { ": " };
        let whys = listed("and", whys.into_iter());
        let message = format!("none of its peers matches anybody{colon}{whys}");
        return findings.add(Code::RuleMatchesNobody, at, message, mend);
    }
    for (index, message) in
        found.into_iter().enumerate().filter_map(|(index, message)| Some((index, message?)))
    {
        let at = At::from(&policy.id).field(format!("{field}.{}[{index}]", direction.peers_field()));
        findings.add(Code::PeerMatchesNobody, at, message, mend);
    }
}

const NOBODY: &str = "matches nobody";

fn known_pods(pods: &NamespacedPods) -> Option<meta::LabelSelector> {
    pods.pod_selector.as_ref().map(LabelSelector::known)
}

/// Looks for pods or nodes.
fn find<'s, 'a>(population: &'s Population<'a>, written: &Peer, peer: &PeerMatch) -> Found<'s, 'a> {
    match peer {
        PeerMatch::PodsOf { .. } => {
            let selector = written.pods.as_ref().and_then(known_pods);
            find_pods(population, peer, selector.as_ref())
        }
        PeerMatch::Nodes(nodes) => match &written.nodes {
            Some(selector) => find_nodes(population, nodes, &selector.known()),
            None => Found::Somebody,
        },
        _ => Found::Somebody,
    }
}

/// Looks for nodes, where any is known.
fn find_nodes<'s, 'a>(
    population: &Population<'_>,
    nodes: &Selector,
    written: &meta::LabelSelector,
) -> Found<'s, 'a> {
    let mut known = population.nodes.iter();
    if population.nodes.is_empty()
        || known.any(|labels| nodes.admits(Labels::Known(labels.prints())) == Truth::Yes)
    {
        return Found::Somebody;
    }
    let known = Known::new(population.nodes.iter().map(|labels| labels.text()));
    Found::NoNode(explain(&[&known], written, "node"))
}

/// Looks for pods of the pod network; a namespace without pods waits for them.
fn find_pods<'s, 'a>(
    population: &'s Population<'a>,
    peer: &PeerMatch,
    pods: Option<&meta::LabelSelector>,
) -> Found<'s, 'a> {
    let PeerMatch::PodsOf { namespaces, pods: selector } = peer else { return Found::Somebody };
    let is_asked = population.has_people() && population.knows_all(namespaces);
    if !is_asked || (is_empty(namespaces) && is_empty(selector)) {
        return Found::Somebody;
    }
    let mut outside = None;
    for class in population.matched(peer, Hint::new(None, pods)) {
        if class.in_pod_network {
            return Found::Somebody;
        }
        outside = outside.or(Some(class.template));
    }
    if let Some(template) = outside {
        let class = population.classes.iter().find(|class| std::ptr::eq(class.template, template));
        return class.map_or(Found::Somebody, Found::HostNetwork);
    }
    let waits = population.homes_matched(namespaces).any(|home| home.classes.is_empty());
    if waits { Found::Somebody } else { Found::Nobody }
}

fn example(class: &Class<'_>) -> String {
    class.example().map_or(String::new(), |example| format!(" such as {example}"))
}
