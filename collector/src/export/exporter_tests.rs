//! Whatever happens to an export, its files hold every flow once, or say that it is missing.

#[path = "exporter_fault_tests.rs"]
mod faults;

use super::*;
use crate::build::{FlowExt as _, at, web_to_db};
use crate::export::notes::Covers;
use parquet::{
    file::reader::{FileReader as _, SerializedFileReader},
    record::RowAccessor as _,
};
use proptest::{prelude::*, sample::Index};
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{Arc, Mutex},
    thread::sleep,
};

/// What a test makes and lets go of.
#[derive(Debug, Default)]
struct Kept {
    oldest: u64,
    end: u64,
    damaged: BTreeSet<u64>,
    /// When its flows begin, and one more millisecond for each.
    begin: i64,
    /// Cannot be read now, for want of memory perhaps.
    away: Option<u64>,
}

#[derive(Clone, Debug)]
struct Ledger {
    store: &'static str,
    kept: Arc<Mutex<Kept>>,
    next: u64,
}

impl Ledger {
    fn new(store: &'static str, flows: u64) -> Self {
        let kept = Kept { end: flows, ..Kept::default() };
        Self { store, kept: Arc::new(Mutex::new(kept)), next: 0 }
    }

    fn make(&self, flows: u64) {
        self.kept.lock().unwrap().end += flows;
    }

    fn forget_before(&self, ordinal: u64) {
        let mut kept = self.kept.lock().unwrap();
        kept.oldest = kept.oldest.max(ordinal.min(kept.end));
    }
}

impl Source for Ledger {
    fn store(&self) -> &str {
        self.store
    }

    fn oldest(&self) -> u64 {
        self.kept.lock().unwrap().oldest
    }

    fn end(&self) -> u64 {
        self.kept.lock().unwrap().end
    }

    fn seek(&mut self, ordinal: u64) {
        self.next = ordinal;
    }

    fn next(&mut self) -> Result<Option<Step>, StoreError> {
        let kept = self.kept.lock().unwrap();
        let there = (self.next..kept.end).find(|next| *next >= kept.oldest && !kept.damaged.contains(next));
        let gone = there.unwrap_or(kept.end) - self.next;
        if gone > 0 {
            self.next += gone;
            return Ok(Some(Step::Gone(gone)));
        }
        if there.is_some() && there == kept.away {
            let operation = "cannot read".to_owned();
            return Err(StoreError { operation, damaged: false, source: "no file is left".into() });
        }
        Ok(there.map(|ordinal| {
            self.next += 1;
            Step::Flow(Box::new(flow(ordinal, kept.begin)))
        }))
    }
}

fn flow(ordinal: u64, begin: i64) -> Flow {
    web_to_db().started(at(begin + ordinal as i64)).change(|flow| flow.packets = ordinal * 3)
}

fn now(seconds: u64) -> Now {
    Now { uptime: Duration::from_secs(seconds), wall: at(seconds as i64 * 1000) }
}

fn config(folder: &Path) -> ExportConfig {
    ExportConfig { folder: folder.to_owned(), every: Duration::from_secs(10), bytes: u64::MAX, keep: None }
}

fn export(folder: &Path, ledger: &Ledger) -> Exporter<Ledger> {
    Exporter::new(ledger.clone(), config(folder), Counters::default())
}

/// All files that `*/*.parquet` finds, of readers that take hidden ones too, with what they say and the ordinals of their rows.
fn read(folder: &Path) -> Vec<(Covers, Vec<u64>)> {
    let mut files = Vec::new();
    for date in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        let whole = fs::read_dir(date).unwrap().map(|entry| entry.unwrap().path());
        files.extend(whole.filter(|path| path.extension().is_some_and(|end| end == "parquet")));
    }
    let mut files: Vec<_> = files.iter().map(|path| read_file(path)).collect();
    files.sort_by_key(|(covers, _)| covers.first);
    files
}

fn read_file(path: &Path) -> (Covers, Vec<u64>) {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
    let column = |row: &parquet::record::Row, wanted: &str| {
        row.get_column_iter().position(|(name, _)| name == wanted).unwrap()
    };
    let ordinals = rows.map(|row| {
        let ordinal = row.get_ulong(column(&row, "ordinal")).unwrap();
        assert_eq!(row.get_ulong(column(&row, "packets")).unwrap(), ordinal * 3, "another flow's row");
        ordinal
    });
    let ordinals = ordinals.collect();
    (Covers::read(&File::open(path).unwrap()).unwrap().unwrap(), ordinals)
}

