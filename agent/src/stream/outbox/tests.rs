//! The outbox against a model that keeps everything.

use super::*;
use jiff::SignedDuration;
use portolan_policy::{Decision, End, Flow, Outcome, Protocol, Reporter, SideDecision, SideVerdict, Verdict};
use portolan_proto::{Connection, Observation, Witness};
use proptest::{collection::vec, prelude::*};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// An item of one record.
fn numbered(number: u32) -> Item {
    Item::Records(vec![record(number)])
}

/// A record that can be told from others by its number.
fn record(number: u32) -> Record {
    let end = |last| End::External { ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port: Some(80) };
    let address = |last| SocketAddr::new(Ipv4Addr::new(192, 0, 2, last).into(), 80);
    let Decision { egress, ingress } = Decision {
        egress: SideDecision::plain(SideVerdict::NotApplicable),
        ingress: SideDecision::plain(SideVerdict::NotApplicable),
    };
    let flow = Flow {
        time: NOW,
        end_time: NOW,
        source: end(1),
        destination: end(2),
        service: None,
        protocol: Protocol::Tcp,
        outcome: Outcome::Established,
        drop_reason: None,
        drop_location: None,
        verdict: Verdict::Allowed,
        inferred: false,
        egress,
        ingress,
        reporter: Reporter::Both,
        attempts: 1,
        tries: 1,
        packets: 1,
        bytes: 0,
        latency_us: None,
        retransmits: None,
        srtt_us: None,
        lost: 0,
        losses: Vec::new(),
    };
    let connection = Connection {
        protocol: Protocol::Tcp,
        source: address(1),
        destination: address(2),
        tcp_isn: number,
        start: NOW,
    };
    Record::sample(Observation { flow, connection, witness: Witness::default() })
}

fn lost(cause: &str, count: u64) -> Item {
    Item::Loss(Loss { cause: cause.to_owned(), count, from: NOW, to: NOW })
}

fn numbers(batch: &Batch) -> Vec<u32> {
    batch.records.iter().map(|record| record.connection.tcp_isn).collect()
}

fn count(batches: &[Batch], cause: &str) -> u64 {
    let losses = batches.iter().flat_map(|batch| &batch.losses);
    losses.filter(|loss| loss.cause == cause).map(|loss| loss.count).sum()
}

/// Every batch that waits, in order, as a sender would go through them.
fn waiting(outbox: &Outbox) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    while let Some(batch) = outbox.after(batches.last().map_or(0, |batch| batch.sequence)) {
        batches.push(batch.clone());
    }
    batches
}

#[test]
fn a_full_batch_seals_itself_and_numbers_begin_at_one() {
    let mut outbox = Outbox::new(10_000);
    for number in 0..=BATCH as u32 {
        outbox.push(numbered(number), NOW);
    }
    assert_eq!(outbox.waiting(), 1);
    let first = outbox.after(0).expect("a full batch is sealed");
    assert_eq!((first.sequence, first.records.len()), (1, BATCH));
    outbox.seal();
    assert_eq!(outbox.after(1).map(|batch| (batch.sequence, numbers(batch))), Some((2, vec![BATCH as u32])));
    outbox.seal();
    assert_eq!(outbox.waiting(), 2, "nothing makes no batch");
}

#[test]
fn an_acknowledgement_covers_all_before_it_and_is_harmless_twice() {
    let mut outbox = Outbox::new(100);
    for number in 0..4 {
        outbox.push(numbered(number), NOW);
        outbox.seal();
    }
    assert_eq!(outbox.acknowledge(3), 3);
    assert_eq!(outbox.acknowledge(3), 0);
    assert_eq!(outbox.acknowledge(1), 0);
    assert_eq!(waiting(&outbox).iter().map(|batch| batch.sequence).collect::<Vec<_>>(), [4]);
    assert_eq!(outbox.acknowledge(u64::MAX), 1);
    assert!(outbox.is_empty());
}

#[test]
fn losses_of_one_cause_are_added_up() {
    let mut outbox = Outbox::new(100);
    outbox.push(lost("ring", 2), NOW);
    outbox.push(lost("map", 5), NOW + SignedDuration::from_secs(1));
    outbox.push(lost("ring", 3), NOW + SignedDuration::from_secs(2));
    outbox.seal();
    let batches = waiting(&outbox);
    assert_eq!(batches[0].losses.len(), 2);
    assert_eq!((count(&batches, "ring"), count(&batches, "map")), (5, 5));
}

