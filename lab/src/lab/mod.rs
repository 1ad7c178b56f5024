//! A standing lab: its namespaces, what the cluster knows of them, and the verbs of a test.

mod clients;
mod servers;

pub use self::clients::{Connection, End};

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use tokio::runtime::{self, Runtime};

use crate::attempts::{AttemptLog, Attempted};
use crate::cluster::{Cluster, Node, Pod, Service};
use crate::error::{LabError, Result};
use crate::net::addresses::{self, MAX_NODES, Pair};
use crate::net::netns::Netns;
use crate::net::remains::{self, Remains};
use crate::net::{link, programs, services, signals, topology};
use crate::objects;
use crate::place::Place;
use crate::preflight;
use crate::process::{Output, Process};
use crate::spec::{PodSpec, ServiceSpec};

/// A cluster made of network namespaces. Dropping it removes everything it made.
#[derive(Debug)]
pub struct Lab {
    remains: Arc<Remains>,
    runtime: Option<Runtime>,
    core: Arc<Netns>,
    external: Netns,
    nodes: BTreeMap<String, NodeNet>,
    pods: BTreeMap<String, PodNet>,
    cluster: Cluster,
    services_made: u16,
    attempts: AttemptLog,
}

/// The kernel side of a node.
#[derive(Debug)]
struct NodeNet {
    netns: Netns,
    index: u8,
    pods_made: u16,
    /// The service rules that are loaded.
    rules: String,
}

/// The kernel side of a pod on the pod network.
#[derive(Debug)]
struct PodNet {
    netns: Netns,
    veth: String,
    /// Routes outside its own node, to be deleted with it: (node, or the core for none; route).
    routes: Vec<(Option<String>, String)>,
}

/// What a test may want to know of a node.
#[derive(Debug, Clone)]
pub struct NodeInfo {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Pair,
    /// Its namespace, for `nsenter --net=PATH`.
    pub netns: PathBuf,
    /// Its namespace's number.
    pub inode: u64,
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

/// What a test may want to know of a service.
#[derive(Debug, Clone)]
pub struct ServiceInfo {
    /// `namespace/name`.
    pub name: String,
    /// Its ClusterIPs, IPv4 first; empty when headless.
    pub addresses: Vec<IpAddr>,
}

impl ServiceInfo {
    /// Its IPv4 ClusterIP.
    pub fn v4(&self) -> IpAddr {
        preferred(&self.addresses, true)
    }

    /// Its IPv6 ClusterIP.
    pub fn v6(&self) -> IpAddr {
        preferred(&self.addresses, false)
    }
}

impl Lab {
    /// An empty cluster: a core, and a host outside. Fails with everything that this machine lacks.
    pub fn new(name: &str) -> Result<Self> {
        preflight::check()?;
        remains::sweep();
        signals::watch().map_err(|err| LabError::socket("watch for signals", err))?;
        let remains = Remains::register(name);
        Self::build(&remains).map_err(preflight::explain).inspect_err(|_| remains.clean())
    }

    fn build(remains: &Arc<Remains>) -> Result<Self> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("lab-servers")
            .enable_all()
            .build()
            .map_err(|err| LabError::socket("start the servers' runtime", err))?;
        let core = Netns::create(&remains.name("core"))?;
        core.set_sysctls(topology::SYSCTLS_ALL)?;
        core.set_sysctls(topology::SYSCTLS_ROUTER)?;
        let external = Netns::create(&remains.name("external"))?;
        external.set_sysctls(topology::SYSCTLS_ALL)?;
        programs::ip_batch(&core, &(topology::core() + &topology::external_on_core(external.name())))?;
        programs::ip_batch(&external, &topology::external())?;
        link::settle(&core, "ext")?;
        link::settle(&external, "eth0")?;
        Ok(Self {
            remains: Arc::clone(remains),
            runtime: Some(runtime),
            core: Arc::new(core),
            external,
            nodes: BTreeMap::new(),
            pods: BTreeMap::new(),
            cluster: Cluster::default(),
            services_made: 0,
            attempts: AttemptLog::default(),
        })
    }

