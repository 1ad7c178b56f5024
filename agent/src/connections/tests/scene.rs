//! A node's table of attempts in the rounds of a capture thread, over a kernel that counts.

use crate::{
    connections::{
        Attempt, Conclusion, Connections, ConversationCounters, Counters, Limits, Locality, Unwanted,
        conclude,
    },
    event::{Drop, Event, FiveTuple, Nanos, Sighting, SocketEnd, SocketOpen, What},
    reasons::Reasons,
};
use portolan_policy::Outcome;
use std::{collections::BTreeMap, time::Duration};

/// The device of the pod that opens.
pub(crate) const CLIENT: u32 = 2;
/// The device of the pod that answers.
pub(crate) const SERVER: u32 = 3;
/// A device that is no pod's: the node's uplink.
pub(crate) const UPLINK: u32 = 9;

pub(crate) const NETFILTER_DROP: u32 = 12;
pub(crate) const NO_SOCKET: u32 = 3;
pub(crate) const SOCKET_FILTER: u32 = 5;
pub(crate) const RCVBUFF: u32 = 6;
pub(crate) const LISTEN_OVERFLOW: u32 = 40;
pub(crate) const CGROUP_EGRESS: u32 = 55;
pub(crate) const NEIGH_FAILED: u32 = 58;
pub(crate) const NO_ROUTE: u32 = 88;
pub(crate) const ADDRESS_ERROR: u32 = 89;

/// Both ends are pods of this node.
pub(crate) const BOTH: Locality = Locality { source: true, destination: true };
/// Only the end that opens is.
pub(crate) const SOURCE: Locality = Locality { source: true, destination: false };
/// Only the end that answers is.
pub(crate) const DESTINATION: Locality = Locality { source: false, destination: true };

pub(crate) const NODE_NETNS: u32 = 100;
pub(crate) const POD_NETNS: u32 = 200;

/// How often the capture thread looks.
const ROUND_MS: u64 = 20;

pub(crate) const fn ms(ms: u64) -> Nanos {
    ms * 1_000_000
}

/// What the scenes reckon with, whatever is set for nodes.
pub(crate) fn limits() -> Limits {
    Limits {
        idle: Duration::from_secs(10),
        linger: Duration::from_millis(150),
        dropped: Duration::from_millis(1500),
        retried: Duration::from_millis(1500),
        no_reply: Duration::from_secs(8),
        memory: Duration::from_secs(130),
        stragglers: Duration::from_secs(10),
        ..Limits::default()
    }
}

pub(crate) fn reasons() -> Reasons {
    let named = [
        (NETFILTER_DROP, "NETFILTER_DROP"),
        (NO_SOCKET, "NO_SOCKET"),
        (SOCKET_FILTER, "SOCKET_FILTER"),
        (RCVBUFF, "SOCKET_RCVBUFF"),
        (LISTEN_OVERFLOW, "TCP_LISTEN_OVERFLOW"),
        (CGROUP_EGRESS, "BPF_CGROUP_EGRESS"),
        (NEIGH_FAILED, "NEIGH_FAILED"),
        (NO_ROUTE, "IP_INNOROUTES"),
        (ADDRESS_ERROR, "IP_INADDRERRORS"),
    ];
    Reasons::new(named.map(|(number, name)| (number, format!("SKB_DROP_REASON_{name}"))), [])
}

/// What became of an attempt, as a node with these ends sees it.
pub(crate) fn concluded(attempt: &Attempt, locality: Locality) -> Conclusion {
    conclude(attempt, locality, &reasons(), &crate::kernel::Places::default())
}

pub(crate) fn outcome(attempt: &Attempt, locality: Locality) -> Outcome {
    concluded(attempt, locality).outcome
}

/// The conversation map of a kernel.
#[derive(Debug, Default)]
pub(crate) struct Kernel {
    conversations: BTreeMap<(u32, FiveTuple), Counters>,
}

impl Kernel {
    /// A device has counted this much of a talk.
    pub(crate) fn counted(&mut self, ifindex: u32, tuple: FiveTuple, counters: Counters) {
        self.conversations.insert((ifindex, unordered(tuple)), counters);
    }

    pub(crate) fn len(&self) -> usize {
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
pub(crate) struct Scene {
    pub(crate) table: Connections,
    pub(crate) kernel: Kernel,
    now_ms: u64,
    over: Vec<Attempt>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(limits())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let table = Connections::new(NODE_NETNS, limits, Unwanted::of(&reasons()));
        Self { table, kernel: Kernel::default(), now_ms: 0, over: Vec::new() }
    }

    /// These happen one millisecond after the other from now on.
    pub(crate) fn sees(&mut self, events: impl IntoIterator<Item = Event>) -> &mut Self {
        for event in events {
            let now_ms = self.now_ms + 1;
            self.at(now_ms, event);
        }
        self
    }

    /// Something happens at a time.
    pub(crate) fn at(&mut self, at_ms: u64, event: Event) -> &mut Self {
        self.until(at_ms);
        self.late(at_ms, event)
    }

    /// Something is told now that happened at another time.
    pub(crate) fn late(&mut self, at_ms: u64, event: Event) -> &mut Self {
        let event = timed(event, ms(at_ms));
        self.kernel.watch(&event);
        self.table.on_event(&event, &mut self.over);
        self
    }

    /// The capture thread makes its rounds until then.
    pub(crate) fn until(&mut self, then_ms: u64) -> &mut Self {
        let next = self.now_ms - self.now_ms % ROUND_MS + ROUND_MS;
        for round in (next..=then_ms).step_by(ROUND_MS as usize) {
            self.table.tick(ms(round), &mut self.kernel, &mut self.over);
        }
        self.now_ms = then_ms;
        self
    }

    /// The capture thread makes its rounds for this long.
    pub(crate) fn waits(&mut self, wait_ms: u64) -> &mut Self {
        self.until(self.now_ms + wait_ms)
    }

    pub(crate) fn device_gone(&mut self, ifindex: u32) -> &mut Self {
        self.table.device_gone(ifindex, &mut self.kernel, &mut self.over);
        self
    }

    pub(crate) fn flush(&mut self) -> &mut Self {
        self.table.flush(&mut self.kernel, &mut self.over);
        self
    }

    /// What was reported since this was last asked.
    pub(crate) fn reported(&mut self) -> Vec<Attempt> {
        std::mem::take(&mut self.over)
    }

    /// The one attempt that was reported since this was last asked.
    pub(crate) fn only(&mut self) -> Attempt {
        let mut reported = self.reported();
        assert_eq!(reported.len(), 1, "one report: {reported:#?}");
        reported.remove(0)
    }

    /// Nothing of all this is remembered once everything has been long over.
    pub(crate) fn assert_forgets_everything(&mut self) {
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
        | Event::SocketOpen(SocketOpen { at, .. })
        | Event::SocketEnd(SocketEnd { at, .. }) => *at = now,
    }
    event
}
