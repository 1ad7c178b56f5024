//! Rounds: a workload unwatched, under Portolan and under the baseline, one right after the other, in changing order.

use std::collections::BTreeMap;
use std::time::Duration;

use super::agent::{Agent, Flows};
use super::cpu::Times;
use super::figures::Spread;
use super::load::{self, Run, Workload};
use super::naive::{Naive, Read};
use super::scene::Scene;
use super::{BenchError, Options};

/// How far the median of a throughput's ratios may be from the true one before further rounds are played.
const DOUBT: f64 = 0.01;
/// So many times more rounds are played than asked for, where the figures go on to differ.
const MOST: usize = 3;

/// Who watches a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watcher {
    /// Nobody.
    Nobody,
    /// An agent.
    Portolan,
    /// A flow in a table for every packet.
    Naive,
}

impl Watcher {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Nobody, Self::Portolan, Self::Naive];

    /// In which order they watch in this round: everyone comes first, and before and after everyone else.
    fn order(round: usize) -> [Self; 3] {
        let mut order = Self::ALL;
        order.rotate_left(round % 3);
        if round % 2 == 1 {
            order.reverse();
        }
        order
    }
}

/// Resident memory in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    /// Before the run.
    pub(super) idle: u64,
    /// After it.
    pub(super) after: u64,
    /// At the most.
    pub(super) most: u64,
}

/// What the agent took for one run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Share {
    /// Processor time from the begin of the run until all was worked off.
    pub(super) times: Times,
    /// Flows that it made.
    pub(super) flows: u64,
    pub(super) memory: Memory,
}

/// One run, watched or not.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) run: Run,
    /// Processor time for it after its end: what a watcher still had to work off.
    pub(super) after: Duration,
    /// The agent's part, where one watched.
    pub(super) agent: Option<Share>,
}

impl Sample {
    /// Processor time of the node for one operation, the watcher's included.
    pub(super) fn cost(&self) -> f64 {
        let busy = self.run.usage.busy.saturating_sub(self.foreign()) + self.after;
        busy.as_secs_f64() / self.run.operations as f64
    }

    /// Time of programs that are no part of the measurement. The baseline is a part of this one.
    fn foreign(&self) -> Duration {
        let agent = self.agent.map_or(Duration::ZERO, |agent| agent.times.total().saturating_sub(self.after));
        self.run.usage.others.saturating_sub(agent)
    }

    /// Whether others took so much that the figures are not those of an idle machine.
    pub(super) fn is_disturbed(&self, options: &Options) -> bool {
        let usage = self.run.usage;
        usage.share(self.foreign()) > options.disturbance || usage.share(usage.stolen) > options.disturbance
    }
}

/// The same workload under each watcher, one soon after the other.
#[derive(Debug, Clone)]
pub(super) struct Round {
    pub(super) nobody: Sample,
    pub(super) portolan: Sample,
    pub(super) naive: Sample,
}

impl Round {
    /// The run under this watcher.
    pub(super) const fn of(&self, watcher: Watcher) -> &Sample {
        match watcher {
            Watcher::Nobody => &self.nobody,
            Watcher::Portolan => &self.portolan,
            Watcher::Naive => &self.naive,
        }
    }

    /// Throughput under a watcher, as a part of that without.
    pub(super) fn ratio(&self, watcher: Watcher) -> f64 {
        self.of(watcher).run.rate() / self.nobody.run.rate()
    }

    /// What a watcher adds to the node's processor time for one operation, in seconds.
    pub(super) fn added(&self, watcher: Watcher) -> f64 {
        self.of(watcher).cost() - self.nobody.cost()
    }

    fn is_disturbed(&self, options: &Options) -> bool {
        Watcher::ALL.iter().any(|watcher| self.of(*watcher).is_disturbed(options))
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
    kept: Vec<Round>,
}

/// All rounds so far.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    played: BTreeMap<Workload, Played>,
    check: Check,
    baseline: Read,
}

