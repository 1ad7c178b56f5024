//! One side of a connection: whom it is about, and the way through the tiers (T1–T4, N31, N32, C15).

use crate::naive::{
    ending::{Ending, Endings},
    network_policy,
    tier::{self, Tier},
    truth::Truth,
    view::{End, Question, View, node_of, pod_name},
};
use k8s_openapi::api::core::v1::Pod;
use portolan_policy::BaselineReading;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Egress,
    Ingress,
}

/// A side that is about one pod.
pub(crate) struct Side<'a> {
    pub(crate) view: View<'a>,
    pub(crate) direction: Direction,
    pub(crate) subject: &'a Pod,
    pub(crate) peer: End<'a>,
    pub(crate) question: Question<'a>,
    /// Whether the peer is the subject itself, behind a service.
    pub(crate) hairpin: bool,
}

/// The ways in which one side of a question may end.
pub(crate) fn ask<'a>(view: View<'a>, direction: Direction, question: &Question<'a>) -> Endings {
    let (subject, peer) = match direction {
        Direction::Egress => (&question.source, &question.destination),
        Direction::Ingress => (&question.destination, &question.source),
    };
    let pod = match subject.pods.as_slice() {
        [] => return Endings::only(Ending::NotApplicable),
        [pod] => *pod,
        _ => return Endings::undefined(format!("several live pods claim {}", subject.ip)),
    };
    let side = |peer: End<'a>| {
        let hairpin = peer.pods.iter().any(|other| pod_name(other) == pod_name(pod));
        Side { view, direction, subject: pod, question: with_peer(question, direction, &peer), peer, hairpin }
    };
    if peer.pods.is_empty() {
        return from_address(&side(peer.clone()));
    }
    let mut endings = Endings::default();
    for claimant in &peer.pods {
        endings.join(from_pod(&side(End { pods: vec![claimant], ..peer.clone() })));
    }
    if peer.pods.len() > 1 {
        endings.hang_on([format!("several live pods claim {}", peer.ip)]);
    }
    endings
}

/// The question with this one at the other end.
fn with_peer<'a>(question: &Question<'a>, direction: Direction, peer: &End<'a>) -> Question<'a> {
    let mut question = question.clone();
    match direction {
        Direction::Egress => question.destination = peer.clone(),
        Direction::Ingress => question.source = peer.clone(),
    }
    question
}

/// The peer is a pod; a pod and itself are no matter for policies, but through a service they are.
fn from_pod(side: &Side<'_>) -> Endings {
    if side.hairpin && !side.question.through_service {
        Endings::only(Ending::NotApplicable)
    } else {
        walk(side)
    }
}

/// The peer is no pod: on ingress it may be the subject's own node.
fn from_address(side: &Side<'_>) -> Endings {
    if side.direction == Direction::Egress {
        return walk(side);
    }
    match is_own_node(side) {
        Truth::Yes => Endings::only(Ending::NotApplicable),
        Truth::No => walk(side),
        unknown @ Truth::Maybe(_) => {
            let mut endings = walk(side);
            endings.add(Ending::NotApplicable);
            endings.hang_on(unknown.facts());
            endings
        }
    }
}

/// Whether the peer's address is one of the subject's own node.
fn is_own_node(side: &Side<'_>) -> Truth {
    let reporting = side.view.nodes_reporting(side.peer.ip);
    let told = side.view.nodes_told(side.peer.ip);
    if let Some(host) = side.peer.host {
        match (node_of(host), node_of(side.subject)) {
            (Some(home), Some(node)) => return Truth::from(home == node),
            (Some(_), None) => return Truth::missing("the node of the subject"),
            (None, _) if reporting.is_empty() && told.is_empty() => {
                return Truth::missing("the node of a host-network pod");
            }
            (None, _) => {}
        }
    }
    if reporting.is_empty() && told.is_empty() {
        return Truth::No;
    }
    let Some(node) = node_of(side.subject) else {
        return Truth::missing(format!("the node of pod {}", pod_name(side.subject).1));
    };
    if told.contains(node) {
        return Truth::Yes;
    }
    if !reporting.contains(node) {
        return Truth::No;
    }
    if reporting.len() == 1 { Truth::Yes } else { Truth::missing("which of several nodes has an address") }
}

/// Admin, NetworkPolicy, Baseline, default allow.
fn walk(side: &Side<'_>) -> Endings {
    let admin = tier::ask(Tier::Admin, side);
    let mut endings = admin.endings;
    if !admin.goes_on {
        return endings;
    }
    let middle = network_policy::ask(side);
    endings.join(middle.endings);
    if !middle.goes_on {
        return endings;
    }
    let hidden = match side.view.facts.baseline_reading {
        BaselineReading::PerDirection => Truth::No,
        BaselineReading::AnyDirection => middle.picked,
    };
    if hidden.possible() {
        endings.add(Ending::NotIsolated);
        endings.hang_on(hidden.facts());
    }
    if !hidden.certain() {
        let baseline = tier::ask(Tier::Baseline, side);
        endings.join(baseline.endings);
        if baseline.goes_on {
            endings.add(Ending::NotIsolated);
        }
    }
    endings
}
