//! The state of a cluster: what the policies, pods, nodes and services are at one moment.
//!
//! ```text
//! [ Cluster ] -> [ Scope ] per namespace -> pods, policies, services, endpoints, owners
//!             -> [ Node ]                -> addresses
//!             -> [ AddressBook ]         -> who holds an address
//! ```
//!
//! All maps are persistent: a clone costs nothing and stays as it was while the original moves on.
//! Fed by [`Cluster::apply`] and [`Cluster::delete`] alone; never fetches, never guesses.

mod addresses;
mod decide;
mod endpoints;
mod scope;
mod workload;

pub use addresses::Owner;

use crate::{
    InvalidObject, Object, ObjectKey, ObjectKind, Pod,
    network_policy::NetworkPolicy,
    node::{self, Node},
    pod::{Controller, controller},
    service::{Endpoints, Service},
};
use addresses::AddressBook;
use imbl::OrdMap;
use scope::Scope;
use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

/// Pods by namespace and name.
type PodsByName = OrdMap<(Arc<str>, Arc<str>), Arc<Pod>>;

/// The state of a cluster at one moment.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// What lives in each namespace, also in one whose Namespace object is not known.
    scopes: OrdMap<Arc<str>, Scope>,
    /// The nodes, also one that only [`Cluster::set_node_addresses`] told of.
    nodes: OrdMap<Arc<str>, Node>,
    /// The pods on each node that hold addresses of the pod network.
    pods_by_node: OrdMap<Arc<str>, PodsByName>,
    /// Who holds an address.
    addresses: AddressBook,
}

impl Cluster {
    /// Adds an object or replaces the one of the same key.
    ///
    /// On an error nothing changes. A policy that is valid only in parts is accepted: its invalid
    /// parts match nothing.
    pub fn apply(&mut self, object: Object) -> Result<(), InvalidObject> {
        let key = object.key();
        if key.name.is_empty() {
            let problem = "metadata.name is missing; give the object a name".to_owned();
            return Err(InvalidObject { key, problem });
        }
        match object {
            Object::Namespace(object) => {
                let labels = object.metadata.labels.unwrap_or_default();
                self.scope_mut(&key.name).set_labels(&key.name, labels);
            }
            Object::Node(object) => {
                let status = node::read_status(&key, &object)?;
                let extra =
                    self.nodes.get(key.name.as_str()).map_or_else(Vec::new, |node| node.extra.clone());
                self.set_node(&key.name, Some(Node::new(status, extra)));
            }
            Object::Pod(object) => {
                let pod = Arc::new(Pod::read(key, *object)?);
                self.remove_pod(&pod.namespace, &pod.name);
                self.insert_pod(&pod);
            }
            Object::Service(object) => {
                let service = Arc::new(Service::read(key, &object)?);
                self.remove_service(&service.namespace, &service.name);
                self.addresses.add_service(&service);
                let name = Arc::from(service.name.as_str());
                self.scope_mut(&service.namespace).services.insert(name, Arc::clone(&service));
            }
            Object::EndpointSlice(object) => {
                let endpoints = Endpoints::read(&key, &object)?;
                self.set_endpoints(&key, endpoints);
            }
            Object::NetworkPolicy(object) => {
                let namespace = key.namespace_or_default();
                let policy = NetworkPolicy::compile(namespace, &key.name, object.spec);
                self.scope_mut(namespace).policies.insert(Arc::from(key.name.as_str()), Arc::new(policy));
            }
            Object::ClusterNetworkPolicy(_)
            | Object::AdminNetworkPolicy(_)
            | Object::BaselineAdminNetworkPolicy(_) => {}
            Object::ReplicaSet(object) => self.set_owner(&key, controller(&object.metadata)),
            Object::Job(object) => self.set_owner(&key, controller(&object.metadata)),
        }
        Ok(())
    }

    /// Removes an object; one that is not there is no error.
    pub fn delete(&mut self, key: &ObjectKey) {
        let namespace = key.namespace_or_default();
        let name = key.name.as_str();
        match key.kind {
            ObjectKind::Namespace => self.change_scope(name, |scope| scope.labels = None),
            ObjectKind::Node => {
                let extra = self.nodes.get(name).map_or_else(Vec::new, |node| node.extra.clone());
                self.set_node(name, (!extra.is_empty()).then(|| Node::new(Vec::new(), extra)));
            }
            ObjectKind::Pod => self.remove_pod(namespace, name),
            ObjectKind::Service => self.remove_service(namespace, name),
            ObjectKind::EndpointSlice => self.set_endpoints(key, None),
            ObjectKind::NetworkPolicy => {
                self.change_scope(namespace, |scope| drop(scope.policies.remove(name)));
            }
            ObjectKind::ClusterNetworkPolicy
            | ObjectKind::AdminNetworkPolicy
            | ObjectKind::BaselineAdminNetworkPolicy => {}
            ObjectKind::ReplicaSet | ObjectKind::Job => {
                let owner = (key.kind, Arc::from(name));
                self.change_scope(namespace, |scope| drop(scope.owners.remove(&owner)));
            }
        }
    }

