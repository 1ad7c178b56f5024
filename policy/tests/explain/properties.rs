//! What holds for every cluster: an explanation says what the evaluator says, and what it proposes
//! admits.

use crate::world::{cluster, objects};
use portolan_policy::{
    BaselineReading, Cluster, Connection, Explanation, PolicyKind, Protocol, SideDecision, SideVerdict,
    explain,
    explain::{Cause, EndpointKind, Outcome, PolicyExplanation, SideExplanation},
};
use proptest::{prelude::*, test_runner::RngSeed};
use std::hash::{BuildHasher, RandomState};

/// The addresses that questions are about: pods, a contested one, nodes, a service, nobody's.
const PLACES: [&str; 9] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.1.1",
    "10.0.1.2",
    "10.0.2.1",
    "10.0.0.9",
    "10.1.0.1",
    "10.96.0.7",
    "198.51.100.1",
];

fn questions() -> Vec<Connection> {
    let places = PLACES.map(|place| place.parse().unwrap());
    let services = [
        (Some(80), Protocol::Tcp),
        (Some(81), Protocol::Tcp),
        (Some(80), Protocol::Udp),
        (None, Protocol::Tcp),
        (None, Protocol::Icmp),
    ];
    let pairs =
        places.iter().flat_map(|source| places.iter().map(move |destination| (*source, *destination)));
    pairs
        .flat_map(|(source, destination)| {
            services.map(|(port, protocol)| Connection { source, destination, port, protocol })
        })
        .collect()
}

