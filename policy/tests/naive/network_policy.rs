//! The NetworkPolicy tier (N2–N5, N11–N14, N22–N28, N31).

use crate::naive::{
    address::{Block, parse_block},
    ending::{Ending, Endings},
    labels::{Labels, peer_matches, subject_matches},
    ports,
    side::{Direction, Side},
    truth::{Truth, all, any},
    view::{End, View, namespace_of, pod_labels, pod_name},
};
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use portolan_policy::{Object, PolicyKind, PolicyRef};
use std::collections::BTreeSet;

/// What one policy has to do with a side.
struct Said {
    namespace: String,
    name: String,
    /// Whether its selector picks the subject, whatever the direction.
    picks: Truth,
    /// Whether it is about the direction.
    speaks: Truth,
    /// Whether each of its rules matches.
    rules: Vec<Truth>,
}

/// What the tier makes of a side.
pub(crate) struct Outcome {
    pub(crate) endings: Endings,
    /// Whether the subject may be not isolated, so that the next tier is asked.
    pub(crate) goes_on: bool,
    /// Then, whether a policy picks the subject in some direction (T3, the other reading).
    pub(crate) picked: Truth,
}

/// Asks the policies of the subject's namespace.
pub(crate) fn ask(side: &Side<'_>) -> Outcome {
    let said: Vec<Said> = side.view.objects.iter().filter_map(|object| listen(object, side)).collect();
    let isolates = any(said.iter().map(Said::isolates));
    let mut endings = Endings::default();
    endings.hang_on(said.iter().flat_map(Said::facts));
    if side.hairpin && isolates.possible() {
        endings.join(Endings::undefined("hairpin: whether a pod may reach itself through a service"));
    } else if said.iter().any(Said::surely_admits) {
        endings.add(Ending::Admitted(refs(&said, Said::surely_admits, Said::admitting)));
    } else {
        add_possible(&mut endings, &said, &isolates);
    }
    let goes_on = !isolates.certain();
    Outcome { endings, goes_on, picked: any(said.iter().map(Said::picks_without_isolating)) }
}

/// Whether a policy may isolate the subject in the side's direction.
pub(crate) fn may_isolate(side: &Side<'_>) -> bool {
    side.view.objects.iter().filter_map(|object| listen(object, side)).any(|said| said.isolates().possible())
}

/// The endings inside the tier where no policy admits for certain.
fn add_possible(endings: &mut Endings, said: &[Said], isolates: &Truth) {
    if isolates.certain() {
        endings.add(Ending::Denied(refs(said, |one| one.isolates().certain(), Said::whole)));
    } else {
        for one in said.iter().filter(|one| one.isolates().possible() && !one.admits().certain()) {
            endings.add(Ending::Denied(one.whole().into_iter().collect()));
        }
    }
    for one in said.iter().filter(|one| one.isolates().possible() && one.admits().possible()) {
        endings.add(Ending::Admitted(one.admitting().into_iter().collect()));
    }
}

fn refs(
    said: &[Said],
    which: impl Fn(&Said) -> bool,
    name: impl Fn(&Said) -> Vec<PolicyRef>,
) -> BTreeSet<PolicyRef> {
    said.iter().filter(|one| which(one)).flat_map(name).collect()
}

impl Said {
    fn isolates(&self) -> Truth {
        all([self.picks.clone(), self.speaks.clone()])
    }

    fn admits(&self) -> Truth {
        any(self.rules.clone())
    }

    fn surely_admits(&self) -> bool {
        self.isolates().certain() && self.admits().certain()
    }

    /// Given that it does not isolate in this direction, whether it picks the subject for another.
    fn picks_without_isolating(&self) -> Truth {
        match (&self.picks, &self.speaks) {
            (Truth::Maybe(_), Truth::Yes) => Truth::No,
            (picks, _) => picks.clone(),
        }
    }

    fn facts(&self) -> Vec<String> {
        let mut facts = self.isolates().facts();
        if self.isolates().possible() {
            facts.extend(self.admits().facts());
        }
        facts.into_iter().collect()
    }

    fn named(&self, rule: Option<usize>) -> PolicyRef {
        PolicyRef {
            kind: PolicyKind::NetworkPolicy,
            namespace: Some(self.namespace.clone()),
            name: self.name.clone(),
            rule: rule.map(|rule| rule as u32),
        }
    }

    fn whole(&self) -> Vec<PolicyRef> {
        vec![self.named(None)]
    }

    /// The rules that admit for certain; without any, those that may.
    fn admitting(&self) -> Vec<PolicyRef> {
        let counts = |rule: &Truth| if self.admits().certain() { rule.certain() } else { rule.possible() };
        let rules = self.rules.iter().enumerate().filter(|(_, rule)| counts(rule));
        rules.map(|(index, _)| self.named(Some(index))).collect()
    }
}

/// What an object says if it is a NetworkPolicy of the subject's namespace.
fn listen(object: &Object, side: &Side<'_>) -> Option<Said> {
    let Object::NetworkPolicy(policy) = object else { return None };
    let namespace = namespace_of(object);
    if namespace != pod_name(side.subject).0 {
        return None;
    }
    let name = policy.metadata.name.clone().unwrap_or_default();
    let spec = policy.spec.clone().unwrap_or_default();
    Some(Said {
        picks: picks(policy, side),
        speaks: speaks(&spec, side.direction, &name),
        rules: rules(&spec, &namespace, side),
        namespace,
        name,
    })
}

