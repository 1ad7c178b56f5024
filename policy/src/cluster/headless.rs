//! Headless services: a name that leads to each ready endpoint, with no address or port between.

use super::{
    Cluster,
    decide::Parties,
    inspect::{Claim, Inspection, Route},
    ways::{not_chosen, whatever},
};
use crate::{Connection, Decision, Pod, evaluation::Evaluation, service::Service};
use std::{collections::BTreeSet, net::IpAddr};

impl Cluster {
    /// The ready endpoints of a service, whichever port is dialled.
    pub(crate) fn ready_endpoints(&self, service: &Service) -> BTreeSet<IpAddr> {
        self.slices_of(service).flat_map(|slice| &slice.ips).copied().collect()
    }

    /// What the policies say about a connection to whichever endpoint the name leads to (U2), in the
    /// family of its destination. Nothing is translated: an endpoint sees the port that is asked for.
    pub(crate) fn decide_headless(
        &self,
        connection: &Connection,
        source: Option<&Pod>,
        service: &Service,
    ) -> Decision {
        self.evaluate_headless(&self.to_endpoints(connection, source, service), service).to_decision()
    }

    /// Decides as [`Cluster::decide_headless`] does and lays open from what.
    pub(crate) fn inspect_headless<'a>(
        &'a self,
        connection: &Connection,
        source: Option<&'a Pod>,
        service: &'a Service,
    ) -> Inspection<'a> {
        let connection = connection.canonical();
        let ways = self.to_endpoints(&connection, source, service);
        Inspection {
            connection,
            evaluation: self.evaluate_headless(&ways, service),
            own_address: false,
            source: self.claim(&self.parties(&connection, source, None).source),
            destination: Claim { pods: Vec::new(), host: None },
            service: Some(service),
            headless: true,
            routes: ways.iter().map(|way| self.route_to_endpoint(way)).collect(),
        }
    }

    fn evaluate_headless<'a>(
        &'a self,
        ways: &[(Connection, Parties<'a>)],
        service: &Service,
    ) -> Evaluation<'a> {
        let evaluations = ways.iter().map(|(connection, parties)| self.evaluate_parties(connection, parties));
        whatever(evaluations, || not_chosen(service))
    }

    fn route_to_endpoint<'a>(&'a self, (connection, parties): &(Connection, Parties<'a>)) -> Route<'a> {
        self.route(*connection, parties, false, self.evaluate_parties(connection, parties))
    }

    /// The connection to each endpoint.
    fn to_endpoints<'a>(
        &'a self,
        connection: &Connection,
        source: Option<&'a Pod>,
        service: &Service,
    ) -> Vec<(Connection, Parties<'a>)> {
        let connection = connection.canonical();
        let endpoints = self.ready_endpoints(service).into_iter();
        let family = endpoints.filter(|ip| ip.is_ipv4() == connection.destination.is_ipv4());
        let connections = family.map(|destination| Connection { destination, ..connection });
        connections.map(|connection| (connection, self.parties(&connection, source, None))).collect()
    }
}
