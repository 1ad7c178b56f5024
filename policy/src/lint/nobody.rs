//! Policies, rules and peers that select or match nobody, and selectors that were perhaps meant
//! otherwise.

use super::{
    Code, conditions,
    findings::{At, Findings},
    known::explain,
    population::{Class, Hint, Population},
    view::{RuleView, rules},
};
use crate::{
    labels::Labels, network_policy::NetworkPolicy, peer::PeerMatch, selector::Selector, truth::Truth,
};
use k8s_openapi::{api::networking::v1::NetworkPolicyPeer, apimachinery::pkg::apis::meta::v1::LabelSelector};

/// Checks one policy; only to be asked where pods are known.
pub(super) fn check(findings: &mut Findings, population: &Population<'_>, policy: &NetworkPolicy) {
    check_subject(findings, population, policy);
    for rule in rules(policy) {
        check_rule(findings, population, policy, rule);
    }
}

/// The empty selector is meant for pods to come, so it is never wrong.
fn check_subject(findings: &mut Findings, population: &Population<'_>, policy: &NetworkPolicy) {
    let namespace = policy.id.namespace.as_deref().unwrap_or_default();
    if conditions::is_empty(&policy.subject) || !population.knows(namespace) {
        return;
    }
    let at = || At::from(&policy.id).field("spec.podSelector");
    let (mut inside, mut outside) = (false, Vec::new());
    for class in population.selected(policy) {
        inside |= class.in_pod_network;
        outside.extend((!class.in_pod_network).then_some(class));
    }
    if let Some(class) = outside.first() {
        let message =
            format!("selects host-network pods{}; they are not subject to policies", example(class));
        let mend = "give the pods a network of their own, or filter on their node";
        return findings.add(Code::SelectsHostNetwork, at(), message, mend);
    }
    if inside {
        return;
    }
    let message = match policy.spec.pod_selector.as_ref() {
        Some(selector) => format!("selects no pod: {}", why_no_pod(population, namespace, selector)),
        None => "selects no pod".to_owned(),
    };
    findings.add(
        Code::SelectsNoPod,
        at(),
        message,
        "correct the labels or the namespace, or delete the policy",
    );
}

fn example(class: &Class<'_>) -> String {
    class.example().map_or(String::new(), |example| format!(" such as {example}"))
}

fn why_no_pod(population: &Population<'_>, namespace: &str, selector: &LabelSelector) -> String {
    match population.home(namespace).filter(|home| !home.classes.is_empty()) {
        Some(home) => {
            let who = format!("{} of namespace {namespace}", population.word());
            explain(&[population.known(home)], selector, &who)
        }
        None => format!("namespace {namespace} has no pods"),
    }
}

fn check_rule(
    findings: &mut Findings,
    population: &Population<'_>,
    policy: &NetworkPolicy,
    rule: RuleView<'_>,
) {
    let search = Search { population, policy };
    let peers: Vec<_> = peers(rule).collect();
    for pair in peers.windows(2).enumerate() {
        check_pair(findings, search, rule, pair);
    }
    let unmatched: Vec<_> =
        peers.iter().enumerate().filter_map(|(at, peer)| Some((at, search.nobody(*peer)?))).collect();
    if unmatched.len() == peers.len() && peers.len() > 1 {
        let mut whys: Vec<_> = unmatched.iter().take(NAMED).map(|(_, nobody)| nobody.why.clone()).collect();
        whys.extend(unmatched.len().checked_sub(NAMED + 1).map(|more| format!("and {} more", more + 1)));
        let at = At::from(&policy.id).field(rule.field());
        let message = format!("none of its peers matches anybody: {}", whys.join("; "));
        return findings.add(Code::RuleMatchesNobody, at, message, MEND);
    }
    for (index, nobody) in unmatched {
        let at = At::from(&policy.id).field(rule.peer_field(index));
        let code = match (nobody.are_anded, peers.len()) {
            (true, _) => Code::SelectorsAreAnded,
            (false, 1) => Code::RuleMatchesNobody,
            (false, _) => Code::PeerMatchesNobody,
        };
        findings.add(code, at, nobody.why, if nobody.are_anded { ANDED_MEND } else { MEND });
    }
}

