//! The outbox against a model that keeps everything, with and without a disk.

use super::disk::Disk;
use super::*;
use crate::stream::batch::{Losses, losses_in};
use crate::stream::samples::{NOW, count, lost, numbered, numbers, read, record};
use jiff::SignedDuration;
use portolan_policy::Loss;
use portolan_proto::{MAX_GIVEN_UP, v1};
use proptest::{collection::vec, prelude::*};

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

#[derive(Clone, Debug)]
enum Step {
    Records(u16),
    Losses(u8, u64),
    Seal,
    /// Sends all, and has this many acknowledged.
    Acknowledge(u8),
    Refuse(bool),
    TryAgain,
    DamageOldest,
    /// The agent is killed, and started again.
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..700_u16).prop_map(Step::Records),
        2 => (0..3_u8, 1..100_u64).prop_map(|(cause, count)| Step::Losses(cause, count)),
        3 => Just(Step::Seal),
        2 => (0..4_u8).prop_map(Step::Acknowledge),
        1 => any::<bool>().prop_map(Step::Refuse),
        1 => Just(Step::TryAgain),
        1 => Just(Step::DamageOldest),
        1 => Just(Step::Kill),
    ]
}

/// What went in, what came out by acknowledgement, and what died with a process.
#[derive(Default)]
struct Model {
    records: u32,
    losses: u64,
    done: Vec<v1::Batch>,
    killed_records: u64,
    /// Losses, those of bounds and others, that nobody heard of, without those whose files are found again.
    killed_losses: i64,
    killed_bounds: i64,
    damages: u64,
    boots: u32,
}

impl Model {
    fn take(&mut self, disk: &Disk, outbox: &mut Outbox<Disk>, step: &Step) {
        match *step {
            Step::Records(count) => {
                let numbers = self.records..self.records + u32::from(count);
                outbox.push(Item::Records(numbers.map(record).collect()), NOW);
                self.records += u32::from(count);
            }
            Step::Losses(cause, count) => {
                outbox.push(lost(&format!("cause-{cause}"), count), NOW);
                self.losses += count;
            }
            Step::Seal => outbox.seal(NOW),
            Step::Acknowledge(count) => self.acknowledge(outbox, usize::from(count)),
            Step::Refuse(refuses) => disk.refuse(refuses),
            Step::TryAgain => outbox.try_again(),
            Step::DamageOldest if outbox.store.is_some() => self.damage(disk, outbox),
            Step::Kill if outbox.store.is_some() => self.kill(disk, outbox),
            Step::DamageOldest | Step::Kill => {}
        }
    }

    fn acknowledge(&mut self, outbox: &mut Outbox<Disk>, count: usize) {
        for batch in waiting(outbox).into_iter().take(count) {
            outbox.acknowledge(&batch.boot, batch.sequence);
            self.done.push(batch);
        }
    }

    /// What the oldest file told of losses is gone with it, unless it was told already.
    fn damage(&mut self, disk: &Disk, outbox: &mut Outbox<Disk>) {
        for entry in outbox.entries.iter_mut().filter(|entry| entry.is_filed) {
            outbox.held -= entry.held();
            entry.body = None;
        }
        if let Some((name, body)) = disk.damage_oldest() {
            self.damages += 1;
            if outbox.entries.iter().any(|entry| entry.name == name) {
                self.count_killed(losses_in(body), 1);
            }
        }
    }

    fn count_killed(&mut self, Losses { own, given_up }: Losses, times: i64) {
        let given_up = given_up.into_iter().flat_map(|batch| batch.losses);
        for loss in own.into_iter().map(v1::Loss::from).chain(given_up) {
            let is_bound = BOUNDS.contains(&loss.cause.as_str());
            let killed = if is_bound { &mut self.killed_bounds } else { &mut self.killed_losses };
            *killed += times * loss.count as i64;
        }
    }

    fn kill(&mut self, disk: &Disk, outbox: &mut Outbox<Disk>) {
        let open = std::mem::take(&mut outbox.open);
        self.count_killed(Losses { own: open.losses, given_up: open.given_up }, 1);
        self.killed_records += open.records.len() as u64;
        for entry in outbox.entries.iter().skip(outbox.filed_entries()) {
            self.killed_records += u64::from(entry.name.records);
            let losses = losses_in(entry.body.clone().unwrap());
            self.count_killed(losses, 1);
        }
        for Doomed { name, is_damaged, .. } in &outbox.doomed {
            let counted = if *is_damaged { name.records.max(1) } else { name.records };
            self.killed_bounds -= i64::from(counted);
            self.count_killed(disk.body(name).map(losses_in).unwrap_or_default(), -1);
        }
        self.boots += 1;
        *outbox = on_disk(disk, &format!("boot-{}", self.boots), outbox.bounds);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn order_is_kept_the_bounds_hold_and_nothing_is_lost_uncounted(
        memory in prop_oneof![0..2000_u64, 20_000..400_000_u64],
        spool in prop::option::of(prop_oneof![0..2000_u64, 20_000..400_000_u64]),
        steps in vec(step(), 0..40),
    ) {
        let (disk, mut model) = (Disk::default(), Model::default());
        let mut outbox = match spool {
            Some(bytes) => on_disk(&disk, "boot-0", Bounds { memory, disk: bytes }),
            None => in_memory(memory),
        };
        let (mut most, mut most_doomed) = (0, 0);
        for step in &steps {
            model.take(&disk, &mut outbox, step);
            // Room is made for a batch as long as the one before, so one batch may be too much.
            most = most.max(outbox.usual);
            most_doomed = most_doomed.max(outbox.doomed.len() as u64);
            prop_assert!(outbox.held <= memory + memory / 8 + 2 * most, "{} in memory", outbox.held);
            let allowed = spool.unwrap_or(0) + (2 + most_doomed) * Disk::room(most);
            prop_assert!(disk.bytes() <= allowed, "{} on disk, allowed {allowed}", disk.bytes());
        }
        disk.refuse(false);
        outbox.try_again();
        outbox.seal(NOW);
        while !outbox.is_empty() {
            model.acknowledge(&mut outbox, usize::MAX);
            outbox.seal(NOW);
        }
        prop_assert!(disk.is_empty() && !disk.refuses());
        let Model { done, .. } = &model;
        let mut told = all_numbers(done);
        let told_records = told.len();
        told.sort_unstable();
        told.dedup();
        prop_assert_eq!(told.len(), told_records, "no record is told twice");
        let bounds: u64 = BOUNDS.iter().map(|cause| count(done, cause)).sum();
        // A damaged batch without records counts for one.
        let accounted = (told_records as u64 + bounds + model.killed_records) as i64 + model.killed_bounds;
        let excess = accounted - i64::from(model.records);
        prop_assert!((0..=model.damages as i64).contains(&excess), "{excess} too many");
        let causes = ["cause-0", "cause-1", "cause-2"];
        let told_losses: u64 = causes.map(|cause| count(done, cause)).iter().sum();
        prop_assert_eq!(told_losses as i64 + model.killed_losses, model.losses as i64);
    }
}
