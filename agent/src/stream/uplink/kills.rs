//! An agent's end of the stream as a process of its own, killed with SIGKILL again and again, against a collector
//! that drops connections and loses answers.

use super::tests::{Agent, Collector, Deed, agent, eventually, free_address};
use crate::stream::{Item, Name, samples::record};
use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

const TEST: &str =
    "stream::uplink::kills::kills_at_any_instant_lose_nothing_that_was_on_disk_and_tell_nothing_twice";
const FOLDER: &str = "PORTOLAN_TEST_FOLDER";
const ADDRESS: &str = "PORTOLAN_TEST_ADDRESS";
const RUN: &str = "PORTOLAN_TEST_RUN";
/// How often the agent is killed; `PORTOLAN_KILLS` says otherwise.
const KILLS: u32 = 20;
/// The numbers of a run's records begin at this times its own number.
const STRIDE: u32 = 1_000_000;

fn kills() -> u32 {
    std::env::var("PORTOLAN_KILLS").map_or(KILLS, |kills| kills.parse().unwrap())
}

fn boot(run: u32) -> String {
    format!("run-{run}")
}

fn start(run: u32, folder: &Path, address: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", TEST]).env(RUN, run.to_string());
    command.env(FOLDER, folder).env(ADDRESS, address);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The process that is killed: tells records in items of many sizes until it dies.
async fn tell(run: u32) {
    let variable = |name| std::env::var(name).unwrap();
    let folder = variable(FOLDER);
    let agent = agent(variable(ADDRESS).parse().unwrap(), Some(Path::new(&folder)), &boot(run));
    let mut next = run * STRIDE;
    for size in (1..700).step_by(97).cycle() {
        agent.items.send(Item::Records((next..next + size).map(record).collect())).await.unwrap();
        next += size;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The batches in a folder.
fn spooled(folder: &Path) -> Vec<Name> {
    let names = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    names.filter_map(|name| name.to_str().unwrap().parse().ok()).collect()
}

/// What was told of each run: its batches by number, each once.
fn told(collector: &Collector) -> BTreeMap<String, BTreeMap<u64, Vec<u32>>> {
    let mut told: BTreeMap<String, BTreeMap<u64, Vec<u32>>> = BTreeMap::new();
    for (_, boot, sequence, records) in collector.applied() {
        told.entry(boot).or_default().insert(sequence, records);
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_instant_lose_nothing_that_was_on_disk_and_tell_nothing_twice() {
    use Deed::{Ack, Drop, Forget};
    if let Ok(run) = std::env::var(RUN) {
        return tell(run.parse().unwrap()).await;
    }
    let (folder, address, collector) = (TempDir::new().unwrap(), free_address(6).await, Collector::default());
    let (server, kills) = (collector.listen(address), kills());
    let mut torn = Vec::new();
    let mut left = Vec::new();
    for run in 1..=kills {
        collector.does([Ack, Forget, Ack, Ack, Drop].into_iter().cycle().skip(run as usize % 5).take(7));
        let mut child = start(run, folder.path(), &address.to_string());
        let begun = || spooled(folder.path()).iter().any(|name| *name.boot == boot(run));
        eventually(begun, || format!("{child:?} has made no batch")).await;
        tokio::time::sleep(Duration::from_micros(u64::from(run) * 7919 % 250_000)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        left.extend(spooled(folder.path()));
    }
    collector.is_well_from_now_on();
    let last: Agent = agent(address, Some(folder.path()), &boot(kills + 1));
    let done = || last.metrics.batches_waiting.get() == 0;
    eventually(done, || format!("{} wait", last.metrics.batches_waiting.get())).await;
    last.end().await;
    collector.check_order(&(1..=kills + 1).map(boot).collect::<Vec<_>>());
    let told = told(&collector);
    for Name { id, records, boot, .. } in left {
        match told.get(&*boot).and_then(|run| run.get(&id.sequence)) {
            Some(numbers) => assert_eq!(numbers.len(), records as usize),
            None => torn.push((boot, id.sequence, records)),
        }
    }
    torn.sort();
    torn.dedup();
    let lost = collector.losses("spool-damaged");
    assert_eq!(lost, torn.iter().map(|(_, _, records)| u64::from(*records)).sum::<u64>(), "{torn:?}");
    println!(
        "{kills} kills, {} batches told, {} torn",
        told.values().map(BTreeMap::len).sum::<usize>(),
        torn.len()
    );
    for run in 1..=kills {
        let numbers: Vec<u32> =
            told.get(&boot(run)).into_iter().flatten().flat_map(|(_, of)| of.clone()).collect();
        let expected: Vec<u32> = (run * STRIDE..).take(numbers.len()).collect();
        // Only the write under way at the kill can be torn, and nothing came after it.
        assert_eq!(numbers, expected, "run {run}");
    }
    server.abort();
}
