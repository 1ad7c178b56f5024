//! What stands behind a service address.

use super::Cluster;
use crate::{
    Connection, Family, Owner,
    service::{Endpoints, Service, ServicePort},
};
use imbl::OrdMap;
use smallvec::{SmallVec, smallvec};
use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

/// The EndpointSlices of a namespace, by the service that they stand behind.
#[derive(Clone, Debug, Default)]
pub(super) struct ServiceEndpoints {
    slices: OrdMap<Arc<str>, OrdMap<Arc<str>, Arc<Endpoints>>>,
    /// The service of each slice.
    services: OrdMap<Arc<str>, Arc<str>>,
}

impl ServiceEndpoints {
    /// Takes what a slice holds in place of what it held before, or forgets it.
    pub(super) fn set(&mut self, slice: &str, endpoints: Option<Endpoints>) {
        if let Some(service) = self.services.remove(slice)
            && let Some(slices) = self.slices.get_mut(&service)
        {
            slices.remove(slice);
            if slices.is_empty() {
                self.slices.remove(&service);
            }
        }
        let Some(endpoints) = endpoints else { return };
        let (slice, service): (Arc<str>, Arc<str>) =
            (Arc::from(slice), Arc::from(endpoints.service.as_str()));
        self.services.insert(Arc::clone(&slice), Arc::clone(&service));
        self.slices.entry(service).or_default().insert(slice, Arc::new(endpoints));
    }

    /// What a slice holds.
    pub(super) fn get(&self, slice: &str) -> Option<&Endpoints> {
        self.slices.get(self.services.get(slice)?)?.get(slice).map(AsRef::as_ref)
    }

    /// The slices of a service; `None` where not one is known.
    fn of(&self, service: &str) -> Option<&OrdMap<Arc<str>, Arc<Endpoints>>> {
        self.slices.get(service)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.services.is_empty()
    }
}

/// One way in which an address that no pod holds may be dialled.
pub(super) struct Way<'a> {
    /// With the port of the service where the question left it open.
    pub(super) connection: Connection,
    pub(super) behind: Behind<'a>,
}

/// What stands behind an address and port.
pub(super) enum Behind<'a> {
    /// The address itself: no service is dialled, or one without ready endpoints.
    Address,
    Backends(Backends<'a>),
    /// What stands behind this service is not known: no EndpointSlice of it in the family that is
    /// dialled is.
    Unknown(&'a Service),
}

/// What a connection to a service may be translated to.
pub(super) struct Backends<'a> {
    /// The service that was dialled.
    pub(super) service: &'a Service,
    /// Its ready endpoints, in order, each once; never empty.
    pub(super) endpoints: BTreeSet<(IpAddr, u16)>,
}

impl Cluster {
    /// The ways in which a connection may be dialled: without a port, one for each port of its
    /// protocol that a service has at the address; else one.
    pub(super) fn ways(&self, connection: &Connection) -> SmallVec<[Way<'_>; 1]> {
        let ports = match connection.port {
            None => self.service_ports(connection),
            Some(_) => BTreeSet::new(),
        };
        if ports.is_empty() {
            return smallvec![Way { connection: *connection, behind: self.behind(connection) }];
        }
        let dialled = ports.into_iter().map(|port| Connection { port: Some(port), ..*connection });
        dialled.map(|connection| Way { connection, behind: self.behind(&connection) }).collect()
    }

    /// The ports of a protocol that services have at an address of theirs; an address of a node is
    /// the node's while nobody says which port.
    fn service_ports(&self, connection: &Connection) -> BTreeSet<u16> {
        let Connection { destination, protocol, .. } = connection;
        if !matches!(self.owner(*destination), Owner::Service(_)) {
            return BTreeSet::new();
        }
        let there = self.addresses.services_of(*destination);
        there.flat_map(|service| service.ports_of(*protocol)).collect()
    }

    /// What is known of the endpoints of a service; nothing where no slice is.
    pub(super) fn slices_of(&self, service: &Service) -> impl Iterator<Item = &Endpoints> {
        let scope = self.scopes.get(service.namespace.as_str());
        let slices = scope.and_then(|scope| scope.endpoints.of(&service.name));
        slices.into_iter().flat_map(OrdMap::values).map(AsRef::as_ref)
    }

    /// What stands behind the address and port that a connection dials.
    fn behind(&self, connection: &Connection) -> Behind<'_> {
        self.dialled(connection).map_or(Behind::Address, |(service, port)| {
            let endpoints = self.scopes.get(service.namespace.as_str()).map(|scope| &scope.endpoints);
            let slices = endpoints.and_then(|endpoints| endpoints.of(&service.name));
            let Some(slices) = slices.filter(|slices| has_family(slices, connection.destination)) else {
                return unless_of_other_family(service, connection.destination);
            };
            let endpoints: BTreeSet<_> =
                slices.values().flat_map(|slice| slice.behind(port, connection.destination)).collect();
            if endpoints.is_empty() {
                Behind::Address
            } else {
                Behind::Backends(Backends { service, endpoints })
            }
        })
    }

    /// The service that a connection dials, and which port of it.
    fn dialled(&self, connection: &Connection) -> Option<(&Service, &ServicePort)> {
        let (port, protocol) = (connection.port?, connection.protocol);
        let service = self.addresses.service_at(connection.destination, port, protocol)?;
        let known = service.port(port, protocol).or_else(|| service.node_port(port, protocol))?;
        Some((service, known))
    }
}

/// A service whose own addresses are all of the other family has no endpoints in that of a node
/// address that is dialled, so no slice is missing.
fn unless_of_other_family(service: &Service, dialled: IpAddr) -> Behind<'_> {
    let is_other = |ip: &IpAddr| Family::of(*ip) != Family::of(dialled);
    if !service.ips.is_empty() && service.ips.iter().all(is_other) {
        Behind::Address
    } else {
        Behind::Unknown(service)
    }
}

/// Whether one of the slices may hold addresses of the family that is dialled.
fn has_family(slices: &OrdMap<Arc<str>, Arc<Endpoints>>, dialled: IpAddr) -> bool {
    let family = Family::of(dialled);
    slices.values().any(|slice| slice.family.is_none_or(|known| known == family))
}
