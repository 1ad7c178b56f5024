//! How the parties of edges are called where people read them.

use crate::render::clean;
use portolan_proto::graph::{Edge, Party, Service};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Names for the parties of some edges: a workload's kind is told only where its name alone would mean two.
#[derive(Debug)]
pub(crate) struct Names<'edges> {
    ambiguous: BTreeSet<(&'edges str, &'edges str)>,
}

impl<'edges> Names<'edges> {
    /// For these edges.
    pub(crate) fn new(edges: &'edges [Edge]) -> Self {
        let mut kinds: BTreeMap<_, &str> = BTreeMap::new();
        let mut ambiguous = BTreeSet::new();
        for party in edges.iter().flat_map(|edge| [&edge.source, &edge.destination]) {
            let Party::Workload { namespace, workload } = party else { continue };
            let name = (namespace.as_str(), workload.name.as_str());
            if *kinds.entry(name).or_insert(&workload.kind) != workload.kind {
                ambiguous.insert(name);
            }
        }
        Self { ambiguous }
    }

    /// Who opens the connections.
    pub(crate) fn source(&self, edge: &Edge) -> String {
        self.party(&edge.source)
    }

    /// Whom they reach, on which port, and through which service.
    pub(crate) fn destination(&self, edge: &Edge) -> String {
        let name = match (&edge.destination, edge.port) {
            (Party::External { ip: IpAddr::V6(ip) }, Some(_)) => format!("[{ip}]"),
            (party, _) => self.party(party),
        };
        let separator = if edge.port.is_some() { ":" } else { " " };
        format!("{name}{separator}{}", port(edge))
    }

    fn party(&self, party: &Party) -> String {
        let name = match party {
            Party::Workload { namespace, workload } => {
                let twice = self.ambiguous.contains(&(namespace.as_str(), workload.name.as_str()));
                let kind = if twice { format!(" ({})", workload.kind) } else { String::new() };
                format!("{namespace}/{}{kind}", workload.name)
            }
            Party::Node { node } => format!("node {node}"),
            Party::Service { namespace, name } => format!("service {namespace}/{name}"),
            Party::External { ip } => ip.to_string(),
            Party::Other => "all others".to_owned(),
        };
        clean(&name)
    }
}

/// The port and the protocol, and the service that the way goes through.
pub(crate) fn port(edge: &Edge) -> String {
    let port = edge.port.map(|port| format!("{port}/")).unwrap_or_default();
    let via = edge.service.as_ref().map(|service| via(service, &edge.destination)).unwrap_or_default();
    clean(&format!("{port}{}{via}", edge.protocol))
}

/// The namespace of the service where it is another one.
fn via(Service { namespace, name }: &Service, destination: &Party) -> String {
    match destination {
        Party::Workload { namespace: near, .. } if near == namespace => format!(" via {name}"),
        _ => format!(" via {namespace}/{name}"),
    }
}

/// A text of at most so many letters, without its middle where it is longer: names begin and end differently.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= most {
        return text.to_owned();
    }
    let (head, tail) = (most.saturating_sub(1).div_ceil(2), most.saturating_sub(1) / 2);
    letters[..head].iter().chain(&['…']).chain(&letters[letters.len() - tail..]).collect()
}
