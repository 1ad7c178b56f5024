//! The NetworkPolicy tier: what all policies of a namespace together say about one side (N26–N28, U1–U3).

use crate::{
    Pod, PolicyRef, SideDecision, SideVerdict,
    network_policy::{Direction, NetworkPolicy, Question},
    truth::{Fact, Truth},
};
use imbl::OrdMap;
use std::{collections::BTreeSet, sync::Arc};

/// The policies of one namespace.
pub(crate) type PoliciesByName = OrdMap<Arc<str>, Arc<NetworkPolicy>>;

/// What the policies that may isolate one pod in one direction say so far.
#[derive(Default)]
struct Tally<'a> {
    /// Those that isolate it for certain.
    isolating: Vec<&'a NetworkPolicy>,
    /// Rules that admit for certain, of those.
    admitting: Vec<PolicyRef>,
    /// Rules that admit for certain, of policies that may or may not isolate it.
    perhaps_admitting: Vec<PolicyRef>,
    /// Whether some policy may isolate it and does not admit for certain.
    perhaps_isolated: bool,
    /// Whether some rule may admit.
    perhaps_admitted: bool,
    /// What a completion of the answer hangs on.
    missing: BTreeSet<String>,
}

/// Evaluates the tier for a pod; `policies` are those of its namespace.
pub(crate) fn network_policies(
    policies: &PoliciesByName,
    subject: &Pod,
    direction: Direction,
    question: Question<'_>,
) -> SideDecision {
    let mut tally = Tally::default();
    for policy in policies.values() {
        tally.add(policy, policy.isolates(subject, direction), direction, question);
    }
    tally.decide()
}

impl<'a> Tally<'a> {
    fn add(
        &mut self,
        policy: &'a NetworkPolicy,
        isolates: Truth,
        direction: Direction,
        question: Question<'_>,
    ) {
        match isolates {
            Truth::No => return,
            Truth::Yes => self.isolating.push(policy),
            Truth::Unknown(fact) => self.miss(fact, policy, question),
        }
        let certain = isolates == Truth::Yes;
        let mut admits = false;
        for (rule, truth) in policy.rules(direction, question) {
            match truth {
                Truth::No => {}
                Truth::Yes => {
                    admits = true;
                    let admitting = if certain { &mut self.admitting } else { &mut self.perhaps_admitting };
                    admitting.push(policy.reference(Some(rule)));
                }
                Truth::Unknown(fact) => {
                    self.perhaps_admitted = true;
                    self.miss(fact, policy, question);
                }
            }
        }
        self.perhaps_admitted |= admits;
        self.perhaps_isolated |= !certain && !admits;
    }

    fn miss(&mut self, fact: Fact, policy: &NetworkPolicy, question: Question<'_>) {
        let peer_namespace = question.peer.map_or("", |(pod, _)| pod.namespace.as_str());
        self.missing.insert(match fact {
            Fact::PeerNamespaceLabels => {
                format!("the labels of namespace {peer_namespace} are not known; add its Namespace object")
            }
            Fact::Port => "the destination port is not known".to_owned(),
            Fact::PodSelector => {
                format!("spec.podSelector of {} is not valid; mend it", policy.title())
            }
            Fact::PolicyTypes => format!(
                "spec.policyTypes of {} holds a word other than Ingress and Egress; mend it",
                policy.title()
            ),
        });
    }

    /// Decided iff every completion of the missing facts gives one verdict (U2, U3).
    fn decide(self) -> SideDecision {
        let undecided = self.perhaps_isolated || !self.perhaps_admitting.is_empty();
        if !self.admitting.is_empty() {
            decided(SideVerdict::Admitted, self.admitting)
        } else if !self.isolating.is_empty() {
            if self.perhaps_admitted {
                self.undecidable()
            } else {
                let isolating = self.isolating.iter().map(|policy| policy.reference(None));
                decided(SideVerdict::Denied, isolating.collect())
            }
        } else if !undecided {
            SideDecision::plain(SideVerdict::NotIsolated)
        } else if !self.perhaps_isolated {
            decided(SideVerdict::Admitted, self.perhaps_admitting)
        } else {
            self.undecidable()
        }
    }

    fn undecidable(self) -> SideDecision {
        SideDecision::undecidable(self.missing.into_iter().collect::<Vec<_>>().join("; "))
    }
}

fn decided(verdict: SideVerdict, mut policies: Vec<PolicyRef>) -> SideDecision {
    policies.sort();
    SideDecision { verdict, policies, reason: None }
}
