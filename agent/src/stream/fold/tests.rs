//! Whatever is folded, the sums stay.

use super::*;
use crate::{attribute::Relation, strategies};
use jiff::SignedDuration;
use portolan_policy::{Flow, Latency};
use portolan_proto::{Header, Observation, decode, encode};
use proptest::{collection::vec, prelude::*, sample::select};

/// What differs among the attempts of one relation.
#[derive(Clone, Debug)]
struct Attempt {
    relation: usize,
    millis: [i64; 2],
    port: u16,
    counts: [u64; 3],
    known: [Option<u64>; 3],
    outcome: Outcome,
    local: [bool; 2],
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let figures = (any::<[u32; 3]>(), any::<[Option<u32>; 3]>());
    let outcome = select(vec![Outcome::Established, Outcome::Refused]);
    (0..3_usize, (0..5000_i64, 0..5000_i64), any::<u16>(), figures, outcome, any::<[bool; 2]>()).prop_map(
        |(relation, (start, took), port, (counts, known), outcome, local)| Attempt {
            relation,
            millis: [start, start + took],
            port,
            counts: counts.map(u64::from),
            known: known.map(|figure| figure.map(u64::from)),
            outcome,
            local,
        },
    )
}

/// Records of three relations.
fn records() -> impl Strategy<Value = Vec<Record>> {
    (vec(strategies::observation(), 3), vec(attempt(), 0..60)).prop_map(|(samples, attempts)| {
        let samples: Vec<_> = samples.into_iter().map(Record::sample).collect();
        attempts.iter().map(|attempt| record(&samples[attempt.relation], attempt)).collect()
    })
}

fn record(sample: &Record, attempt: &Attempt) -> Record {
    let Attempt { relation: _, millis, port, counts, known, outcome, local } = *attempt;
    let [start, end] = millis.map(|millis| Timestamp::UNIX_EPOCH + SignedDuration::from_millis(millis));
    let mut record = Record {
        end_time: end,
        source_port: Some(port),
        outcome,
        latency_us: known[0],
        retransmits: known[1],
        srtt_us: known[2],
        ..sample.clone()
    };
    [record.tries, record.packets, record.bytes] = counts;
    record.connection.start = start;
    [record.witness.source_local, record.witness.destination_local] = local;
    record
}

/// What must not change.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    attempts: u64,
    tries: u64,
    packets: u64,
    bytes: u64,
    retransmits: u64,
    handshakes: u64,
    span: Option<(Timestamp, Timestamp)>,
}

fn sums(views: &[View<'_>]) -> Sums {
    views.iter().fold(Sums::default(), |mut sums, view| {
        sums.attempts += view.attempts;
        sums.tries += view.tries;
        sums.packets += view.packets;
        sums.bytes += view.bytes;
        sums.retransmits += view.retransmits.unwrap_or(0);
        let several = view.latencies.map_or(0, |all| all.counts().iter().map(|(_, count)| count).sum());
        sums.handshakes += several + u64::from(view.latency_us.is_some());
        let (from, to) = sums.span.unwrap_or((view.time, view.end_time));
        sums.span = Some((from.min(view.time), to.max(view.end_time)));
        sums
    })
}

fn unpacked(folded: &[Folded<'_>]) -> Vec<Observation> {
    let header = Header { cluster: "c", node: "n", boot: "b", sequence: 1 };
    let decoded = decode(&encode(header, folded.iter().map(Folded::view), &[])).unwrap();
    assert_eq!((decoded.malformed, decoded.flaw), (0, None));
    decoded.observations
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_is_lost_and_nothing_counts_twice(records in records()) {
        let folded = fold_all(&records);
        let [after, before]: [Vec<_>; 2] = [folded.iter().map(Folded::view).collect(), records.iter().map(Record::view).collect()];
        prop_assert_eq!(sums(&after), sums(&before));
        let told = unpacked(&folded);
        prop_assert_eq!(told.iter().map(|told| told.flow.attempts).sum::<u64>(), records.len() as u64);
        prop_assert_eq!(
            told.iter().map(|told| told.flow.bytes).sum::<u64>(),
            records.iter().map(|record| record.bytes).sum::<u64>()
        );
    }

    #[test]
    fn what_another_node_may_tell_of_stays_as_it_is(records in records()) {
        let has_second = |view: &View<'_>| view.may_have_a_second();
        let folded = fold_all(&records);
        let kept: Vec<_> = folded.iter().map(Folded::view).filter(has_second).collect();
        let given: Vec<_> = records.iter().map(Record::view).filter(has_second).collect();
        prop_assert_eq!(kept.len(), given.len());
        for (kept, given) in kept.iter().zip(&given) {
            prop_assert_eq!((kept.attempts, kept.source_port), (1, given.source_port));
            prop_assert_eq!(kept.connection, given.connection);
        }
    }

    #[test]
    fn what_differs_in_more_than_port_and_time_stays_apart(records in records()) {
        let folded = fold_all(&records);
        let alone: Vec<_> = folded.iter().filter(|folded| !folded.view().may_have_a_second()).collect();
        for (index, one) in alone.iter().enumerate() {
            for other in &alone[index + 1..] {
                prop_assert!(Key::of(one.first) != Key::of(other.first));
            }
        }
    }
}

/// Attempts on one node, from ports one after the other, each taking as many microseconds as its port.
fn many(count: u16) -> Vec<Record> {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let flow: Flow = strategies::flow().new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let relation = Arc::new(Relation::sample(flow.clone()));
    let mut sample = strategies::observation().new_tree(&mut TestRunner::deterministic()).unwrap().current();
    sample.flow = flow;
    let mut sample = Record::sample(sample);
    sample.relation = relation;
    let attempt = |port| Attempt {
        relation: 0,
        millis: [i64::from(port), i64::from(port) + 5],
        port,
        counts: [1, 4, 100],
        known: [Some(u64::from(port)), Some(0), Some(u64::from(port))],
        outcome: Outcome::Established,
        local: [true, true],
    };
    (1..=count).map(|port| record(&sample, &attempt(port))).collect()
}

#[test]
fn a_busy_batch_is_folded_and_tells_how_many_and_how_long() {
    let records = many(2000);
    let told = unpacked(&fold(&records));
    let [Observation { flow, .. }] = told.as_slice() else { panic!("{} records", told.len()) };
    assert_eq!((flow.attempts, flow.tries, flow.packets, flow.bytes), (2000, 2000, 8000, 200_000));
    assert_eq!(flow.source.port(), None, "there is no one port");
    assert_eq!(flow.end_time.duration_since(flow.time), SignedDuration::from_millis(2004));
    assert_eq!((flow.retransmits, flow.srtt_us), (Some(0), Some(1001)));
    let Latency { min, p50, p99, max } = flow.latency_us.unwrap();
    assert_eq!((min, max), (1, 2000));
    assert!((990..=1000).contains(&p50) && (1960..=1980).contains(&p99), "{p50} {p99}");
}

#[test]
fn a_batch_of_few_tells_each() {
    let records = many(1023);
    let told = unpacked(&fold(&records));
    assert_eq!(told.len(), 1023);
    assert!(told.iter().all(|told| told.flow.attempts == 1 && told.flow.source.port().is_some()));
}