    /// Adds a node.
    pub fn node(&mut self, name: &str) -> Result<NodeInfo> {
        let what = || format!("node {name}");
        if self.nodes.contains_key(name) {
            return Err(LabError::spec(what(), "there is one already"));
        }
        let index = self.nodes.len() as u8 + 1;
        if index > MAX_NODES {
            return Err(LabError::spec(what(), format!("a lab has at most {MAX_NODES}")));
        }
        let (pair, networks) = (addresses::node(index), addresses::pod_networks(index));
        let netns = Netns::create(&self.remains.name(&format!("node.{name}")))?;
        netns.set_sysctls(topology::SYSCTLS_ALL)?;
        netns.set_sysctls(topology::SYSCTLS_ROUTER)?;
        programs::ip_batch(&self.core, &topology::node_on_core(index, netns.name(), pair, &networks))?;
        netns.set_sysctls(topology::SYSCTLS_NODE)?;
        programs::ip_batch(&netns, &topology::node(pair, &networks))?;
        link::settle(&self.core, &topology::uplink(index))?;
        link::settle(&netns, "eth0")?;
        let net = NodeNet { netns, index, pods_made: 0, rules: String::new() };
        self.nodes.insert(name.to_owned(), net);
        self.cluster.nodes.push(Node { name: name.to_owned(), index, addresses: pair });
        self.load_services()?;
        self.node_info(name)
    }

