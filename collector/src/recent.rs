//! The flows of late, in memory.

use portolan_policy::Flow;
use std::{collections::VecDeque, sync::Arc};

/// A bounded ring: the newest flows, oldest first.
#[derive(Debug)]
pub(crate) struct Recent {
    flows: VecDeque<Arc<Flow>>,
    capacity: usize,
}

impl Recent {
    /// An empty ring that keeps at most `capacity` flows.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { flows: VecDeque::new(), capacity }
    }

    /// Keeps a flow. True when an older one was given up for it.
    pub(crate) fn push(&mut self, flow: Arc<Flow>) -> bool {
        self.flows.push_back(flow);
        let full = self.flows.len() > self.capacity;
        if full {
            self.flows.pop_front();
        }
        full
    }

    /// The flows as they are now, oldest first. Shares them, so that filtering needs no lock.
    pub(crate) fn snapshot(&self) -> Vec<Arc<Flow>> {
        self.flows.iter().cloned().collect()
    }

    /// How many are kept.
    pub(crate) fn len(&self) -> usize {
        self.flows.len()
    }

    /// The most that may be kept.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }
}
