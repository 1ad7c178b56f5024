//! One round with the kernel's statistics on: how often each probe runs for an operation, and for how long.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use super::agent::Agent;
use super::bpf::{Floor, Statistics};
use super::exposition::Page;
use super::load::{Run, Workload};
use super::quiet;
use super::rounds::watched;
use super::scene::Scene;
use super::{BenchError, Options};
use crate::error::LabError;

const RUNS: &str = "portolan_agent_probe_runs_total";
const SECONDS: &str = "portolan_agent_probe_run_seconds_total";

/// The agent looks at the statistics once a second or so.
const PATIENCE: Duration = Duration::from_secs(10);
/// After so many disturbed runs the last one has to do.
const TRIES: usize = 3;
const LOOK: Duration = Duration::from_millis(100);

/// What a probe did.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Cost {
    /// How often it ran.
    pub(super) runs: f64,
    /// How long it ran in all, in seconds.
    pub(super) seconds: f64,
}

impl Cost {
    /// Nanoseconds for one run.
    pub(super) fn nanos_per_run(self) -> f64 {
        self.seconds * 1e9 / self.runs
    }
}

/// What every probe did for a workload.
#[derive(Debug)]
pub(super) struct Costs {
    pub(super) workload: Workload,
    /// Operations that came to their end.
    pub(super) operations: u64,
    /// Operations per second, slowed down by the statistics.
    pub(super) rate: f64,
    /// Other programs were busy meanwhile.
    pub(super) disturbed: bool,
    /// By the name of the probe.
    pub(super) probes: BTreeMap<String, Cost>,
}

/// The round, and what the statistics themselves cost.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) floor: Floor,
    pub(super) workloads: Vec<Costs>,
}

/// Plays the round.
pub(super) fn measure(scene: &Scene, options: &Options) -> Result<Measured, BenchError> {
    let floor = Floor::measure().map_err(BenchError::Statistics)?;
    let _on = Statistics::enable().map_err(BenchError::Statistics)?;
    let agent = Agent::start(scene, &options.portolan)?;
    let workloads: Result<Vec<_>, _> =
        Workload::ALL.into_iter().map(|workload| costs(&agent, scene, workload, options)).collect();
    agent.stop()?;
    Ok(Measured { floor, workloads: workloads? })
}

/// A run of one workload; played again when it was disturbed.
fn costs(
    agent: &Agent<'_>,
    scene: &Scene,
    workload: Workload,
    options: &Options,
) -> Result<Costs, BenchError> {
    let mut tries = 0;
    loop {
        quiet::wait(options.patience)?;
        let before = fresh(agent)?;
        let sample = watched(agent, scene, workload, options)?;
        let after = fresh(agent)?;
        tries += 1;
        let disturbed = sample.is_disturbed(options);
        if !disturbed || tries == TRIES {
            let Run { operations, .. } = sample.run;
            let probes = difference(&before, &after);
            return Ok(Costs { workload, operations, rate: sample.run.rate(), disturbed, probes });
        }
    }
}

/// The costs as they are after this call began: the question itself makes probes run, so the next look of the agent
/// shows other figures.
fn fresh(agent: &Agent<'_>) -> Result<BTreeMap<String, Cost>, BenchError> {
    let begun = Instant::now();
    let stale = read(&agent.metrics()?);
    while begun.elapsed() < PATIENCE {
        thread::sleep(LOOK);
        let now = read(&agent.metrics()?);
        if now != stale {
            return Ok(now);
        }
    }
    Err(LabError::Late {
        what: format!("the agent to tell {RUNS}"),
        waited: PATIENCE,
        detail: "; is its /metrics without the cost of its probes?".to_owned(),
    }
    .into())
}

fn read(page: &Page) -> BTreeMap<String, Cost> {
    let mut costs: BTreeMap<String, Cost> = BTreeMap::new();
    for (probe, runs) in page.values(RUNS) {
        costs.entry(probe.to_owned()).or_default().runs = runs;
    }
    for (probe, seconds) in page.values(SECONDS) {
        costs.entry(probe.to_owned()).or_default().seconds = seconds;
    }
    costs
}

fn difference(before: &BTreeMap<String, Cost>, after: &BTreeMap<String, Cost>) -> BTreeMap<String, Cost> {
    let since = |(probe, now): (&String, &Cost)| {
        let then = before.get(probe).copied().unwrap_or_default();
        (probe.clone(), Cost { runs: now.runs - then.runs, seconds: now.seconds - then.seconds })
    };
    after.iter().map(since).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_was_not_there_before_counts_from_nothing() {
        let costs = |runs| BTreeMap::from([("kfree_skb".to_owned(), Cost { runs, seconds: runs * 1e-7 })]);
        let new = difference(&BTreeMap::new(), &costs(10.0));
        assert!((new["kfree_skb"].nanos_per_run() - 100.0).abs() < 1e-6);
        let more = difference(&costs(10.0), &costs(30.0));
        assert!((more["kfree_skb"].runs - 20.0).abs() < 1e-9);
    }
}