    /// Declares a namespace, or adds labels to one. Namespaces of pods and services come by themselves.
    pub fn namespace<'a>(&mut self, name: &str, labels: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let known = self.cluster.namespaces.entry(name.to_owned()).or_default();
        known.extend(labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

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
            let routes = topology::pod_routes(veth, addresses);
            let script =
                format!("link set {old} down\nlink set {old} name {veth}\nlink set {veth} up\n{routes}");
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

    /// Adds a service; its ClusterIPs work in every node when this returns.
    pub fn service(&mut self, spec: ServiceSpec) -> Result<ServiceInfo> {
        let key = spec.key();
        if self.cluster.services.contains_key(&key) {
            return Err(LabError::spec(format!("service {key}"), "there is one already"));
        }
        let addresses = if spec.headless {
            Vec::new()
        } else {
            self.services_made += 1;
            addresses::service(self.services_made).both().to_vec()
        };
        self.namespace(&spec.namespace, []);
        self.cluster.services.insert(key.clone(), Service { spec, addresses: addresses.clone() });
        self.load_services()?;
        Ok(ServiceInfo { name: key, addresses })
    }

    /// Gives the host outside one more address, from the networks that are routed to it.
    pub fn external_address(&self, address: IpAddr) -> Result<()> {
        let line = match address {
            IpAddr::V4(v4) => format!("addr add {v4}/32 dev eth0\n"),
            IpAddr::V6(v6) => format!("addr add {v6}/128 dev eth0 nodad\n"),
        };
        programs::ip_batch(&self.external, &line)
    }

    /// Loads a raw ruleset into a node: the test's own firewall, an independent witness.
    pub fn node_nft(&self, node: &str, ruleset: &str) -> Result<()> {
        self.nft(node, ruleset)
    }

    /// Loads a raw ruleset anywhere: in a pod, outside, in the core.
    pub fn nft(&self, place: impl Into<Place>, ruleset: &str) -> Result<()> {
        programs::nft(self.netns(&place.into())?, ruleset)
    }

    /// Runs a program to its end and returns its standard output.
    pub fn run(&self, place: impl Into<Place>, program: &str, args: &[&str]) -> Result<String> {
        programs::feed(self.netns(&place.into())?, Command::new(program).args(args), "")
    }

    /// Starts a process in a node's namespace, its output captured.
    pub fn spawn_in_node(&self, node: &str, command: Command) -> Result<Process> {
        self.spawn_in(Place::Node(node.to_owned()), command, Output::Captured)
    }

    /// Starts a process in a pod's namespace, its output captured.
    pub fn spawn_in_pod(&self, pod: &str, command: Command) -> Result<Process> {
        self.spawn_in(Place::Pod(pod.to_owned()), command, Output::Captured)
    }

    /// Starts a process anywhere in the lab.
    pub fn spawn_in(&self, place: impl Into<Place>, command: Command, output: Output) -> Result<Process> {
        Process::spawn(self.netns(&place.into())?, command, output)
    }

    /// Runs `work` on a thread inside a place; sockets made there stay there.
    pub fn within<T: Send>(&self, place: impl Into<Place>, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.netns(&place.into())?.run(work)
    }

    /// Adds objects as YAML, unchanged: policies, and what else a test wants the cluster to hold.
    pub fn add_policy_yaml(&mut self, yaml: &str) -> Result<()> {
        let manifest = |err: serde_saphyr::Error| LabError::Manifest {
            what: yaml.lines().take(8).collect::<Vec<_>>().join("\n"),
            why: err.to_string(),
        };
        let objects: Vec<Value> = serde_saphyr::from_multiple(yaml).map_err(manifest)?;
        self.cluster.extra.extend(objects.into_iter().filter(|object| !object.is_null()));
        Ok(())
    }

    /// All objects of the cluster.
    pub fn objects(&self) -> Vec<Value> {
        objects::all(&self.cluster)
    }

    /// All objects of the cluster as a YAML stream.
    pub fn manifests(&self) -> Result<String> {
        objects::to_yaml(&self.objects()).map_err(|err| LabError::Manifest {
            what: "the lab's own cluster".to_owned(),
            why: err.to_string(),
        })
    }

    /// Every attempt of every client so far.
    pub fn attempts(&self) -> Vec<Attempted> {
        self.attempts.all()
    }

    /// A node by name.
    pub fn node_info(&self, name: &str) -> Result<NodeInfo> {
        let netns = self.netns_of_node(name)?;
        Ok(NodeInfo {
            name: name.to_owned(),
            addresses: self.known_node(name)?.addresses,
            netns: netns.path(),
            inode: netns.inode()?,
        })
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

    /// Blocks until SIGINT or SIGTERM; meanwhile the lab stands.
    pub fn wait_for_end(&self) {
        signals::wait_for_end();
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
        let netns = Netns::create(&self.remains.name(&format!("pod.{}.{}", spec.namespace, spec.name)))?;
        netns.set_sysctls(topology::SYSCTLS_ALL)?;
        let on_node = topology::pod_on_node(&veth, netns.name(), &addresses);
        programs::ip_batch(self.netns_of_node(node)?, &on_node)?;
        self.netns_of_node(node)?.set_sysctls(&[(&topology::proxy_delay(&veth), "0")])?;
        programs::ip_batch(&netns, &topology::pod(&addresses))?;
        link::settle(self.netns_of_node(node)?, &veth)?;
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

    /// Brings every node's service rules up to date; a node whose rules would not change is left alone.
    fn load_services(&mut self) -> Result<()> {
        if self.cluster.services.is_empty() {
            return Ok(());
        }
        let rules = services::ruleset(&self.cluster.frontends());
        for net in self.nodes.values_mut().filter(|net| net.rules != rules) {
            programs::nft(&net.netns, &rules).map_err(preflight::explain)?;
            net.rules.clone_from(&rules);
        }
        Ok(())
    }

    fn netns(&self, place: &Place) -> Result<&Netns> {
        match place {
            Place::Core => Ok(&self.core),
            Place::External => Ok(&self.external),
            Place::Node(name) => self.netns_of_node(name),
            Place::Pod(name) => match self.pods.get(name) {
                Some(net) => Ok(&net.netns),
                None => self.netns_of_node(&self.known_pod(name)?.node),
            },
        }
    }

    fn netns_of_node(&self, name: &str) -> Result<&Netns> {
        self.nodes.get(name).map(|net| &net.netns).ok_or_else(|| LabError::unknown("node", name))
    }

    fn known_node(&self, name: &str) -> Result<&Node> {
        self.cluster.node(name).ok_or_else(|| LabError::unknown("node", name))
    }

    fn known_pod(&self, name: &str) -> Result<&Pod> {
        self.cluster.pods.get(name).ok_or_else(|| LabError::unknown("pod", name))
    }

    /// A pod on the pod network, with its node's namespace.
    fn pod_net(&self, name: &str) -> Result<(&Netns, &PodNet)> {
        let node = self.netns_of_node(&self.known_pod(name)?.node)?;
        let net =
            self.pods.get(name).ok_or_else(|| LabError::unknown("pod with a device of its own", name))?;
        Ok((node, net))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Not waited for: a lab may be dropped inside someone's async test.
            runtime.shutdown_background();
        }
        self.remains.clean();
    }
}

/// A device name as Calico makes it: `cali` and eleven digits that follow from the pod.
fn veth_name(pod: &str) -> String {
    let mut hasher = DefaultHasher::new();
    pod.hash(&mut hasher);
    format!("cali{:011x}", hasher.finish() >> 20)
}

fn preferred(addresses: &[IpAddr], v4: bool) -> IpAddr {
    let wanted = addresses.iter().find(|address| address.is_ipv4() == v4);
    *wanted.or(addresses.first()).expect("a pod or a service with a ClusterIP has an address")
}
