//! Services that are asked for by name and have no address that is known: what the name leads to.
//!
//! A headless service leads to each ready endpoint, with no port between; one whose ClusterIP is not
//! known, such as that of a manifest in Git, translates the port that is dialled.

use super::{
    Cluster,
    decide::Parties,
    endpoints::{Backends, Behind, Way},
    inspect::{Claim, Inspection, Route},
    ways::{not_chosen, whatever},
};
use crate::{
    Connection, Decision, Pod, Protocol,
    evaluation::Evaluation,
    service::{Endpoints, Service, ServicePort},
};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

impl Cluster {
    /// The ready endpoints that a name leads to when this is dialled.
    pub(crate) fn endpoints_by_name(
        &self,
        service: &Service,
        port: Option<u16>,
        protocol: Protocol,
    ) -> BTreeSet<IpAddr> {
        if service.is_headless() {
            return self.slices_of(service).flat_map(|slice| &slice.ips).copied().collect();
        }
        let families = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        let dialled = service.dialled(port, protocol);
        let behind = dialled
            .flat_map(|port| families.into_iter().flat_map(|family| self.all_behind(service, port, family)));
        behind.map(|(ip, _)| ip).collect()
    }

    /// The ports of a protocol that the slices of a service have in the family of `ip`, `None` among
    /// them for all ports.
    pub(crate) fn slice_ports(
        &self,
        service: &Service,
        protocol: Protocol,
        ip: IpAddr,
    ) -> BTreeSet<Option<u16>> {
        let of_family = |slice: &&Endpoints| slice.ips.iter().any(|other| other.is_ipv4() == ip.is_ipv4());
        let slices = self.slices_of(service).filter(of_family);
        slices.flat_map(|slice| slice.ports_of(protocol)).collect()
    }

    /// What the policies say about a connection to whichever endpoint the name leads to (U2), in the
    /// family of its destination.
    pub(crate) fn decide_by_name(
        &self,
        connection: &Connection,
        source: Option<&Pod>,
        service: &Service,
    ) -> Decision {
        let connection = connection.canonical();
        if service.is_headless() {
            let ways = self.to_endpoints(&connection, source, service);
            return self.evaluate_headless(&ways, service).to_decision();
        }
        let parties = self.parties(&connection, source, None);
        self.evaluate_ways(&self.ways_by_name(&connection, service), &parties).to_decision()
    }

    /// Decides as [`Cluster::decide_by_name`] does and lays open from what.
    pub(crate) fn inspect_by_name<'a>(
        &'a self,
        connection: &Connection,
        source: Option<&'a Pod>,
        service: &'a Service,
    ) -> Inspection<'a> {
        let connection = connection.canonical();
        let parties = self.parties(&connection, source, None);
        let (evaluation, routes) = if service.is_headless() {
            let ways = self.to_endpoints(&connection, source, service);
            let routes = ways.iter().map(|way| self.route_to_endpoint(way)).collect();
            (self.evaluate_headless(&ways, service), routes)
        } else {
            let ways = self.ways_by_name(&connection, service);
            let routes = ways.iter().flat_map(|way| self.routes_of(way, &parties)).collect();
            (self.evaluate_ways(&ways, &parties), routes)
        };
        Inspection {
            connection,
            evaluation,
            own_address: false,
            source: self.claim(&parties.source),
            destination: Claim { pods: Vec::new(), host: None },
            service: Some(service),
            by_name: true,
            routes,
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

    /// The connection to each endpoint of a headless service, which sees the port that is asked for.
    fn to_endpoints<'a>(
        &'a self,
        connection: &Connection,
        source: Option<&'a Pod>,
        service: &Service,
    ) -> Vec<(Connection, Parties<'a>)> {
        let endpoints = self.endpoints_by_name(service, connection.port, connection.protocol).into_iter();
        let family = endpoints.filter(|ip| ip.is_ipv4() == connection.destination.is_ipv4());
        let connections = family.map(|destination| Connection { destination, ..*connection });
        connections.map(|connection| (connection, self.parties(&connection, source, None))).collect()
    }

    /// The ways in which a service without a known address may be dialled, one for each port that may
    /// be meant and leads somewhere.
    fn ways_by_name<'a>(&'a self, connection: &Connection, service: &'a Service) -> Vec<Way<'a>> {
        let ports = service.dialled(connection.port, connection.protocol);
        let ways = ports.map(|port| Way {
            connection: Connection { port: Some(port.port), ..*connection },
            behind: Behind::Backends(Backends {
                service,
                endpoints: self.all_behind(service, port, connection.destination).collect(),
            }),
        });
        ways.filter(|way| matches!(&way.behind, Behind::Backends(backends) if !backends.endpoints.is_empty()))
            .collect()
    }

    fn all_behind<'a>(
        &'a self,
        service: &'a Service,
        port: &'a ServicePort,
        family: IpAddr,
    ) -> impl Iterator<Item = (IpAddr, u16)> + 'a {
        self.slices_of(service).flat_map(move |slice| slice.behind(port, family))
    }
}
