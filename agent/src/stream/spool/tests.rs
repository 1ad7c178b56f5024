//! The spool on a real folder.

use super::*;
use crate::stream::{
    Bounds, Identity, Outbox,
    samples::{NOW, count, numbered, numbers, read as batch},
};
use portolan_proto::v1;
use std::{fs, sync::Arc};
use tempfile::TempDir;

const AMPLE: Bounds = Bounds { memory: 1 << 30, disk: 1 << 30 };

fn named(sequence: u64) -> Name {
    Name { id: Id { run: 1, sequence }, records: 1, from: NOW, boot: "boot".into() }
}

fn body(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn outbox(folder: &Path, boot: &str) -> Outbox<Spool> {
    let identity = Identity { cluster: "c".into(), node: "n".into(), boot: boot.into() };
    let (spool, left) = Spool::open(folder).unwrap();
    let mut outbox = Outbox::new(identity, AMPLE, Some(spool), Arc::default());
    outbox.take_over(left, NOW);
    outbox
}

fn seal_one(outbox: &mut Outbox<Spool>, number: u32) {
    outbox.push(numbered(number), NOW);
    outbox.seal(NOW);
}

/// Takes all batches out of an outbox.
fn drain(outbox: &mut Outbox<Spool>) -> Vec<v1::Batch> {
    let mut batches = Vec::new();
    while !outbox.is_empty() {
        outbox.seal(NOW);
        let Some(outgoing) = outbox.after(None, NOW) else { continue };
        outbox.acknowledge(&outgoing.name.boot, outgoing.name.id.sequence);
        batches.push(batch(&outgoing.body));
    }
    batches
}

fn told(batches: &[v1::Batch]) -> Vec<u32> {
    batches.iter().flat_map(numbers).collect()
}

fn files(folder: &Path, ending: &str) -> Vec<String> {
    let names = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
    names.sort();
    names
}

#[test]
fn what_is_written_is_found_by_the_next_run_and_gone_when_removed() {
    let folder = TempDir::new().unwrap();
    let (mut spool, left) = Spool::open(folder.path()).unwrap();
    assert_eq!((left.batches.len(), left.next_run()), (0, 1));
    for sequence in [2, 10, 1] {
        spool.write(&named(sequence), &body(&sequence.to_string())).unwrap();
    }
    drop(spool);
    let (mut spool, left) = Spool::open(folder.path()).unwrap();
    let found: Vec<Name> = left.batches.iter().map(|batch| batch.name.clone()).collect();
    assert_eq!((found, left.next_run()), (vec![named(1), named(2), named(10)], 2));
    assert_eq!(spool.read(&named(10)).unwrap(), body("10"));
    left.batches.iter().for_each(|batch| spool.remove(&batch.name));
    assert!(files(folder.path(), ".batch").is_empty());
}

#[test]
fn a_second_agent_on_one_folder_is_refused_and_told_what_to_do() {
    let folder = TempDir::new().unwrap();
    let first = Spool::open(folder.path()).unwrap();
    let text = Spool::open(folder.path()).unwrap_err().to_string();
    assert!(text.contains(folder.path().to_str().unwrap()) && text.contains("--spool"), "{text}");
    drop(first);
    Spool::open(folder.path()).unwrap();
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let text = Spool::open(&file.join("spool")).unwrap_err().to_string();
    assert!(text.contains("file/spool") && text.contains("--spool"), "{text}");
}

#[test]
fn files_of_others_stay_and_those_that_say_they_are_batches_are_set_aside() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    fs::create_dir(folder.path().join("folder.batch")).unwrap();
    fs::write(folder.path().join("1_2_3.batch"), "?").unwrap();
    let (_spool, left) = Spool::open(folder.path()).unwrap();
    assert_eq!((left.nameless, left.batches.len()), (1, 0));
    assert_eq!(files(folder.path(), ".damaged"), ["1_2_3.batch.damaged"]);
    assert_eq!(files(folder.path(), ".txt").len() + files(folder.path(), ".batch").len(), 2);
}

#[test]
fn a_torn_last_write_costs_its_records_and_they_are_counted() {
    let folder = TempDir::new().unwrap();
    let mut old = outbox(folder.path(), "old");
    (0..4).for_each(|number| seal_one(&mut old, number));
    drop(old);
    let last = folder.path().join(files(folder.path(), ".batch").pop().unwrap());
    let length = fs::metadata(&last).unwrap().len();
    File::options().write(true).open(&last).unwrap().set_len(length - 1).unwrap();
    let batches = drain(&mut outbox(folder.path(), "new"));
    assert_eq!((told(&batches), count(&batches, "spool-damaged")), (vec![0, 1, 2], 1));
    assert_eq!((files(folder.path(), ".batch").len(), files(folder.path(), ".damaged").len()), (0, 1));
}

#[test]
fn few_damaged_files_are_kept() {
    let folder = TempDir::new().unwrap();
    let mut old = outbox(folder.path(), "old");
    (0..10).for_each(|number| seal_one(&mut old, number));
    drop(old);
    for name in files(folder.path(), ".batch") {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let batches = drain(&mut outbox(folder.path(), "new"));
    assert_eq!(count(&batches, "spool-damaged"), 10);
    assert_eq!(files(folder.path(), ".damaged").len(), MOST_DAMAGED);
}

#[test]
fn a_batch_that_somebody_removed_is_counted() {
    let folder = TempDir::new().unwrap();
    let mut old = outbox(folder.path(), "old");
    (0..2).for_each(|number| seal_one(&mut old, number));
    drop(old);
    let mut new = outbox(folder.path(), "new");
    fs::remove_file(folder.path().join(&files(folder.path(), ".batch")[0])).unwrap();
    let batches = drain(&mut new);
    assert_eq!((told(&batches), count(&batches, "spool-damaged")), (vec![1], 1));
}

/// A small file system of its own, for this thread alone; none without the right to mount.
fn small_disk(folder: &Path) -> bool {
    use nix::{
        mount::{MsFlags, mount},
        sched::{CloneFlags, unshare},
    };
    const NONE: Option<&str> = None;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| mount(NONE, "/", NONE, private, NONE))
        .and_then(|()| mount(Some("spool"), folder, Some("tmpfs"), MsFlags::empty(), Some("size=64k")))
        .is_ok()
}

#[test]
fn a_disk_that_is_full_loses_nothing_that_memory_holds_and_is_used_again_when_it_has_room() {
    let test = || {
        let folder = TempDir::new().unwrap();
        if !small_disk(folder.path()) {
            // Without the right to mount there is no small disk to fill.
            return;
        }
        let mut outbox = outbox(folder.path(), "boot");
        (0..40).for_each(|number| seal_one(&mut outbox, number));
        let on_disk = files(folder.path(), ".batch").len();
        assert!((1..40).contains(&on_disk) && !outbox.is_filed(), "{on_disk} are on disk");
        for sequence in 1..=10 {
            outbox.acknowledge("boot", sequence);
        }
        outbox.try_again();
        assert_eq!(files(folder.path(), ".batch").len(), on_disk, "as many came as went");
        for sequence in 11..=30 {
            outbox.acknowledge("boot", sequence);
        }
        outbox.try_again();
        assert!(outbox.is_filed());
        let batches = drain(&mut outbox);
        assert_eq!(told(&batches), (30..40).collect::<Vec<u32>>());
        assert!(batches.iter().all(|batch| batch.losses.is_empty()));
    };
    std::thread::spawn(test).join().unwrap();
}
