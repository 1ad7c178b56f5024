//! The record that Portolan is about: a flow, in the shape that `observe -o jsonl` prints.

mod end;

use crate::{Enforcer, Loss, Protocol, SideDecision};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub use end::{End, PodEnd, ServiceRef, Who, Workload};

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

impl Reporter {
    /// Every reporter, in the order of the enum.
    pub const ALL: [Self; 3] = [Self::Source, Self::Destination, Self::Both];

    /// The spelling used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Both => "both",
        }
    }
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
/// Cheap to copy: what other flows say too is shared with them. Field order is the order of the JSON contract.
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
    pub service: Option<Arc<ServiceRef>>,
    /// The transport protocol.
    pub protocol: Protocol,
    /// What the network was seen to do.
    pub outcome: Outcome,
    /// The outcome that an earlier record of the same attempt told: it was told too early, and got through later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revises: Option<Outcome>,
    /// The kernel's name for the drop.
    pub drop_reason: Option<Arc<str>>,
    /// What sort of place in the kernel dropped it: `netfilter`, `tc`, `route` and so on, or else the
    /// kernel's function.
    #[serde(default)]
    pub drop_location: Option<Arc<str>>,
    /// The rule of the node's firewall that let it through or turned it away, where a sample says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforced_by: Option<Arc<Enforcer>>,
    /// Whether all of netfilter's forwarding hooks on a node let it pass, where a witness stands there and can say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_netfilter: Option<bool>,
    /// Outcome and decision together.
    pub verdict: Verdict,
    /// Whether the verdict rests on silence instead of on a drop that was seen.
    #[serde(default)]
    pub inferred: bool,
    /// What the policies say at the source.
    pub egress: Arc<SideDecision>,
    /// What the policies say at the destination.
    pub ingress: Arc<SideDecision>,
    /// Who saw it.
    pub reporter: Reporter,
    /// How many attempts the record stands for.
    pub attempts: u64,
    /// How often their opening packets were sent; 0 where a record of an older version does not say.
    #[serde(default)]
    pub tries: u64,
    /// Packets seen, both directions.
    pub packets: u64,
    /// Transport payload bytes, both directions.
    pub bytes: u64,
    /// How long the handshakes took.
    pub latency_us: Option<Latency>,
    /// Segments sent again, by a socket's own account at its close; null when no socket told.
    #[serde(default)]
    pub retransmits: Option<u64>,
    /// The smoothed round trip by a socket's own account at its close, in microseconds.
    #[serde(default)]
    pub srtt_us: Option<u64>,
    /// Records lost before this one that it may stand beside: the sum of `losses`.
    pub lost: u64,
    /// The same by cause and interval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<Loss>,
}

impl Flow {
    /// Tells of records that were lost before this one.
    pub fn lose(&mut self, loss: Loss) {
        self.lost = self.lost.saturating_add(loss.count);
        loss.add_to(&mut self.losses);
    }
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
        for reporter in Reporter::ALL {
            assert_eq!(serde_json::to_value(reporter).unwrap(), reporter.as_str());
        }
    }

    /// A record as the first version wrote it.
    const OLD: &str = r#"{"time":"2026-11-20T12:00:00Z","end_time":"2026-11-20T12:00:01Z",
        "source":{"kind":"external","ip":"192.0.2.1","port":40000},
        "destination":{"kind":"external","ip":"192.0.2.2","port":80},"service":null,"protocol":"TCP",
        "outcome":"dropped","drop_reason":"NETFILTER_DROP","verdict":"denied",
        "egress":{"verdict":"not-applicable","policies":[]},"ingress":{"verdict":"not-applicable","policies":[]},
        "reporter":"source","attempts":1,"packets":1,"bytes":0,"latency_us":null,"lost":0}"#;

    fn loss(cause: &str, count: u64) -> Loss {
        let time = Timestamp::UNIX_EPOCH;
        Loss { cause: cause.to_owned(), count, from: time, to: time }
    }

    #[test]
    fn a_record_of_an_older_version_is_read() {
        let flow: Flow = serde_json::from_str(OLD).unwrap();
        assert_eq!((flow.drop_location, flow.tries, flow.losses), (None, 0, vec![]));
        assert_eq!((flow.retransmits, flow.srtt_us), (None, None));
        assert_eq!((flow.enforced_by, flow.passed_netfilter, flow.revises), (None, None, None));
    }

    #[test]
    fn what_a_record_revises_stands_behind_its_outcome_and_only_where_it_does() {
        let mut flow: Flow = serde_json::from_str(OLD).unwrap();
        assert!(!serde_json::to_string(&flow).unwrap().contains("revises"));
        (flow.outcome, flow.revises) = (Outcome::Established, Some(Outcome::NoReply));
        let line = serde_json::to_string(&flow).unwrap();
        assert!(line.contains(r#""outcome":"established","revises":"no-reply","drop_reason""#), "{line}");
        assert_eq!(serde_json::from_str::<Flow>(&line).unwrap(), flow);
    }

    #[test]
    fn new_fields_stand_in_their_place_and_losses_only_where_there_are_any() {
        let mut flow: Flow = serde_json::from_str(OLD).unwrap();
        flow.drop_location = Some("netfilter".into());
        let line = serde_json::to_string(&flow).unwrap();
        assert!(
            line.contains(r#""drop_reason":"NETFILTER_DROP","drop_location":"netfilter","verdict""#),
            "{line}"
        );
        assert!(line.contains(r#""attempts":1,"tries":0,"packets""#), "{line}");
        assert!(line.ends_with(r#""latency_us":null,"retransmits":null,"srtt_us":null,"lost":0}"#), "{line}");
        flow.lose(loss("kernel-ring-full", 3));
        let line = serde_json::to_string(&flow).unwrap();
        let losses = r#""lost":3,"losses":[{"cause":"kernel-ring-full","count":3,"from":"1970-01-01T00:00:00Z","to":"1970-01-01T00:00:00Z"}]}"#;
        assert!(line.ends_with(losses), "{line}");
        assert_eq!(serde_json::from_str::<Flow>(&line).unwrap(), flow);
    }

    #[test]
    fn what_was_lost_is_the_sum_of_the_losses() {
        let mut flow: Flow = serde_json::from_str(OLD).unwrap();
        for (cause, count) in [("ring", 3), ("map", 4), ("ring", 5)] {
            flow.lose(loss(cause, count));
        }
        assert_eq!((flow.lost, flow.losses.len()), (12, 2));
        assert_eq!(flow.losses.iter().map(|loss| loss.count).sum::<u64>(), flow.lost);
    }
}