impl Rounds {
    /// The workload that is to be played next: the one with the fewest undisturbed rounds; none when all have `enough`,
    /// and those whose rounds differ much have more.
    pub(super) fn next(&self, enough: usize) -> Option<Workload> {
        let wanting = Workload::ALL.into_iter().filter(|workload| !self.is_settled(*workload, enough));
        wanting.min_by_key(|workload| (self.kept(*workload).len(), self.made(*workload)))
    }

    /// Whether more rounds of a workload would hardly move its median.
    fn is_settled(&self, workload: Workload, enough: usize) -> bool {
        let kept = self.kept(workload);
        let ratios = kept.iter().map(|round| round.ratio(Watcher::Portolan));
        let doubt = Spread::of(ratios).map_or(f64::INFINITY, |spread| spread.doubt(kept.len()));
        kept.len() >= enough && (workload.is_denied() || doubt <= DOUBT || kept.len() >= MOST * enough)
    }

    /// Plays one more round of a workload, and keeps it if it was undisturbed.
    pub(super) fn add(
        &mut self,
        scene: &Scene,
        workload: Workload,
        options: &Options,
    ) -> Result<(), BenchError> {
        let [mut nobody, mut portolan, mut naive] = [const { None }; 3];
        for watcher in Watcher::order(self.made(workload)) {
            match watcher {
                Watcher::Nobody => nobody = Some(unwatched(scene, workload, options)?),
                Watcher::Portolan => portolan = Some(self.under_portolan(scene, workload, options)?),
                Watcher::Naive => naive = Some(self.under_baseline(scene, workload, options)?),
            }
        }
        let (Some(nobody), Some(portolan), Some(naive)) = (nobody, portolan, naive) else { return Ok(()) };
        let round = Round { nobody, portolan, naive };
        for watcher in Watcher::ALL {
            let sample = round.of(watcher);
            tracing::debug!(
                workload = workload.name(),
                ?watcher,
                rate = sample.run.rate(),
                foreign = sample.run.usage.share(sample.foreign()),
                usage = ?sample.run.usage,
                "A run is over."
            );
        }
        let played = self.played.entry(workload).or_default();
        played.made += 1;
        if !round.is_disturbed(options) {
            played.kept.push(round);
        }
        Ok(())
    }

