//! Everything that happens to a batch, in order: once only, joined, told.
//!
//! Owns the state that the collector decides by, and says what has changed in it; the ledger makes
//! that durable before anybody is told. Reads no clock and does no I/O but to say what is wrong.

use crate::{
    clock::Now,
    config::Config,
    dedup::{Inserted, Progress, Run},
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
    time::Duration,
};
use tracing::warn;

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
    /// How far apart clocks may be.
    skew: Duration,
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
            skew: config.clock_skew,
        };
        intake.restore(restored);
        intake
    }

    fn restore(&mut self, restored: Restored) {
        let Restored { mut runs, untold, waits, next_wait, horizon } = restored;
        runs.sort_by_key(|(_, progress)| progress.heard);
        for ((node, run), progress) in runs {
            self.nodes.restore(&node, run, progress);
        }
        for (node, losses) in untold {
            self.nodes.restore_untold(&node, losses);
        }
        for waits in waits {
            self.join.restore(Duration::ZERO, waits);
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
            let inserted = node.applied.give_up(&cluster, &boot, sequence);
            if mark_applied(&mut self.effects, &name, inserted) {
                losses.extend(lost);
                boots.insert(boot);
            }
        }
        let inserted = node.applied.insert(&cluster, &boot, sequence, now.wall);
        mark_applied(&mut self.effects, &name, inserted);
        boots.insert(boot);
        let progress = boots.iter().filter_map(|boot| node.applied.progress(&cluster, boot));
        let progress = progress.map(|(run, progress)| ((name.clone(), run.clone()), Some(progress)));
        self.effects.runs.extend(progress);
        if let Some(ahead) = clock_ahead(&observations, now.wall) {
            let ahead = if ahead > self.skew { ahead } else { Duration::ZERO };
            note_clock(node, &name, ahead, now.uptime);
            self.metrics.clock_ahead(&name, ahead);
        }
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
            self.metrics.forget_clock(&name);
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

/// How far the newest record is in the future; None where there is none.
fn clock_ahead(observations: &[Observation], now: Timestamp) -> Option<Duration> {
    let newest = observations.iter().map(|observation| observation.flow.time).max()?;
    // One that is in the past says nothing against the clock.
    Some(newest.duration_since(now).try_into().unwrap_or_default())
}

/// Notes how far a node's clock is ahead, and says it now and then.
fn note_clock(node: &mut Node, name: &str, ahead: Duration, now: Duration) {
    node.ahead = ahead;
    if ahead > Duration::ZERO && node.may_warn(now) {
        warn!(
            node = name,
            ?ahead,
            "Records from the future: the clock of this node, or of the collector, is wrong."
        );
    }
}

/// Notes a batch as applied. False where it was.
fn mark_applied(effects: &mut Effects, name: &str, inserted: Inserted) -> bool {
    let Inserted::New { forgotten } = inserted else { return false };
    if let Some(run) = forgotten {
        effects.runs.insert((name.to_owned(), run), None);
    }
    true
}
