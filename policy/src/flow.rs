//! The record that Portolan is about: a flow, in the shape that `observe -o jsonl` prints.

use crate::{Protocol, SideDecision};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr};

/// What the network was seen to do with an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The destination answered.
    Established,
    /// The destination itself turned it away: a reset, or a port unreachable sent by the pod.
    Refused,
    /// A firewall turned it away: a reset or an ICMP error that no pod sent.
    Rejected,
    /// The kernel dropped it; the flow carries the reason.
    Dropped,
    /// Nothing came back.
    NoReply,
    /// A one-way protocol that was not answered.
    Delivered,
}

impl Outcome {
    /// Every outcome, in the order of the enum.
    pub const ALL: [Self; 6] =
        [Self::Established, Self::Refused, Self::Rejected, Self::Dropped, Self::NoReply, Self::Delivered];

    /// The spelling used in JSON, metrics and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Dropped => "dropped",
            Self::NoReply => "no-reply",
            Self::Delivered => "delivered",
        }
    }
}

/// Outcome and decision taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Policies admit it and it went through.
    Allowed,
    /// Policies deny it and it did not go through.
    Denied,
    /// Policies deny it and it reached the pod all the same.
    Unenforced,
    /// Policies admit it and something else dropped or rejected it.
    Blocked,
    /// Policies admit it and nobody answered, or the pod refused.
    Failed,
    /// A mismatch within seconds of a pod or policy change.
    Settling,
    /// It cannot be said.
    Undecided,
}

impl Verdict {
    /// Every verdict, in the order of the enum.
    pub const ALL: [Self; 7] = [
        Self::Allowed,
        Self::Denied,
        Self::Unenforced,
        Self::Blocked,
        Self::Failed,
        Self::Settling,
        Self::Undecided,
    ];

    /// The spelling used in JSON, metrics and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Unenforced => "unenforced",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::Settling => "settling",
            Self::Undecided => "undecided",
        }
    }
}

/// Which ends of the connection the reporting agents saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reporter {
    /// The node of the source only.
    Source,
    /// The node of the destination only.
    Destination,
    /// The nodes of both ends, which may be one node.
    Both,
}

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
    /// Its labels when the attempt was made: for filters, not printed.
    #[serde(default, skip_serializing)]
    pub labels: BTreeMap<String, String>,
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

/// How long the handshakes of a flow took, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// The shortest.
    pub min: u64,
    /// The median.
    pub p50: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

impl Latency {
    /// The latency of a single attempt.
    pub const fn single(micros: u64) -> Self {
        Self { min: micros, p50: micros, p99: micros, max: micros }
    }
}

/// One or more attempts that share source, destination, port, protocol, verdict and policies.
///
/// Field order is the order of the JSON contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// When the first attempt was made.
    pub time: Timestamp,
    /// When the last evidence about it was seen.
    pub end_time: Timestamp,
    /// Who opened the connection.
    pub source: End,
    /// Whom it reached or would have reached, after destination NAT.
    pub destination: End,
    /// The service it was opened through.
    pub service: Option<ServiceRef>,
    /// The transport protocol.
    pub protocol: Protocol,
    /// What the network was seen to do.
    pub outcome: Outcome,
    /// The kernel's name for the drop.
    pub drop_reason: Option<String>,
    /// Outcome and decision together.
    pub verdict: Verdict,
    /// Whether the verdict rests on silence instead of on a drop that was seen.
    #[serde(default)]
    pub inferred: bool,
    /// What the policies say at the source.
    pub egress: SideDecision,
    /// What the policies say at the destination.
    pub ingress: SideDecision,
    /// Who saw it.
    pub reporter: Reporter,
    /// How many attempts the record stands for.
    pub attempts: u64,
    /// Packets seen, both directions.
    pub packets: u64,
    /// Transport payload bytes, both directions.
    pub bytes: u64,
    /// How long the handshakes took.
    pub latency_us: Option<Latency>,
    /// Records lost before this one that it may stand beside.
    pub lost: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_spelled_as_in_json() {
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
        }
    }
}
