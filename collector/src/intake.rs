//! Everything that happens to a batch, in order: once only, joined, told.
//!
//! Owns the state that the collector decides by, and says what has changed in it; the ledger makes
//! that durable before anybody is told. Reads no clock and does no I/O.

use crate::{
    clock::Now,
    config::Config,
    dedup::{Inserted, Run},
    join::{self, Join, Limits, Told, Waits},
    made::Joined,
    metrics::Metrics,
    nodes::{Node, Nodes},
};
use jiff::Timestamp;
use portolan_policy::Loss;
use portolan_proto::{Connection, Observation};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

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
    /// Batches that the agent gave up, which may have come here before.
    pub(crate) given_up: Vec<GivenUp>,
}

/// A batch that will not come any more; unless it has come, so much is lost with it.
#[derive(Debug)]
pub(crate) struct GivenUp {
    /// The run of the agent.
    pub(crate) boot: String,
    /// Which batch of that run.
    pub(crate) sequence: u64,
    /// What is lost.
    pub(crate) losses: Vec<Loss>,
}

/// One run of a node's agent.
pub(crate) type NodeRun = (String, Run);

/// What was applied of a run, and when last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The sequences, as ranges.
    pub(crate) ranges: Vec<(u64, u64)>,
    /// When the last of them came.
    pub(crate) heard: Timestamp,
}

/// What an earlier run of the collector left behind.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// What was applied, of each run of each agent.
    pub(crate) runs: Vec<(NodeRun, Progress)>,
    /// What agents lost and no flow has told of.
    pub(crate) untold: Vec<(String, Vec<Loss>)>,
    /// The views that wait.
    pub(crate) waits: Vec<Waits>,
    /// A number above those of all views that waited, until their rows are gone.
    pub(crate) next_wait: u64,
    /// Connections that began up to then may have been told.
    pub(crate) horizon: Option<Timestamp>,
}

/// What has changed, to be made durable in one transaction.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// The flows that were made, in order.
    pub(crate) flows: Vec<Joined>,
    /// What waits and what was told alone.
    pub(crate) join: join::Changes,
    /// What was applied; None of a run that is forgotten.
    pub(crate) runs: BTreeMap<NodeRun, Option<Progress>>,
    /// What agents lost and no flow has told of.
    pub(crate) untold: BTreeMap<String, Vec<Loss>>,
}

impl Effects {
    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { flows, join, runs, untold } = self;
        flows.is_empty() && join.is_empty() && runs.is_empty() && untold.is_empty()
    }
}

/// The state of a collector.
#[derive(Debug)]
pub(crate) struct Intake {
    /// The agents.
    pub(crate) nodes: Nodes,
    /// Views that wait for the other node's.
    pub(crate) join: Join,
    effects: Effects,
    metrics: Arc<Metrics>,
}

impl Intake {
    /// A state that goes on where an earlier run stopped.
    pub(crate) fn new(config: &Config, metrics: Arc<Metrics>, restored: Restored) -> Self {
        let limits = Limits {
            window: config.join_window,
            patience: config.patience,
            skew: config.clock_skew,
            remember: config.remember,
            max_pending: config.max_pending,
            max_remembered: config.max_remembered,
        };
        let mut intake = Self {
            nodes: Nodes::new(config.silence, config.join_window, config.resend),
            join: Join::new(limits, metrics.join.clone()),
            effects: Effects::default(),
            metrics,
        };
        intake.restore(restored);
        intake
    }

    fn restore(&mut self, restored: Restored) {
        let Restored { mut runs, untold, waits, next_wait, horizon } = restored;
        runs.sort_by_key(|(_, progress)| progress.heard);
        for ((node, run), Progress { ranges, heard }) in runs {
            self.nodes.restore(&node, run, ranges, heard);
        }
        for (node, losses) in untold {
            self.nodes.restore_untold(&node, losses);
        }
        for waits in waits {
            self.join.restore(std::time::Duration::ZERO, waits);
        }
        self.join.begin_at(next_wait);
        if let Some(horizon) = horizon {
            self.join.begin_after(horizon);
        }
        self.measure();
    }

