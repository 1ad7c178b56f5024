//! The outbox against a model that keeps everything, with and without a disk.

mod model;

use super::disk::Disk;
use super::*;
use crate::stream::batch::{Losses, losses_in};
use crate::stream::samples::{NOW, count, lost, numbered, numbers, read, record};
use jiff::SignedDuration;
use portolan_policy::Loss;
use portolan_proto::{MAX_GIVEN_UP, v1};

const AMPLE: Bounds = Bounds { memory: 1 << 30, disk: 1 << 30 };
const BOUNDS: [&str; 3] = [OUTBOX_FULL, SPOOL_FULL, SPOOL_DAMAGED];

fn identity(boot: &str) -> Identity {
    Identity { cluster: "c".to_owned(), node: "n".to_owned(), boot: boot.to_owned() }
}

fn in_memory(memory: u64) -> Outbox<Disk> {
    Outbox::new(identity("boot"), Bounds { memory, disk: 0 }, None, Arc::default())
}

fn on_disk(disk: &Disk, boot: &str, bounds: Bounds) -> Outbox<Disk> {
    let mut outbox = Outbox::new(identity(boot), bounds, Some(disk.clone()), Arc::default());
    outbox.take_over(disk.left(), NOW);
    outbox
}

/// Every batch that waits, in order, as a sender would go through them.
fn waiting(outbox: &mut Outbox<Disk>) -> Vec<v1::Batch> {
    let (mut batches, mut last) = (Vec::new(), None);
    while let Some(Outgoing { name, body }) = outbox.after(last, NOW) {
        assert!(last < Some(name.id), "out of order");
        last = Some(name.id);
        let batch = read(&body);
        assert_eq!((batch.boot.as_str(), batch.sequence), (&*name.boot, name.id.sequence));
        batches.push(batch);
    }
    batches
}

fn seal_one(outbox: &mut Outbox<Disk>, number: u32) {
    outbox.push(numbered(number), NOW);
    outbox.seal(NOW);
}

fn all_numbers(batches: &[v1::Batch]) -> Vec<u32> {
    batches.iter().flat_map(numbers).collect()
}

/// The bytes of a batch of one record.
fn one() -> u64 {
    let mut outbox = in_memory(1 << 20);
    seal_one(&mut outbox, 1);
    outbox.held
}

/// For three batches of one record, and not for four, whatever else there is to tell.
fn room_for_three() -> u64 {
    3 * one() + one() / 2
}

#[test]
fn a_full_batch_seals_itself_and_numbers_begin_at_one() {
    let mut outbox = in_memory(1 << 30);
    for number in 0..=BATCH as u32 {
        outbox.push(numbered(number), NOW);
    }
    assert_eq!(outbox.waiting(), 1);
    outbox.seal(NOW);
    outbox.seal(NOW);
    let batches = waiting(&mut outbox);
    let told: Vec<_> = batches.iter().map(|batch| (batch.sequence, numbers(batch).len())).collect();
    assert_eq!(told, [(1, BATCH), (2, 1)], "nothing makes no batch");
}

#[test]
fn an_acknowledgement_is_for_its_batch_alone_and_harmless_twice() {
    let mut outbox = in_memory(1 << 30);
    for number in 0..4 {
        seal_one(&mut outbox, number);
    }
    outbox.acknowledge("boot", 3);
    outbox.acknowledge("boot", 3);
    outbox.acknowledge("another", 1);
    assert_eq!(all_numbers(&waiting(&mut outbox)), [0, 1, 3]);
    for sequence in [1, 2, 4] {
        outbox.acknowledge("boot", sequence);
    }
    assert!(outbox.is_empty());
}

#[test]
fn losses_of_one_cause_are_added_up() {
    let mut outbox = in_memory(1 << 30);
    outbox.push(lost("ring", 2), NOW);
    outbox.push(lost("map", 5), NOW + SignedDuration::from_secs(1));
    outbox.push(lost("ring", 3), NOW + SignedDuration::from_secs(2));
    outbox.seal(NOW);
    let batches = waiting(&mut outbox);
    assert_eq!(batches[0].losses.len(), 2);
    assert_eq!((count(&batches, "ring"), count(&batches, "map")), (5, 5));
}

#[test]
fn what_overflows_is_the_oldest_and_takes_no_loss_with_it() {
    let mut outbox = in_memory(room_for_three());
    outbox.push(lost("ring", 7), NOW);
    for number in 0..4 {
        seal_one(&mut outbox, number);
    }
    let batches = waiting(&mut outbox);
    assert_eq!(all_numbers(&batches), [1, 2, 3]);
    assert_eq!((count(&batches, OUTBOX_FULL), count(&batches, "ring")), (1, 7));
}

#[test]
fn what_the_collector_may_have_is_given_up_last() {
    let mut outbox = in_memory(room_for_three());
    seal_one(&mut outbox, 0);
    assert!(outbox.after(None, NOW).is_some());
    for number in 1..4 {
        seal_one(&mut outbox, number);
    }
    let batches = waiting(&mut outbox);
    assert_eq!((all_numbers(&batches), count(&batches, OUTBOX_FULL)), (vec![0, 2, 3], 1));
}

