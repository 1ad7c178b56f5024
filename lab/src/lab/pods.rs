//! The pods of a lab: their devices, routes and addresses, from birth to deletion.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::path::PathBuf;

use super::{Lab, preferred};
use crate::cluster::Pod;
use crate::error::{LabError, Result};
use crate::net::netns::Netns;
use crate::net::topology::Wiring;
use crate::net::{addresses, link, programs, topology};
use crate::place::Place;
use crate::spec::PodSpec;

/// The kernel side of a pod on the pod network.
#[derive(Debug)]
pub(super) struct PodNet {
    pub(super) netns: Netns,
    pub(super) veth: String,
    /// Routes outside its own node, to be deleted with it: (node, or the core for none; route).
    routes: Vec<(Option<String>, String)>,
}

/// What a test may want to know of a pod.
#[derive(Debug, Clone)]
pub struct PodInfo {
    /// `namespace/name`.
    pub name: String,
    /// Its node.
    pub node: String,
    /// Its addresses, IPv4 first unless the test chose them.
    pub addresses: Vec<IpAddr>,
    /// The host side of its veth; none on the host's network.
    pub veth: Option<String>,
    /// The namespace it lives in.
    pub netns: PathBuf,
}

impl PodInfo {
    /// Its IPv4 address, or else its first one.
    pub fn v4(&self) -> IpAddr {
        preferred(&self.addresses, true)
    }

    /// Its IPv6 address, or else its first one.
    pub fn v6(&self) -> IpAddr {
        preferred(&self.addresses, false)
    }
}

impl Lab {
    /// Adds a pod, wired and reachable when this returns.
    pub fn pod(&mut self, spec: PodSpec) -> Result<PodInfo> {
        let key = spec.key();
        if self.cluster.pods.contains_key(&key) {
            return Err(LabError::spec(format!("pod {key}"), "there is one already"));
        }
        let node = self.node_of(&spec)?;
        let addresses = if spec.host_network {
            self.known_node(&node)?.addresses.both().to_vec()
        } else {
            self.wire_pod(&spec, &node)?
        };
        self.namespace(&spec.namespace, []);
        self.cluster.pods.insert(key.clone(), Pod { spec, node, addresses });
        self.load_services()?;
        self.pod_info(&key)
    }

    /// Removes a pod: its device at once, its processes and its object.
    pub fn delete_pod(&mut self, name: &str) -> Result<()> {
        let pod = self.cluster.pods.remove(name).ok_or_else(|| LabError::unknown("pod", name))?;
        if let Some(net) = self.pods.remove(name) {
            // A test may have deleted the device before.
            if let Err(err) =
                programs::ip_batch(self.netns_of_node(&pod.node)?, &format!("link del {}\n", net.veth))
            {
                tracing::debug!(pod = name, %err, "Device already gone.");
            }
            for (node, route) in &net.routes {
                let place = match node {
                    Some(node) => self.netns_of_node(node)?,
                    None => self.core.as_ref(),
                };
                programs::ip_batch(place, &format!("route del {route}\n"))?;
            }
            self.remains.remove(net.netns.name());
        }
        self.load_services()
    }

    /// Deletes the pod's device and leaves the rest, as when a node agent races with a deletion.
    pub fn delete_pod_interface(&self, name: &str) -> Result<()> {
        let (node, net) = self.pod_net(name)?;
        programs::ip_batch(node, &format!("link del {}\n", net.veth))
    }

    /// Gives the host side of a pod's veth another name.
    pub fn rename_veth(&mut self, name: &str, veth: &str) -> Result<()> {
        let (node, net) = self.pod_net(name)?;
        let old = &net.veth;
        if programs::ip_batch(node, &format!("link set {old} name {veth}\n")).is_err() {
            // Kernels before 6.2 rename only a device that is down, which loses its routes.
            let addresses = &self.known_pod(name)?.addresses;
            let host_side = topology::host_side(veth, addresses);
            let script =
                format!("link set {old} down\nlink set {old} name {veth}\nlink set {veth} up\n{host_side}");
            programs::ip_batch(node, &script)?;
        }
        if let Some(net) = self.pods.get_mut(name) {
            veth.clone_into(&mut net.veth);
        }
        Ok(())
    }

    /// Sets a label of a pod in the API; the network does not change, but a service may.
    pub fn label_pod(&mut self, name: &str, key: &str, value: &str) -> Result<()> {
        let pod = self.cluster.pods.get_mut(name).ok_or_else(|| LabError::unknown("pod", name))?;
        pod.spec.labels.insert(key.to_owned(), value.to_owned());
        self.load_services()
    }

