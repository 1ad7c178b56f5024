//! The ends of a flow, and the service that stands between them.

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodEnd {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The workload it belongs to.
    pub workload: Workload,
    /// Its address in this flow.
    pub ip: IpAddr,
    /// Its port in this flow; null where the protocol has none.
    pub port: Option<u16>,
    /// The node it runs on.
    pub node: String,
    /// Its labels when the attempt was made: for filters, not printed. Many flows name the same pod.
    #[serde(default, skip_serializing)]
    pub labels: Arc<BTreeMap<String, String>>,
}

/// One end of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum End {
    /// A pod of the pod network.
    Pod(PodEnd),
    /// An address of a node: its own processes and its host-network pods.
    Node {
        /// The node's name.
        node: String,
        /// The namespace of the host-network pod, when one is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        /// The host-network pod, when one is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pod: Option<String>,
        /// The address.
        ip: IpAddr,
        /// The port; null where the protocol has none.
        port: Option<u16>,
    },
    /// A service address behind which no endpoint was chosen.
    Service {
        /// The service's namespace.
        namespace: String,
        /// The service's name.
        name: String,
        /// The service address.
        ip: IpAddr,
        /// The service port; null where the protocol has none.
        port: Option<u16>,
    },
    /// Any other address.
    External {
        /// The address.
        ip: IpAddr,
        /// The port; null where the protocol has none.
        port: Option<u16>,
    },
}

impl End {
    /// The address of this end.
    pub const fn ip(&self) -> IpAddr {
        match self {
            Self::Pod(PodEnd { ip, .. })
            | Self::Node { ip, .. }
            | Self::Service { ip, .. }
            | Self::External { ip, .. } => *ip,
        }
    }

    /// The port of this end.
    pub const fn port(&self) -> Option<u16> {
        match self {
            Self::Pod(PodEnd { port, .. })
            | Self::Node { port, .. }
            | Self::Service { port, .. }
            | Self::External { port, .. } => *port,
        }
    }

    /// The same end at another port.
    #[must_use]
    pub fn with_port(mut self, number: Option<u16>) -> Self {
        match &mut self {
            Self::Pod(PodEnd { port, .. })
            | Self::Node { port, .. }
            | Self::Service { port, .. }
            | Self::External { port, .. } => *port = number,
        }
        self
    }

    /// The namespace of this end, where it has one.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Pod(PodEnd { namespace, .. }) | Self::Service { namespace, .. } => Some(namespace),
            Self::Node { namespace, .. } => namespace.as_deref(),
            Self::External { .. } => None,
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
