//! A collector with a folder, killed at any instant: nothing lost that was acknowledged, nothing twice.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod exporting;
mod following;
mod process;
#[path = "../../../collector/tests/support/mod.rs"]
mod support;
mod world;

use portolan_proto::{Header, Observation, View, encode, v1};
use process::{Process, free_port, send_all};
use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use support::build::{FlowExt as _, at, by_destination, by_source, web_to_db};
use tokio::{task::JoinSet, time::sleep};
use world::{Dice, World, flows_of, world};

/// Nobody goes alone while a collector is away.
const PATIENT: &str = "--join-window 10m";

/// How many kills a usual run makes.
const KILLS: u64 = 8;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn agents(world: &World, port: u16, seed: u64, pace: Duration) -> JoinSet<u32> {
    let mut agents = JoinSet::new();
    for (number, batches) in world.values().enumerate() {
        let dice = Dice::new(seed ^ (number as u64 + 1));
        agents.spawn(send_all(port, batches.clone(), dice, pace));
    }
    agents
}

/// What a collector that nobody kills ends with.
async fn undisturbed(world: &World, seed: u64) -> Vec<String> {
    let (data, port) = (tempfile::tempdir().unwrap(), free_port());
    let collector = Process::start(data.path(), port, PATIENT).await;
    agents(world, port, seed, Duration::ZERO).join_all().await;
    let status = collector.status().await;
    assert_eq!((status.pending_joins, status.late_joins), (0, 0), "every pair has met");
    let flows = collector.flows().await;
    collector.stop();
    flows
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_instant_every_flow_is_there_exactly_once() {
    let kills = from_environment("PORTOLAN_KILLS", KILLS);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = from_environment("PORTOLAN_SEED", now % 1_000_000_007);
    println!("PORTOLAN_SEED={seed} PORTOLAN_KILLS={kills}");
    let world = world(seed, 400 * kills);
    let expected = undisturbed(&world, seed).await;
    assert!(expected.len() as u64 == flows_of(seed, 400 * kills), "not {} flows", expected.len());

    let (data, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut agents = agents(&world, port, seed, Duration::from_millis(2));
    let mut dice = Dice::new(seed);
    let mut killed = 0;
    let (mut collector, mut connections) = (Process::start(data.path(), port, PATIENT).await, 0);
    while !agents.is_empty() {
        sleep(Duration::from_millis(dice.below(300))).await;
        if killed < kills {
            collector.kill();
            killed += 1;
            collector = Process::start(data.path(), port, PATIENT).await;
        }
        while let Some(done) = agents.try_join_next() {
            connections += done.unwrap();
        }
    }
    println!("{killed} kills, {} flows, {connections} connections of agents", expected.len());
    assert!(killed >= kills.min(3), "the agents were done before the collector was killed");
    same(&collector.flows().await, &expected);
    assert_eq!(collector.status().await.pending_joins, 0);
    collector.stop();
    let collector = Process::start(data.path(), port, PATIENT).await;
    same(&collector.flows().await, &expected);
    collector.kill();
}

/// Compares without printing thousands of flows.
fn same(flows: &[String], expected: &[String]) {
    let missing = expected.iter().filter(|flow| flows.binary_search(flow).is_err());
    let surplus = flows.iter().filter(|flow| expected.binary_search(flow).is_err());
    let (missing, surplus): (Vec<_>, Vec<_>) = (missing.take(3).collect(), surplus.take(3).collect());
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:#?}, surplus {surplus:#?}");
    assert_eq!(flows.len(), expected.len(), "some are there more than once");
}

/// A batch of its own run.
#[expect(clippy::needless_pass_by_value, reason = "so a test reads better")]
fn batch(node: &str, boot: &str, observation: Observation) -> Vec<v1::Batch> {
    let header = Header { cluster: "test", node, boot, sequence: 1 };
    vec![encode(header, [View::from(&observation)], &[])]
}

async fn send(port: u16, batches: Vec<v1::Batch>) {
    send_all(port, batches, Dice::new(1), Duration::ZERO).await;
}

async fn start(data: &Path, port: u16) -> Process {
    Process::start(data, port, "--join-window 300ms").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_view_out_of_a_spool_after_a_restart_makes_no_second_flow() {
    let (data, port) = (tempfile::tempdir().unwrap(), free_port());
    let collector = start(data.path(), port).await;
    send(port, batch("n1", "a", by_source(web_to_db()))).await;
    collector.until(|status| status.flows_total == 1).await;
    let alone = collector.flows().await;
    collector.kill();
    let collector = start(data.path(), port).await;
    send(port, batch("n2", "b", by_destination(web_to_db()))).await;
    collector.until(|status| status.late_joins == 1).await;
    assert_eq!(collector.flows().await, alone);
    collector.kill();
    let collector = start(data.path(), port).await;
    // Another connection between the same ports.
    let mut other = by_destination(web_to_db().started(at(60_000)));
    other.connection.tcp_isn = 99;
    send(port, batch("n2", "c", other)).await;
    collector.until(|status| status.flows_kept == 2).await;
    collector.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_waits_when_the_collector_stops_meets_its_other_half_in_the_next_run() {
    let (data, port) = (tempfile::tempdir().unwrap(), free_port());
    let collector = Process::start(data.path(), port, PATIENT).await;
    send(port, batch("n1", "a", by_source(web_to_db()))).await;
    assert_eq!(collector.status().await.pending_joins, 1);
    collector.stop();
    let collector = Process::start(data.path(), port, PATIENT).await;
    assert_eq!(collector.status().await.pending_joins, 1);
    send(port, batch("n2", "b", by_destination(web_to_db()))).await;
    let flows = collector.flows().await;
    assert!(flows.len() == 1 && flows[0].contains("reporter: Both"), "{flows:#?}");
    collector.kill();
}

/// Every file below a folder that holds something.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            files.extend(self::files(&entry.path()));
        } else if entry.metadata().unwrap().len() > 0 {
            files.push(entry.path());
        }
    }
    files.sort_unstable();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_file_is_damaged_a_collector_serves_after_some_starts() {
    let seed = from_environment("PORTOLAN_SEED", 7);
    let mut dice = Dice::new(seed);
    let (data, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut restarts = 0;
    for round in 0..from_environment("PORTOLAN_DAMAGES", 12) {
        let collector = Process::start(data.path(), port, PATIENT).await;
        let world = world(seed + round, 200);
        agents(&world, port, seed, Duration::ZERO).join_all().await;
        if dice.below(2) == 0 {
            collector.kill();
        } else {
            collector.stop();
        }
        let files = files(&data.path().join("ledger"));
        let file = &files[dice.below(files.len() as u64) as usize];
        let mut bytes = std::fs::read(file).unwrap();
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1) as u64;
        match dice.below(3) {
            0 => bytes.truncate(dice.below(bytes.len() as u64) as usize),
            _ => bytes[dice.below(written) as usize] ^= 1 << dice.below(8),
        }
        std::fs::write(file, bytes).unwrap();
        let mut tries = 0;
        while let Err(said) = Process::try_start(data.path(), port, PATIENT).await.map(Process::stop) {
            tries += 1;
            assert!(tries <= 3, "PORTOLAN_SEED={seed}, {}: {said:#?}", file.display());
        }
        restarts += tries;
    }
    println!("{restarts} restarts were needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_collector_on_the_folder_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let collector = Process::start(data.path(), free_port(), PATIENT).await;
    let mut second = std::process::Command::new(env!("CARGO_BIN_EXE_portolan"));
    second.args(["collector", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--data"]);
    let answer = second.arg(data.path()).output().unwrap();
    assert_eq!(answer.status.code(), Some(1));
    let said = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert!(said.contains("another collector uses") && said.contains("folder of its own"), "{said}");
    collector.stop();
}
