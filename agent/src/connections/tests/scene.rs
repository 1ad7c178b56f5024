//! A node's table of attempts in the rounds of a capture thread, over a kernel that counts.

use crate::{
    connections::{
        Attempt, Conclusion, Connections, ConversationCounters, Counters, Limits, Locality, conclude,
    },
    event::{Drop, Event, FiveTuple, Nanos, Sighting, SocketEnd, What},
    reasons::Reasons,
};
use portolan_policy::Outcome;
use std::collections::BTreeMap;

/// The device of the pod that opens.
pub(super) const CLIENT: u32 = 2;
/// The device of the pod that answers.
pub(super) const SERVER: u32 = 3;
/// A device that is no pod's: the node's uplink.
pub(super) const UPLINK: u32 = 9;

pub(super) const NETFILTER_DROP: u32 = 12;
pub(super) const NO_SOCKET: u32 = 3;
pub(super) const SOCKET_FILTER: u32 = 5;
pub(super) const LISTEN_OVERFLOW: u32 = 40;
pub(super) const CGROUP_EGRESS: u32 = 55;
pub(super) const NEIGH_FAILED: u32 = 58;
pub(super) const NO_ROUTE: u32 = 88;

/// Both ends are pods of this node.
pub(super) const BOTH: Locality = Locality { source: true, destination: true };
/// Only the end that opens is.
pub(super) const SOURCE: Locality = Locality { source: true, destination: false };
/// Only the end that answers is.
pub(super) const DESTINATION: Locality = Locality { source: false, destination: true };

pub(super) const NODE_NETNS: u32 = 100;
pub(super) const POD_NETNS: u32 = 200;

/// How often the capture thread looks.
const ROUND_MS: u64 = 20;

pub(super) const fn ms(ms: u64) -> Nanos {
    ms * 1_000_000
}

pub(super) fn reasons() -> Reasons {
    let named = [
        (NETFILTER_DROP, "NETFILTER_DROP"),
        (NO_SOCKET, "NO_SOCKET"),
        (SOCKET_FILTER, "SOCKET_FILTER"),
        (LISTEN_OVERFLOW, "TCP_LISTEN_OVERFLOW"),
        (CGROUP_EGRESS, "BPF_CGROUP_EGRESS"),
        (NEIGH_FAILED, "NEIGH_FAILED"),
        (NO_ROUTE, "IP_INNOROUTES"),
    ];
    Reasons::new(named.map(|(number, name)| (number, format!("SKB_DROP_REASON_{name}"))))
}

/// What became of an attempt, as a node with these ends sees it.
pub(super) fn concluded(attempt: &Attempt, locality: Locality) -> Conclusion {
    conclude(attempt, locality, &reasons())
}

pub(super) fn outcome(attempt: &Attempt, locality: Locality) -> Outcome {
    concluded(attempt, locality).outcome
}

/// The conversation map of a kernel.
#[derive(Debug, Default)]
pub(super) struct Kernel {
    conversations: BTreeMap<(u32, FiveTuple), Counters>,
}

impl Kernel {
    /// A device has counted this much of a talk.
    pub(super) fn counted(&mut self, ifindex: u32, tuple: FiveTuple, counters: Counters) {
        self.conversations.insert((ifindex, unordered(tuple)), counters);
    }

    pub(super) fn len(&self) -> usize {
        self.conversations.len()
    }

    fn watch(&mut self, event: &Event) {
        if let Event::Sighting(Sighting { at, what: What::First | What::Answer, ifindex, tuple, .. }) = event
        {
            let counters = self.conversations.entry((*ifindex, unordered(*tuple))).or_default();
            counters.packets += 1;
            counters.last = *at;
        }
    }
}

impl ConversationCounters for Kernel {
    fn read(&mut self, ifindex: u32, tuple: &FiveTuple) -> Option<Counters> {
        self.conversations.get(&(ifindex, unordered(*tuple))).copied()
    }

    fn forget(&mut self, ifindex: u32, tuple: &FiveTuple) {
        self.conversations.remove(&(ifindex, unordered(*tuple)));
    }
}

fn unordered(tuple: FiveTuple) -> FiveTuple {
    tuple.min(tuple.reversed())
}

/// A node's table, its kernel, and the rounds of its capture thread.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) table: Connections,
    pub(super) kernel: Kernel,
    now_ms: u64,
    over: Vec<Attempt>,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(super) fn with(limits: Limits) -> Self {
        let table = Connections::new(NODE_NETNS, limits);
        Self { table, kernel: Kernel::default(), now_ms: 0, over: Vec::new() }
    }

    /// These happen one millisecond after the other from now on.
    pub(super) fn sees(&mut self, events: impl IntoIterator<Item = Event>) -> &mut Self {
        for event in events {
            let now_ms = self.now_ms + 1;
            self.at(now_ms, event);
        }
        self
    }

    /// Something happens at a time.
    pub(super) fn at(&mut self, at_ms: u64, event: Event) -> &mut Self {
        self.until(at_ms);
        self.late(at_ms, event)
    }

    /// Something is told now that happened at another time.
    pub(super) fn late(&mut self, at_ms: u64, event: Event) -> &mut Self {
        let event = timed(event, ms(at_ms));
        self.kernel.watch(&event);
        self.table.on_event(&event, &mut self.over);
        self
    }

    /// The capture thread makes its rounds until then.
    pub(super) fn until(&mut self, then_ms: u64) -> &mut Self {
        let next = self.now_ms - self.now_ms % ROUND_MS + ROUND_MS;
        for round in (next..=then_ms).step_by(ROUND_MS as usize) {
            self.table.tick(ms(round), &mut self.kernel, &mut self.over);
        }
        self.now_ms = then_ms;
        self
    }

    /// The capture thread makes its rounds for this long.
    pub(super) fn waits(&mut self, wait_ms: u64) -> &mut Self {
        self.until(self.now_ms + wait_ms)
    }

    pub(super) fn device_gone(&mut self, ifindex: u32) -> &mut Self {
        self.table.device_gone(ifindex, &mut self.kernel, &mut self.over);
        self
    }

    pub(super) fn flush(&mut self) -> &mut Self {
        self.table.flush(&mut self.kernel, &mut self.over);
        self
    }

    /// What was reported since this was last asked.
    pub(super) fn reported(&mut self) -> Vec<Attempt> {
        std::mem::take(&mut self.over)
    }

    /// The one attempt that was reported since this was last asked.
    pub(super) fn only(&mut self) -> Attempt {
        let mut reported = self.reported();
        assert_eq!(reported.len(), 1, "one report: {reported:#?}");
        reported.remove(0)
    }

    /// Nothing of all this is remembered once everything has been long over.
    pub(super) fn assert_forgets_everything(&mut self) {
        self.waits(600_000);
        assert!(self.table.is_empty(), "attempts are left: {:#?}", self.table);
        assert_eq!(self.table.held_beside(), [0; 3], "names, queue entries and strays: {:#?}", self.table);
        assert_eq!(self.kernel.len(), 0, "conversations are left in the kernel: {:#?}", self.kernel);
    }
}

fn timed(mut event: Event, now: Nanos) -> Event {
    match &mut event {
        Event::Sighting(Sighting { at, .. })
        | Event::Drop(Drop { at, .. })
        | Event::SocketEnd(SocketEnd { at, .. }) => *at = now,
    }
    event
}
