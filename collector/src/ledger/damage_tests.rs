//! A folder whose files are damaged: the collector starts, says what is damaged, and goes on.

use super::{Ledger, OpenFolderError};
use crate::{
    build::{FlowExt as _, at, by_source, web_to_db},
    clock::Now,
    config::Config,
    intake::{Batch, Intake, Restored},
    metrics::Metrics,
    query::Query,
    subscribe::Wanted,
};
use proptest::{prelude::*, sample::Index};
use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

fn now(second: u64) -> Now {
    Now { uptime: Duration::from_secs(second), wall: at(second as i64 * 1000) }
}

fn open(data: &Path) -> Result<(Ledger, Restored, Arc<Metrics>), OpenFolderError> {
    open_with(data, None)
}

fn open_with(data: &Path, opener: Option<&str>) -> Result<(Ledger, Restored, Arc<Metrics>), OpenFolderError> {
    let opener = opener.map(PathBuf::from);
    let config = Config { data: Some(data.to_owned()), opener, ..Config::default() };
    let metrics = Arc::new(Metrics::new());
    let (mut ledger, restored) = Ledger::open(&config, Arc::clone(&metrics), at(0))?;
    ledger.segments.full.flows = 50;
    Ok((ledger, restored, metrics))
}

/// Views that wait for those of another node, which says nothing.
fn batch(sequence: u64) -> Batch {
    let view = |number: u64| {
        let number = sequence * 20 + number;
        let mut view = by_source(web_to_db().started(at(number as i64)).source_port(number as u16 + 1));
        view.connection.tcp_isn = 1 + number as u32;
        view
    };
    let (cluster, node, boot) = ("c".to_owned(), "n1".to_owned(), "b".to_owned());
    Batch {
        cluster,
        node,
        boot,
        sequence,
        observations: (0..20).map(view).collect(),
        malformed: 0,
        losses: vec![],
        given_up: vec![],
    }
}

/// Applies batches as the writer does.
fn feed(ledger: &mut Ledger, intake: &mut Intake, sequences: std::ops::Range<u64>) {
    for sequence in sequences {
        intake.apply(now(sequence), batch(sequence), &|connection| ledger.told(connection));
        intake.tick(now(sequence));
        let effects = intake.take_effects();
        ledger.commit(effects, at(0)).unwrap();
    }
}

fn intake(restored: Restored, metrics: &Arc<Metrics>) -> Intake {
    let mut intake = Intake::new(&Config::default(), Arc::clone(metrics), restored);
    intake.nodes.connected("n2", now(0));
    intake
}

fn count(ledger: &Ledger) -> u64 {
    let wanted = Wanted::default();
    let kept = ledger.shelf().catalog();
    let mut flows = 0;
    let before = kept.next;
    Query { shelf: ledger.shelf(), kept, wanted, last: None, before, after: None }
        .run(|_| {
            flows += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    flows
}

/// A folder with flows in files, blocks and of late, and views that wait.
fn sound(data: &Path) -> u64 {
    let (mut ledger, restored, metrics) = open(data).unwrap();
    let mut intake = intake(restored, &metrics);
    feed(&mut ledger, &mut intake, 1..40);
    drop(ledger);
    // What is opened again is written from the journal to files.
    let (mut ledger, restored, _) = open(data).unwrap();
    assert!(!restored.waits.is_empty() && restored.runs.len() == 1);
    feed(&mut ledger, &mut intake, 40..60);
    count(&ledger)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files.extend(self::files(&entry.path()));
        } else if entry.metadata().unwrap().len() > 0 {
            files.push(entry.path());
        }
    }
    files.sort_unstable();
    files
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    Cut(Index),
    Gone,
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<Index>(), 0_u8..8).prop_map(|(place, bit)| Damage::Flip(place, bit)),
        2 => any::<Index>().prop_map(Damage::Cut),
        1 => Just(Damage::Gone),
    ]
}

impl Damage {
    fn apply(&self, file: &Path) {
        let mut bytes = fs::read(file).unwrap();
        match self {
            Self::Flip(place, bit) => {
                // A journal has its end set aside before it is written.
                let written = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
                let place = place.index(written);
                bytes[place] ^= 1 << bit;
            }
            Self::Cut(place) => bytes.truncate(place.index(bytes.len())),
            Self::Gone => return fs::remove_file(file).unwrap(),
        }
        fs::write(file, bytes).unwrap();
    }
}

