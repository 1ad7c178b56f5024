//! What an agent is given, and why it may not go on.

use crate::{
    capture::{DevicesError, ProbesError, Wishes},
    connections::Limits,
    kernel::TypesError,
    sink::SinkError,
    stream::{SpoolConfig, SpoolError},
};
use portolan_policy::Object;
use std::io::Write;
use tokio::net::TcpListener;

/// Where the cluster state comes from.
pub enum Source {
    /// Objects that were read from files.
    Objects(Vec<Object>),
    /// A Kubernetes API server.
    Kubernetes(Box<kube::Config>),
}

/// Where flows go.
pub enum Output {
    /// JSON lines.
    Lines(Box<dyn Write + Send>),
    /// A collector.
    Collector {
        /// Its endpoint.
        endpoint: Box<tonic::transport::Endpoint>,
        /// The cluster's name in its records.
        cluster: String,
        /// Where batches wait for it on disk; in memory when absent.
        spool: Option<SpoolConfig>,
    },
}

/// All that an agent needs.
pub struct Config {
    /// The node's name; found out from the cluster state when absent.
    pub node: Option<String>,
    /// Where the cluster state comes from.
    pub source: Source,
    /// Where flows go.
    pub output: Output,
    /// Which probes, and how.
    pub probes: Wishes,
    /// When attempts are closed.
    pub limits: Limits,
    /// How many openings a second are traced through nftables, to name the very rule.
    pub trace: Option<u32>,
    /// Whether a witness stands before and after netfilter's forwarding hooks.
    pub witness: bool,
    /// Where metrics are served.
    pub metrics: Option<TcpListener>,
    /// Where gRPC health is served.
    pub health: Option<TcpListener>,
    /// Called once, when the agent has attached and has its cluster state.
    pub ready: Box<dyn FnOnce() + Send>,
}

/// The agent cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The network namespace that we are in cannot be told.
    #[error("cannot read /proc/self/ns/net to tell the network namespace")]
    Netns(#[source] std::io::Error),
    /// The kernel does not show its types.
    #[error(transparent)]
    Types(#[from] TypesError),
    /// The probes cannot be loaded.
    #[error("cannot load the probes")]
    Probes(#[from] ProbesError),
    /// Netlink cannot be used.
    #[error("cannot watch the pod interfaces")]
    Devices(#[from] DevicesError),
    /// There is no Kubernetes client with this configuration.
    #[error("cannot make a Kubernetes client")]
    Kubernetes(#[source] Box<kube::Error>),
    /// No thread can be started.
    #[error("cannot start a thread of capture")]
    Thread(#[source] std::io::Error),
    /// The capture thread ended before it was told to.
    #[error("a thread of capture ended by itself")]
    CaptureEnded,
    /// There is no spool to be had.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Flows cannot be passed on.
    #[error(transparent)]
    Sink(#[from] SinkError),
}
