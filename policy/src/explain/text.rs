//! An explanation as text for a terminal.

mod page;
mod tiers;

use super::{Cause, Endpoint, EndpointKind, Explanation, Proposal, SideExplanation, Translation};
use crate::{SideVerdict, network_policy::Direction};
use page::Page;
use std::fmt;

/// The answer in one sentence.
pub(super) fn answer(explanation: &Explanation) -> String {
    let Explanation { source, destination, port, protocol, egress, ingress, .. } = explanation;
    let verdict = verdict(explanation.allowed, egress, ingress);
    format!("{source} -> {destination}, {}: {verdict}", protocol.with_port(*port))
}

fn verdict(allowed: Option<bool>, egress: &SideExplanation, ingress: &SideExplanation) -> String {
    let denied = |side: &SideExplanation| side.verdict == SideVerdict::Denied;
    match (allowed, denied(egress), denied(ingress)) {
        (Some(true), ..) => "allowed".to_owned(),
        (Some(false), true, true) => "denied at egress, and ingress would deny it too".to_owned(),
        (Some(false), true, false) => "denied at egress".to_owned(),
        (Some(false), ..) => "denied at ingress".to_owned(),
        (None, ..) => {
            let missing = [egress, ingress].into_iter().filter_map(|side| side.reason.as_deref());
            let mut missing: Vec<&str> = missing.collect();
            missing.dedup();
            format!("cannot be said: {}", missing.join("; "))
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut page = Page::default();
        page.say(0, &self.answer);
        if let Some(service) = &self.service {
            translation(&mut page, self, service);
        }
        for direction in [Direction::Egress, Direction::Ingress] {
            page.blank();
            self.side(&mut page, direction);
        }
        page.fmt(f)
    }
}

/// What stands behind the service.
fn translation(page: &mut Page, explanation: &Explanation, service: &Translation) {
    let Translation { namespace, name, endpoints, explained } = service;
    let Some(told) = endpoints.get(*explained) else { return };
    let dialled = explanation.port.map_or_else(String::new, |port| format!(":{port}"));
    let ip = explanation.destination.ip;
    let sees = format!("{}, {}", told.endpoint, explanation.protocol.with_port(told.port));
    page.say(0, &format!("{ip}{dialled} is service {namespace}/{name}; policies see its endpoint {sees}"));
    let same = |other: &&super::Backend| (other.egress, other.ingress) == (told.egress, told.ingress);
    match endpoints.len() - endpoints.iter().filter(same).count() {
        _ if endpoints.len() == 1 => {}
        0 => page.say(0, &format!("all {} endpoints have the same answer; this is one", endpoints.len())),
        others => page
            .say(0, &format!("of {} endpoints, {others} have another answer; this is one", endpoints.len())),
    }
}

impl Explanation {
    fn side(&self, page: &mut Page, direction: Direction) {
        let (word, side) = match direction {
            Direction::Egress => ("egress", &self.egress),
            Direction::Ingress => ("ingress", &self.ingress),
        };
        let subject = self.subject(direction);
        let workload = subject.workload.as_ref().filter(|workload| workload.kind != "Pod");
        let workload =
            workload.map_or_else(String::new, |workload| format!(" ({} {})", workload.kind, workload.name));
        page.say(0, &format!("{word} of {subject}{workload}: {}", headline(side.cause)));
        if let Some(words) = outside(side.cause, subject) {
            page.say(1, &words);
        }
        if let Some(reason) = &side.reason {
            page.say(1, &format!("missing: {reason}"));
        }
        tiers::tell(page, side, word);
        for note in &side.notes {
            page.say(1, &format!("note: {note}"));
        }
        if let Some(proposal) = &side.proposal {
            tell_proposal(page, proposal, direction);
        }
    }

    /// The end that a side is about.
    fn subject(&self, direction: Direction) -> &Endpoint {
        match (direction, &self.service) {
            (Direction::Egress, _) => &self.source,
            (Direction::Ingress, Some(service)) => {
                let told = service.endpoints.get(service.explained);
                told.map_or(&self.destination, |told| &told.endpoint)
            }
            (Direction::Ingress, None) => &self.destination,
        }
    }
}

fn tell_proposal(page: &mut Page, proposal: &Proposal, direction: Direction) {
    page.say(1, &format!("to admit it: {}", proposal.text));
    if let Some(shown) = &proposal.shown {
        page.quote(2, &serde_saphyr::to_string(shown).unwrap_or_default());
    }
    let then = match (proposal.then.allowed, direction) {
        (Some(true), _) => "then: allowed",
        (Some(false), Direction::Egress) => "then: egress allows it, and ingress still denies it",
        (Some(false), Direction::Ingress) => "then: ingress allows it, and egress still denies it",
        (None, Direction::Egress) => "then: egress allows it; about ingress nothing can be said",
        (None, Direction::Ingress) => "then: ingress allows it; about egress nothing can be said",
    };
    page.say(2, then);
}

const fn headline(cause: Cause) -> &'static str {
    match cause {
        Cause::NoSubject | Cause::OwnAddress | Cause::SamePod | Cause::OwnNode => "not applicable",
        Cause::NotIsolated => "allowed, no policy isolates it",
        Cause::AdminAccepted => "accepted in the Admin tier",
        Cause::AdminDenied => "denied in the Admin tier",
        Cause::Admitted => "admitted",
        Cause::DeniedByIsolation => "denied by isolation",
        Cause::BaselineAccepted => "accepted in the Baseline tier",
        Cause::BaselineDenied => "denied in the Baseline tier",
        Cause::AllowedInAnyCase => "allowed in any case",
        Cause::DeniedInAnyCase => "denied in any case",
        Cause::Undecidable => "cannot be said",
    }
}

/// Why policies do not speak about a side.
fn outside(cause: Cause, subject: &Endpoint) -> Option<String> {
    let words = match (cause, subject.kind) {
        (Cause::OwnAddress, _) => "the connection stays on its own address: it is outside all policies",
        (Cause::SamePod, _) => "a pod may always reach itself",
        (Cause::OwnNode, _) => "the source is the pod's own node, which may always reach its pods",
        (Cause::NoSubject, EndpointKind::Node) if !subject.pods.is_empty() => {
            "the pod shares the network of its node: policies do not select it"
        }
        (Cause::NoSubject, EndpointKind::Node) => "a node is no pod: policies do not select it",
        (Cause::NoSubject, EndpointKind::Service) => {
            "no ready endpoint stands behind what is dialled, so there is no pod to select"
        }
        (Cause::NoSubject, _) => "it is no pod of the cluster: policies do not select it",
        _ => return None,
    };
    Some(words.to_owned())
}
