//! Who holds an address (M4–M6).

use super::{
    Cluster,
    pod_table::{Key, PodHolder, PodTable, key},
    slots::{SlotId, Slots},
};
use crate::{End, Pod, PodEnd, Protocol, ServiceRef, Who, node::Node, service::Service};
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

/// An index from addresses to those who claim them; an address is in one of the two tables.
#[derive(Clone, Debug, Default)]
pub(super) struct AddressBook {
    /// One pod and nobody else: what most addresses have.
    single: PodTable,
    /// Whoever else.
    others: HashMap<Key, Arc<Holders>>,
    /// The pods that hold addresses of the pod network.
    pods: Slots<Arc<Pod>>,
    /// Services by what is dialled on a node address.
    node_ports: HashMap<(u16, Protocol), Vec<Arc<Service>>>,
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
#[derive(Clone, Copy, Debug)]
pub(super) struct Claims<'a> {
    /// Live pods of the pod network.
    pub(super) pods: Claimants<'a>,
    /// All others.
    pub(super) others: Option<&'a Holders>,
}

/// The live pods of the pod network that claim an address.
#[derive(Clone, Copy, Debug)]
pub(super) enum Claimants<'a> {
    Nobody,
    One(PodHolder),
    Several(&'a [PodHolder]),
}

/// Whether an address belongs to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belongs {
    Yes,
    No,
    /// Another node claims it as well.
    Contested,
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

    /// The pod, where it is the only claimant of all.
    fn single(&self) -> Option<PodHolder> {
        match self.pods.as_slice() {
            [holder] if self.is_empty_beside_pods() => Some(*holder),
            _ => None,
        }
    }

    fn is_empty_beside_pods(&self) -> bool {
        let Self { pods: _, host_pods, nodes, extra_nodes, services } = self;
        host_pods.is_empty() && nodes.is_empty() && extra_nodes.is_empty() && services.is_empty()
    }

    /// The owner where no pod of the pod network claims the address.
    fn owner_beside_pods(&self) -> Owner<'_> {
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

