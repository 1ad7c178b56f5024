//! Everything that happens to a batch, in order: once only, joined, kept, told.
//!
//! Owns the state of the collector. Reads no clock and does no I/O.

use crate::{
    clock::Now,
    config::Config,
    join::{Join, Limits},
    metrics::Metrics,
    nodes::Nodes,
    recent::Recent,
    subscribe::{Item, Subscribers, Wanted},
};
use portolan_policy::{Flow, Loss};
use portolan_proto::Observation;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A batch whose parts have been read.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The cluster that the agent says it is in.
    pub(crate) cluster: String,
    /// The node of the agent.
    pub(crate) node: String,
    /// The run of the agent.
    pub(crate) boot: String,
    /// Which batch of that run.
    pub(crate) sequence: u64,
    /// What could be read.
    pub(crate) observations: Vec<Observation>,
    /// How many observations could not.
    pub(crate) malformed: u64,
    /// Records that the agent lost.
    pub(crate) losses: Vec<Loss>,
}

/// The kept flows that are wanted and, for who follows, the queue of those to come.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// Every kept flow, oldest first.
    pub(crate) kept: Vec<Arc<Flow>>,
    /// What comes after the last of them, without a gap.
    pub(crate) queue: Option<mpsc::Receiver<Item>>,
}

/// The state of a collector.
#[derive(Debug)]
pub(crate) struct Intake {
    /// The agents.
    pub(crate) nodes: Nodes,
    /// Views that wait for the other node's.
    pub(crate) join: Join,
    /// The flows in memory.
    pub(crate) recent: Recent,
    /// Who follows.
    pub(crate) subscribers: Subscribers,
    metrics: Arc<Metrics>,
}

impl Intake {
    /// An empty state.
    pub(crate) fn new(config: &Config, metrics: Arc<Metrics>) -> Self {
        let limits = Limits {
            window: config.join_window,
            patience: config.patience,
            skew: config.clock_skew,
            remember: config.remember,
            max_pending: config.max_pending,
            max_remembered: config.max_remembered,
        };
        Self {
            nodes: Nodes::new(config.silence, config.join_window),
            join: Join::new(limits, metrics.join.clone()),
            recent: Recent::new(config.keep),
            subscribers: Subscribers::new(config.subscriber_queue, metrics.missed.clone()),
            metrics,
        }
    }

    /// Applies a batch unless it had been applied before.
    pub(crate) fn apply(&mut self, now: Now, batch: Batch) {
        let Batch { cluster, node: name, boot, sequence, mut observations, malformed, losses } = batch;
        let node = self.nodes.hear(&name, now);
        node.cluster = cluster;
        if !node.applied.insert(&boot, sequence) {
            node.duplicates += 1;
            self.metrics.duplicates.inc();
            return;
        }
        node.observations += observations.len() as u64;
        node.malformed += malformed;
        for loss in losses {
            let count = loss.count;
            let cause = node.lose(loss);
            self.metrics.lost(&name, &cause, count);
        }
        if let Some(first) = observations.first_mut() {
            for loss in node.untold.drain(..) {
                first.flow.lose(loss);
            }
        }
        self.metrics.batches.inc();
        self.metrics.observations.inc_by(observations.len() as u64);
        self.metrics.malformed.inc_by(malformed);
        for observation in observations {
            let nodes = &mut self.nodes;
            let speaks = |other: &str| nodes.speaks(other, now.uptime);
            let flows = self.join.on_observation(now.uptime, &name, observation, speaks);
            self.publish(flows);
        }
        self.measure();
    }

    /// Lets time pass.
    pub(crate) fn tick(&mut self, now: Now) {
        let flows = self.join.tick(now.uptime);
        self.publish(flows);
        self.nodes.tick(now.uptime);
        self.subscribers.tick();
        self.measure();
    }

    /// Lets go of everything: no view waits any longer and every subscription ends.
    pub(crate) fn close(&mut self, now: Now) {
        let flows = self.join.flush(now.uptime);
        self.publish(flows);
        self.subscribers.close();
        self.measure();
    }

    /// The kept flows and, when following, the queue of those to come; none falls between. None
    /// when too many follow already.
    pub(crate) fn subscribe(&mut self, wanted: Wanted, follow: bool) -> Option<Subscription> {
        let queue = if follow { Some(self.subscribers.add(wanted)?) } else { None };
        self.measure();
        Some(Subscription { kept: self.recent.snapshot(), queue })
    }

    fn publish(&mut self, flows: Vec<Flow>) {
        for flow in flows {
            self.metrics.flow(flow.verdict);
            let flow = Arc::new(flow);
            self.subscribers.publish(&flow);
            if self.recent.push(flow) {
                self.metrics.evicted.inc();
            }
        }
    }

    fn measure(&self) {
        self.metrics.kept.set(self.recent.len() as i64);
        self.metrics.pending.set(self.join.pending() as i64);
        self.metrics.subscribers.set(self.subscribers.len() as i64);
    }
}