/// An absent selector is every pod of the namespace (N5).
fn picks(policy: &NetworkPolicy, side: &Side<'_>) -> Truth {
    let selector = policy.spec.as_ref().and_then(|spec| spec.pod_selector.clone()).unwrap_or_default();
    let whose = format!("NetworkPolicy {}", policy.metadata.name.as_deref().unwrap_or_default());
    subject_matches(&selector, &pod_labels(side.subject), &whose)
}

/// Whether the policy is about the direction (N2).
fn speaks(spec: &NetworkPolicySpec, direction: Direction, name: &str) -> Truth {
    let types: Vec<&str> = spec.policy_types.iter().flatten().map(String::as_str).collect();
    if types.is_empty() {
        let has_egress = spec.egress.as_ref().is_some_and(|rules| !rules.is_empty());
        return Truth::from(direction == Direction::Ingress || has_egress);
    }
    let word = if direction == Direction::Ingress { "Ingress" } else { "Egress" };
    if types.contains(&word) {
        return Truth::Yes;
    }
    if types.iter().all(|known| matches!(*known, "Ingress" | "Egress")) {
        return Truth::No;
    }
    Truth::missing(format!("the policyTypes of NetworkPolicy {name} are not valid"))
}

fn rules(spec: &NetworkPolicySpec, namespace: &str, side: &Side<'_>) -> Vec<Truth> {
    let matches = |peers: &Option<Vec<NetworkPolicyPeer>>, ports: &Option<Vec<NetworkPolicyPort>>| {
        let entries: Vec<_> = ports.iter().flatten().map(ports::of_network_policy).collect();
        let peers = peers.as_deref().unwrap_or_default();
        all([any_peer(peers, namespace, side), ports::admitted(&entries, &side.question)])
    };
    if side.direction == Direction::Ingress {
        spec.ingress.iter().flatten().map(|rule| matches(&rule.from, &rule.ports)).collect()
    } else {
        spec.egress.iter().flatten().map(|rule| matches(&rule.to, &rule.ports)).collect()
    }
}

/// A list that is absent or empty is anybody (N12).
fn any_peer(peers: &[NetworkPolicyPeer], namespace: &str, side: &Side<'_>) -> Truth {
    if peers.is_empty() {
        return Truth::Yes;
    }
    any(peers.iter().map(|peer| is_peer(peer, namespace, &side.peer, side.view)))
}

/// One entry of the list (N11); what the API would reject is nobody.
fn is_peer(peer: &NetworkPolicyPeer, namespace: &str, end: &End<'_>, view: View<'_>) -> Truth {
    if let Some(fact) = &end.hidden {
        return is_hidden_peer(peer, end, fact);
    }
    let claimants = match (&peer.ip_block, &peer.namespace_selector, &peer.pod_selector) {
        (Some(block), None, None) => return Truth::from(in_block(block, end)),
        (None, None, None) | (Some(_), _, _) => return Truth::No,
        (None, ..) => end.pods.iter(),
    };
    any(claimants.map(|pod| {
        let (home, _) = pod_name(pod);
        let of_namespace = match &peer.namespace_selector {
            Some(selector) => peer_matches(selector, &view.namespace_labels(&home)),
            None => Truth::from(home == namespace),
        };
        let of_pod = peer.pod_selector.as_ref().map_or(Truth::Yes, |it| peer_matches(it, &pod_labels(pod)));
        all([of_namespace, of_pod])
    }))
}

/// The same where nobody knows who is at the other end.
fn is_hidden_peer(peer: &NetworkPolicyPeer, end: &End<'_>, fact: &str) -> Truth {
    let selected = |selector: Option<&LabelSelector>| {
        selector.map_or(Truth::Yes, |selector| peer_matches(selector, &Labels::hidden(fact)))
    };
    match (&peer.ip_block, &peer.namespace_selector, &peer.pod_selector) {
        (Some(block), None, None) => in_hidden_block(block, end, fact),
        (None, None, None) | (Some(_), _, _) => Truth::No,
        (None, namespaces, pods) => {
            all([Truth::missing(fact), selected(namespaces.as_ref()), selected(pods.as_ref())])
        }
    }
}

fn in_hidden_block(block: &IPBlock, end: &End<'_>, fact: &str) -> Truth {
    let exceptions: Vec<_> = block.except.iter().flatten().map(|text| parse_block(text)).collect();
    match parse_block(&block.cidr) {
        Some(block) if exceptions.is_empty() => block.contains_hidden(end.ip, fact),
        Some(block) if exceptions.iter().all(Option::is_some) => {
            all([block.contains_hidden(end.ip, fact), Truth::missing(fact)])
        }
        _ => Truth::No,
    }
}

/// In the block and in none of its exceptions (N22); with one that cannot be read, nobody is.
fn in_block(block: &IPBlock, end: &End<'_>) -> bool {
    let exceptions: Option<Vec<Block>> =
        block.except.iter().flatten().map(|text| parse_block(text)).collect();
    match (parse_block(&block.cidr), exceptions) {
        (Some(block), Some(exceptions)) => {
            block.contains(end.ip) && !exceptions.iter().any(|exception| exception.contains(end.ip))
        }
        _ => false,
    }
}
