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
use portolan_policy::{BaselineReading, Connection, Decision, Object};
use services::Behind;
use side::Direction;
use std::{collections::BTreeMap, net::IpAddr};
use view::{Question, View};

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
    let view = View { objects, facts };
    let connection = Connection {
        source: connection.source.to_canonical(),
        destination: connection.destination.to_canonical(),
        ..*connection
    };
    if is_own_address(&connection) {
        let side = Endings::only(Ending::NotApplicable).conclude();
        return Decision { egress: side.clone(), ingress: side };
    }
    let asked = asked(view, &connection);
    let ports = services::ports(view, &connection).len();
    let side = |direction| {
        let mut endings = Endings::default();
        for one in &asked {
            endings.join(match one {
                Asked::Known(question) => side::ask(view, direction, question),
                Asked::Unknown(question, fact) => services::ask_unknown(view, direction, question, fact),
            });
        }
        if ports > 1 {
            endings.hang_on(["the destination port".to_owned()]);
        }
        if asked.len() > ports {
            endings.hang_on(["which backend the service chooses".to_owned()]);
        }
        endings.conclude()
    };
    Decision { egress: side(Direction::Egress), ingress: side(Direction::Ingress) }
}

/// A question that policies may be asked.
enum Asked<'a> {
    Known(Question<'a>),
    /// What stands behind its destination is not known: the missing fact.
    Unknown(Question<'a>, String),
}

/// The connection as it may be after destination NAT (N36), for each port that may be dialled.
fn asked<'a>(view: View<'a>, connection: &Connection) -> Vec<Asked<'a>> {
    let to = |destination, port, through_service| Question {
        source: view.end(connection.source),
        destination: view.end(destination),
        port,
        protocol: connection.protocol,
        through_service,
    };
    let mut asked = Vec::new();
    for port in services::ports(view, connection) {
        let address = to(connection.destination, port, false);
        match services::behind(view, &Connection { port, ..*connection }) {
            Behind::Address => asked.push(Asked::Known(address)),
            Behind::NotKnown(fact) => asked.push(Asked::Unknown(address, fact)),
            Behind::Endpoints(endpoints) => {
                asked.extend(endpoints.into_iter().map(|(ip, port)| Asked::Known(to(ip, Some(port), true))));
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
