//! What a collector exports, from outside: files on disk, and numbers in the metrics.

use crate::{
    around::get,
    outward,
    support::{Collector, DEADLINE},
};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use portolan_collector::{Config, ExportConfig};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::Path,
    time::{Duration, Instant},
};
use tokio::time::sleep;

fn exporting(data: &Path, folder: &Path) -> Config {
    let (folder, every) = (folder.to_owned(), Duration::from_secs(1));
    let export = ExportConfig { folder, every, bytes: 1 << 20, keep: None };
    Config { data: Some(data.to_owned()), export: Some(export), ..Config::default() }
}

/// The ordinals of all rows, in the order of the files; each file is read by its name.
fn ordinals(folder: &Path) -> Vec<u64> {
    let dates = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let dates = dates.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("date="));
    let files = dates.flat_map(|date| fs::read_dir(date).unwrap().map(|entry| entry.unwrap().path()));
    let files: BTreeSet<_> = files.collect();
    let rows = files.iter().flat_map(|path| {
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        rows
    });
    rows.map(|row| parquet::record::RowAccessor::get_ulong(&row, 0).unwrap()).collect()
}

async fn until_metric(collector: &Collector, line: &str) {
    let begin = Instant::now();
    while !get(collector.http, "/metrics").await.lines().any(|found| found == line) {
        assert!(begin.elapsed() < DEADLINE, "the metrics never said {line}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn flows_are_exported_while_they_come_and_the_rest_at_the_end() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for run in 0..2 {
        let collector = Collector::start(exporting(data.path(), folder.path())).await;
        let mut agent = collector.agent(&format!("n{run}")).await;
        let batch = agent.batch((1..=20).map(|port| outward(run * 100 + port)).collect());
        agent.send(batch).await.unwrap();
        until_metric(&collector, "portolan_collector_export_rows_total 20").await;
        until_metric(&collector, "portolan_collector_export_behind 0").await;
        let batch = agent.batch((21..=30).map(|port| outward(run * 100 + port)).collect());
        agent.send(batch).await.unwrap();
        collector.stop().await;
        let made = u64::from(run + 1) * 30;
        assert_eq!(ordinals(folder.path()), (0..made).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_collector_whose_export_cannot_go_on_takes_batches_all_the_same() {
    let (data, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = home.path().join("not-mounted");
    let collector = Collector::start(exporting(data.path(), &folder)).await;
    let mut agent = collector.agent("n1").await;
    let batch = agent.batch(vec![outward(1)]);
    agent.send(batch).await.unwrap();
    until_metric(&collector, "portolan_collector_export_failures_total 1").await;
    assert!(!folder.exists());
    fs::create_dir(&folder).unwrap();
    until_metric(&collector, "portolan_collector_export_rows_total 1").await;
    collector.stop().await;
    assert_eq!(ordinals(&folder), [0]);
}
