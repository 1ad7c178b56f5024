//! Flows against attempts: every attempt exactly once, nothing else. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::expect::{Expectation, Side};
use super::flow::{FlowLine, NameLine, SideLine};

/// Something that is in one and not in the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Attempts without a flow.
    Missing {
        /// What was expected.
        expected: String,
        /// How many attempts.
        attempts: u64,
    },
    /// A flow without an attempt.
    Unexpected {
        /// The flow in words.
        flow: String,
        /// How many attempts it claims.
        attempts: u64,
    },
    /// A flow that fits, with a client's address that no client had.
    WrongClient {
        /// The flow in words.
        flow: String,
    },
}

/// Compares. An empty answer means that they agree.
pub fn compare(expectations: &[Expectation], flows: &[FlowLine]) -> Vec<Difference> {
    let mut open: Vec<(&Expectation, u64)> =
        expectations.iter().map(|expected| (expected, expected.attempts() as u64)).collect();
    let mut seen: BTreeMap<(usize, IpAddr, Option<u16>), u64> = BTreeMap::new();
    let mut differences = Vec::new();
    for flow in flows {
        let fit = open.iter().position(|(expected, left)| *left > 0 && fits(expected, flow));
        let Some(position) = fit else {
            differences.push(Difference::Unexpected { flow: describe(flow), attempts: flow.attempts });
            continue;
        };
        let (expected, left) = &mut open[position];
        if flow.attempts > *left {
            let attempts = flow.attempts - *left;
            differences.push(Difference::Unexpected { flow: describe(flow), attempts });
        }
        *left = left.saturating_sub(flow.attempts);
        // A flow of several attempts names the port of one of them.
        let count = seen.entry((position, flow.source.ip, flow.source.port)).or_default();
        *count += 1;
        if !knows_client(expected, flow) || (flow.attempts == 1 && *count > 1 && flow.source.port.is_some()) {
            differences.push(Difference::WrongClient { flow: describe(flow) });
        }
    }
    let missing = open.into_iter().filter(|(_, left)| *left > 0);
    let missing =
        missing.map(|(expected, attempts)| Difference::Missing { expected: expected.to_string(), attempts });
    missing.chain(differences).collect()
}

fn fits(expected: &Expectation, flow: &FlowLine) -> bool {
    expected.source == flow.source.label()
        && expected.destinations.contains(&flow.destination.label())
        && expected.service == flow.service.as_ref().map(NameLine::label)
        && expected.port == flow.destination.port
        && expected.protocol == flow.protocol
        && expected.outcomes.contains(&flow.outcome.as_str())
        && expected.verdict == flow.verdict
        && same_side(&expected.egress, &flow.egress)
        && same_side(&expected.ingress, &flow.ingress)
        // A dropped packet has a reason.
        && (flow.outcome != "dropped" || flow.drop_reason.as_ref().is_some_and(|reason| !reason.is_empty()))
        && expected.clients.iter().any(|client| client.ip() == flow.source.ip)
}

fn same_side(expected: &Side, side: &SideLine) -> bool {
    expected.verdict == side.verdict && expected.policies == side.names()
}

/// Echo requests have no port.
fn knows_client(expected: &Expectation, flow: &FlowLine) -> bool {
    let Some(port) = flow.source.port else { return expected.port.is_none() };
    expected.clients.iter().any(|client| client.ip() == flow.source.ip && client.port() == port)
}

