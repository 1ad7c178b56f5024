//! The ends of a flow, and the service that stands between them. Many flows share who an end is.

mod json;

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

/// The workload that a pod belongs to: its top owner, or the pod itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Workload {
    /// The kind of the owner: Deployment, StatefulSet, CronJob, Pod and so on.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A pod at one end of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodEnd {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The workload it belongs to.
    pub workload: Workload,
    /// Its address in this flow.
    pub ip: IpAddr,
    /// The node it runs on.
    pub node: String,
    /// Its labels when the attempt was made: for filters, not printed. Many pods have the same.
    pub labels: Arc<BTreeMap<String, String>>,
}

/// Who an end is, at whatever port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// A pod of the pod network.
    Pod(PodEnd),
    /// An address of a node: its own processes and its host-network pods.
    Node {
        /// The node's name.
        node: String,
        /// The namespace of the host-network pod, when one is known.
        namespace: Option<String>,
        /// The host-network pod, when one is known.
        pod: Option<String>,
        /// The address.
        ip: IpAddr,
    },
    /// A service address behind which no endpoint was chosen.
    Service {
        /// The service's namespace.
        namespace: String,
        /// The service's name.
        name: String,
        /// The service address.
        ip: IpAddr,
    },
    /// Any other address.
    External {
        /// The address.
        ip: IpAddr,
    },
}

impl Who {
    /// The end that this is at a port; null where the protocol has none.
    pub fn at(self, port: Option<u16>) -> End {
        End::new(Arc::new(self), port)
    }

    /// Its address.
    pub const fn ip(&self) -> IpAddr {
        match self {
            Self::Pod(PodEnd { ip, .. })
            | Self::Node { ip, .. }
            | Self::Service { ip, .. }
            | Self::External { ip } => *ip,
        }
    }
}

/// One end of a flow: cheap to copy, for who it is is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    who: Arc<Who>,
    port: Option<u16>,
}

impl End {
    /// An end that shares who it is with others.
    pub const fn new(who: Arc<Who>, port: Option<u16>) -> Self {
        Self { who, port }
    }

    /// Who it is.
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// The same, to share. Ends that share it are equal but for the port.
    pub const fn shared(&self) -> &Arc<Who> {
        &self.who
    }

    /// The address of this end.
    pub fn ip(&self) -> IpAddr {
        self.who.ip()
    }

    /// The port of this end; null where the protocol has none.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The same end at another port.
    #[must_use]
    pub fn with_port(self, port: Option<u16>) -> Self {
        Self { port, ..self }
    }

    /// The namespace of this end, where it has one.
    pub fn namespace(&self) -> Option<&str> {
        match self.who() {
            Who::Pod(PodEnd { namespace, .. }) | Who::Service { namespace, .. } => Some(namespace),
            Who::Node { namespace, .. } => namespace.as_deref(),
            Who::External { .. } => None,
        }
    }
}

/// The service that a connection was opened through.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ServiceRef {
    /// The service's namespace.
    pub namespace: String,
    /// The service's name.
    pub name: String,
    /// The address that was dialled.
    pub ip: IpAddr,
    /// The port that was dialled.
    pub port: u16,
}