/// Checks that the files hold each ordinal once or call it missing, and says which they hold.
fn exact(folder: &Path) -> Vec<u64> {
    let files = read(folder);
    let mut next = files.first().map_or(0, |(covers, _)| covers.first);
    let mut held = Vec::new();
    for (covers, ordinals) in files {
        assert_eq!(covers.first, next, "files follow each other");
        let missing =
            |ordinal: &u64| covers.missing.iter().any(|(first, last)| (*first..=*last).contains(ordinal));
        let wanted: Vec<_> = (covers.first..=covers.last).filter(|ordinal| !missing(ordinal)).collect();
        assert_eq!(ordinals, wanted, "a row for each ordinal that is not missing");
        held.extend(ordinals);
        next = covers.last + 1;
    }
    held
}

/// Steps until there is nothing to do.
fn settle(exporter: &mut Exporter<Ledger>, now: Now) {
    for _ in 0..1_000 {
        match exporter.step(now) {
            Ok(Progress::Busy) => {}
            Ok(Progress::Idle) => return,
            // A child that another test starts holds our lock until it is a program of its own.
            Err(ExportError::Locked(_)) => sleep(Duration::from_millis(5)),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("there always was something to do");
}

#[derive(Clone, Debug)]
enum Act {
    Make(u64),
    Forget(Index),
    Damage(Index),
    Pass(u64),
    /// The process ends without a word, in the middle of a file.
    Kill,
    Stop,
    /// The folder is away for a step.
    Away,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1_u64..40).prop_map(Act::Make),
        1 => any::<Index>().prop_map(Act::Forget),
        1 => any::<Index>().prop_map(Act::Damage),
        4 => (1_u64..15).prop_map(Act::Pass),
        2 => Just(Act::Kill),
        1 => Just(Act::Stop),
        1 => Just(Act::Away),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_flow_is_exported_once_or_said_to_be_missing(acts in prop::collection::vec(act(), 1..30)) {
        let home = tempfile::tempdir().unwrap();
        let (folder, away) = (home.path().join("export"), home.path().join("away"));
        fs::create_dir(&folder).unwrap();
        let ledger = Ledger::new("one", 1);
        let mut exporter = export(&folder, &ledger);
        let mut seconds = 0;
        settle(&mut exporter, now(seconds));
        seconds += 10;
        settle(&mut exporter, now(seconds));
        for act in acts {
            match act {
                Act::Make(flows) => ledger.make(flows),
                Act::Forget(until) => ledger.forget_before(until.index(ledger.end() as usize) as u64),
                Act::Damage(ordinal) => {
                    let ordinal = ordinal.index(ledger.end() as usize) as u64;
                    ledger.kept.lock().unwrap().damaged.insert(ordinal);
                }
                Act::Pass(some) => seconds += some,
                Act::Kill => exporter = export(&folder, &ledger),
                Act::Stop => {
                    exporter.finish().unwrap();
                    exporter = export(&folder, &ledger);
                }
                Act::Away => {
                    fs::rename(&folder, &away).unwrap();
                    // What it had in its hands it may still hold; what it must not do is to make the folder.
                    exporter.step(now(seconds)).ok();
                    prop_assert!(!folder.exists());
                    fs::rename(&away, &folder).unwrap();
                }
            }
            // A file that went away is an error, and then goes on.
            if exporter.step(now(seconds)).is_err() {
                settle(&mut exporter, now(seconds));
            }
        }
        ledger.make(1);
        settle(&mut exporter, now(seconds));
        exporter.finish().unwrap();
        let held: BTreeSet<_> = exact(&folder).into_iter().collect();
        let damaged = ledger.kept.lock().unwrap().damaged.clone();
        let kept: BTreeSet<_> = (ledger.oldest()..ledger.end()).filter(|next| !damaged.contains(next)).collect();
        prop_assert!(held.is_superset(&kept), "what is kept is exported");
        prop_assert_eq!(held.last(), Some(&(ledger.end() - 1)));
    }
}

#[test]
fn what_retention_took_is_counted_and_stands_in_the_next_file() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new("one", 5);
    let mut exporter = export(folder.path(), &ledger);
    settle(&mut exporter, now(0));
    exporter.finish().unwrap();
    ledger.make(20);
    ledger.forget_before(12);
    settle(&mut exporter, now(1));
    settle(&mut exporter, now(12));
    let files = read(folder.path());
    assert_eq!(
        files[1].0,
        Covers { store: "one".to_owned(), first: 5, last: 24, missing: vec![(5, 11)], newest: Some(at(24)) }
    );
    assert_eq!(exact(folder.path()).len(), 5 + 13);
    let Counters { files, rows, missing, failures, behind, .. } = &exporter.counters;
    assert_eq!((files.get(), rows.get(), missing.get(), failures.get(), behind.get()), (2, 18, 7, 0, 0));
}

