//! Subscribers and their queues: somebody who is slow misses flows and is told how many; nobody
//! ever waits for them.

use crate::{filter::Filters, made::Made};
use jiff::Timestamp;
use portolan_policy::Flow;
use prometheus_client::metrics::counter::Counter;
use std::sync::Arc;
use tokio::sync::mpsc::{self, error::TrySendError};

/// How many may follow at a time.
pub(crate) const MOST: usize = 1_024;

/// Which flows somebody wants.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Any of these.
    pub(crate) filters: Filters,
    /// Begun at this time or later.
    pub(crate) since: Option<Timestamp>,
    /// Begun before this time.
    pub(crate) until: Option<Timestamp>,
}

impl Wanted {
    /// Whether a flow is wanted.
    pub(crate) fn matches(&self, flow: &Flow) -> bool {
        self.may_match(flow.time) && self.filters.matches(flow)
    }

    /// Whether a flow that began at this time may be wanted.
    pub(crate) fn may_match(&self, time: Timestamp) -> bool {
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }
}

/// What a subscriber gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A flow.
    Flow(Arc<Made>),
    /// So many flows were not taken in time.
    Missed(u64),
    /// So many flows, wanted or not, are kept no more.
    Gone(u64),
}

#[derive(Debug)]
struct Subscriber {
    wanted: Wanted,
    queue: mpsc::Sender<Item>,
    /// Missed and not yet told.
    missed: u64,
}

impl Subscriber {
    /// False when the subscriber is gone.
    fn offer(&mut self, made: &Arc<Made>, missed: &Counter) -> bool {
        let sent = self.tell() && self.queue.try_send(Item::Flow(Arc::clone(made))).is_ok();
        if !sent {
            self.missed += 1;
            missed.inc();
        }
        !self.queue.is_closed()
    }

    /// Tells what was missed. False when there is no room even for that.
    fn tell(&mut self) -> bool {
        if self.missed == 0 {
            return true;
        }
        match self.queue.try_send(Item::Missed(self.missed)) {
            Ok(()) => {
                self.missed = 0;
                true
            }
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => false,
        }
    }
}

/// Everybody who follows.
#[derive(Debug)]
pub(crate) struct Subscribers {
    list: Vec<Subscriber>,
    queue: usize,
    missed: Counter,
    closed: bool,
}

impl Subscribers {
    /// Nobody yet; each will have a queue of this length.
    pub(crate) fn new(queue: usize, missed: Counter) -> Self {
        Self { list: Vec::new(), queue: queue.max(2), missed, closed: false }
    }

    /// Adds a subscriber from the next flow on. None when there are too many.
    pub(crate) fn add(&mut self, wanted: Wanted) -> Option<mpsc::Receiver<Item>> {
        if self.list.len() >= MOST {
            return None;
        }
        let (sender, receiver) = mpsc::channel(self.queue);
        if !self.closed {
            self.list.push(Subscriber { wanted, queue: sender, missed: 0 });
        }
        Some(receiver)
    }

    /// How many flows a subscriber may be behind the present that it begins with: there is room for as many again.
    pub(crate) fn reach(&self) -> u64 {
        self.queue as u64 / 2
    }

    /// Offers a flow to everybody who wants it.
    pub(crate) fn publish(&mut self, made: &Arc<Made>) {
        let missed = &self.missed;
        self.list.retain_mut(|subscriber| {
            !subscriber.wanted.matches(&made.flow) || subscriber.offer(made, missed)
        });
    }

    /// Tells what was missed where there is room again, and drops who is gone.
    pub(crate) fn tick(&mut self) {
        self.list.retain_mut(|subscriber| {
            subscriber.tell();
            !subscriber.queue.is_closed()
        });
    }

    /// Ends every subscription after what is queued, and those to come at once.
    pub(crate) fn close(&mut self) {
        self.tick();
        self.list.clear();
        self.closed = true;
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }
}
