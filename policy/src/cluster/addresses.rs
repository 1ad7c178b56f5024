//! Who holds an address (M4–M6).

use super::{Cluster, slots::SlotId};
use crate::{End, Pod, PodEnd, Protocol, ServiceRef, node::Node, service::Service};
use foldhash::fast::RandomState;
use imbl::{GenericHashMap, shared_ptr::DefaultSharedPtr};
use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

/// Who holds an address; where several kinds claim it, the first of this list wins (M5).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Owner<'a> {
    /// A live pod of the pod network.
    Pod(&'a Pod),
    /// Two live pods claim it, or two nodes: nobody can say whose it is (M6).
    Contested,
    /// A node; host-network pods are their node's addresses and nothing else.
    Node {
        /// The node.
        name: &'a str,
        /// The host-network pod with that address, when exactly one has it.
        pod: Option<&'a Pod>,
    },
    /// A service address, whichever port is dialled.
    Service(&'a Service),
    /// Nobody in the cluster.
    External,
}

type HashMap<K, V> = GenericHashMap<K, V, RandomState, DefaultSharedPtr>;

/// An index from addresses to those who claim them.
#[derive(Clone, Debug, Default)]
pub(super) struct AddressBook {
    holders: HashMap<u128, Holder>,
    /// Services by what is dialled on a node address.
    node_ports: HashMap<(u16, Protocol), Vec<Arc<Service>>>,
}

/// A live pod of the pod network, and the plan of its template.
#[derive(Clone, Debug)]
pub(super) struct PodHolder {
    pub(super) pod: Arc<Pod>,
    pub(super) plan: SlotId,
}

/// Who claims one address.
#[derive(Clone, Debug)]
enum Holder {
    /// One pod and nobody else: what most addresses are.
    Pod(PodHolder),
    /// Whoever else.
    Others(Arc<Holders>),
}

/// Everyone who claims one address, each list by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Holders {
    /// Live pods of the pod network.
    pub(super) pods: Vec<PodHolder>,
    pub(super) host_pods: Vec<Arc<Pod>>,
    /// Nodes that have it in their Node object.
    pub(super) nodes: Vec<Arc<str>>,
    /// Nodes that were said to have it beside their Node object; several may share it.
    extra_nodes: Vec<Arc<str>>,
    services: Vec<Arc<Service>>,
}

/// Those who claim an address, as a decision looks at them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Claims<'a> {
    /// Live pods of the pod network.
    pub(super) pods: &'a [PodHolder],
    /// All others.
    pub(super) others: Option<&'a Holders>,
}

/// Whether an address belongs to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belongs {
    Yes,
    No,
    /// Another node claims it as well.
    Contested,
}

impl Holder {
    fn claims(&self) -> Claims<'_> {
        match self {
            Self::Pod(pod) => Claims { pods: std::slice::from_ref(pod), others: None },
            Self::Others(holders) => Claims { pods: &holders.pods, others: Some(holders) },
        }
    }
}

impl Holders {
    /// The nodes that claim the address, each once.
    fn node_names(&self) -> BTreeSet<&str> {
        let named = self.nodes.iter().chain(&self.extra_nodes).map(AsRef::as_ref);
        named.chain(self.host_pods.iter().filter_map(|pod| pod.node.as_deref())).collect()
    }

    /// The nodes that have it as one of their own addresses, by their objects and their host-network
    /// pods (C9).
    pub(super) fn own_nodes(&self) -> BTreeSet<&str> {
        let named = self.nodes.iter().map(AsRef::as_ref);
        named.chain(self.host_pods.iter().filter_map(|pod| pod.node.as_deref())).collect()
    }

    /// Whether a node or a host-network pod claims the address.
    pub(super) fn has_node(&self) -> bool {
        !(self.nodes.is_empty() && self.extra_nodes.is_empty() && self.host_pods.is_empty())
    }

    /// Whether the address is one of the node's.
    ///
    /// One that was told beside the Node objects is local to each node that has it, so sharing it
    /// leaves no doubt.
    pub(super) fn belongs_to(&self, node: &str) -> Belongs {
        let names = self.node_names();
        if self.extra_nodes.iter().any(|extra| extra.as_ref() == node) {
            Belongs::Yes
        } else if !names.contains(node) {
            Belongs::No
        } else if names.len() == 1 {
            Belongs::Yes
        } else {
            Belongs::Contested
        }
    }

