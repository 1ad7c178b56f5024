//! What the graph says: the records of `portolan.v1.Graph`, in the shape and the order that `-o json` prints.

use jiff::Timestamp;
use portolan_policy::{Outcome, PolicyRef, Protocol, SideDecision, Verdict, Workload};
use serde::{Serialize, Serializer};
use std::net::IpAddr;

/// What an answer is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Covered {
    /// The beginning of the first bucket: they are taken whole.
    pub from: Timestamp,
    /// The end of the last one.
    pub to: Timestamp,
    /// Parts of the graph that could not be read.
    pub damaged: u64,
    /// How many edges, or hits of policies, are as wanted; some of them are told.
    pub matching: u64,
    /// How many of them.
    pub told: u64,
    /// Attempts on all edges that are as wanted.
    pub attempts: u64,
    /// Attempts beyond the bounds of a day, of which nobody knows whether they are as wanted.
    pub others: u64,
    /// Flows that are kept and not counted yet.
    pub behind: u64,
}

/// One end of an edge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Party {
    /// The pods of a workload.
    Workload {
        /// Their namespace.
        namespace: String,
        /// Their top owner.
        workload: Workload,
    },
    /// A node: its own processes and its host-network pods.
    Node {
        /// Its name.
        node: String,
    },
    /// A service address behind which no endpoint was chosen.
    Service {
        /// The namespace of the service.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Any other address.
    External {
        /// The address.
        ip: IpAddr,
    },
    /// Everybody beyond the bound on distinct parties.
    Other,
}

/// The service that connections were opened through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Attempts of one outcome, verdict and drop reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutcomeCount {
    /// What the network was seen to do.
    pub outcome: Outcome,
    /// Outcome and decision together.
    pub verdict: Verdict,
    /// The kernel's name for the drop.
    pub drop_reason: Option<String>,
    /// How many.
    pub attempts: u64,
}

/// How long handshakes took, in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// How many handshakes.
    pub count: u64,
    /// The shortest.
    pub min: u64,
    /// The median.
    pub p50: u64,
    /// The 90th percentile.
    pub p90: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The longest.
    pub max: u64,
    /// Each figure with how often it occurred, where it was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub histogram: Vec<(u64, u64)>,
}

/// The side of a connection that policies speak about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// That of the source.
    Egress,
    /// That of the destination.
    Ingress,
}

impl Direction {
    /// As it is spelled everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Ingress => "ingress",
        }
    }
}

/// What the policies said on one side, and to how many attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecisionCount {
    /// Which side.
    pub direction: Direction,
    /// What they said.
    #[serde(flatten)]
    pub decision: SideDecision,
    /// To how many attempts.
    pub attempts: u64,
    /// When the first of them was made.
    pub first: Timestamp,
    /// When something was last seen of one of them.
    pub last: Timestamp,
}

/// Everything between two parties on one port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// Who opened the connections.
    pub source: Party,
    /// Whom they reached or would have reached, after destination NAT.
    pub destination: Party,
    /// The service they were opened through.
    pub service: Option<Service>,
    /// The destination's port, after destination NAT.
    pub port: Option<u16>,
    /// The transport protocol.
    pub protocol: Protocol,
    /// How many attempts, as flows tell them.
    pub attempts: u64,
    /// How many of them had been told before, with another outcome: so many fewer were made.
    pub revised: u64,
    /// How many of each verdict, in the order of the verdicts; a map in JSON.
    #[serde(serialize_with = "by_word")]
    pub verdicts: Vec<(Verdict, u64)>,
    /// The same by outcome and drop reason.
    pub outcomes: Vec<OutcomeCount>,
    /// Packets, both directions.
    pub packets: u64,
    /// Transport payload, both directions.
    pub bytes: u64,
    /// Segments sent again, where sockets told.
    pub retransmits: u64,
    /// When the first attempt was made.
    pub first: Timestamp,
    /// When something was last seen of one, its end included.
    pub last: Timestamp,
    /// How long the handshakes took.
    pub latency_us: Option<Latency>,
    /// What the policies said.
    pub decisions: Vec<DecisionCount>,
}

impl Edge {
    /// How many attempts had this verdict.
    pub fn of(&self, verdict: Verdict) -> u64 {
        self.verdicts.iter().filter(|(found, _)| *found == verdict).map(|(_, attempts)| attempts).sum()
    }
}

/// What a policy, or one rule of it, did in one direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyHit {
    /// On which side.
    pub direction: Direction,
    /// The policy, with the rule that admitted.
    #[serde(flatten)]
    pub policy: PolicyRef,
    /// Attempts that it admitted, alone or with others.
    pub admitted: u64,
    /// Attempts that it denied, alone or with others.
    pub denied: u64,
    /// The edges that they are on.
    pub edges: u64,
    /// When the first of them was made.
    pub first: Timestamp,
    /// When something was last seen of one of them.
    pub last: Timestamp,
}

/// The sums of the counts by verdict, without those that are nothing.
pub fn by_verdict(outcomes: &[OutcomeCount]) -> Vec<(Verdict, u64)> {
    let sum = |verdict| {
        let counts = outcomes.iter().filter(|count| count.verdict == verdict);
        (verdict, counts.fold(0_u64, |sum, count| sum.saturating_add(count.attempts)))
    };
    Verdict::ALL.map(sum).into_iter().filter(|(_, attempts)| *attempts > 0).collect()
}

fn by_word<S: Serializer>(verdicts: &[(Verdict, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(verdicts.iter().map(|(verdict, attempts)| (verdict.as_str(), attempts)))
}
