//! The engine on disk: what it must do for retention, and when it is damaged.

use super::{
    Ledger,
    disk::DiskStore,
    store::{Change, Space, Store as _},
};
use crate::{build::at, config::Config, metrics::Metrics};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

const MIB: usize = 1 << 20;

fn size(folder: &Path) -> u64 {
    let sizes = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            size(&entry.path())
        } else {
            entry.metadata().unwrap().len()
        }
    });
    sizes.sum()
}

/// Bytes that nothing makes smaller.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).take(length / 8).flatten().collect()
}

#[test]
fn a_dropped_segment_gives_its_space_back() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("ledger");
    let store = DiskStore::open(&folder).unwrap();
    let (segments, kept, bytes) = (12, 2, 16 * MIB as u64);
    let blocks: Vec<Vec<u8>> = (0..16).map(|seed| noise(seed, MIB)).collect();
    for segment in 0..segments {
        let number = |place: usize| (place as u64).to_be_bytes().to_vec();
        let put = |(place, block): (usize, &Vec<u8>)| {
            Change::Put(Space::Segment(segment), number(place), block.clone())
        };
        store.commit(blocks.iter().enumerate().map(put).collect()).unwrap();
        if segment >= kept {
            store.drop_segment(segment - kept).unwrap();
        }
    }
    assert_eq!(store.segments(), [10, 11]);
    drop(store);
    // What is left, and journals that were not written to files yet: those are at most two.
    let most = kept * bytes + 2 * 64 * MIB as u64 + bytes;
    assert!(size(&folder) <= most, "{} MiB for {} MiB", size(&folder) >> 20, (kept * bytes) >> 20);
    let store = DiskStore::open(&folder).unwrap();
    assert_eq!(store.segments(), [10, 11]);
    assert!(store.get(Space::Segment(11), &15_u64.to_be_bytes()).unwrap().is_some());
}

/// The largest file of rows.
fn table(folder: &Path) -> (u64, PathBuf) {
    let mut tables = Vec::new();
    for keyspace in fs::read_dir(folder.join("keyspaces")).unwrap() {
        let found = fs::read_dir(keyspace.unwrap().path().join("tables"));
        tables.extend(found.into_iter().flatten().map(|table| table.unwrap().path()));
    }
    tables.into_iter().map(|table| (fs::metadata(&table).unwrap().len(), table)).max().unwrap_or_default()
}

/// A store with more rows than it keeps in memory.
fn with_rows(folder: &Path, rows: u64) {
    let store = DiskStore::open(folder).unwrap();
    let key = |row: u64| [b"t".as_slice(), &row.to_be_bytes()].concat();
    let value: Vec<u8> = noise(7, 8192);
    for row in (0..rows).step_by(100) {
        let put = |row| Change::Put(Space::State, key(row), value.clone());
        store.commit((row..row + 100).map(put).collect()).unwrap();
    }
    let begin = Instant::now();
    while table(folder).0 < 4 * MIB as u64 {
        assert!(begin.elapsed().as_secs() < 60, "no file was written");
        sleep(Duration::from_millis(20));
    }
}

/// Changes a bit in the middle of the largest file of rows.
fn damage(folder: &Path) {
    let (_, table) = table(folder);
    let mut bytes = fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&table, bytes).unwrap();
}

#[test]
fn damage_that_is_found_while_it_serves_ends_the_run_and_the_next_one_begins_anew() {
    let data = tempfile::tempdir().unwrap();
    with_rows(&data.path().join("ledger"), 2100);
    damage(&data.path().join("ledger"));
    fs::write(data.path().join("suspect"), "").unwrap();
    let config = Config { data: Some(data.path().to_owned()), ..Config::default() };
    let open = || {
        let metrics = Arc::new(Metrics::new());
        (Ledger::open(&config, Arc::clone(&metrics), at(0)).unwrap().0, metrics)
    };
    let (ledger, metrics) = open();
    assert_eq!(metrics.damaged.get(), 0, "it serves");
    let begin = Instant::now();
    while ledger.check().is_ok() {
        assert!(begin.elapsed().as_secs() < 60, "nothing is found");
        sleep(Duration::from_millis(5));
    }
    let error = ledger.check().unwrap_err();
    assert!(error.damaged && error.operation.contains("set aside at the next start"), "{error}");
    drop(ledger);
    let (ledger, metrics) = open();
    assert!(ledger.check().is_ok());
    assert_eq!(metrics.damaged.get(), 1);
    let left =
        fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut left: Vec<_> = left.collect();
    left.sort_unstable();
    assert_eq!(left, ["damaged-20260102T123107412Z", "ledger", "lock"]);
}

#[test]
fn damage_in_the_middle_of_a_table_costs_no_rows_at_its_end() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("ledger");
    let rows = 2100;
    with_rows(&folder, rows);
    damage(&folder);
    let store = DiskStore::open(&folder).unwrap();
    let found = store.scan(Space::State, b"t", usize::MAX);
    let (good, bad): (Vec<_>, Vec<_>) = found.iter().partition(|row| row.is_ok());
    assert_eq!(bad.len(), 1, "it is said once");
    let number = |row: &&Result<(Vec<u8>, Vec<u8>), _>| {
        u64::from_be_bytes(*row.as_ref().unwrap().0.last_chunk().unwrap())
    };
    let numbers: Vec<_> = good.iter().map(number).collect();
    assert!(numbers.is_sorted() && numbers.first() == Some(&0) && numbers.last() == Some(&(rows - 1)));
    assert!(numbers.len() as u64 > rows * 9 / 10, "{} of {rows} rows", numbers.len());
}

#[test]
fn who_reads_a_dropped_segment_does_not_make_it_again() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("ledger");
    let store = DiskStore::open(&folder).unwrap();
    let row = |segment| Change::Put(Space::Segment(segment), b"b".to_vec(), vec![1]);
    store.commit(vec![row(1), row(2)]).unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while store.segments().contains(&1) {
                store.get(Space::Segment(1), b"b").ok();
                store.scan(Space::Segment(1), b"b", 9);
            }
        });
        store.drop_segment(1).unwrap();
        reader.join().unwrap();
    });
    assert_eq!(store.get(Space::Segment(1), b"b").unwrap(), None);
    drop(store);
    assert_eq!(DiskStore::open(&folder).unwrap().segments(), [2]);
}

#[test]
fn a_store_whose_making_was_cut_short_is_made_again() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("ledger");
    fs::create_dir_all(folder.with_extension("new").join("keyspaces")).unwrap();
    fs::write(folder.with_extension("new").join("0.jnl"), "torn").unwrap();
    let put = Change::Put(Space::Segment(1), b"b".to_vec(), vec![1]);
    DiskStore::open(&folder).unwrap().commit(vec![put]).unwrap();
    assert_eq!(DiskStore::open(&folder).unwrap().segments(), [1]);
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1);
}