impl AddressBook {
    /// Who claims an address.
    pub(super) fn claims(&self, ip: IpAddr) -> Claims<'_> {
        if let Some(holder) = self.single.get(ip) {
            return Claims { pods: Claimants::One(holder), others: None };
        }
        let others = self.others.get(&key(ip)).map(AsRef::as_ref);
        let pods = match others.map_or(&[][..], |holders| &holders.pods) {
            [] => Claimants::Nobody,
            [holder] => Claimants::One(*holder),
            several => Claimants::Several(several),
        };
        Claims { pods, others }
    }

    /// The pod that holds an address.
    pub(super) fn pod(&self, holder: PodHolder) -> Option<&Arc<Pod>> {
        self.pods.get(holder.pod)
    }

    fn owner(&self, ip: IpAddr) -> Owner<'_> {
        let Claims { pods, others } = self.claims(ip);
        match pods {
            Claimants::One(holder) => self.pod(holder).map_or(Owner::External, |pod| Owner::Pod(pod)),
            Claimants::Several(_) => Owner::Contested,
            Claimants::Nobody => others.map_or(Owner::External, Holders::owner_beside_pods),
        }
    }

    /// A host-network pod is its node's addresses (N35), none without a node.
    pub(super) fn add_host_pod(&mut self, pod: &Arc<Pod>) {
        if pod.node.is_some() {
            for ip in &pod.ips {
                self.change(*ip, |holders| insert(&mut holders.host_pods, pod));
            }
        }
    }

    pub(super) fn remove_host_pod(&mut self, pod: &Arc<Pod>) {
        for ip in &pod.ips {
            self.change(*ip, |holders| holders.host_pods.retain(|claim| !Arc::ptr_eq(claim, pod)));
        }
    }

    /// A live pod of the pod network, with the plan of its template.
    ///
    /// Gives its number, unless it has no address.
    pub(super) fn add_pod(&mut self, pod: &Arc<Pod>, plan: SlotId) -> Option<SlotId> {
        if pod.ips.is_empty() {
            return None;
        }
        let holder = PodHolder { pod: self.pods.insert(Arc::clone(pod)), plan };
        for ip in pod.ips.iter().copied() {
            match (self.single.get(ip), self.others.contains_key(&key(ip))) {
                (None, false) => self.single.insert(ip, holder),
                _ => self.add_claim(ip, holder),
            }
        }
        Some(holder.pod)
    }

    /// Adds a pod to the other claimants of an address, by name.
    fn add_claim(&mut self, ip: IpAddr, holder: PodHolder) {
        let pods = self.pods.clone();
        let name = |holder: &PodHolder| pods.get(holder.pod).map(|pod| (pod.namespace(), &*pod.name));
        self.change(ip, |holders| {
            let at = holders.pods.partition_point(|other| name(other) < name(&holder));
            holders.pods.insert(at, holder);
        });
    }

    /// Gives the number that it had, if it held any address.
    pub(super) fn remove_pod(&mut self, pod: &Arc<Pod>) -> Option<SlotId> {
        let holder = pod.ips.first().and_then(|ip| self.holder_of(*ip, pod))?;
        for ip in pod.ips.iter().copied() {
            if self.single.get(ip) == Some(holder) {
                self.single.remove(ip);
            } else {
                self.change(ip, |holders| holders.pods.retain(|claim| *claim != holder));
            }
        }
        self.pods.remove(holder.pod);
        Some(holder.pod)
    }

    /// How a pod holds one of its addresses.
    fn holder_of(&self, ip: IpAddr, pod: &Arc<Pod>) -> Option<PodHolder> {
        let is_it = |holder: &PodHolder| self.pod(*holder).is_some_and(|held| Arc::ptr_eq(held, pod));
        match self.claims(ip).pods {
            Claimants::Nobody => None,
            Claimants::One(holder) => Some(holder).filter(is_it),
            Claimants::Several(holders) => holders.iter().copied().find(is_it),
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

    /// The services that have an address as their own.
    pub(super) fn services_of(&self, ip: IpAddr) -> impl Iterator<Item = &Service> {
        let others = self.claims(ip).others.into_iter();
        others.flat_map(|holders| &holders.services).map(AsRef::as_ref)
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

    /// Changes who claims an address, and keeps it in the table where it belongs.
    fn change(&mut self, ip: IpAddr, change: impl FnOnce(&mut Holders)) {
        let key = key(ip);
        let mut holders = self.others.remove(&key).unwrap_or_default();
        if let Some(pod) = self.single.remove(ip) {
            Arc::make_mut(&mut holders).pods.push(pod);
        }
        change(Arc::make_mut(&mut holders));
        if let Some(pod) = holders.single() {
            self.single.insert(ip, pod);
        } else if !(holders.pods.is_empty() && holders.is_empty_beside_pods()) {
            self.others.insert(key, holders);
        }
    }
}

/// What claims an address, by what the claims of one list are ordered.
trait Claim: Clone {
    fn key(&self) -> (&str, &str);
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
        let who = match self.owner(ip) {
            Owner::Pod(pod) => Who::Pod(self.pod_end(pod, ip)),
            Owner::Node { name, pod } => Who::Node {
                node: name.to_owned(),
                namespace: pod.map(|pod| pod.namespace().to_owned()),
                pod: pod.map(|pod| pod.name.as_ref().to_owned()),
                ip,
            },
            Owner::Service(service) => {
                Who::Service { namespace: service.namespace.clone(), name: service.name.clone(), ip }
            }
            Owner::Contested | Owner::External => Who::External { ip },
        };
        who.at(port)
    }

    /// The service that is dialled at an address and port: a ClusterIP, an external or load
    /// balancer address, or a NodePort on a node address.
    pub fn service_at(&self, ip: IpAddr, port: u16, protocol: Protocol) -> Option<ServiceRef> {
        let ip = ip.to_canonical();
        let service = self.addresses.service_at(ip, port, protocol)?;
        Some(ServiceRef { namespace: service.namespace.clone(), name: service.name.clone(), ip, port })
    }

    fn pod_end(&self, pod: &Pod, ip: IpAddr) -> PodEnd {
        PodEnd {
            namespace: pod.namespace().to_owned(),
            pod: pod.name.as_ref().to_owned(),
            workload: self.workload(pod),
            ip,
            node: pod.node.as_deref().unwrap_or_default().to_owned(),
            labels: Arc::new(pod.labels().clone()),
        }
    }
}