/// As many random clusters as `PORTOLAN_CASES` says, from the seed `PORTOLAN_SEED`.
fn cases() -> ProptestConfig {
    let told = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = told("PORTOLAN_SEED").unwrap_or_else(|| RandomState::new().hash_one(()));
    println!("PORTOLAN_SEED={seed}");
    ProptestConfig {
        cases: told("PORTOLAN_CASES").map_or(16, |cases| u32::try_from(cases).unwrap()),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The same answer as the evaluator's.
fn agrees(side: &SideExplanation, decision: &SideDecision) {
    assert_eq!(side.verdict, decision.verdict);
    assert_eq!(side.policies, decision.policies);
    assert_eq!(side.reason, decision.reason);
}

/// The words and the answer have one origin, so they must fit together.
fn fits(side: &SideExplanation) {
    let policies = || side.tiers.iter().flat_map(|tier| &tier.policies);
    let names = |outcome: Outcome| -> Vec<(PolicyKind, String)> {
        let did = policies().filter(|policy| policy.outcome == outcome);
        did.map(|policy| (policy.kind, policy.name.clone())).collect()
    };
    let answer: Vec<_> = side.policies.iter().map(|policy| (policy.kind, policy.name.clone())).collect();
    let last = side.tiers.last().map(|tier| tier.outcome);
    match side.cause {
        Cause::DeniedByIsolation if certain(policies()) => {
            assert_eq!(names(Outcome::DoesNotAdmit), answer);
            for policy in policies().filter(|policy| policy.outcome == Outcome::DoesNotAdmit) {
                assert_eq!(policy.nearest.is_some(), policy.rules > 0, "{policy:?}");
                assert!(policy.nearest.iter().all(|rule| !rule.unmet.is_empty()), "{policy:?}");
            }
        }
        Cause::Admitted if certain(policies()) => {
            let rules = policies().filter(|policy| policy.kind == PolicyKind::NetworkPolicy);
            let matching = |policy: &PolicyExplanation| {
                let known = policy.matching.iter().filter(|rule| rule.unknown.is_none());
                known.map(|rule| (policy.name.clone(), u32::try_from(rule.rule).ok())).collect::<Vec<_>>()
            };
            let told: Vec<_> = rules.flat_map(matching).collect();
            let answer: Vec<_> = side.policies.iter().map(|p| (p.name.clone(), p.rule)).collect();
            assert_eq!(told, answer);
        }
        Cause::AdminDenied | Cause::BaselineDenied => {
            assert_eq!(last, Some(Outcome::Denies));
            assert!(names(Outcome::Denies).iter().any(|name| answer.contains(name)));
        }
        Cause::AdminAccepted | Cause::BaselineAccepted => {
            assert_eq!(last, Some(Outcome::Allows));
            assert!(names(Outcome::Allows).iter().any(|name| answer.contains(name)));
        }
        Cause::NotIsolated if certain(policies()) => {
            assert!(side.tiers.iter().all(|tier| matches!(tier.outcome, Outcome::Silent | Outcome::Passes)));
        }
        Cause::NoSubject | Cause::OwnAddress | Cause::SamePod | Cause::OwnNode => {
            assert_eq!(side.verdict, SideVerdict::NotApplicable);
            assert!(side.tiers.is_empty());
        }
        _ => {}
    }
}

/// Whether nothing that was asked hangs on a missing fact.
fn certain<'a, I: Iterator<Item = &'a PolicyExplanation>>(mut policies: I) -> bool {
    policies.all(|policy| !policy.perhaps && policy.outcome != Outcome::Unknown)
}

/// Every proposal is for a side that denies, and admits there.
fn proposals_admit(cluster: &Cluster, connection: &Connection, explanation: &Explanation) -> usize {
    let sides = [&explanation.egress, &explanation.ingress];
    let mut proposals = 0;
    for (at, side) in sides.into_iter().enumerate() {
        let Some(proposal) = &side.proposal else { continue };
        proposals += 1;
        assert_eq!(side.verdict, SideVerdict::Denied);
        let mut changed = cluster.clone();
        assert!(proposal.apply_to(&mut changed));
        let decision = changed.decide(connection);
        let after = [&decision.egress, &decision.ingress][at].verdict;
        assert!(
            matches!(after, SideVerdict::Admitted | SideVerdict::NotIsolated),
            "{proposal:?} leaves it {after:?}"
        );
        let then = [proposal.then.egress, proposal.then.ingress];
        assert_eq!(then, [decision.egress.verdict, decision.ingress.verdict]);
        assert_eq!(proposal.then.allowed, decision.admits());
    }
    proposals
}

/// What is told of an endpoint is a denial, but where all are allowed and differ in their reasons; what
/// is proposed for it admits there.
fn what_is_told_of_endpoints_fits(cluster: &Cluster, connection: &Connection, explanation: &Explanation) {
    for backend in explanation.service.iter().flat_map(|service| &service.endpoints) {
        let Some(why) = &backend.why else { continue };
        let destination = backend.endpoint.ip.unwrap();
        let direct = Connection { destination, port: backend.port, ..*connection };
        for (at, side) in [&why.egress, &why.ingress].into_iter().enumerate() {
            let Some(side) = side else { continue };
            let whole = [&explanation.egress, &explanation.ingress][at].verdict;
            let is_open = [SideVerdict::Denied, SideVerdict::Undecidable].contains(&whole);
            assert_eq!(side.verdict == SideVerdict::Denied, is_open);
            assert_eq!(side.verdict, [backend.egress, backend.ingress][at]);
            let Some(proposal) = &side.proposal else { continue };
            let mut changed = cluster.clone();
            assert!(proposal.apply_to(&mut changed));
            let decision = changed.decide(&direct);
            let after = [&decision.egress, &decision.ingress][at].verdict;
            assert!(matches!(after, SideVerdict::Admitted | SideVerdict::NotIsolated), "{proposal:?}");
        }
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn an_explanation_says_what_the_evaluator_says(objects in objects(), any_direction in any::<bool>()) {
        let mut cluster = cluster(objects);
        if any_direction {
            cluster.set_baseline_reading(BaselineReading::AnyDirection);
        }
        for connection in questions() {
            let explanation = explain(&cluster, &connection);
            let decision = cluster.decide(&connection);
            agrees(&explanation.egress, &decision.egress);
            agrees(&explanation.ingress, &decision.ingress);
            prop_assert_eq!(explanation.allowed, decision.admits());
            let ends = [explanation.source.kind, explanation.destination.kind];
            if explanation.service.is_none() && !ends.contains(&EndpointKind::Contested) {
                fits(&explanation.egress);
                fits(&explanation.ingress);
            }
            prop_assert!(explanation.to_string().starts_with(explanation.answer.split(' ').next().unwrap()));
            prop_assert!(serde_json::to_string(&explanation).is_ok());
            prop_assert_eq!(&explanation, &explain(&cluster, &connection));
        }
    }

    #[test]
    fn what_is_proposed_admits(objects in objects()) {
        let cluster = cluster(objects);
        for connection in questions() {
            let explanation = explain(&cluster, &connection);
            proposals_admit(&cluster, &connection, &explanation);
            what_is_told_of_endpoints_fits(&cluster, &connection, &explanation);
        }
    }
}

#[test]
fn every_clear_denial_between_two_pods_comes_with_a_proposal() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut proposed = 0;
    for _ in 0..12 {
        let cluster = cluster(objects().new_tree(&mut runner).unwrap().current());
        for connection in questions() {
            let explanation = explain(&cluster, &connection);
            if [explanation.source.kind, explanation.destination.kind] != [EndpointKind::Pod; 2] {
                continue;
            }
            for side in [&explanation.egress, &explanation.ingress] {
                let is_clear = side.verdict == SideVerdict::Denied && side.cause != Cause::DeniedInAnyCase;
                assert!(!is_clear || side.proposal.is_some(), "{explanation}");
            }
            proposed += proposals_admit(&cluster, &connection, &explanation);
        }
    }
    assert!(proposed > 100, "only {proposed} proposals were made");
}
