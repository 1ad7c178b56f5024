//! Four agents, a collector, and what befalls them.

use crate::{
    agent::{Agent, HASTY, Task},
    cut::Way,
    disk::Disk,
    process::{Process, free_port},
    world::{Dice, NODES},
};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::sleep;

/// Nobody goes alone while a collector is away.
pub(crate) const PATIENT: &str = "--join-window 10m";
/// What waits at the end waits for nobody.
const IMPATIENT: &str = "--join-window 300ms";

/// What was done, and what must be there.
#[derive(Debug, Default)]
pub(crate) struct Count {
    /// Of what the agents tell.
    pub(crate) seed: u64,
    agents_killed: u64,
    collectors_killed: u64,
    cuts: u64,
    full_disks: u64,
    /// Of each run: how many of its records were safe when it ended.
    pub(crate) safe: BTreeMap<(&'static str, u64), u64>,
    /// Records that the hasty one has told.
    pub(crate) hasty: u64,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agents_killed, collectors_killed, cuts, full_disks, .. } = self;
        write!(
            f,
            "{agents_killed} agents and {collectors_killed} collectors killed, {cuts} cuts, {full_disks} full disks"
        )
    }
}

pub(crate) struct Scene {
    spools: TempDir,
    /// Of the collector, and of one of the agents.
    disk: Disk,
    small_disk: Disk,
    port: u16,
    way: Way,
    collector: Option<Process>,
    agents: BTreeMap<&'static str, Agent>,
    count: Count,
}

impl Scene {
    pub(crate) async fn start(seed: u64) -> Self {
        let port = free_port();
        let mut scene = Self {
            spools: tempfile::tempdir().unwrap(),
            disk: Disk::new("512m"),
            small_disk: Disk::new("16m"),
            port,
            way: Way::to(port).await,
            collector: None,
            agents: BTreeMap::new(),
            count: Count { seed, ..Count::default() },
        };
        scene.start_collector().await;
        for node in NODES.into_iter().chain([HASTY]) {
            scene.start_agent(node, 0);
        }
        scene
    }

    async fn start_collector(&mut self) {
        let collector = Process::try_start(&self.disk.path().join("data"), self.port, PATIENT).await;
        self.collector = Some(collector.unwrap_or_else(|said| panic!("it ended: {said:#?}")));
    }

    fn task(&self, node: &'static str, run: u64) -> Task {
        let spool: PathBuf =
            if node == NODES[0] { self.small_disk.path() } else { self.spools.path() }.join(node);
        Task {
            node,
            run,
            seed: self.count.seed,
            port: self.way.port,
            spool,
            only_drains: false,
            from: self.count.hasty,
        }
    }

    fn start_agent(&mut self, node: &'static str, run: u64) {
        self.agents.insert(node, Agent::start(self.task(node, run)));
    }

    /// Something happens; all goes on after it.
    pub(crate) async fn fault(&mut self, dice: &mut Dice, number: u64) {
        sleep(Duration::from_millis(dice.below(600))).await;
        match dice.below(20) {
            // Each at least once, however short the run.
            _ if number == 7 => self.collector_away(Duration::from_secs(6)).await,
            _ if number == 14 => self.full(dice).await,
            0..8 => self.kill_agent(NODES[dice.below(3) as usize]),
            8..14 => self.collector_away(Duration::from_millis(dice.below(500))).await,
            14..17 => {
                self.way.cut();
                self.count.cuts += 1;
            }
            17 => self.collector_away(Duration::from_secs(4)).await,
            18 => self.full(dice).await,
            _ => self.small_disk_full(dice).await,
        }
    }

    fn kill_agent(&mut self, node: &'static str) {
        let run = self.end_of(node);
        self.count.agents_killed += 1;
        self.start_agent(node, run + 1);
    }

    /// Kills it; which run it was.
    fn end_of(&mut self, node: &'static str) -> u64 {
        let agent = self.agents.remove(node).unwrap();
        let run = agent.task.run;
        self.count.safe.insert((node, run), agent.kill());
        run
    }

    async fn collector_away(&mut self, how_long: Duration) {
        self.collector.take().unwrap().kill();
        self.count.collectors_killed += 1;
        sleep(how_long).await;
        self.start_collector().await;
    }

    /// The collector ends, or hangs, or goes on: what it cannot write it must not acknowledge.
    async fn full(&mut self, dice: &mut Dice) {
        self.disk.fill();
        self.count.full_disks += 1;
        sleep(Duration::from_millis(500 + dice.below(2000))).await;
        self.collector.take().unwrap().kill();
        if let Ok(collector) = Process::try_start(&self.disk.path().join("data"), self.port, PATIENT).await {
            sleep(Duration::from_millis(dice.below(500))).await;
            collector.kill();
        }
        self.disk.clear();
        self.start_collector().await;
    }

    async fn small_disk_full(&mut self, dice: &mut Dice) {
        self.small_disk.fill();
        self.count.full_disks += 1;
        sleep(Duration::from_millis(dice.below(3000))).await;
        if dice.below(2) == 0 {
            self.kill_agent(NODES[0]);
        }
        self.small_disk.clear();
    }

    /// No more faults: every spool is emptied, and what waits for its other half goes alone.
    pub(crate) async fn calm_down(mut self) -> (Process, Count) {
        for node in NODES {
            let run = self.end_of(node);
            self.drain(node, run + 1).await;
        }
        self.count.hasty = self.agents.remove(HASTY).unwrap().end().await;
        // What the first run lost stands beside the record of the second.
        self.drain(HASTY, 1).await;
        self.count.hasty += 1;
        self.collector.take().unwrap().stop();
        let data = self.disk.path().join("data");
        (all_told(&data, self.port).await, self.count)
    }

    async fn drain(&mut self, node: &'static str, run: u64) {
        let agent = Agent::start(Task { only_drains: true, ..self.task(node, run) });
        // Its first batch is sealed by then.
        sleep(Duration::from_millis(1500)).await;
        agent.drained().await;
        agent.end().await;
    }
}

/// A collector on a folder that has told all that waited there. What it makes of the last views is on disk only when it
/// has ended.
pub(crate) async fn all_told(data: &Path, port: u16) -> Process {
    let collector = Process::start(data, port, IMPATIENT).await;
    collector.until(|status| status.pending_joins == 0).await;
    collector.stop();
    Process::start(data, port, IMPATIENT).await
}
