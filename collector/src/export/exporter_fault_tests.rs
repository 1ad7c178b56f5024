//! What an export makes of a ledger or a folder that fails, of a full disk, and of its own end at any instant.

use super::*;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

#[test]
fn what_cannot_be_read_for_a_while_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new("one", 5);
    ledger.kept.lock().unwrap().away = Some(3);
    let mut exporter = export(folder.path(), &ledger);
    while !matches!(exporter.step(now(0)), Err(ExportError::Ledger(_))) {
        sleep(Duration::from_millis(5));
    }
    ledger.kept.lock().unwrap().away = None;
    settle(&mut exporter, now(1));
    exporter.finish().unwrap();
    assert_eq!(exact(folder.path()), [0, 1, 2, 3, 4]);
}

#[test]
fn a_damaged_newest_file_is_set_aside_and_its_flows_exported_again() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new("one", 5);
    for _ in 0..2 {
        let mut exporter = export(folder.path(), &ledger);
        settle(&mut exporter, now(0));
        exporter.finish().unwrap();
        ledger.make(5);
    }
    let date = folder.path().join("date=2026-01-02");
    let newest = fs::read_dir(&date).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    fs::write(&newest, b"PAR1 and then nothing").unwrap();
    let mut exporter = export(folder.path(), &ledger);
    settle(&mut exporter, now(5));
    exporter.finish().unwrap();
    assert_eq!(exact(folder.path()), (0..15).collect::<Vec<_>>());
    let names = fs::read_dir(&date).unwrap().map(|entry| entry.unwrap().file_name());
    let aside: Vec<_> = names.filter(|name| name.to_string_lossy().contains("damaged")).collect();
    let [aside] = aside.as_slice() else { panic!("one file set aside, not {aside:?}") };
    let aside = aside.to_string_lossy();
    assert!(!aside.ends_with(".parquet"), "a reader that asks for *.parquet would take {aside}");
}

#[test]
fn a_folder_that_is_not_there_is_waited_for_and_never_made() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("volume");
    let ledger = Ledger::new("one", 9);
    let mut exporter = export(&folder, &ledger);
    let error = exporter.step(now(0)).unwrap_err().to_string();
    assert!(error.contains("volume: is it there"), "{error}");
    assert!(!folder.exists());
    fs::create_dir(&folder).unwrap();
    settle(&mut exporter, now(1));
    exporter.finish().unwrap();
    assert_eq!(exact(&folder).len(), 9);
}

/// A file system of its own that is unmounted in the end.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    /// None where this user may not mount.
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        mount(Some("tmpfs"), folder.path(), Some("tmpfs"), MsFlags::empty(), Some(options.as_str())).ok()?;
        Some(Self(folder))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        umount2(self.0.path(), MntFlags::MNT_DETACH).unwrap();
    }
}

#[test]
fn on_a_full_disk_the_export_waits_and_then_goes_on_with_every_flow() {
    let Some(disk) = Tmpfs::mount("512k") else {
        println!("skipped: this user may not mount");
        return;
    };
    let folder = disk.0.path();
    let ledger = Ledger::new("one", 50);
    let mut exporter = export(folder, &ledger);
    settle(&mut exporter, now(0));
    settle(&mut exporter, now(10));
    // Takes what is left, to the last byte.
    let filler = folder.join("filler");
    let mut file = File::create(&filler).unwrap();
    while std::io::Write::write(&mut file, &[0; 512]).is_ok() {}
    for seconds in 20..34 {
        ledger.make(50);
        let step = exporter.step(now(seconds));
        assert_eq!(step.is_err(), seconds >= 30, "the file is due then, and there is no room: {step:?}");
    }
    assert_eq!(exact(folder), (0..50).collect::<Vec<_>>(), "nothing that is there is half a file");
    assert!(!folder.join(".writing").exists(), "and it leaves the room to others");
    drop(file);
    fs::remove_file(filler).unwrap();
    settle(&mut exporter, now(34));
    assert_eq!(exact(folder), (0..750).collect::<Vec<_>>(), "without waiting for another file's time");
}

const CHILD: &str = "PORTOLAN_EXPORT_CHILD";

/// Flows that the child exports; a file for each few.
const CHILD_FLOWS: u64 = 40;

/// Exports as fast as it can until it is killed, or all is done. Only does so as a child of the next test.
#[test]
fn child_that_exports() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let ledger = Ledger::new("one", 1);
    let mut exporter = export(Path::new(&folder), &ledger);
    exporter.config.every = Duration::ZERO;
    println!("{CHILD}");
    while ledger.end() < CHILD_FLOWS {
        // It is no other ledger, only a younger one.
        fs::remove_file(Path::new(&folder).join("AHEAD-OF-THE-LEDGER")).ok();
        match exporter.step(now(ledger.end() / 5)) {
            Ok(_) => ledger.make(1),
            // What an earlier child made is made.
            Err(ExportError::Ahead { last, made, .. }) => ledger.make(last + 1 - made),
            Err(error) => panic!("{error}"),
        }
    }
    settle(&mut exporter, now(CHILD_FLOWS / 5));
}

#[test]
fn killed_between_any_two_steps_no_flow_is_skipped_or_exported_twice() {
    let seed = std::env::var("PORTOLAN_SEED").map_or(11, |seed| seed.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut dice: u64 = seed;
    let mut kills = 0;
    loop {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "export::exporter::tests::faults::child_that_exports", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while !lines.next().unwrap().unwrap().contains(CHILD) {}
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        sleep(Duration::from_micros((dice >> 33) % 200_000));
        let done = child.try_wait().unwrap();
        child.kill().ok();
        child.wait().unwrap();
        kills += 1;
        if done.is_some_and(|status| status.success()) {
            break;
        }
        assert_eq!(done, None);
    }
    println!("PORTOLAN_SEED={seed}: {kills} kills, {} files", read(folder.path()).len());
    assert_eq!(exact(folder.path()), (0..CHILD_FLOWS).collect::<Vec<_>>());
}