    /// Says which addresses a node has beside those of its Node object: gateway, bridge, tunnel (M5).
    ///
    /// Replaces what was said before; holds also while the Node object is not known.
    pub fn set_node_addresses(&mut self, node: &str, addresses: impl IntoIterator<Item = IpAddr>) {
        let extra = addresses.into_iter().map(|ip| ip.to_canonical()).collect();
        let status = self.nodes.get(node).map_or_else(Vec::new, |node| node.status.clone());
        self.set_node(node, Some(Node::new(status, extra)));
    }

    /// The pod of this name, a finished one too.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&Pod> {
        self.scopes.get(namespace)?.pods.get(name).map(AsRef::as_ref)
    }

    /// The node that the live pod holding this address runs on; `None` while two claim it.
    pub fn pod_node(&self, ip: IpAddr) -> Option<&str> {
        match self.owner(ip) {
            Owner::Pod(pod) => pod.node.as_deref(),
            _ => None,
        }
    }

    /// The addresses of the live pods of the pod network on a node, in order, each once.
    pub fn pods_on(&self, node: &str) -> impl Iterator<Item = IpAddr> + use<> {
        let pods = self.pods_by_node.get(node).into_iter().flat_map(OrdMap::values);
        let ips: BTreeSet<IpAddr> = pods.flat_map(|pod| pod.ips.iter().copied()).collect();
        ips.into_iter()
    }

    /// The nodes that live pods of the pod network run on, by name, whether or not there is a Node
    /// object of that name.
    pub fn pod_nodes(&self) -> impl Iterator<Item = &str> {
        self.pods_by_node.keys().map(AsRef::as_ref)
    }

    /// The nodes with their addresses, by name.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, &[IpAddr])> {
        self.nodes.iter().map(|(name, node)| (name.as_ref(), node.all.as_slice()))
    }

    /// The scope of a namespace, made where it is new.
    fn scope_mut(&mut self, namespace: &str) -> &mut Scope {
        if !self.scopes.contains_key(namespace) {
            self.scopes.insert(Arc::from(namespace), Scope::default());
        }
        self.scopes.get_mut(namespace).expect("inserted above where it was absent")
    }

    /// Changes a scope where there is one, and drops it when nothing is left in it.
    fn change_scope(&mut self, namespace: &str, change: impl FnOnce(&mut Scope)) {
        let Some(scope) = self.scopes.get_mut(namespace) else { return };
        change(scope);
        if scope.is_empty() {
            self.scopes.remove(namespace);
        }
    }

    fn set_owner(&mut self, key: &ObjectKey, owner: Option<Controller>) {
        let scope = self.scope_mut(key.namespace_or_default());
        scope.owners.insert((key.kind, Arc::from(key.name.as_str())), owner);
    }

    /// Replaces a node's addresses, or forgets the node.
    fn set_node(&mut self, name: &str, node: Option<Node>) {
        let name: Arc<str> = Arc::from(name);
        if let Some(old) = self.nodes.remove(&name) {
            self.addresses.remove_node(&name, &old);
        }
        if let Some(node) = node {
            self.addresses.add_node(&name, &node);
            self.nodes.insert(name, node);
        }
    }

    /// Takes what an EndpointSlice holds, or forgets it.
    fn set_endpoints(&mut self, key: &ObjectKey, endpoints: Option<Endpoints>) {
        let (namespace, slice) = (key.namespace_or_default(), key.name.as_str());
        match endpoints {
            Some(endpoints) => {
                self.scope_mut(namespace).endpoints.insert(Arc::from(slice), Arc::new(endpoints));
            }
            None => self.change_scope(namespace, |scope| drop(scope.endpoints.remove(slice))),
        }
    }

    fn insert_pod(&mut self, pod: &Arc<Pod>) {
        self.addresses.add_pod(pod);
        let namespace: Arc<str> = Arc::from(pod.namespace.as_str());
        let name: Arc<str> = Arc::from(pod.name.as_str());
        if let (Some(node), true) = (&pod.node, pod.in_pod_network()) {
            let mut pods = self.pods_by_node.remove(node.as_str()).unwrap_or_default();
            pods.insert((namespace, Arc::clone(&name)), Arc::clone(pod));
            self.pods_by_node.insert(Arc::from(node.as_str()), pods);
        }
        self.scope_mut(&pod.namespace).pods.insert(name, Arc::clone(pod));
    }

    fn remove_pod(&mut self, namespace: &str, name: &str) {
        let Some(pod) = self.scopes.get(namespace).and_then(|scope| scope.pods.get(name)).cloned() else {
            return;
        };
        self.addresses.remove_pod(&pod);
        if let Some(node) = pod.node.as_deref()
            && let Some(pods) = self.pods_by_node.get_mut(node)
        {
            pods.remove(&(Arc::from(namespace), Arc::from(name)));
            if pods.is_empty() {
                self.pods_by_node.remove(node);
            }
        }
        self.change_scope(namespace, |scope| drop(scope.pods.remove(name)));
    }

    fn remove_service(&mut self, namespace: &str, name: &str) {
        let scope = self.scopes.get(namespace);
        let Some(service) = scope.and_then(|scope| scope.services.get(name)).cloned() else { return };
        self.addresses.remove_service(&service);
        self.change_scope(namespace, |scope| drop(scope.services.remove(name)));
    }
}
