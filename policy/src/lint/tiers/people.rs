//! Subjects and peers that select or match nobody.

use crate::{
    api::{LabelSelector, NamespacedPods, Peer, Subject as WrittenSubject},
    lint::{
        Code,
        conditions::is_empty,
        findings::{At, Findings},
        population::{Class, Hint, Population},
        redundant::is_readable_rule,
    },
    network_policy::Direction,
    peer::{PeerMatch, Subject},
    tier_policy::{Matched, TierPolicy, TierRule},
    validate::view::Tiered,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;

/// Whom a selection finds.
enum Found<'s, 'a> {
    /// Somebody, or that is not certain.
    Somebody,
    /// Host-network pods only.
    HostNetwork(&'s Class<'a>),
    Nobody,
}

/// Checks one policy; only to be asked where pods are known.
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
    match find(population, &peer, selector.as_ref()) {
        Found::Somebody => {}
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
    let nobody = |(written, compiled): (&Peer, &PeerMatch)| {
        let selector = written.pods.as_ref().and_then(known_pods);
        match find(population, compiled, selector.as_ref()) {
            Found::Somebody => None,
            Found::HostNetwork(class) => {
                Some(format!("matches host-network pods{} only, which no selector reaches", example(class)))
            }
            Found::Nobody => Some("matches nobody".to_owned()),
        }
    };
    let found: Vec<_> = written.iter().zip(compiled).map(nobody).collect();
    let mend = "correct the labels, or take it out";
    if found.iter().all(Option::is_some) {
        let at = At::from(&policy.id).field(field);
        return findings.add(Code::RuleMatchesNobody, at, "none of its peers matches anybody", mend);
    }
    for (index, message) in
        found.into_iter().enumerate().filter_map(|(index, message)| Some((index, message?)))
    {
        let at = At::from(&policy.id).field(format!("{field}.{}[{index}]", direction.peers_field()));
        findings.add(Code::PeerMatchesNobody, at, message, mend);
    }
}

fn known_pods(pods: &NamespacedPods) -> Option<meta::LabelSelector> {
    pods.pod_selector.as_ref().map(LabelSelector::known)
}

/// Looks for pods of the pod network; a namespace without pods waits for them.
fn find<'s, 'a>(
    population: &'s Population<'a>,
    peer: &PeerMatch,
    pods: Option<&meta::LabelSelector>,
) -> Found<'s, 'a> {
    let PeerMatch::PodsOf { namespaces, pods: selector } = peer else { return Found::Somebody };
    if is_empty(namespaces) && is_empty(selector) {
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
    class.pod.map_or(String::new(), |pod| format!(" such as {}", pod.title()))
}