    /// A pod by `namespace/name`.
    pub fn pod_info(&self, name: &str) -> Result<PodInfo> {
        let pod = self.known_pod(name)?;
        Ok(PodInfo {
            name: name.to_owned(),
            node: pod.node.clone(),
            addresses: pod.addresses.clone(),
            veth: self.pods.get(name).map(|net| net.veth.clone()),
            netns: self.netns(&Place::Pod(name.to_owned()))?.path(),
        })
    }

    fn node_of(&self, spec: &PodSpec) -> Result<String> {
        let first = self.cluster.nodes.first().map(|node| node.name.clone());
        let name = spec.node.clone().or(first).ok_or_else(|| LabError::unknown("node", ""))?;
        self.known_node(&name).map(|node| node.name.clone())
    }

    /// Makes a pod's namespace, veth and routes, and returns its addresses.
    fn wire_pod(&mut self, spec: &PodSpec, node: &str) -> Result<Vec<IpAddr>> {
        let key = spec.key();
        let addresses = if spec.addresses.is_empty() { self.allocate(node)? } else { spec.addresses.clone() };
        let veth = spec.veth.clone().unwrap_or_else(|| veth_name(&key));
        let netns = self.remains.make(&format!("pod.{}.{}", spec.namespace, spec.name))?;
        netns.set_sysctls(topology::SYSCTLS_ALL)?;
        let net = self.nodes.get(node).ok_or_else(|| LabError::unknown("node", node))?;
        let (on_node, in_pod) = match net.wiring {
            Wiring::Routed => {
                (topology::pod_on_node(&veth, netns.name(), &addresses), topology::pod(&addresses))
            }
            Wiring::Bridged => (
                topology::pod_on_bridge(&veth, netns.name()),
                topology::bridged_pod(&addresses, addresses::pod_gateway(net.index)),
            ),
        };
        programs::ip_batch(&net.netns, &on_node)?;
        net.netns.set_sysctls(&[(&topology::proxy_delay(&veth), "0")])?;
        programs::ip_batch(&netns, &in_pod)?;
        link::settle(&net.netns, &veth)?;
        link::settle(&netns, "eth0")?;
        let routes = self.lead_strays(node, &addresses)?;
        self.pods.insert(key, PodNet { netns, veth, routes });
        Ok(addresses)
    }

    fn allocate(&mut self, node: &str) -> Result<Vec<IpAddr>> {
        let net = self.nodes.get_mut(node).ok_or_else(|| LabError::unknown("node", node))?;
        net.pods_made += 1;
        // The first address of a network is left to the node, as everywhere.
        let pair = addresses::pod(net.index, net.pods_made + 1);
        let pair =
            pair.ok_or_else(|| LabError::spec(format!("a pod on {node}"), "its pod network is used up"))?;
        Ok(pair.both().to_vec())
    }

    /// Routes for addresses that lie outside their node's own pod network.
    fn lead_strays(&self, node: &str, addresses: &[IpAddr]) -> Result<Vec<(Option<String>, String)>> {
        let home = self.known_node(node)?;
        let mut routes = Vec::new();
        for address in addresses {
            let owner = addresses::pod_network_of(*address);
            if owner == Some(home.index) {
                continue;
            }
            let device = topology::uplink(home.index);
            programs::ip_batch(&self.core, &topology::stray_route(*address, home.addresses, &device))?;
            routes.push((None, address.to_string()));
            if let Some(other) = self.cluster.nodes.iter().find(|other| Some(other.index) == owner) {
                programs::ip_batch(self.netns_of_node(&other.name)?, &topology::detour(*address))?;
                routes.push((Some(other.name.clone()), address.to_string()));
            }
        }
        Ok(routes)
    }

    /// A pod on the pod network, with its node's namespace.
    pub(super) fn pod_net(&self, name: &str) -> Result<(&Netns, &PodNet)> {
        let node = self.netns_of_node(&self.known_pod(name)?.node)?;
        let net =
            self.pods.get(name).ok_or_else(|| LabError::unknown("pod with a device of its own", name))?;
        Ok((node, net))
    }
}

/// A device name as Calico makes it: `cali` and eleven digits that follow from the pod.
fn veth_name(pod: &str) -> String {
    let mut hasher = DefaultHasher::new();
    pod.hash(&mut hasher);
    format!("cali{:011x}", hasher.finish() >> 20)
}
