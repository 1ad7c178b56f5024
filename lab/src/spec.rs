//! What a test says it wants: pods and services, in builders that read like prose.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Labels, annotations, selectors.
pub type Labels = BTreeMap<String, String>;

/// A transport protocol, spelled as Kubernetes does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// ICMP or ICMPv6 echo; never a service's or a container's.
    Icmp,
}

impl Protocol {
    /// `TCP`, `UDP`, `SCTP`, `ICMP`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
            Self::Icmp => "ICMP",
        }
    }

    /// The spelling of nftables and of port names.
    pub(crate) fn keyword(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            Self::Icmp => "icmp",
        }
    }
}

impl From<&str> for Protocol {
    /// Reads a spelling in any case; what is not known is TCP, as Kubernetes defaults.
    fn from(text: &str) -> Self {
        match text.to_ascii_uppercase().as_str() {
            "UDP" => Self::Udp,
            "SCTP" => Self::Sctp,
            "ICMP" => Self::Icmp,
            _ => Self::Tcp,
        }
    }
}

/// A container port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodPort {
    /// Its name, possibly empty.
    pub name: String,
    /// Its number.
    pub port: u16,
    /// Its protocol.
    pub protocol: Protocol,
}

/// The workload that a pod belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A pod to be.
#[derive(Debug, Clone)]
pub struct PodSpec {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) node: Option<String>,
    pub(crate) labels: Labels,
    pub(crate) ports: Vec<PodPort>,
    pub(crate) owner: Option<Owner>,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) host_network: bool,
    pub(crate) veth: Option<String>,
    pub(crate) phase: String,
}

impl PodSpec {
    /// A pod `namespace/name` (without a slash: in `default`).
    pub fn new(name: &str) -> Self {
        let (namespace, name) = split(name);
        Self {
            namespace,
            name,
            node: None,
            labels: Labels::new(),
            ports: Vec::new(),
            owner: None,
            addresses: Vec::new(),
            host_network: false,
            veth: None,
            phase: "Running".to_owned(),
        }
    }

    /// Its node; the lab's first one otherwise.
    #[must_use]
    pub fn node(mut self, node: &str) -> Self {
        self.node = Some(node.to_owned());
        self
    }

    /// One more label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// One more container port.
    #[must_use]
    pub fn port(mut self, name: &str, port: u16, protocol: impl Into<Protocol>) -> Self {
        self.ports.push(PodPort { name: name.to_owned(), port, protocol: protocol.into() });
        self
    }

    /// The workload it belongs to. A Deployment brings its ReplicaSet, a CronJob its Job.
    #[must_use]
    pub fn owner(mut self, kind: &str, name: &str) -> Self {
        self.owner = Some(Owner { kind: kind.to_owned(), name: name.to_owned() });
        self
    }

    /// An address of the test's choice; called twice for dual stack. Replaces the allocated pair.
    #[must_use]
    pub fn ip(mut self, address: IpAddr) -> Self {
        self.addresses.push(address);
        self
    }

    /// On the node's own network: no namespace, no addresses of its own.
    #[must_use]
    pub fn host_network(mut self) -> Self {
        self.host_network = true;
        self
    }

    /// The name of the host side of its veth; `cali…` otherwise.
    #[must_use]
    pub fn veth(mut self, name: &str) -> Self {
        self.veth = Some(name.to_owned());
        self
    }

    /// Its phase in the API; `Running` otherwise.
    #[must_use]
    pub fn phase(mut self, phase: &str) -> Self {
        phase.clone_into(&mut self.phase);
        self
    }

    /// `namespace/name`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// Where a service port leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A port number.
    Number(u16),
    /// A container port's name.
    Name(String),
}

impl From<u16> for Target {
    fn from(port: u16) -> Self {
        Self::Number(port)
    }
}

impl From<&str> for Target {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

/// A port of a service.
#[derive(Debug, Clone)]
pub(crate) struct ServicePort {
    pub(crate) port: u16,
    pub(crate) target: Target,
    pub(crate) protocol: Protocol,
    pub(crate) node_port: Option<u16>,
}

impl ServicePort {
    /// Its name in the API: unique among the service's ports.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.protocol.keyword(), self.port)
    }
}

/// A service to be.
#[derive(Debug, Clone)]
pub struct ServiceSpec {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) ports: Vec<ServicePort>,
    pub(crate) selector: Labels,
    pub(crate) headless: bool,
}

impl ServiceSpec {
    /// A service `namespace/name` (without a slash: in `default`).
    pub fn new(name: &str) -> Self {
        let (namespace, name) = split(name);
        Self { namespace, name, ports: Vec::new(), selector: Labels::new(), headless: false }
    }

    /// One more port, to a port number or a port name of the pods.
    #[must_use]
    pub fn port(mut self, port: u16, target: impl Into<Target>, protocol: impl Into<Protocol>) -> Self {
        let (target, protocol) = (target.into(), protocol.into());
        self.ports.push(ServicePort { port, target, protocol, node_port: None });
        self
    }

    /// Opens the port added last on every node too.
    #[must_use]
    pub fn node_port(mut self, node_port: u16) -> Self {
        if let Some(last) = self.ports.last_mut() {
            last.node_port = Some(node_port);
        }
        self
    }

    /// The labels of its pods.
    #[must_use]
    pub fn selects<'a>(mut self, labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        self.selector.extend(labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())));
        self
    }

    /// Without a ClusterIP.
    #[must_use]
    pub fn headless(mut self) -> Self {
        self.headless = true;
        self
    }

    /// `namespace/name`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

fn split(name: &str) -> (String, String) {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    (namespace.to_owned(), name.to_owned())
}