    /// Applies a batch unless it had been applied before.
    ///
    /// `told` knows of connections told alone that the join has forgotten.
    pub(crate) fn apply(&mut self, now: Now, batch: Batch, told: &dyn Fn(&Connection) -> Vec<Told>) {
        let Batch { cluster, node: name, boot, sequence, mut observations, malformed, mut losses, given_up } =
            batch;
        let node = self.nodes.hear(&name, now);
        if node.applied.contains(&cluster, &boot, sequence) {
            node.duplicates += 1;
            self.metrics.duplicates.inc();
            return;
        }
        let mut boots = BTreeSet::new();
        for GivenUp { boot, sequence, losses: lost } in given_up {
            if mark_applied(&mut self.effects, node, &name, (&cluster, &boot, sequence)) {
                losses.extend(lost);
                boots.insert(boot);
            }
        }
        mark_applied(&mut self.effects, node, &name, (&cluster, &boot, sequence));
        boots.insert(boot);
        let progress = boots.iter().filter_map(|boot| node.applied.ranges(&cluster, boot));
        let progress = progress.map(|(run, ranges)| {
            let progress = Progress { ranges: ranges.to_vec(), heard: now.wall };
            ((name.clone(), run.clone()), Some(progress))
        });
        self.effects.runs.extend(progress);
        node.cluster.clone_from(&cluster);
        node.observations += observations.len() as u64;
        node.malformed = node.malformed.saturating_add(malformed);
        let untold_before = !node.untold.is_empty();
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
        if untold_before || !node.untold.is_empty() {
            self.effects.untold.insert(name.clone(), node.untold.clone());
        }
        self.metrics.batches.inc();
        self.metrics.observations.inc_by(observations.len() as u64);
        self.metrics.malformed.inc_by(malformed);
        for observation in observations {
            let nodes = &mut self.nodes;
            let speaks = |other: &str| nodes.speaks(other, now.uptime);
            self.join.observe(now.uptime, &name, observation, speaks, told, &mut self.effects.flows);
        }
        let unplaced = self.join.take_unplaced();
        if !unplaced.is_empty() {
            let node = self.nodes.hear(&name, now);
            for loss in unplaced {
                loss.add_to(&mut node.untold);
            }
            self.effects.untold.insert(name, node.untold.clone());
        }
        self.measure();
    }

    /// Lets time pass.
    pub(crate) fn tick(&mut self, now: Now) {
        let flows = self.join.tick(now.uptime);
        self.make(flows);
        for (name, node) in self.nodes.tick(now.uptime) {
            let runs = node.applied.runs().map(|run| ((name.clone(), run.clone()), None));
            self.effects.runs.extend(runs);
            self.effects.untold.insert(name, Vec::new());
        }
        self.measure();
    }

    /// Lets every view that waits go alone: there will be no later run that remembers it.
    pub(crate) fn flush(&mut self, now: Now) {
        let flows = self.join.flush(now.uptime);
        self.make(flows);
        self.measure();
    }

    /// What has changed since this was asked last.
    pub(crate) fn take_effects(&mut self) -> Effects {
        let mut effects = std::mem::take(&mut self.effects);
        effects.join = self.join.take_changes();
        effects
    }

    fn make(&mut self, flows: Vec<Joined>) {
        self.effects.flows.extend(flows);
    }

    fn measure(&self) {
        self.metrics.pending.set(self.join.pending() as i64);
    }
}

/// Notes a batch as applied. False where it was.
fn mark_applied(
    effects: &mut Effects,
    node: &mut Node,
    name: &str,
    (cluster, boot, sequence): (&str, &str, u64),
) -> bool {
    let Inserted::New { forgotten } = node.applied.insert(cluster, boot, sequence) else { return false };
    if let Some(run) = forgotten {
        effects.runs.insert((name.to_owned(), run), None);
    }
    true
}
