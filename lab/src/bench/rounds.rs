//! Rounds: a workload once without and once with an agent, one right after the other, who goes first alternating.

use std::collections::HashMap;
use std::time::Duration;

use super::agent::{Agent, Flows};
use super::cpu::Times;
use super::load::{self, Run, Workload};
use super::scene::Scene;
use super::{BenchError, Options};

/// Of the node's processor time, what others may take before a pair is dropped.
const DISTURBED: f64 = 0.03;

/// What the agent took for one run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Share {
    /// Processor time from the begin of the run until all was worked off.
    pub(super) times: Times,
    /// The part of it that came after the end of the run.
    pub(super) after: Duration,
    /// Flows that it made.
    pub(super) flows: u64,
    /// Resident memory in bytes, now and at the most so far.
    pub(super) memory: [u64; 2],
}

/// One run, watched or not.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) run: Run,
    pub(super) agent: Option<Share>,
}

impl Sample {
    /// Processor time of the node for one operation, the agent's included.
    pub(super) fn cost(&self) -> f64 {
        let after = self.agent.map_or(Duration::ZERO, |agent| agent.after);
        let busy = self.run.usage.busy.saturating_sub(self.foreign()) + after;
        busy.as_secs_f64() / self.run.operations as f64
    }

    /// Time of programs that are no part of the measurement.
    fn foreign(&self) -> Duration {
        let agent =
            self.agent.map_or(Duration::ZERO, |agent| agent.times.total().saturating_sub(agent.after));
        self.run.usage.others.saturating_sub(agent)
    }

    /// Whether others took so much that the figures are not those of an idle machine.
    pub(super) fn is_disturbed(&self) -> bool {
        let usage = self.run.usage;
        usage.share(self.foreign()) > DISTURBED || usage.share(usage.stolen) > DISTURBED
    }
}

/// The same workload without and with the agent, one soon after the other.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) without: Sample,
    pub(super) with: Sample,
}

impl Pair {
    /// Throughput with the agent, as a part of that without.
    pub(super) fn ratio(&self) -> f64 {
        self.with.run.rate() / self.without.run.rate()
    }
}

/// Attempts of clients against what agents printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Check {
    /// Attempts of the clients.
    pub(super) attempts: u64,
    /// What the agents printed.
    pub(super) flows: Flows,
}

impl Check {
    /// Every attempt is in a flow, or there are lost records that account for it; and there is nothing else.
    pub(super) const fn holds(&self) -> bool {
        let Flows { attempts, lost, foreign } = self.flows;
        foreign == 0 && attempts <= self.attempts && self.attempts <= attempts + lost
    }
}

/// The rounds of one workload.
#[derive(Debug, Default)]
struct Played {
    made: usize,
    kept: Vec<Pair>,
}

/// All rounds so far.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    played: HashMap<Workload, Played>,
    check: Check,
}

impl Rounds {
    /// The workload that is to be played next: the one with the fewest undisturbed rounds; none when all have `enough`.
    pub(super) fn next(&self, enough: usize) -> Option<Workload> {
        let wanting = Workload::ALL.into_iter().filter(|workload| self.pairs(*workload).len() < enough);
        wanting.min_by_key(|workload| (self.pairs(*workload).len(), self.made(*workload)))
    }

    /// Plays one more round of a workload, and keeps it if it was undisturbed.
    pub(super) fn add(
        &mut self,
        scene: &Scene,
        workload: Workload,
        options: &Options,
    ) -> Result<(), BenchError> {
        let agent_first = self.made(workload) % 2 == 1;
        let (without, with) = if agent_first {
            let with = self.with_agent(scene, workload, options)?;
            (without_agent(scene, workload, options)?, with)
        } else {
            (without_agent(scene, workload, options)?, self.with_agent(scene, workload, options)?)
        };
        for sample in [&without, &with] {
            tracing::debug!(
                workload = workload.name(),
                agent = sample.agent.is_some(),
                rate = sample.run.rate(),
                foreign = sample.run.usage.share(sample.foreign()),
                usage = ?sample.run.usage,
                "A run is over."
            );
        }
        let played = self.played.entry(workload).or_default();
        played.made += 1;
        if !without.is_disturbed() && !with.is_disturbed() {
            played.kept.push(Pair { without, with });
        }
        Ok(())
    }

    fn with_agent(
        &mut self,
        scene: &Scene,
        workload: Workload,
        options: &Options,
    ) -> Result<Sample, BenchError> {
        let agent = Agent::start(scene, &options.portolan)?;
        let sample = watched(&agent, scene, workload, options)?;
        self.check.attempts += sample.run.attempts;
        self.check.flows.add(agent.stop()?);
        Ok(sample)
    }