    /// In the smallest form; `None` where nobody is left.
    fn shrunk(mut self: Arc<Self>) -> Option<Holder> {
        let Self { pods, host_pods, nodes, extra_nodes, services } = self.as_ref();
        let others = host_pods.len() + nodes.len() + extra_nodes.len() + services.len();
        match (pods.len(), others) {
            (0, 0) => None,
            (1, 0) => Arc::make_mut(&mut self).pods.pop().map(Holder::Pod),
            _ => Some(Holder::Others(self)),
        }
    }

    fn owner(&self) -> Owner<'_> {
        match self.pods.as_slice() {
            [holder] => return Owner::Pod(&holder.pod),
            [_, _, ..] => return Owner::Contested,
            [] => {}
        }
        let mut names = self.node_names().into_iter();
        match (names.next(), names.next(), self.services.first()) {
            (Some(_), Some(_), _) => Owner::Contested,
            (Some(name), None, _) => Owner::Node { name, pod: self.host_pod() },
            (None, _, Some(service)) => Owner::Service(service),
            (None, _, None) => Owner::External,
        }
    }

    fn host_pod(&self) -> Option<&Pod> {
        match self.host_pods.as_slice() {
            [pod] => Some(pod),
            _ => None,
        }
    }
}

/// An address as the index holds it: IPv4 and IPv4-mapped IPv6 are one (M4).
fn key(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl AddressBook {
    /// Who claims an address.
    pub(super) fn claims(&self, ip: IpAddr) -> Claims<'_> {
        self.holders.get(&key(ip)).map(Holder::claims).unwrap_or_default()
    }

    fn owner(&self, ip: IpAddr) -> Owner<'_> {
        match self.holders.get(&key(ip)) {
            None => Owner::External,
            Some(Holder::Pod(holder)) => Owner::Pod(&holder.pod),
            Some(Holder::Others(holders)) => holders.owner(),
        }
    }

    /// A finished pod holds no address (M6), nor does a host-network pod without a node.
    pub(super) fn add_pod(&mut self, pod: &Arc<Pod>, plan: SlotId) {
        if pod.finished || (pod.host_network && pod.node.is_none()) {
            return;
        }
        for ip in &pod.ips {
            if pod.host_network {
                self.change(*ip, |holders| insert(&mut holders.host_pods, pod));
                continue;
            }
            let holder = PodHolder { pod: Arc::clone(pod), plan };
            match self.holders.get(&key(*ip)) {
                None => drop(self.holders.insert(key(*ip), Holder::Pod(holder))),
                Some(_) => self.change(*ip, |holders| insert(&mut holders.pods, &holder)),
            }
        }
    }

    pub(super) fn remove_pod(&mut self, pod: &Arc<Pod>) {
        for ip in &pod.ips {
            match self.holders.get(&key(*ip)) {
                Some(Holder::Pod(holder)) if Arc::ptr_eq(&holder.pod, pod) => {
                    self.holders.remove(&key(*ip));
                }
                _ => self.change(*ip, |holders| {
                    holders.pods.retain(|claim| !Arc::ptr_eq(&claim.pod, pod));
                    holders.host_pods.retain(|claim| !Arc::ptr_eq(claim, pod));
                }),
            }
        }
    }

    pub(super) fn add_node(&mut self, name: &Arc<str>, node: &Node) {
        for ip in &node.status {
            self.change(*ip, |holders| insert(&mut holders.nodes, name));
        }
        for ip in &node.extra {
            self.change(*ip, |holders| insert(&mut holders.extra_nodes, name));
        }
    }

    pub(super) fn remove_node(&mut self, name: &Arc<str>, node: &Node) {
        for ip in &node.all {
            self.change(*ip, |holders| {
                holders.nodes.retain(|claim| claim != name);
                holders.extra_nodes.retain(|claim| claim != name);
            });
        }
    }

    pub(super) fn add_service(&mut self, service: &Arc<Service>) {
        for ip in &service.ips {
            self.change(*ip, |holders| insert(&mut holders.services, service));
        }
        for dialled in service.node_ports() {
            let mut services = self.node_ports.remove(&dialled).unwrap_or_default();
            insert(&mut services, service);
            self.node_ports.insert(dialled, services);
        }
    }

    pub(super) fn remove_service(&mut self, service: &Arc<Service>) {
        for ip in &service.ips {
            self.change(*ip, |holders| holders.services.retain(|claim| !Arc::ptr_eq(claim, service)));
        }
        for dialled in service.node_ports() {
            let mut services = self.node_ports.remove(&dialled).unwrap_or_default();
            services.retain(|claim| !Arc::ptr_eq(claim, service));
            if !services.is_empty() {
                self.node_ports.insert(dialled, services);
            }
        }
    }

    /// The service behind an address and port: its own address, else a port of it on a node address.
    pub(super) fn service_at(&self, ip: IpAddr, port: u16, protocol: Protocol) -> Option<&Service> {
        let holders = self.claims(ip).others?;
        let own = holders.services.iter().find(|service| service.port(port, protocol).is_some());
        let service = own.or_else(|| {
            let services = self.node_ports.get(&(port, protocol)).filter(|_| holders.has_node());
            services.and_then(|services| services.first())
        });
        service.map(AsRef::as_ref)
    }

    fn change(&mut self, ip: IpAddr, change: impl FnOnce(&mut Holders)) {
        let mut holders = match self.holders.remove(&key(ip)) {
            None => Arc::default(),
            Some(Holder::Pod(pod)) => Arc::new(Holders { pods: vec![pod], ..Holders::default() }),
            Some(Holder::Others(holders)) => holders,
        };
        change(Arc::make_mut(&mut holders));
        if let Some(holder) = holders.shrunk() {
            self.holders.insert(key(ip), holder);
        }
    }
}

