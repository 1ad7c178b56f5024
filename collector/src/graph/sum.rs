//! What the flows of a cell come to, and many of these beside each other.

use super::{answer::Tally, latencies::Latencies, log::Place};
use jiff::Timestamp;
use portolan_policy::Flow;
use portolan_proto::Latencies as Handshakes;

/// What some flows come to. Adding sums is the same as adding their flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) attempts: u64,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) retransmits: u64,
    /// Attempts that were told before.
    pub(super) revised: u64,
    /// Microseconds since 1970.
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) latencies: Latencies,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            attempts: 0,
            packets: 0,
            bytes: 0,
            retransmits: 0,
            revised: 0,
            first: i64::MAX,
            last: i64::MIN,
            latencies: Latencies::default(),
        }
    }
}

impl Sum {
    /// Whether there was no flow.
    pub(super) const fn is_empty(&self) -> bool {
        self.first > self.last
    }

    /// Adds a flow that was seen from `first` to `last`.
    pub(super) fn add(&mut self, flow: &Flow, handshakes: Option<&Handshakes>, first: i64, last: i64) {
        self.attempts = self.attempts.saturating_add(flow.attempts);
        self.packets = self.packets.saturating_add(flow.packets);
        self.bytes = self.bytes.saturating_add(flow.bytes);
        self.retransmits = self.retransmits.saturating_add(flow.retransmits.unwrap_or(0));
        self.revised = self.revised.saturating_add(flow.revises.map_or(0, |_| flow.attempts));
        self.first = self.first.min(first);
        self.last = self.last.max(last).max(first);
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

    pub(super) fn merge(&mut self, other: &Self) {
        let Self { attempts, packets, bytes, retransmits, revised, first, last, latencies } = other;
        self.attempts = self.attempts.saturating_add(*attempts);
        self.packets = self.packets.saturating_add(*packets);
        self.bytes = self.bytes.saturating_add(*bytes);
        self.retransmits = self.retransmits.saturating_add(*retransmits);
        self.revised = self.revised.saturating_add(*revised);
        self.first = self.first.min(*first);
        self.last = self.last.max(*last);
        self.latencies.merge(latencies);
    }

    /// The same with one that is needed no more.
    pub(super) fn absorb(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
        } else {
            self.merge(&other);
        }
    }

    pub(super) fn into_tally(self) -> Tally {
        let Self { attempts, packets, bytes, retransmits, revised, first, last, latencies } = self;
        let [first, last] = [first, last].map(time);
        Tally { attempts, packets, bytes, retransmits, revised, first, last, latencies }
    }
}

/// The time of so many microseconds; beyond all time, the end of it.
pub(super) fn time(micros: i64) -> Timestamp {
    let end = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(micros).unwrap_or(end)
}

/// The sums of cells, by their place.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums(Vec<Sum>);

impl Sums {
    /// The sum of a cell. The caller has looked that there may be such a cell.
    pub(super) fn of(&mut self, cell: Place) -> &mut Sum {
        let cell = cell as usize;
        if self.0.len() <= cell {
            self.0.resize_with(cell + 1, Sum::default);
        }
        &mut self.0[cell]
    }

    /// Takes others in.
    pub(super) fn absorb(&mut self, others: Self) {
        for (cell, sum) in others.into_some() {
            self.of(cell).absorb(sum);
        }
    }

    /// The cells that had a flow, in order.
    pub(super) fn cells(&self) -> impl Iterator<Item = Place> {
        let all = self.0.iter().zip(0..);
        all.filter(|(sum, _)| !sum.is_empty()).map(|(_, cell)| cell)
    }

    /// The sums of the cells that had a flow, in order.
    pub(super) fn into_some(self) -> impl Iterator<Item = (Place, Sum)> {
        let all = self.0.into_iter().enumerate().map(|(cell, sum)| (cell as Place, sum));
        all.filter(|(_, sum)| !sum.is_empty())
    }
}