fn describe(flow: &FlowLine) -> String {
    let FlowLine { source, destination, service, protocol, outcome, verdict, egress, ingress, .. } = flow;
    let port = |port: Option<u16>| port.map(|port| format!(":{port}")).unwrap_or_default();
    let side = |side: &SideLine| {
        let names = side.names();
        if names.is_empty() {
            side.verdict.clone()
        } else {
            format!("{} by {}", side.verdict, names.join(", "))
        }
    };
    let via = service.as_ref().map(|service| format!(" via {}", service.label())).unwrap_or_default();
    let reason = flow.drop_reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!(
        "{}{} → {}{}/{protocol} {outcome}{reason} {verdict}{via}, egress {}, ingress {}",
        source.label(),
        port(source.port),
        destination.label(),
        port(destination.port),
        side(egress),
        side(ingress),
    )
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { expected, attempts } => write!(f, "{attempts} × not in the flows: {expected}"),
            Self::Unexpected { flow, attempts } => write!(f, "{attempts} × no client did this: {flow}"),
            Self::WrongClient { flow } => {
                write!(f, "no client, or one told before, had this address: {flow}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::flow::tests::EXAMPLE;
    use super::*;

    fn flow() -> FlowLine {
        serde_json::from_str(EXAMPLE).unwrap()
    }

    fn expected() -> Expectation {
        Expectation {
            source: "shop/web-7d9f-x2".to_owned(),
            destinations: vec!["shop/db-0".to_owned(), "shop/db-1".to_owned()],
            service: Some("shop/db".to_owned()),
            port: Some(5432),
            protocol: "TCP",
            outcomes: &["established"],
            verdict: "allowed",
            egress: Side::open(),
            ingress: Side::admitted(&["shop/db"]),
            clients: [40002, 40003, 40004].map(|port| ([10, 0, 0, 1], port).into()).to_vec(),
        }
    }

    #[test]
    fn flows_that_tell_what_clients_saw_agree() {
        assert_eq!(compare(&[expected()], &[flow()]), []);
        let single = |port| {
            let mut flow = flow();
            (flow.attempts, flow.source.port) = (1, Some(port));
            flow
        };
        assert_eq!(compare(&[expected()], &[single(40003), single(40002), single(40004)]), []);
    }

    #[test]
    fn an_attempt_without_a_flow_is_missing() {
        let mut two = flow();
        two.attempts = 2;
        let differences = compare(&[expected()], &[two]);
        assert!(matches!(differences[..], [Difference::Missing { attempts: 1, .. }]), "{differences:?}");
    }

    #[test]
    fn a_flow_too_many_is_told() {
        let differences = compare(&[expected()], &[flow(), flow()]);
        assert!(matches!(differences[..], [Difference::Unexpected { attempts: 3, .. }]), "{differences:?}");
    }

    #[test]
    fn the_same_client_twice_is_told() {
        let mut single = flow();
        single.attempts = 1;
        let differences = compare(&[expected()], &[single.clone(), single]);
        let twice = |difference: &Difference| matches!(difference, Difference::WrongClient { .. });
        assert!(differences.iter().any(twice), "{differences:?}");
    }

    #[test]
    fn every_field_counts() {
        type Change = fn(&mut FlowLine);
        let changes: [(&str, Change); 12] = [
            ("source", |flow| flow.source.pod = Some("other".to_owned())),
            ("source address", |flow| flow.source.ip = [10, 0, 0, 9].into()),
            ("source port", |flow| flow.source.port = Some(1)),
            ("destination", |flow| flow.destination.pod = Some("db-2".to_owned())),
            ("destination port", |flow| flow.destination.port = Some(80)),
            ("service", |flow| flow.service = None),
            ("protocol", |flow| flow.protocol = "UDP".to_owned()),
            ("outcome", |flow| flow.outcome = "no-reply".to_owned()),
            ("verdict", |flow| flow.verdict = "undecided".to_owned()),
            ("egress", |flow| flow.egress.verdict = "admitted".to_owned()),
            ("ingress policies", |flow| flow.ingress.policies.clear()),
            ("attempts", |flow| flow.attempts = 4),
        ];
        for (field, change) in changes {
            let mut changed = flow();
            change(&mut changed);
            assert_ne!(compare(&[expected()], &[changed]), [], "{field}");
        }
    }

    #[test]
    fn a_drop_without_a_reason_does_not_fit() {
        let mut expected = expected();
        (expected.outcomes, expected.verdict) = (&["dropped"], "blocked");
        let mut flow = flow();
        (flow.outcome, flow.verdict) = ("dropped".to_owned(), "blocked".to_owned());
        assert_ne!(compare(&[expected.clone()], &[flow.clone()]), []);
        flow.drop_reason = Some("NETFILTER_DROP".to_owned());
        assert_eq!(compare(&[expected], &[flow]), []);
    }
}