/// What claims an address, by what the claims of one list are ordered.
trait Claim: Clone {
    fn key(&self) -> (&str, &str);
}

impl Claim for PodHolder {
    fn key(&self) -> (&str, &str) {
        self.pod.key()
    }
}

impl Claim for Arc<Pod> {
    fn key(&self) -> (&str, &str) {
        (self.namespace(), &self.name)
    }
}

impl Claim for Arc<Service> {
    fn key(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }
}

impl Claim for Arc<str> {
    fn key(&self) -> (&str, &str) {
        ("", self)
    }
}

/// Inserts a claim in order, so that no answer hangs on the order of events.
fn insert<C: Claim>(claims: &mut Vec<C>, claim: &C) {
    let at = claims.partition_point(|other| other.key() < claim.key());
    claims.insert(at, claim.clone());
}

impl Cluster {
    /// Who holds an address.
    pub fn owner(&self, ip: IpAddr) -> Owner<'_> {
        self.addresses.owner(ip)
    }

    /// The end of a flow that an address and port stand for; a contested address is external.
    pub fn end(&self, ip: IpAddr, port: Option<u16>) -> End {
        let ip = ip.to_canonical();
        match self.owner(ip) {
            Owner::Pod(pod) => End::Pod(self.pod_end(pod, ip, port)),
            Owner::Node { name, pod } => End::Node {
                node: name.to_owned(),
                namespace: pod.map(|pod| pod.namespace().to_owned()),
                pod: pod.map(|pod| pod.name.as_ref().to_owned()),
                ip,
                port,
            },
            Owner::Service(service) => {
                End::Service { namespace: service.namespace.clone(), name: service.name.clone(), ip, port }
            }
            Owner::Contested | Owner::External => End::External { ip, port },
        }
    }

    /// The service that is dialled at an address and port: a ClusterIP, an external or load
    /// balancer address, or a NodePort on a node address.
    pub fn service_at(&self, ip: IpAddr, port: u16, protocol: Protocol) -> Option<ServiceRef> {
        let ip = ip.to_canonical();
        let service = self.addresses.service_at(ip, port, protocol)?;
        Some(ServiceRef { namespace: service.namespace.clone(), name: service.name.clone(), ip, port })
    }

    fn pod_end(&self, pod: &Pod, ip: IpAddr, port: Option<u16>) -> PodEnd {
        PodEnd {
            namespace: pod.namespace().to_owned(),
            pod: pod.name.as_ref().to_owned(),
            workload: self.workload(pod),
            ip,
            port,
            node: pod.node.as_deref().unwrap_or_default().to_owned(),
            labels: pod.labels().clone(),
        }
    }
}