#[test]
fn whatever_is_damaged_the_collector_starts_says_so_and_goes_on() {
    let original = tempfile::tempdir().unwrap();
    let flows = sound(original.path());
    let mut files = files(&original.path().join("ledger"));
    // On a list of files that is damaged the engine may abort: a test of the command has those.
    files.retain(|file| !file.file_name().unwrap().to_string_lossy().starts_with('v'));
    let cases = std::env::var("PORTOLAN_DAMAGES").map_or(12, |text| text.parse().unwrap());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    });
    let (mut aside, mut partly, mut harmless) = (0, 0, 0);
    let outcomes = std::cell::RefCell::new(Vec::new());
    runner
        .run(&(any::<Index>(), damage()), |(file, damage)| {
            let data = tempfile::tempdir().unwrap();
            copy(original.path(), data.path());
            let file = file.get(&files).strip_prefix(original.path()).unwrap();
            damage.apply(&data.path().join(file));
            let (mut ledger, restored, metrics) = open(data.path()).unwrap();
            let left = count(&ledger);
            let said = metrics.damaged.get() > 0;
            // A journal that ends early looks like one whose last write was torn.
            let torn = file.extension().is_some_and(|name| name == "jnl");
            prop_assert!(
                left == flows || said || torn,
                "{} of {} flows, nothing said: {:?}",
                left,
                flows,
                file
            );
            let begun_anew = fs::read_dir(data.path())
                .unwrap()
                .any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with("damaged-"));
            outcomes.borrow_mut().push((begun_anew, left < flows));
            let before = ledger.shelf().catalog().len();
            let mut intake = intake(restored, &metrics);
            feed(&mut ledger, &mut intake, 60..70);
            intake.flush(now(70));
            ledger.commit(intake.take_effects(), at(0)).unwrap();
            prop_assert!(ledger.shelf().catalog().len() >= before + 200, "it goes on");
            Ok(())
        })
        .unwrap();
    for (begun_anew, lost) in outcomes.into_inner() {
        aside += u32::from(begun_anew);
        partly += u32::from(!begun_anew && lost);
        harmless += u32::from(!lost);
    }
    println!("{cases} damages: {aside} set aside, {partly} cost some flows, {harmless} cost none");
    assert!(aside > 0, "no damage was found at all");
}

/// Waits until something is so.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begin = std::time::Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_mins(1), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_store_that_could_not_be_written_is_read_while_it_serves() {
    let data = tempfile::tempdir().unwrap();
    let flows = sound(data.path());
    fs::write(data.path().join("suspect"), "").unwrap();
    let (ledger, _, metrics) = open(data.path()).unwrap();
    assert_eq!((count(&ledger), metrics.damaged.get()), (flows, 0));
    eventually("it is trusted again", || !data.path().join("suspect").exists());
    assert!(ledger.check().is_ok());
    drop(ledger);
    assert_eq!(count(&open(data.path()).unwrap().0), flows);
}

#[test]
fn a_store_that_no_run_survives_is_set_aside() {
    let data = tempfile::tempdir().unwrap();
    let flows = sound(data.path());
    fs::write(data.path().join("opening"), "ooo").unwrap();
    let (ledger, _, metrics) = open_with(data.path(), Some(ENDS)).unwrap();
    assert_eq!((count(&ledger), metrics.damaged.get()), (0, 1));
    drop(ledger);
    let aside = fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().path());
    let aside = aside.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("damaged-"));
    fs::remove_dir_all(data.path().join("ledger")).unwrap();
    fs::rename(aside.last().unwrap(), data.path().join("ledger")).unwrap();
    assert_eq!(count(&open(data.path()).unwrap().0), flows, "it can be put back");
}

#[test]
fn a_folder_that_is_a_file_is_an_error_that_names_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = open(file.path()).unwrap_err().to_string();
    assert!(error.contains(&file.path().display().to_string()), "{error}");
}

#[test]
fn only_the_last_stores_that_were_set_aside_are_left() {
    let data = tempfile::tempdir().unwrap();
    for day in 1..=4 {
        fs::create_dir(data.path().join(format!("damaged-2025010{day}T000000000Z"))).unwrap();
    }
    sound(data.path());
    fs::write(data.path().join("ledger/version"), "none").unwrap();
    let (ledger, _, metrics) = open(data.path()).unwrap();
    assert_eq!((count(&ledger), metrics.damaged.get()), (0, 1));
    let names = fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    assert_eq!(names, ["damaged-20250104T000000000Z", "damaged-20260102T123107412Z", "ledger", "lock"]);
}

/// A program that opens any store and lives, and one that does not.
const LIVES: &str = "/bin/true";
const ENDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/ends-by-abort.sh");
const IS_KILLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/ends-by-kill.sh");

/// How many stores are set aside when so many runs have ended while they opened the store.
fn set_aside(data: &Path, runs: usize, opener: Option<&str>) -> u64 {
    fs::write(data.join("opening"), "o".repeat(runs)).unwrap();
    let (.., metrics) = open_with(data, opener).unwrap();
    assert!(!data.join("opening").exists());
    metrics.damaged.get()
}

#[test]
fn a_store_is_blamed_for_runs_that_ended_only_if_it_ends_who_opens_it() {
    let data = tempfile::tempdir().unwrap();
    drop(open(data.path()).unwrap());
    let cases = [
        (2, Some(ENDS), 0),
        (9, Some(LIVES), 0),
        (9, Some(IS_KILLED), 0),
        (9, None, 0),
        (9, Some("/no/such/program"), 0),
        (3, Some(ENDS), 1),
    ];
    for (runs, opener, expected) in cases {
        assert_eq!(set_aside(data.path(), runs, opener), expected, "{runs} {opener:?}");
    }
}

#[test]
fn whoever_was_killed_behind_setting_aside_is_followed_by_one_that_begins() {
    let data = tempfile::tempdir().unwrap();
    assert_eq!(set_aside(data.path(), 9, Some(ENDS)), 1);
    assert!(data.path().join("ledger").exists());
    assert_eq!(set_aside(data.path(), 2, Some(ENDS)), 0);
}
