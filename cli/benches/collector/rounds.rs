//! Rounds: a load that was prepared is sent, and what it cost is read from the kernel's account.

use crate::{
    Options,
    agents::Agents,
    naive::Messages,
    process::Process,
    traffic::{Load, Traffic},
};
use portolan_lab::bench::{
    cpu::{Reading, Times, Usage},
    quiet,
};
use portolan_proto::v1;
use std::{
    process,
    time::{Duration, Instant},
};

/// How often the collector is asked whether views still wait.
const ASK: Duration = Duration::from_millis(50);
/// When they must be gone.
const DEADLINE: Duration = Duration::from_secs(30);

/// What one round came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// Until the last acknowledgement.
    pub(crate) took: Duration,
    /// The server's processor time, until nothing was left to do.
    pub(crate) times: Times,
    /// The generator's.
    generator: Times,
    /// Of the machine's time, what others took or the host gave away.
    disturbed: f64,
}

impl Round {
    /// Processor time for a record, in microseconds.
    pub(crate) fn cost(&self) -> f64 {
        self.each(self.times.total())
    }

    /// The part of it in the kernel.
    pub(crate) fn in_kernel(&self) -> f64 {
        self.each(self.times.system)
    }

    /// What sending cost.
    pub(crate) fn sending(&self) -> f64 {
        self.each(self.generator.total())
    }

    pub(crate) fn rate(&self) -> f64 {
        self.records as f64 / self.took.as_secs_f64()
    }

    pub(crate) fn size(&self) -> f64 {
        self.bytes as f64 / self.records as f64
    }

    pub(crate) fn is_disturbed(&self, options: &Options) -> bool {
        self.disturbed > options.disturbance
    }

    fn each(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.records as f64
    }
}

/// A measurement that has begun.
struct Begun {
    usage: Reading,
    server: Times,
    generator: Times,
    at: Instant,
}

impl Begun {
    fn now(server: &Process) -> anyhow::Result<Self> {
        let generator = Times::of(process::id())?;
        Ok(Self { usage: Usage::read()?, server: server.times()?, generator, at: Instant::now() })
    }

    fn end(self, server: &Process, took: Duration, [records, bytes]: [u64; 2]) -> anyhow::Result<Round> {
        let times = server.times()?.since(self.server);
        let usage = Usage::read()?.since(&self.usage);
        // The server is another process too, and no disturbance.
        let foreign = usage.others.saturating_sub(times.total());
        let disturbed = usage.share(foreign).max(usage.share(usage.stolen));
        let generator = Times::of(process::id())?.since(self.generator);
        Ok(Round { records, bytes, took, times, generator, disturbed })
    }
}

/// What was sent so far, to be compared with what the collector says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) records: u64,
    pub(crate) attempts: u64,
}

/// A collector under load.
pub(crate) struct Bench {
    pub(crate) collector: Process,
    agents: Agents,
    pub(crate) sent: Sent,
}

impl Bench {
    pub(crate) async fn new(collector: Process) -> anyhow::Result<Self> {
        let agents = Agents::connect(&collector.endpoint).await?;
        Ok(Self { collector, agents, sent: Sent::default() })
    }

    /// The collector, whose agents are gone.
    pub(crate) fn into_collector(self) -> Process {
        self.collector
    }

    /// Sends without measuring.
    pub(crate) async fn send(&mut self, mut load: Load) -> anyhow::Result<()> {
        self.sent.records += load.records;
        self.sent.attempts += load.attempts;
        self.agents.send(&mut load).await
    }

    /// One round.
    pub(crate) async fn round(&mut self, load: Load, options: &Options) -> anyhow::Result<Round> {
        let figures = [load.records, load.bytes];
        quiet::wait(options.patience)?;
        let begun = Begun::now(&self.collector)?;
        self.send(load).await?;
        let took = begun.at.elapsed();
        self.settle().await?;
        begun.end(&self.collector, took, figures)
    }

    /// Until no view waits.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let v1::GetStatusResponse { pending_joins, flows_total, .. } = self.collector.status().await?;
            // A view that waits no more is a flow as soon as that is durable.
            if pending_joins == 0 && flows_total >= self.sent.attempts {
                break;
            }
            anyhow::ensure!(
                begun.elapsed() < DEADLINE,
                "{pending_joins} views wait for ever, {flows_total} of {} flows are made",
                self.sent.attempts
            );
            tokio::time::sleep(ASK).await;
        }
        Ok(())
    }

    /// Every attempt is one flow, and nothing else is.
    pub(crate) async fn check(&self) -> anyhow::Result<()> {
        let status = self.collector.status().await?;
        let sum = |of: fn(&v1::NodeStatus) -> u64| status.nodes.iter().map(of).sum::<u64>();
        let told = [sum(|node| node.observations), sum(|node| node.duplicates), sum(|node| node.malformed)];
        let Sent { records, attempts } = self.sent;
        anyhow::ensure!(
            told == [records, 0, 0] && status.flows_total == attempts,
            "of {records} records and {attempts} attempts the collector took {told:?} (records, duplicates, \
             malformed) and made {} flows",
            status.flows_total
        );
        Ok(())
    }
}

/// One round of the baseline.
pub(crate) async fn naive(
    traffic: &mut Traffic<'_>,
    attempts: usize,
    options: &Options,
) -> anyhow::Result<Round> {
    let messages = Messages::of(traffic.attempts(attempts))?;
    let server = Process::baseline()?;
    let figures = [messages.records(), messages.bytes];
    quiet::wait(options.patience)?;
    let begun = Begun::now(&server)?;
    messages.send(&server.endpoint).await?;
    let took = begun.at.elapsed();
    begun.end(&server, took, figures)
}
