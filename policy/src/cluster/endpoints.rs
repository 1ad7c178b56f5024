//! What stands behind a service address.

use super::Cluster;
use crate::{
    Connection,
    service::{Endpoints, Service},
};
use imbl::OrdMap;
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

    /// The endpoints behind a service.
    fn of(&self, service: &str) -> impl Iterator<Item = &Endpoints> {
        self.slices.get(service).into_iter().flat_map(OrdMap::values).map(AsRef::as_ref)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.services.is_empty()
    }
}

/// What a connection to a service may be translated to.
pub(super) struct Backends<'a> {
    /// The service that was dialled.
    pub(super) service: &'a Service,
    /// Its ready endpoints, in order, each once; never empty.
    pub(super) endpoints: BTreeSet<(IpAddr, u16)>,
}

impl Cluster {
    /// The backends of the service that a connection dials; `None` where it dials none, or one
    /// without ready endpoints.
    pub(super) fn backends(&self, connection: &Connection) -> Option<Backends<'_>> {
        let (dialled, protocol) = (connection.destination, connection.protocol);
        let port = connection.port?;
        let service = self.addresses.service_at(dialled, port, protocol)?;
        let service_port = service.port(port, protocol).or_else(|| service.node_port(port, protocol))?;
        let scope = self.scopes.get(service.namespace.as_str())?;
        let endpoints: BTreeSet<_> = scope
            .endpoints
            .of(&service.name)
            .flat_map(|endpoints| endpoints.behind(service_port, dialled))
            .collect();
        (!endpoints.is_empty()).then_some(Backends { service, endpoints })
    }
}
