//! An explanation as text for a terminal.

mod page;
mod service;
mod tiers;

use super::{Cause, Endpoint, EndpointKind, Explanation, Proposal, SideExplanation, Translation};
use crate::{
    SideVerdict,
    network_policy::Direction,
    shown::{fit, listed},
};
use page::Page;
use std::{fmt, net::IpAddr};

/// The answer in one sentence.
pub(super) fn answer(explanation: &Explanation) -> String {
    let Explanation { source, destination, port, protocol, unserved, .. } = explanation;
    let verdict = match (unserved, explanation.allowed) {
        (None, _) => verdict(explanation),
        (Some(why), Some(true)) => format!("allowed by the policies, but {why}"),
        (Some(why), _) => format!("{why}; besides, {}", verdict(explanation)),
    };
    fit(&format!("{source} -> {destination}, {}: {verdict}", protocol.with_port(*port)))
}

fn verdict(explanation: &Explanation) -> String {
    let Explanation { allowed, service, egress, ingress, .. } = explanation;
    let verdict = verdict_of(*allowed, [egress.verdict, ingress.verdict]);
    let mixed = service.as_ref().filter(|_| allowed.is_none());
    let mixed = mixed.and_then(|service| service::mixed(explanation, service));
    match (allowed, mixed) {
        (None, Some(mixed)) => mixed,
        (None, None) => {
            let missing = [egress, ingress].into_iter().filter_map(|side| side.reason.as_deref());
            let mut missing: Vec<&str> = missing.collect();
            missing.dedup();
            format!("{verdict}: {}", missing.join("; "))
        }
        (Some(_), _) => verdict.to_owned(),
    }
}

/// The answer of both sides together.
fn verdict_of(allowed: Option<bool>, [egress, ingress]: [SideVerdict; 2]) -> &'static str {
    match (allowed, egress == SideVerdict::Denied, ingress == SideVerdict::Denied) {
        (Some(true), ..) => "allowed",
        (Some(false), true, true) => "denied at egress, and ingress would deny it too",
        (Some(false), true, false) => "denied at egress",
        (Some(false), ..) => "denied at ingress",
        (None, ..) => "cannot be said",
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut page = Page::default();
        page.say(0, &self.answer);
        page.say(0, &addresses(self));
        if let Some(service) = &self.service {
            service::tell(&mut page, self, service);
        }
        for direction in [Direction::Egress, Direction::Ingress] {
            let told = self.service.iter().flat_map(|service| service.one_by_one(direction));
            let told: Vec<_> = told.collect();
            if told.is_empty() {
                page.blank();
                tell_side(&mut page, self.side(direction), self.subject(direction), direction);
            }
            for (backend, side, like) in told {
                page.blank();
                service::tell_endpoint(&mut page, self, (backend, side, &like), direction);
            }
        }
        if let Some(untold) = self.service.as_ref().map(|service| service.untold).filter(|count| *count > 0) {
            page.blank();
            page.say(
                0,
                &format!("{untold} more endpoints have their answer for other reasons: ask about each"),
            );
        }
        page.fmt(f)
    }
}

/// `10.0.0.1 -> 10.0.0.2 (IPv4)`, to a service without a known address with the addresses of all endpoints.
fn addresses(explanation: &Explanation) -> String {
    let Explanation { source, destination, service, family, .. } = explanation;
    let endpoints = service.iter().flat_map(|service| &service.endpoints);
    let to: Vec<IpAddr> = match destination.ip {
        Some(ip) => vec![ip],
        None => endpoints.filter_map(|backend| backend.endpoint.ip).collect(),
    };
    format!("{} -> {} ({family})", listed(source.ip.iter()), listed(to.iter()))
}

impl Explanation {
    const fn side(&self, direction: Direction) -> &SideExplanation {
        match direction {
            Direction::Egress => &self.egress,
            Direction::Ingress => &self.ingress,
        }
    }

    /// The end that a side is about.
    fn subject(&self, direction: Direction) -> &Endpoint {
        let told = self.service.as_ref().and_then(Translation::told);
        match (direction, told) {
            (Direction::Egress, _) => &self.source,
            (Direction::Ingress, Some(told)) => &told.endpoint,
            (Direction::Ingress, None) => &self.destination,
        }
    }
}

fn tell_side(page: &mut Page, side: &SideExplanation, subject: &Endpoint, direction: Direction) {
    let workload = subject.workload.as_ref().filter(|workload| workload.kind != "Pod");
    let workload =
        workload.map_or_else(String::new, |workload| format!(" ({} {})", workload.kind, workload.name));
    let word = direction.field();
    page.say(0, &format!("{word} of {subject}{workload}: {}", headline(side.cause)));
    tell_reasons(page, side, subject, direction);
}

/// All of a side below its headline.
fn tell_reasons(page: &mut Page, side: &SideExplanation, subject: &Endpoint, direction: Direction) {
    if let Some(words) = outside(side.cause, subject) {
        page.say(1, words);
    }
    if let Some(reason) = &side.reason {
        page.say(1, &format!("missing: {reason}"));
    }
    tiers::tell(page, side, direction.field());
    for note in &side.notes {
        page.say(1, &format!("note: {note}"));
    }
    if let Some(proposal) = &side.proposal {
        tell_proposal(page, proposal, direction);
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
fn outside(cause: Cause, subject: &Endpoint) -> Option<&'static str> {
    let words = match (cause, subject.kind) {
        (Cause::OwnAddress, _) => "the connection stays on its own address: it is outside all policies",
        (Cause::SamePod, _) => "a pod may always reach itself",
        (Cause::OwnNode, _) => "the source is the pod's own node, which may always reach its pods",
        (Cause::NoSubject, EndpointKind::Node) if !subject.pods.is_empty() => {
            "the pod shares the network of its node: policies do not select it"
        }
        (Cause::NoSubject, EndpointKind::Node) => "a node is no pod: policies do not select it",
        (Cause::NoSubject, EndpointKind::Service) => {
            "no pod that a policy selects stands behind what is dialled"
        }
        (Cause::NoSubject, _) => "it is no pod of the cluster: policies do not select it",
        _ => return None,
    };
    Some(words)
}