/// Peers that a message explains, at most.
const NAMED: usize = 3;

const MEND: &str = "correct the labels, or take it out";
const ANDED_MEND: &str = "write two entries if either was to be enough";

/// Two entries that may have been meant as one: the pod selector alone finds nobody, both together
/// would.
fn check_pair(
    findings: &mut Findings,
    search: Search<'_, '_>,
    rule: RuleView<'_>,
    (first, pair): (usize, &[WrittenPeer<'_>]),
) {
    let [one, other] = pair else { return };
    let (namespaces, pods, at_pods) = match forms(*one, *other) {
        (Some(namespaces), None, None, Some(pods)) => (namespaces, pods, first + 1),
        (None, Some(pods), Some(namespaces), None) => (namespaces, pods, first),
        _ => return,
    };
    if is_empty(pods) || !search.is_certainly_nobody(pods) {
        return;
    }
    let both = PeerMatch::PodsOf { namespaces: Selector::compile(namespaces), pods: Selector::compile(pods) };
    let Some(class) = search
        .population
        .matched(&both, Hint::new(None, Some(pods)))
        .find(|class| search.population.counts(class))
    else {
        return;
    };
    let at = At::from(&search.policy.id).field(rule.peer_field(first));
    let message = format!(
        "either of two selectors is enough: all pods of the namespaces match, not only those like {}, \
         and the pod selector beside it finds nobody in its own namespace",
        class.example().unwrap_or_default()
    );
    findings.add(Code::SelectorsAreOred, at, message, "write both into one entry if both must hold");
    // To take the pod selector out would make the slip permanent.
    let at_pods = At::from(&search.policy.id).field(rule.peer_field(at_pods));
    findings.silence(Code::PeerMatchesNobody, at_pods.clone());
    findings.silence(Code::RedundantPeer, at_pods);
}

fn is_empty(selector: &LabelSelector) -> bool {
    conditions::is_empty(&Selector::compile(selector))
}

/// A peer as written and as compiled.
#[derive(Clone, Copy)]
struct WrittenPeer<'a> {
    written: &'a NetworkPolicyPeer,
    compiled: &'a PeerMatch,
}

/// Namespace and pod selector of one peer, then those of another.
type Forms<'a> = (
    Option<&'a LabelSelector>,
    Option<&'a LabelSelector>,
    Option<&'a LabelSelector>,
    Option<&'a LabelSelector>,
);

fn forms<'a>(one: WrittenPeer<'a>, other: WrittenPeer<'a>) -> Forms<'a> {
    let selectors = |peer: WrittenPeer<'a>| match peer.compiled {
        PeerMatch::PodsIn { .. } | PeerMatch::PodsOf { .. } => {
            (peer.written.namespace_selector.as_ref(), peer.written.pod_selector.as_ref())
        }
        _ => (None, None),
    };
    let ((namespaces, pods), (other_namespaces, other_pods)) = (selectors(one), selectors(other));
    (namespaces, pods, other_namespaces, other_pods)
}