#[test]
fn a_file_ends_when_it_is_old_or_large_enough() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new("one", 9);
    let mut exporter = export(folder.path(), &ledger);
    settle(&mut exporter, now(0));
    settle(&mut exporter, now(9));
    assert_eq!(read(folder.path()).len(), 0, "it is neither");
    assert_eq!(exporter.counters.behind.get(), 9);
    settle(&mut exporter, now(10));
    assert_eq!(read(folder.path()).len(), 1, "it is old");
    (exporter.group, exporter.config.bytes) = (100, 30_000);
    ledger.make(4_000);
    for _ in 0..3 {
        ledger.make(400);
        settle(&mut exporter, now(11));
    }
    let files = read(folder.path());
    assert!(files.len() > 1, "it is large");
    assert_eq!(exact(folder.path()).len() as u64, exporter.position.unwrap());
}

#[test]
fn what_a_killed_run_was_writing_is_removed_and_what_it_named_stays() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new("one", 5);
    let mut exporter = export(folder.path(), &ledger);
    settle(&mut exporter, now(0));
    exporter.finish().unwrap();
    ledger.make(5);
    settle(&mut exporter, now(1));
    drop(exporter);
    let writing = folder.path().join(".writing");
    assert!(writing.exists());
    let mut exporter = export(folder.path(), &ledger);
    ledger.forget_before(10);
    while matches!(exporter.open(), Err(ExportError::Locked(_))) {
        sleep(Duration::from_millis(5));
    }
    assert!(!writing.exists());
    assert_eq!(exporter.position, Some(5));
}

#[test]
fn the_files_of_another_store_say_nothing_of_this_one() {
    let folder = tempfile::tempdir().unwrap();
    for (store, flows) in [("one", 5), ("two", 3), ("one", 8)] {
        let mut exporter = export(folder.path(), &Ledger::new(store, flows));
        settle(&mut exporter, now(flows));
        exporter.finish().unwrap();
    }
    let of = |store| read(folder.path()).into_iter().filter(move |(covers, _)| covers.store == store);
    assert_eq!(of("one").flat_map(|(_, ordinals)| ordinals).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    assert_eq!(of("two").flat_map(|(_, ordinals)| ordinals).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn one_folder_is_one_exporters() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new("one", 5);
    let mut first = export(folder.path(), &ledger);
    settle(&mut first, now(0));
    let mut second = export(folder.path(), &ledger);
    let error = second.step(now(0)).unwrap_err().to_string();
    assert!(error.contains("another collector exports to"), "{error}");
    drop(first);
    settle(&mut second, now(1));
}

#[test]
fn a_ledger_put_back_from_a_copy_is_not_taken_for_one_that_was_exported() {
    let folder = tempfile::tempdir().unwrap();
    let mut exporter = export(folder.path(), &Ledger::new("one", 9));
    settle(&mut exporter, now(0));
    exporter.finish().unwrap();
    let ledger = Ledger::new("one", 4);
    let mut exporter = export(folder.path(), &ledger);
    let error = exporter.step(now(1)).unwrap_err().to_string();
    assert!(error.contains("up to ordinal 8, the ledger only made 4"), "{error}");
    assert_eq!(exporter.counters.behind.get(), 4, "none of them has a file");
    // Nor when it has made as many flows again, which are others.
    ledger.make(20);
    for mut exporter in [exporter, export(folder.path(), &ledger)] {
        let error = exporter.step(now(2)).unwrap_err().to_string();
        assert!(error.contains("put back from a copy since"), "{error}");
    }
}

#[test]
fn old_files_are_removed_by_the_time_of_the_newest_flow_or_by_now() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new("one", 1);
    let mut exporter = export(folder.path(), &ledger);
    exporter.config.keep = Some(Duration::from_hours(30));
    let days = |days: u64| now(days * 24 * 3600);
    let begin = |days: i64| ledger.kept.lock().unwrap().begin = days * 24 * 3_600_000;
    for day in 0..4 {
        begin(day as i64);
        settle(&mut exporter, days(day));
        exporter.finish().unwrap();
        ledger.make(1);
    }
    begin(4);
    settle(&mut exporter, days(4));
    let dates = || {
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(dates(), [".writing", "date=2026-01-04", "date=2026-01-05"]);
    assert_eq!(exporter.counters.removed.get(), 2);
    settle(&mut exporter, days(9));
    settle(&mut exporter, days(19));
    assert_eq!(dates(), ["date=2026-01-05", "date=2026-01-06"], "a clock that jumps takes nothing away");
    assert_eq!(exact(folder.path()), [3, 4]);
    // One agent's clock is ahead by a month: now it is this one's that counts.
    begin(49);
    ledger.make(1);
    settle(&mut exporter, days(19));
    exporter.finish().unwrap();
    settle(&mut exporter, days(20));
    assert_eq!(dates(), ["date=2026-01-21"], "the newest says where to go on");
}
