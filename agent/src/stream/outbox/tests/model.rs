//! Any steps, any faults of the disk, and what must be told or counted in the end.

use super::*;
use proptest::{collection::vec, prelude::*};

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
