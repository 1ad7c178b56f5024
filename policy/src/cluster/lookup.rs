//! Names and addresses by name: what a question is resolved with.

use super::Cluster;
use crate::Service;
use imbl::OrdMap;
use std::{net::IpAddr, ops::Bound, sync::Arc};

impl Cluster {
    /// The addresses of a node, none where it is not known.
    pub(crate) fn node_addresses(&self, node: &str) -> &[IpAddr] {
        self.nodes.get(node).map_or(&[], |node| node.all.as_slice())
    }

    /// The service of this name.
    pub(crate) fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.scopes.get(namespace)?.services.get(name).map(AsRef::as_ref)
    }

    /// The services of a namespace whose names sort next to this one, so many on each side.
    pub(crate) fn service_names_around(
        &self,
        namespace: &str,
        name: &str,
        reach: usize,
    ) -> impl Iterator<Item = &str> {
        let services = self.scopes.get(namespace).map(|scope| &scope.services);
        services.into_iter().flat_map(move |services| around(services, name, reach))
    }

    /// The pods of a namespace whose names sort next to this one, so many on each side.
    pub(crate) fn pod_names_around(
        &self,
        namespace: &str,
        name: &str,
        reach: usize,
    ) -> impl Iterator<Item = &str> {
        let pods = self.scopes.get(namespace).map(|scope| &scope.pods);
        pods.into_iter().flat_map(move |pods| around(pods, name, reach))
    }

    /// The namespaces whose names sort next to this one, so many on each side.
    pub(crate) fn namespaces_around(&self, name: &str, reach: usize) -> impl Iterator<Item = &str> {
        around(&self.scopes, name, reach)
    }
}

/// The keys next to a name, the nearest first on either side.
fn around<'a, V: Clone>(
    map: &'a OrdMap<Arc<str>, V>,
    name: &str,
    reach: usize,
) -> impl Iterator<Item = &'a str> + use<'a, V> {
    let after = map.range::<_, str>((Bound::Included(name), Bound::Unbounded)).take(reach);
    let before = map.range::<_, str>((Bound::Unbounded, Bound::Excluded(name))).rev().take(reach);
    before.chain(after).map(|(key, _)| key.as_ref())
}