#[test]
fn what_overflows_is_the_oldest_and_takes_no_loss_with_it() {
    let mut outbox = Outbox::new(3);
    outbox.push(numbered(0), NOW);
    outbox.push(lost("ring", 7), NOW);
    outbox.seal();
    for number in 1..4 {
        outbox.push(numbered(number), NOW);
    }
    outbox.seal();
    let batches = waiting(&outbox);
    assert_eq!(batches.iter().flat_map(numbers).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((count(&batches, OVERFLOW), count(&batches, "ring")), (1, 7));
}

#[test]
fn an_outbox_without_room_loses_and_counts_everything() {
    let mut outbox = Outbox::new(0);
    for number in 0..5 {
        outbox.push(numbered(number), NOW);
    }
    outbox.seal();
    let batches = waiting(&outbox);
    assert!(batches.iter().all(|batch| batch.records.is_empty()));
    assert_eq!(count(&batches, OVERFLOW), 5);
}

#[test]
fn losses_without_end_do_not_make_batches_without_end() {
    let mut outbox = Outbox::new(4);
    for _ in 0..1000 {
        outbox.push(lost("ring", 1), NOW);
        outbox.seal();
    }
    assert!(outbox.waiting() <= 5, "{} batches wait", outbox.waiting());
    assert_eq!(count(&waiting(&outbox), "ring"), 1000);
}

#[derive(Clone, Debug)]
enum Step {
    Observations(u16),
    Losses(u8, u64),
    Seal,
    /// Acknowledge this many of those that wait.
    Acknowledge(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..700_u16).prop_map(Step::Observations),
        2 => (0..3_u8, 1..100_u64).prop_map(|(cause, count)| Step::Losses(cause, count)),
        3 => Just(Step::Seal),
        2 => (0..4_u8).prop_map(Step::Acknowledge),
    ]
}

/// What went in, and what came out by acknowledgement.
#[derive(Default)]
struct Model {
    observations: u32,
    losses: u64,
    done: Vec<Batch>,
    last_sequence: u64,
}

impl Model {
    fn take(&mut self, outbox: &mut Outbox, step: &Step) {
        match *step {
            Step::Observations(count) => {
                let numbers = self.observations..self.observations + u32::from(count);
                outbox.push(Item::Records(numbers.map(record).collect()), NOW);
                self.observations += u32::from(count);
            }
            Step::Losses(cause, count) => {
                outbox.push(lost(&format!("cause-{cause}"), count), NOW);
                self.losses += count;
            }
            Step::Seal => outbox.seal(),
            Step::Acknowledge(count) => {
                let sent: Vec<Batch> = waiting(outbox).into_iter().take(usize::from(count)).collect();
                if let Some(last) = sent.last() {
                    assert_eq!(outbox.acknowledge(last.sequence), sent.len() as u64);
                }
                self.done.extend(sent);
            }
        }
    }

    /// The batches that wait come one after the other, and after all that were there before.
    fn check_order(&mut self, outbox: &Outbox) {
        let waiting: Vec<u64> = waiting(outbox).iter().map(|batch| batch.sequence).collect();
        assert!(waiting.windows(2).all(|pair| pair[1] == pair[0] + 1), "gaps among {waiting:?}");
        let done = self.done.last().map_or(0, |batch| batch.sequence);
        assert!(waiting.first().is_none_or(|first| *first > done), "{waiting:?} after {done}");
        let newest = waiting.last().copied().unwrap_or(self.last_sequence);
        assert!(newest >= self.last_sequence, "numbers are not given twice");
        self.last_sequence = newest;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn order_is_kept_the_bound_holds_and_nothing_is_lost_uncounted(
        bound in prop_oneof![0..8_usize, 100..3000_usize],
        steps in vec(step(), 0..40),
    ) {
        let (mut outbox, mut model) = (Outbox::new(bound), Model::default());
        for step in &steps {
            model.take(&mut outbox, step);
            model.check_order(&outbox);
            let held: usize = waiting(&outbox).iter().map(|batch| batch.records.len()).sum();
            prop_assert!(held <= bound && outbox.waiting() <= bound + 1);
        }
        outbox.seal();
        model.take(&mut outbox, &Step::Acknowledge(u8::MAX));
        while !outbox.is_empty() {
            model.take(&mut outbox, &Step::Acknowledge(u8::MAX));
        }
        let told: Vec<u32> = model.done.iter().flat_map(numbers).collect();
        prop_assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "out of order");
        let overflowed = count(&model.done, OVERFLOW);
        prop_assert_eq!(told.len() as u64 + overflowed, u64::from(model.observations));
        let causes = ["cause-0", "cause-1", "cause-2"];
        prop_assert_eq!(causes.map(|cause| count(&model.done, cause)).iter().sum::<u64>(), model.losses);
    }
}
