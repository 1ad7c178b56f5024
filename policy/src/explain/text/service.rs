//! What stands behind a service, as text.

use super::{headline, page::Page, tell_reasons, verdict_of};
use crate::{
    explain::{Backend, Endpoint, Explanation, SideExplanation, Translation},
    network_policy::Direction,
    shown::listed,
};
use std::collections::BTreeSet;

/// `denied at 1 of 2 endpoints: shop/db-1`, where the endpoints of a service have no common answer;
/// `None` where there is but one.
pub(super) fn mixed(explanation: &Explanation, service: &Translation) -> Option<String> {
    let all = service.endpoints.len();
    let [denied, open] = [Some(false), None].map(|answer| {
        let alike = service.endpoints.iter().filter(|backend| backend.allowed() == answer);
        alike.collect::<Vec<&Backend>>()
    });
    let names = |backends: &[&Backend]| listed(backends.iter().map(|backend| name(explanation, backend)));
    Some(match (denied.len(), open.len()) {
        _ if all < 2 => return None,
        (0, 0) => return None,
        (0, count) if count == all => format!("cannot be said: {}", reasons(&open)),
        (0, count) => {
            format!("cannot be said at {count} of {all} endpoints: {}: {}", names(&open), reasons(&open))
        }
        (count, _) if count == all => format!("denied at each of the {all} endpoints"),
        (count, 0) => format!("denied at {count} of {all} endpoints: {}", names(&denied)),
        (count, rest) => {
            let denied = names(&denied);
            format!(
                "denied at {count} of {all} endpoints: {denied}; at {rest} it cannot be said: {}",
                reasons(&open)
            )
        }
    })
}

/// The endpoint, with its port where none was asked for.
fn name(explanation: &Explanation, backend: &Backend) -> String {
    match (explanation.port, backend.port) {
        (None, Some(_)) => {
            format!("{} on {}", backend.endpoint, explanation.protocol.with_port(backend.port))
        }
        _ => backend.endpoint.to_string(),
    }
}

/// The missing facts of endpoints of which nothing can be said.
fn reasons(open: &[&Backend]) -> String {
    let reasons: BTreeSet<&str> = open.iter().filter_map(|backend| backend.reason.as_deref()).collect();
    listed(reasons.into_iter())
}

/// What the service leads to: the endpoint that is told, or each where they differ.
pub(super) fn tell(page: &mut Page, explanation: &Explanation, service: &Translation) {
    let Some(told) = service.told() else { return };
    let protocol = explanation.protocol;
    let title = title(explanation, service);
    let answers = answers(service);
    let is_each_told = service.endpoints.iter().any(|backend| backend.why.is_some());
    let hint = service.hint.iter().map(|hint| format!("hint: {hint}"));
    if let ([(_, endpoints)], false) = (answers.as_slice(), is_each_told) {
        page.say(
            0,
            &format!(
                "{title}; policies see its endpoint {}, {}",
                told.endpoint,
                protocol.with_port(told.port)
            ),
        );
        if endpoints.len() > 1 {
            page.say(0, &format!("all {} endpoints have the same answer; this is one", endpoints.len()));
        }
        hint.for_each(|hint| page.say(0, &hint));
        return;
    }
    page.say(0, &format!("{title}; policies see the endpoint that is chosen:"));
    for (answer, endpoints) in answers {
        let name =
            |backend: &&Backend| format!("{} ({})", backend.endpoint, protocol.with_port(backend.port));
        page.say(1, &format!("{answer}: {}", listed(endpoints.iter().map(name))));
    }
    hint.for_each(|hint| page.say(0, &hint));
}

/// `10.96.0.7:80 is service shop/db`.
fn title(explanation: &Explanation, service: &Translation) -> String {
    let name = format!("service {}/{}", service.namespace, service.name);
    match (explanation.destination.ip, explanation.port) {
        (None, _) if explanation.destination.headless => format!("{name} has no address of its own"),
        (None, _) => format!("{name} has a ClusterIP that is not known"),
        (Some(ip), None) => format!("{ip} is {name}"),
        (Some(ip), Some(port)) => format!("{ip}:{port} is {name}"),
    }
}

/// The endpoints by their answer, the denied first.
fn answers(service: &Translation) -> Vec<(&'static str, Vec<&Backend>)> {
    let mut answers: Vec<(&str, Vec<&Backend>)> = Vec::new();
    for backend in &service.endpoints {
        let answer = verdict_of(backend.allowed(), [backend.egress, backend.ingress]);
        match answers.iter_mut().find(|(other, _)| *other == answer) {
            Some((_, endpoints)) => endpoints.push(backend),
            None => answers.push((answer, vec![backend])),
        }
    }
    answers.sort_by_key(|(answer, _)| !answer.starts_with("denied"));
    answers
}

/// One side of one endpoint, and the endpoints that are like it.
pub(super) fn tell_endpoint(
    page: &mut Page,
    explanation: &Explanation,
    (backend, side, like): (&Backend, &SideExplanation, &[&Endpoint]),
    direction: Direction,
) {
    let (endpoint, because) = (name(explanation, backend), headline(side.cause));
    match direction {
        Direction::Egress => {
            page.say(0, &format!("egress of {} to {endpoint}: {because}", explanation.source));
        }
        Direction::Ingress => page.say(0, &format!("ingress of {endpoint}: {because}")),
    }
    if !like.is_empty() {
        page.say(1, &format!("the same holds for {}", listed(like.iter())));
    }
    let subject = match direction {
        Direction::Egress => &explanation.source,
        Direction::Ingress => &backend.endpoint,
    };
    tell_reasons(page, side, subject, direction);
}