/// The peers of a rule, in order.
fn peers(rule: RuleView<'_>) -> impl Iterator<Item = WrittenPeer<'_>> {
    let compiled = rule.compiled.peers.as_slice().iter();
    rule.peers.iter().zip(compiled).map(|(written, compiled)| WrittenPeer { written, compiled })
}

/// Why a peer matches nobody.
struct Nobody {
    why: String,
    /// Whether each of two selectors alone would match somebody.
    are_anded: bool,
}

#[derive(Clone, Copy)]
struct Search<'s, 'a> {
    population: &'s Population<'a>,
    policy: &'s NetworkPolicy,
}

impl<'s> Search<'s, '_> {
    fn namespace(self) -> &'s str {
        self.policy.id.namespace.as_deref().unwrap_or_default()
    }

    /// Why the peer matches nobody, where that is certain.
    fn nobody(self, peer: WrittenPeer<'s>) -> Option<Nobody> {
        let selectors = peer.written;
        match peer.compiled {
            PeerMatch::PodsIn { pods, .. } => self.nobody_here(peer, pods, selectors.pod_selector.as_ref()?),
            PeerMatch::PodsOf { namespaces, pods } => {
                let wanted = (selectors.namespace_selector.as_ref()?, selectors.pod_selector.as_ref());
                self.nobody_anywhere(peer, namespaces, pods, wanted)
            }
            _ => None,
        }
    }

    fn nobody_here(
        self,
        peer: WrittenPeer<'s>,
        pods: &Selector,
        wanted: &'s LabelSelector,
    ) -> Option<Nobody> {
        if conditions::is_empty(pods) || !self.population.knows(self.namespace()) {
            return None;
        }
        let hint = Hint::new(Some(self.namespace()), Some(wanted));
        let mut outside = None;
        for class in self.population.matched(peer.compiled, hint) {
            if class.in_pod_network {
                return None;
            }
            outside = outside.or(Some(class));
        }
        let why = match outside {
            Some(class) => only_host_network(class),
            None => format!("matches nobody: {}", why_no_pod(self.population, self.namespace(), wanted)),
        };
        Some(Nobody { why, are_anded: false })
    }

    fn nobody_anywhere(
        self,
        peer: WrittenPeer<'s>,
        namespaces: &Selector,
        pods: &Selector,
        (wanted_namespaces, wanted_pods): (&'s LabelSelector, Option<&'s LabelSelector>),
    ) -> Option<Nobody> {
        if !self.population.knows_all(namespaces) {
            return None;
        }
        let hint = Hint::new(None, wanted_pods);
        let mut outside = None;
        for class in self.population.matched(peer.compiled, hint) {
            if class.in_pod_network {
                return None;
            }
            outside = outside.or(Some(class));
        }
        if let Some(class) = outside {
            return Some(Nobody { why: only_host_network(class), are_anded: false });
        }
        let homes: Vec<_> = self.population.homes_matched(namespaces).collect();
        if homes.is_empty() {
            let why = explain(&[self.population.known_homes()], wanted_namespaces, "namespace");
            return Some(Nobody { why: format!("matches nobody: {why}"), are_anded: false });
        }
        // A namespace without pods waits for them.
        if conditions::is_empty(pods) || homes.iter().any(|home| home.classes.is_empty()) {
            return None;
        }
        let wanted_pods = wanted_pods?;
        if !is_empty(wanted_namespaces) && !self.is_certainly_nobody(wanted_pods) {
            let why = format!(
                "both of two selectors must hold, and no pod of the namespaces has the labels; pods of {} have them",
                self.namespace()
            );
            return Some(Nobody { why, are_anded: true });
        }
        let known: Vec<_> = homes.into_iter().map(|home| self.population.known(home)).collect();
        let why = explain(&known, wanted_pods, &format!("{} of the namespaces", self.population.word()));
        Some(Nobody { why: format!("matches nobody: {why}"), are_anded: false })
    }

    /// Whether no pod of the policy's own namespace has the labels.
    fn is_certainly_nobody(self, pods: &LabelSelector) -> bool {
        if !self.population.knows(self.namespace()) {
            return false;
        }
        let selector = Selector::compile(pods);
        let hint = Hint::new(Some(self.namespace()), Some(pods));
        let mut classes = self.population.candidates(hint);
        !classes.any(|class| selector.admits(Labels::Known(class.template.labels.prints())) != Truth::No)
    }
}

fn only_host_network(class: &Class<'_>) -> String {
    format!("matches nobody but host-network pods{}, whose address is their node's", example(class))
}
