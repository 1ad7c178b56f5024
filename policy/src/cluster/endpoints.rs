//! What stands behind a service address.

use super::Cluster;
use crate::{Connection, service::Service};
use std::{collections::BTreeSet, net::IpAddr};

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
            .endpoints_of(&service.name)
            .flat_map(|endpoints| endpoints.behind(service_port, dialled))
            .collect();
        (!endpoints.is_empty()).then_some(Backends { service, endpoints })
    }
}
