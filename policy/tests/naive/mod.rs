//! A second evaluator, deliberately naive: every question looks through every object.
//!
//! Written from the texts of the APIs and of docs/decisions/0006-tiers.md, not from the engine, so
//! that the two can be compared. No index, no cache, no clever step.

mod address;
mod ending;
mod labels;
mod network_policy;
mod peers;
mod ports;
mod services;
mod side;
mod tier;
mod truth;
mod view;

use ending::{Ending, Endings};
use k8s_openapi::api::core::v1::Pod;
use portolan_policy::{BaselineReading, Connection, Decision, Object};
use services::Behind;
use side::Direction;
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};
use view::{End, Question, View};

/// What is known beside the objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Addresses of nodes beside those of their objects.
    pub(crate) node_addresses: BTreeMap<String, Vec<IpAddr>>,
    /// The addresses that names were answered with; without any name, DNS is not known.
    pub(crate) dns: BTreeMap<String, Vec<IpAddr>>,
    /// Where the Baseline tier speaks (T3).
    pub(crate) baseline_reading: BaselineReading,
}

/// What the policies among the objects say about a connection. Of one key there is one object.
pub(crate) fn decide(objects: &[Object], facts: &Facts, connection: &Connection) -> Decision {
    decide_from(View { objects, facts }, connection, None)
}

/// The same from each live host-network pod, by its namespace and name, at each of its addresses.
#[allow(dead_code, reason = "not everybody who compares names pods")]
pub(crate) fn decide_from_hosts(
    objects: &[Object],
    facts: &Facts,
    connection: &Connection,
) -> Vec<(String, String, Connection, Decision)> {
    let view = View { objects, facts };
    let ask = |host| {
        view::ips_of(host).into_iter().map(move |source| {
            let (namespace, name) = view::pod_name(host);
            let connection = Connection { source, ..*connection };
            (namespace, name, connection, decide_from(view, &connection, Some(host)))
        })
    };
    view.host_pods().flat_map(ask).collect()
}

/// From whoever holds the source's address, or from the host-network pod that is named.
fn decide_from(view: View<'_>, connection: &Connection, host: Option<&Pod>) -> Decision {
    let connection = Connection {
        source: connection.source.to_canonical(),
        destination: connection.destination.to_canonical(),
        ..*connection
    };
    if is_own_address(&connection) {
        let side = Arc::new(Endings::only(Ending::NotApplicable).conclude());
        return Decision { egress: Arc::clone(&side), ingress: side };
    }
    let source = match host {
        Some(_) => End { ip: connection.source, pods: Vec::new(), host, hidden: None },
        None => view.end(connection.source),
    };
    let asked = asked(view, &connection, &source);
    let ports = services::ports(view, &connection).len();
    let side = |direction| {
        let mut endings = Endings::default();
        for question in &asked {
            endings.join(match (&question.destination.hidden, direction) {
                (Some(fact), Direction::Ingress) => services::ask_hidden(view, question, fact),
                _ => side::ask(view, direction, question),
            });
        }
        if ports > 1 {
            endings.hang_on(["the destination port".to_owned()]);
        }
        if asked.len() > ports {
            endings.hang_on(["which backend the service chooses".to_owned()]);
        }
        Arc::new(endings.conclude())
    };
    Decision { egress: side(Direction::Egress), ingress: side(Direction::Ingress) }
}

/// The connection as it may be after destination NAT (N36), for each port that may be dialled.
fn asked<'a>(view: View<'a>, connection: &Connection, source: &End<'a>) -> Vec<Question<'a>> {
    let to = |destination, port, through_service| Question {
        source: source.clone(),
        destination,
        port,
        protocol: connection.protocol,
        through_service,
    };
    let mut asked = Vec::new();
    for port in services::ports(view, connection) {
        let address = view.end(connection.destination);
        match services::behind(view, &Connection { port, ..*connection }) {
            Behind::Address => asked.push(to(address, port, false)),
            Behind::NotKnown(fact) => asked.push(to(End { hidden: Some(fact), ..address }, None, true)),
            Behind::Endpoints(endpoints) => {
                let questions = endpoints.into_iter().map(|(ip, port)| to(view.end(ip), Some(port), true));
                asked.extend(questions);
            }
        }
    }
    asked
}

/// What never leaves its own address is outside all policies (N31).
fn is_own_address(connection: &Connection) -> bool {
    let Connection { source, destination, .. } = connection;
    source == destination || source.is_loopback() || destination.is_loopback()
}