#[test]
fn losses_without_end_do_not_make_batches_without_end() {
    let mut outbox = in_memory(1000);
    for _ in 0..1000 {
        outbox.push(lost("ring", 1), NOW);
        outbox.seal(NOW);
    }
    assert!(outbox.held <= 1000, "{} bytes", outbox.held);
    assert_eq!(count(&waiting(&mut outbox), "ring"), 1000);
}

#[test]
fn a_new_run_sends_what_the_old_one_left_before_its_own() {
    let disk = Disk::default();
    let mut old = on_disk(&disk, "zz-old", AMPLE);
    seal_one(&mut old, 1);
    seal_one(&mut old, 2);
    drop(old);
    let mut new = on_disk(&disk, "aa-new", AMPLE);
    seal_one(&mut new, 3);
    let batches = waiting(&mut new);
    assert_eq!(all_numbers(&batches), [1, 2, 3]);
    for batch in batches {
        new.acknowledge(&batch.boot, batch.sequence);
    }
    assert!(new.is_empty() && disk.is_empty());
}

#[test]
fn a_full_spool_loses_the_oldest_and_a_kill_then_neither_forgets_nor_doubles_it() {
    let disk = Disk::default();
    let bounds = Bounds { disk: 3 * Disk::room(one()), ..AMPLE };
    let mut outbox = on_disk(&disk, "old", bounds);
    for number in 0..6 {
        seal_one(&mut outbox, number);
        drop(std::mem::replace(&mut outbox, on_disk(&disk, &format!("boot-{number}"), bounds)));
    }
    let batches = waiting(&mut outbox);
    let told = all_numbers(&batches);
    assert!(told.len() >= 2 && told.ends_with(&[5]), "{told:?}");
    assert_eq!(told.len() as u64 + count(&batches, SPOOL_FULL), 6);
}

#[test]
fn while_the_disk_takes_nothing_memory_does_and_then_the_disk_again() {
    let disk = Disk::default();
    let mut outbox = on_disk(&disk, "boot", AMPLE);
    seal_one(&mut outbox, 1);
    disk.refuse(true);
    seal_one(&mut outbox, 2);
    seal_one(&mut outbox, 3);
    assert!(!outbox.is_filed());
    disk.refuse(false);
    outbox.try_again();
    assert!(outbox.is_filed());
    assert_eq!(disk.left().batches.len(), 3);
    assert_eq!(all_numbers(&waiting(&mut outbox)), [1, 2, 3]);
}

#[test]
fn a_damaged_batch_costs_itself_and_is_counted() {
    let disk = Disk::default();
    let mut old = on_disk(&disk, "old", AMPLE);
    for number in 0..3 {
        old.push(numbered(10 + number), NOW);
        seal_one(&mut old, number);
    }
    disk.damage_oldest();
    let mut new = on_disk(&disk, "new", AMPLE);
    assert_eq!(all_numbers(&waiting(&mut new)), [11, 1, 12, 2]);
    assert_eq!(disk.set_aside(), 0, "not before it is told of");
    new.seal(NOW);
    assert_eq!(count(&waiting(&mut new), SPOOL_DAMAGED), 2);
    assert_eq!(disk.set_aside(), 1);
}

#[test]
fn what_a_damaged_batch_without_records_told_is_counted_also_where_it_is_given_up_for_room() {
    let disk = Disk::default();
    let bounds = Bounds { disk: 3 * Disk::room(one()), ..AMPLE };
    let mut outbox = on_disk(&disk, "boot", bounds);
    outbox.push(lost("ring", 7), NOW);
    outbox.seal(NOW);
    outbox.entries[0].body = None;
    disk.damage_oldest();
    for number in 0..4 {
        seal_one(&mut outbox, number);
    }
    let batches = waiting(&mut outbox);
    assert_eq!((count(&batches, "ring"), count(&batches, SPOOL_DAMAGED)), (0, 1));
    assert_eq!(disk.set_aside(), 1);
}

#[test]
fn more_batches_than_the_collector_looks_for_are_told_as_plain_losses() {
    let mut open = Open::default();
    for sequence in 0..MAX_GIVEN_UP as u64 + 3 {
        let losses = vec![Loss { cause: OUTBOX_FULL.to_owned(), count: 2, from: NOW, to: NOW }.into()];
        open.give_up(v1::GivenUp { boot: "boot".to_owned(), sequence, losses });
    }
    assert_eq!(open.given_up.len(), MAX_GIVEN_UP);
    assert_eq!(open.losses.iter().map(|loss| loss.count).collect::<Vec<_>>(), [6]);
}

#[test]
fn a_batch_that_the_collector_refuses_again_and_again_is_lost_and_counted() {
    let disk = Disk::default();
    let mut outbox = on_disk(&disk, "boot", AMPLE);
    outbox.push(lost("ring", 7), NOW);
    seal_one(&mut outbox, 1);
    seal_one(&mut outbox, 2);
    for _ in 0..2 {
        outbox.refuse("boot", 1, NOW);
    }
    assert_eq!(all_numbers(&waiting(&mut outbox)), [1, 2], "it may have been a whim");
    outbox.refuse("boot", 1, NOW);
    outbox.seal(NOW);
    let batches = waiting(&mut outbox);
    assert_eq!(all_numbers(&batches), [2]);
    assert_eq!((count(&batches, BATCH_REFUSED), count(&batches, "ring")), (1, 7));
    assert_eq!(disk.left().batches.len(), 2);
}