    fn under_portolan(
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

    fn under_baseline(
        &mut self,
        scene: &Scene,
        workload: Workload,
        options: &Options,
    ) -> Result<Sample, BenchError> {
        let naive = Naive::start(scene)?;
        let run = load::run(scene, workload, options.length)?;
        let (read, after) = naive.stop()?;
        self.baseline.add(read);
        Ok(Sample { run, after, agent: None })
    }

    /// The undisturbed rounds of a workload.
    pub(super) fn kept(&self, workload: Workload) -> &[Round] {
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

    /// What the baseline's table held in all rounds.
    pub(super) const fn baseline(&self) -> Read {
        self.baseline
    }

    /// Where we are, in a line.
    pub(super) fn progress(&self) -> String {
        let of = |workload: Workload| {
            format!("{} {} of {}", workload.name(), self.kept(workload).len(), self.made(workload))
        };
        format!("Undisturbed rounds so far: {}.", Workload::ALL.map(of).join(", "))
    }
}

fn unwatched(scene: &Scene, workload: Workload, options: &Options) -> Result<Sample, BenchError> {
    let run = load::run(scene, workload, options.length)?;
    Ok(Sample { run, after: Duration::ZERO, agent: None })
}

/// A run under the eyes of an agent, until it has worked off what it saw.
pub(super) fn watched(
    agent: &Agent<'_>,
    scene: &Scene,
    workload: Workload,
    options: &Options,
) -> Result<Sample, BenchError> {
    let before = agent.settle()?;
    let [idle, _] = agent.memory()?;
    let begun = agent.times()?;
    let run = load::run(scene, workload, options.length)?;
    let at_end = agent.times()?;
    let flows = agent.settle()? - before;
    let settled = agent.times()?;
    let [after, most] = agent.memory()?;
    let share = Share { times: settled.since(begun), flows, memory: Memory { idle, after, most } };
    Ok(Sample { run, after: settled.since(at_end).total(), agent: Some(share) })
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
        let run = Run { attempts: 1, operations, elapsed, p99: None, usage };
        Sample { run, after: Duration::ZERO, agent }
    }

    fn round(nobody: u64, portolan: u64, naive: u64) -> Round {
        let [nobody, portolan, naive] =
            [nobody, portolan, naive].map(|operations| sample(operations, 0, None));
        Round { nobody, portolan, naive }
    }

    #[test]
    fn the_agents_own_time_is_no_disturbance_and_counts_as_cost() {
        let user = Duration::from_millis(400);
        let share = Share { times: Times { user, system: Duration::ZERO }, ..Share::default() };
        let watched = Sample { after: Duration::from_millis(100), ..sample(1000, 300, Some(share)) };
        let options = Options::default();
        assert!(!watched.is_disturbed(&options));
        assert!((watched.cost() - 2.1e-3).abs() < 1e-9);
        assert!(sample(1000, 300, None).is_disturbed(&options));
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
    fn a_workload_whose_rounds_differ_is_played_more_often_up_to_a_bound() {
        let played = |kept: Vec<Round>| {
            let mut rounds = Rounds::default();
            for workload in Workload::ALL {
                rounds.played.insert(workload, Played { made: 2, kept: vec![round(100, 98, 98); 2] });
            }
            rounds.played.insert(Workload::Bulk, Played { made: kept.len(), kept });
            rounds.next(2)
        };
        let differing =
            |count: usize| (0..count).map(|at| round(100, 90 + 5 * (at as u64 % 2), 90)).collect();
        assert_eq!(played(vec![round(100, 95, 90); 2]), None);
        assert_eq!(played(differing(2)), Some(Workload::Bulk));
        assert_eq!(played(differing(5)), Some(Workload::Bulk));
        assert_eq!(played(differing(6)), None);
    }

    #[test]
    fn the_workload_with_the_fewest_undisturbed_rounds_is_next() {
        let mut rounds = Rounds::default();
        assert_eq!(rounds.next(1), Some(Workload::Churn));
        rounds.played.insert(Workload::Churn, Played { made: 1, kept: vec![round(1, 1, 1)] });
        rounds.played.insert(Workload::PingPong, Played { made: 1, kept: Vec::new() });
        assert_eq!(rounds.next(1), Some(Workload::Flood), "it was not even tried");
        for workload in [Workload::Flood, Workload::Bulk, Workload::DeniedSyns, Workload::DeniedDatagrams] {
            rounds.played.insert(workload, Played { made: 1, kept: vec![round(1, 1, 1)] });
        }
        assert_eq!(rounds.next(1), Some(Workload::PingPong));
        rounds.played.insert(Workload::PingPong, Played { made: 2, kept: vec![round(1, 1, 1)] });
        assert_eq!(rounds.next(1), None);
    }

    #[test]
    fn a_ratio_compares_rates() {
        let round = round(1000, 900, 800);
        assert!((round.ratio(Watcher::Portolan) - 0.9).abs() < 1e-9);
        assert!((round.ratio(Watcher::Naive) - 0.8).abs() < 1e-9);
        assert!((round.added(Watcher::Naive) - 0.5e-3).abs() < 1e-9);
    }

    #[test]
    fn every_watcher_comes_first_and_after_every_other() {
        let orders: Vec<_> = (0..6).map(Watcher::order).collect();
        for watcher in Watcher::ALL {
            assert_eq!(orders.iter().filter(|order| order[0] == watcher).count(), 2, "{orders:?}");
            for other in Watcher::ALL.into_iter().filter(|other| *other != watcher) {
                assert!(orders.iter().any(|order| order.windows(2).any(|pair| *pair == [other, watcher])));
            }
        }
    }
}
