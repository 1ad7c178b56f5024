//! The state of a cluster: what the policies, pods, nodes and services are at one moment.
//!
//! ```text
//! [ Cluster ] -> [ Scope ] per namespace -> pods, policies, services, endpoints, owners
//!             -> [ Node ]                -> addresses
//!             -> [ AddressBook ]         -> who holds an address, and the plan of its pod
//!             -> [ Plan ] per template   -> which policies speak about its pods
//! ```
//!
//! All maps are persistent: a clone costs nothing and stays as it was while the original moves on.
//! Fed by [`Cluster::apply`] and [`Cluster::delete`] alone; never fetches, never guesses.

mod addresses;
mod apply;
mod by_name;
mod decide;
mod endpoints;
mod in_common;
mod inspect;
mod lookup;
mod names;
mod networks;
mod plans;
mod pod_table;
mod pods;
mod scope;
mod slots;
mod survey;
mod tier_lists;
mod tree;
mod ways;
mod workload;

pub use addresses::Owner;
pub(crate) use inspect::{Claim, Inspection, Laid, Route};

use crate::{BaselineReading, Pod, node::Node};
use addresses::AddressBook;
use imbl::{OrdMap, OrdSet};
use names::Answers;
use plans::Plan;
use scope::Scope;
use slots::{SlotId, Slots};
use std::{collections::BTreeSet, net::IpAddr, sync::Arc};
use tier_lists::TierLists;

/// Addresses with the pods that hold them, by their numbers.
type PodAddresses = OrdSet<(IpAddr, SlotId)>;

/// The state of a cluster at one moment.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// What lives in each namespace, also in one whose Namespace object is not known.
    scopes: OrdMap<Arc<str>, Arc<Scope>>,
    /// The nodes, also one that only [`Cluster::set_node_addresses`] told of.
    nodes: OrdMap<Arc<str>, Node>,
    /// The addresses of the pod network on each node.
    pods_by_node: OrdMap<Arc<str>, PodAddresses>,
    /// Who holds an address.
    addresses: AddressBook,
    /// Which policies speak about the pods of each template.
    plans: Slots<Plan>,
    /// The cluster-wide policies.
    tiers: TierLists,
    /// Which names lead to which addresses.
    answers: Answers,
    baseline_reading: BaselineReading,
}

impl Cluster {
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
        let pods = self.pods_by_node.get(node).into_iter().flatten();
        let ips: BTreeSet<IpAddr> = pods.map(|(ip, _)| *ip).collect();
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
}
