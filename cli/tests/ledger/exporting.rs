//! The files of a collector that is killed at any instant hold every flow of its ledger, once.

use crate::{
    PATIENT, agents, from_environment,
    process::{Process, free_port},
    world::{Dice, flows_of, world},
};
use parquet::{
    file::reader::{FileReader as _, SerializedFileReader},
    record::RowAccessor as _,
};
use std::{
    fs::{self, File},
    path::Path,
    time::Duration,
};
use tokio::time::sleep;

/// How many kills a usual run makes.
const KILLS: u64 = 5;

/// The ordinals of all rows of all files that have their name, sorted, and how many files these are.
fn exported(folder: &Path) -> (Vec<u64>, usize) {
    let mut files = Vec::new();
    for date in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        files.extend(fs::read_dir(date).unwrap().map(|entry| entry.unwrap().path()));
    }
    let mut ordinals = Vec::new();
    for path in &files {
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        let rows = reader.get_row_iter(None).unwrap();
        ordinals.extend(rows.map(|row| row.unwrap().get_ulong(0).unwrap()));
    }
    ordinals.sort_unstable();
    (ordinals, files.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_instant_every_flow_is_exported_exactly_once() {
    let kills = from_environment("PORTOLAN_KILLS", KILLS);
    let seed = from_environment("PORTOLAN_SEED", 5);
    let (data, folder, port) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), free_port());
    let flags = format!("{PATIENT} --export-every 1s --export {}", folder.path().display());
    let world = world(seed, 400 * kills);
    let mut agents = agents(&world, port, seed, Duration::from_millis(5));
    let mut dice = Dice::new(seed);
    let mut collector = Process::start(data.path(), port, &flags).await;
    for _ in 0..kills {
        // Some files have their name by then, one is being written.
        sleep(Duration::from_millis(1_200 + dice.below(2_000))).await;
        collector.kill();
        collector = Process::start(data.path(), port, &flags).await;
    }
    while agents.join_next().await.is_some() {}
    let kept = collector.status().await.flows_kept;
    collector.stop();
    let (ordinals, files) = exported(folder.path());
    println!("PORTOLAN_SEED={seed}: {kills} kills, {kept} flows in {files} files");
    assert_eq!(ordinals, (0..kept).collect::<Vec<_>>(), "each flow is in the files, once");
    assert_eq!(kept, flows_of(seed, 400 * kills), "in {files} files");
}
