//! What the flows of a cell come to.

use super::{answer::Tally, latencies::Latencies};
use jiff::Timestamp;
use portolan_policy::Flow;
use portolan_proto::Latencies as Handshakes;

/// What can be counted of some flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Figures {
    /// How many attempts.
    pub(crate) attempts: u64,
    /// Packets, both directions.
    pub(crate) packets: u64,
    /// Payload, both directions.
    pub(crate) bytes: u64,
    /// Segments sent again.
    pub(crate) retransmits: u64,
    /// Attempts that were told before.
    pub(crate) revised: u64,
    /// Microseconds since 1970.
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Default for Figures {
    fn default() -> Self {
        let (first, last) = (i64::MAX, i64::MIN);
        Self { attempts: 0, packets: 0, bytes: 0, retransmits: 0, revised: 0, first, last }
    }
}

impl Figures {
    /// Whether there was no flow.
    pub(super) const fn is_empty(&self) -> bool {
        self.first > self.last
    }

    /// Adding figures is the same as adding their flows.
    pub(super) fn add(&mut self, other: &Self) {
        let Self { attempts, packets, bytes, retransmits, revised, first, last } = other;
        self.attempts = self.attempts.saturating_add(*attempts);
        self.packets = self.packets.saturating_add(*packets);
        self.bytes = self.bytes.saturating_add(*bytes);
        self.retransmits = self.retransmits.saturating_add(*retransmits);
        self.revised = self.revised.saturating_add(*revised);
        self.first = self.first.min(*first);
        self.last = self.last.max(*last);
    }

    /// When the first attempt began.
    pub(crate) fn first(&self) -> Timestamp {
        time(self.first)
    }

    /// When the last was seen.
    pub(crate) fn last(&self) -> Timestamp {
        time(self.last)
    }

    pub(super) fn into_tally(self, latencies: Latencies) -> Tally {
        let (first, last) = (self.first(), self.last());
        let Self { attempts, packets, bytes, retransmits, revised, .. } = self;
        Tally { attempts, packets, bytes, retransmits, revised, first, last, latencies }
    }
}

/// What some flows come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) figures: Figures,
    pub(super) latencies: Latencies,
}

impl Sum {
    /// Adds a flow that was seen from `first` to `last`.
    pub(super) fn add(&mut self, flow: &Flow, handshakes: Option<&Handshakes>, first: i64, last: i64) {
        let Flow { attempts, packets, bytes, retransmits, .. } = *flow;
        let (retransmits, last) = (retransmits.unwrap_or(0), last.max(first));
        let revised = flow.revises.map_or(0, |_| attempts);
        self.figures.add(&Figures { attempts, packets, bytes, retransmits, revised, first, last });
        match (handshakes, flow.latency_us) {
            (Some(handshakes), _) => {
                for (micros, count) in handshakes.counts() {
                    self.latencies.record_n(*micros, *count);
                }
            }
            (None, Some(latency)) => self.latencies.record_n(latency.p50, 1),
            (None, None) => {}
        }
    }
}

/// The time of so many microseconds; beyond all time, the end of it.
pub(super) fn time(micros: i64) -> Timestamp {
    let end = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(micros).unwrap_or(end)
}