    /// The undisturbed rounds of a workload.
    pub(super) fn pairs(&self, workload: Workload) -> &[Pair] {
        self.played.get(&workload).map_or(&[], |played| &played.kept)
    }

    /// The rounds of a workload that were played.
    pub(super) fn made(&self, workload: Workload) -> usize {
        self.played.get(&workload).map_or(0, |played| played.made)
    }

    /// Whether the agents missed anything.
    pub(super) const fn check(&self) -> Check {
        self.check
    }

    /// Where we are, in a line.
    pub(super) fn progress(&self) -> String {
        let of = |workload: Workload| {
            format!("{} {} of {}", workload.name(), self.pairs(workload).len(), self.made(workload))
        };
        format!("Undisturbed rounds so far: {}.", Workload::ALL.map(of).join(", "))
    }
}

fn without_agent(scene: &Scene, workload: Workload, options: &Options) -> Result<Sample, BenchError> {
    Ok(Sample { run: load::run(scene, workload, options.length)?, agent: None })
}

/// A run under the eyes of an agent, until it has worked off what it saw.
pub(super) fn watched(
    agent: &Agent<'_>,
    scene: &Scene,
    workload: Workload,
    options: &Options,
) -> Result<Sample, BenchError> {
    let before = agent.settle()?;
    let begun = agent.times()?;
    let run = load::run(scene, workload, options.length)?;
    let at_end = agent.times()?;
    let flows = agent.settle()? - before;
    let settled = agent.times()?;
    let share = Share {
        times: settled.since(begun),
        after: settled.since(at_end).total(),
        flows,
        memory: agent.memory()?,
    };
    Ok(Sample { run, agent: Some(share) })
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::cpu::Usage;
    use super::*;

    pub(in crate::bench) fn sample(operations: u64, others: u64, agent: Option<Share>) -> Sample {
        let usage = Usage {
            capacity: Duration::from_secs(4),
            busy: Duration::from_secs(2),
            others: Duration::from_millis(others),
            stolen: Duration::ZERO,
        };
        let elapsed = Duration::from_secs(2);
        Sample { run: Run { attempts: 1, operations, elapsed, p99: None, usage }, agent }
    }

    #[test]
    fn the_agents_own_time_is_no_disturbance_and_counts_as_cost() {
        let user = Duration::from_millis(400);
        let share = Share {
            times: Times { user, system: Duration::ZERO },
            after: Duration::from_millis(100),
            ..Share::default()
        };
        let watched = sample(1000, 300, Some(share));
        assert!(!watched.is_disturbed());
        assert!((watched.cost() - 2.1e-3).abs() < 1e-9);
        assert!(sample(1000, 300, None).is_disturbed());
        assert!((sample(1000, 300, None).cost() - 1.7e-3).abs() < 1e-9);
    }

    #[test]
    fn a_check_holds_when_every_attempt_is_told_or_counted_as_lost() {
        let check = |attempts, flows, lost, foreign| {
            Check { attempts, flows: Flows { attempts: flows, lost, foreign } }.holds()
        };
        assert!(check(10, 10, 0, 0));
        assert!(check(10, 8, 5, 0));
        assert!(!check(10, 9, 0, 0), "one is missing");
        assert!(!check(10, 11, 0, 0), "one is told twice");
        assert!(!check(10, 10, 0, 1), "one is made up");
    }

    #[test]
    fn the_workload_with_the_fewest_undisturbed_rounds_is_next() {
        let mut rounds = Rounds::default();
        assert_eq!(rounds.next(1), Some(Workload::Churn));
        let pair = Pair { without: sample(1, 0, None), with: sample(1, 0, None) };
        rounds.played.insert(Workload::Churn, Played { made: 1, kept: vec![pair.clone()] });
        rounds.played.insert(Workload::PingPong, Played { made: 1, kept: Vec::new() });
        assert_eq!(rounds.next(1), Some(Workload::Flood), "it was not even tried");
        rounds.played.insert(Workload::Flood, Played { made: 1, kept: vec![pair.clone()] });
        assert_eq!(rounds.next(1), Some(Workload::PingPong));
        rounds.played.insert(Workload::PingPong, Played { made: 2, kept: vec![pair] });
        assert_eq!(rounds.next(1), None);
    }

    #[test]
    fn a_ratio_compares_rates() {
        let pair = Pair { without: sample(1000, 0, None), with: sample(900, 0, None) };
        assert!((pair.ratio() - 0.9).abs() < 1e-9);
    }
}
