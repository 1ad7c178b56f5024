//! A standing lab: its namespaces, what the cluster knows of them, and the verbs of a test.

mod clients;
mod enforce;
mod pods;
mod servers;

pub use self::clients::{Connection, End};
use self::enforce::Held;
pub use self::pods::PodInfo;
use self::pods::PodNet;
pub use crate::net::signals::EndSignal;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use tokio::runtime::{self, Runtime};

use crate::attempts::{AttemptLog, Attempted};
use crate::cluster::{Cluster, Node, Pod, Service};
use crate::enforce::cgroup::Cgroup;
use crate::error::{LabError, Result};
use crate::net::addresses::{self, MAX_NODES, Pair};
use crate::net::netns::Netns;
use crate::net::remains::{self, Remains};
use crate::net::topology::Wiring;
use crate::net::{link, programs, services, signals, topology};
use crate::objects;
use crate::place::Place;
use crate::preflight;
use crate::process::{Output, Process};
use crate::spec::ServiceSpec;

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
    enforced: usize,
    held: Vec<Held>,
    /// Of the pods whose sockets are born in one.
    cgroups: BTreeMap<String, Arc<Cgroup>>,
}

/// The kernel side of a node.
#[derive(Debug)]
struct NodeNet {
    netns: Netns,
    index: u8,
    wiring: Wiring,
    pods_made: u16,
    /// The service rules that are loaded.
    rules: String,
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
        let core = remains.make("core")?;
        core.set_sysctls(topology::SYSCTLS_ALL)?;
        core.set_sysctls(topology::SYSCTLS_ROUTER)?;
        let external = remains.make("external")?;
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
            enforced: 0,
            held: Vec::new(),
            cgroups: BTreeMap::new(),
        })
    }

    /// Adds a node that routes to each of its pods.
    pub fn node(&mut self, name: &str) -> Result<NodeInfo> {
        self.add_node(name, Wiring::Routed)
    }

    /// Adds a node whose pods hang on a bridge, and reach each other through it without being routed.
    pub fn bridged_node(&mut self, name: &str) -> Result<NodeInfo> {
        self.add_node(name, Wiring::Bridged)
    }

    fn add_node(&mut self, name: &str, wiring: Wiring) -> Result<NodeInfo> {
        let what = || format!("node {name}");
        if self.nodes.contains_key(name) {
            return Err(LabError::spec(what(), "there is one already"));
        }
        let index = self.nodes.len() as u8 + 1;
        if index > MAX_NODES {
            return Err(LabError::spec(what(), format!("a lab has at most {MAX_NODES}")));
        }
        let (pair, networks) = (addresses::node(index), addresses::pod_networks(index));
        let netns = self.remains.make(&format!("node.{name}"))?;
        netns.set_sysctls(topology::SYSCTLS_ALL)?;
        netns.set_sysctls(topology::SYSCTLS_ROUTER)?;
        programs::ip_batch(&self.core, &topology::node_on_core(index, netns.name(), pair, &networks))?;
        netns.set_sysctls(topology::SYSCTLS_NODE)?;
        programs::ip_batch(&netns, &topology::node(pair))?;
        programs::ip_batch(&netns, &topology::pods_of(wiring, index))?;
        link::settle(&self.core, &topology::uplink(index))?;
        link::settle(&netns, "eth0")?;
        let net = NodeNet { netns, index, wiring, pods_made: 0, rules: String::new() };
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

    /// Adds a service; its ClusterIPs work in every node when this returns.
    pub fn service(&mut self, spec: ServiceSpec) -> Result<ServiceInfo> {
        let key = spec.key();
        self.services([spec])?;
        self.service_info(&key)
    }

    /// Adds services, all at once.
    pub fn services(&mut self, specs: impl IntoIterator<Item = ServiceSpec>) -> Result<()> {
        for spec in specs {
            self.declare_service(spec)?;
        }
        self.load_services()
    }

    fn declare_service(&mut self, spec: ServiceSpec) -> Result<()> {
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
        self.cluster.services.insert(key, Service { spec, addresses });
        Ok(())
    }

    /// Gives the host outside one more address, from the networks that are routed to it.
    pub fn external_address(&self, address: IpAddr) -> Result<()> {
        let line = match address {
            IpAddr::V4(v4) => format!("addr add {v4}/32 dev eth0\n"),
            IpAddr::V6(v6) => format!("addr add {v6}/128 dev eth0 nodad\n"),
        };
        programs::ip_batch(&self.external, &line)
    }

    /// Loads a raw ruleset into a node: the test's own firewall, an independent witness. (Old versions of nft want
    /// a line break or semicolon after the bracket that closes a chain.)
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

    /// Runs many lines of `ip` in one process, as `ip -batch` does.
    pub fn ip_batch(&self, place: impl Into<Place>, lines: &str) -> Result<()> {
        programs::ip_batch(self.netns(&place.into())?, lines)
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

    /// A service by `namespace/name`.
    pub fn service_info(&self, name: &str) -> Result<ServiceInfo> {
        let service = self.cluster.services.get(name).ok_or_else(|| LabError::unknown("service", name))?;
        Ok(ServiceInfo { name: name.to_owned(), addresses: service.addresses.clone() })
    }

    /// Takes the next SIGINT or SIGTERM, which would otherwise remove the lab and end the process.
    pub fn claim_end(&self) -> EndSignal {
        EndSignal::claim()
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

    /// The control group of a pod's sockets.
    fn cgroup(&self, place: &Place) -> Option<&Cgroup> {
        let Place::Pod(name) = place else { return None };
        self.cgroups.get(name).map(Arc::as_ref)
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

fn preferred(addresses: &[IpAddr], v4: bool) -> IpAddr {
    let wanted = addresses.iter().find(|address| address.is_ipv4() == v4);
    *wanted.or(addresses.first()).expect("a pod or a service with a ClusterIP has an address")
}
