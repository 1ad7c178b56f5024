//! Random flows, checkpoints, kills, roll-ups, questions.

use super::{Answer, LONG, Rig, naive::PAST, settings};
use crate::{
    build::{FlowExt as _, admitted, at, denied, external, flow, node, pod},
    graph::{Keep, Settings, answer::Question},
    ledger::{Change, Space},
};
use jiff::{SignedDuration, Timestamp};
use portolan_policy::{End, Flow, Latency, Outcome, Protocol, ServiceRef, SideDecision, Verdict, Who};
use portolan_proto::Latencies;
use proptest::{collection::vec, option, prelude::*, sample::select};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

#[derive(Clone, Debug)]
enum Op {
    Flows(Vec<(i64, i64, Flow, Option<Latencies>)>),
    Checkpoint,
    Kill,
    Pass { minutes: i64, steps: usize },
    Ask(Option<i64>, Option<i64>),
}

fn end() -> impl Strategy<Value = End> {
    select(vec![
        pod("shop/web-1", "10.0.1.1", "n1"),
        pod("shop/web-2", "10.0.1.2", "n2"),
        pod("shop/db-0", "10.0.2.2", "n2"),
        pod("other/web-1", "10.0.3.1", "n1"),
        external("192.0.2.1"),
        external("2001:db8::1"),
        node("n1", "10.1.0.1"),
        Who::Service {
            namespace: "shop".to_owned(),
            name: "void".to_owned(),
            ip: "10.96.0.9".parse().unwrap(),
        }
        .at(None),
    ])
}

fn side() -> impl Strategy<Value = SideDecision> {
    select(vec![
        SideDecision::plain(portolan_policy::SideVerdict::NotIsolated),
        admitted("shop/db"),
        denied(&["shop/db", "shop/all"]),
        SideDecision::undecidable("one thing"),
        SideDecision::undecidable("another thing"),
    ])
}

fn handshakes() -> impl Strategy<Value = Option<Latencies>> {
    option::of(vec(0..2_000_000_u64, 1..5).prop_map(Latencies::of))
}

fn any_flow() -> impl Strategy<Value = Flow> {
    let kind = (
        (select(Outcome::ALL.to_vec()), option::weighted(0.2, select(Outcome::ALL.to_vec()))),
        select(Verdict::ALL.to_vec()),
        option::of(select(vec![Arc::from("NETFILTER_DROP"), Arc::from("TC_INGRESS")])),
    );
    let service = ServiceRef {
        namespace: "shop".to_owned(),
        name: "db".to_owned(),
        ip: "10.96.0.7".parse().unwrap(),
        port: 80,
    };
    let way = (option::of(Just(Arc::new(service))), 0..3_u16, select(Protocol::ALL.to_vec()));
    let numbers = (1..9_u64, 0..100_u64, 0..10_000_u64, option::of(0..9_u64), option::of(1..1_000_000_u64));
    (end(), end(), kind, way, side(), side(), numbers).prop_map(
        |(source, destination, kind, (service, port, protocol), egress, ingress, numbers)| {
            let ((outcome, revises), verdict, drop_reason) = kind;
            let (attempts, packets, bytes, retransmits, latency) = numbers;
            let latency_us = latency.map(Latency::single);
            let flow = flow(source, destination).destination_port(port).over(protocol);
            let (egress, ingress) = (Arc::new(egress), Arc::new(ingress));
            let flow = Flow { service, outcome, revises, verdict, drop_reason, egress, ingress, ..flow };
            Flow { attempts, packets, bytes, retransmits, latency_us, ..flow }
        },
    )
}

/// Seconds before now: of late, hours, days, and what cannot be.
fn ago() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => -250..600_i64,
        3 => 0..20_000_i64,
        2 => 0..PAST.as_secs(),
        1 => prop_oneof![Just(-301_i64), Just(-1_000_000_000), Just(PAST.as_secs() + 1), Just(1_000_000_000)],
    ]
}

/// Seconds from start to end: mostly few, some very long ones, and ends that cannot be.
fn open_for() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => 0..3_i64,
        2 => 0..2 * PAST.as_secs(),
        1 => prop_oneof![Just(-5_i64), Just(1_000_000_000)],
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => vec((ago(), open_for(), any_flow(), handshakes()), 1..8).prop_map(Op::Flows),
        2 => Just(Op::Checkpoint),
        1 => Just(Op::Kill),
        2 => (select(vec![1, 7, 61, 200, 1500]), 0..400_usize).prop_map(|(minutes, steps)| Op::Pass { minutes, steps }),
        2 => (option::of(-10..6000_i64), option::of(-10..6000_i64)).prop_map(|(since, until)| Op::Ask(since, until)),
    ]
}

fn run(rig: &mut Rig, ops: Vec<Op>, mut check: impl FnMut(&Rig, Option<Timestamp>, Option<Timestamp>)) {
    for op in ops {
        match op {
            Op::Flows(flows) => {
                let now = rig.now;
                let flows = flows.into_iter().map(|(ago, open, flow, latencies)| {
                    let start = now - SignedDuration::from_secs(ago);
                    let end = start + SignedDuration::from_secs(open);
                    (flow.started(start).change(|flow| flow.end_time = end), latencies)
                });
                rig.add(flows.collect());
            }
            Op::Checkpoint => rig.keeper.checkpoint().unwrap(),
            Op::Kill => rig.kill(),
            Op::Pass { minutes, steps } => rig.pass(minutes, steps),
            Op::Ask(since, until) => {
                let ago = |minutes| rig.now - SignedDuration::from_mins(minutes);
                let (since, until) = (since.map(ago), until.map(ago));
                let turn = since.zip(until).is_some_and(|(since, until)| since > until);
                if turn { check(rig, until, since) } else { check(rig, since, until) }
            }
        }
    }
    check(rig, None, None);
}

fn attempts(rig: &Rig) -> u64 {
    rig.ask(None, None).edges.iter().map(|edge| edge.tally.attempts).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_window_of_minutes_is_what_its_flows_come_to(ops in vec(op(), 1..40)) {
        run(&mut Rig::new(settings()), ops, |rig, since, until| {
            let answer = rig.compare(since, until);
            let floor = |time: Timestamp| time - SignedDuration::from_micros(time.as_microsecond() % 60_000_000);
            let Answer { from: begin, to: end, .. } = rig.ask(None, None);
            assert!(end > rig.now, "everything up to now is counted");
            assert!(since.is_none_or(|since| answer.from == floor(since).max(begin)), "{since:?}: {}", answer.from);
            let ceiling = |time: Timestamp| if floor(time) < time { floor(time) + SignedDuration::from_mins(1) } else { time };
            assert!(until.is_none_or(|until| answer.to == ceiling(until).min(end).max(answer.from)), "{until:?}: {}", answer.to);
            assert_eq!(attempts(rig), rig.naive.attempts());
        });
    }

    #[test]
    fn where_fine_buckets_are_gone_coarse_ones_say_the_same(
        ops in vec(op(), 1..60), minutes in 0..3_u64, hours in 3..5_u64,
    ) {
        let [minutes, hours] = [minutes, hours].map(|days| Duration::from_hours(days * 24));
        let keep = Keep { minutes, hours, days: LONG, bytes: u64::MAX };
        let mut rig = Rig::new(Settings { keep, ..settings() });
        run(&mut rig, ops, |rig, since, until| {
            let answer = rig.compare(since, until);
            let Answer { from: begin, to: end, .. } = rig.ask(None, None);
            assert!(since.is_none_or(|since| answer.from <= since.max(begin) || answer.from == answer.to), "{since:?}: {}", answer.from);
            assert!(until.is_none_or(|until| answer.to >= until.min(end)), "{until:?}: {}", answer.to);
            assert_eq!(attempts(rig), rig.naive.attempts());
        });
    }

    #[test]
    fn what_is_told_is_right_however_little_is_kept(ops in vec(op(), 1..60), bytes in 0..4000_u64) {
        let keep = Keep { minutes: LONG, hours: LONG, days: LONG, bytes };
        let mut rig = Rig::new(Settings { keep, ..settings() });
        // The naive graph does not know what days are gone, and so not which flows come too late for them.
        run(&mut rig, ops, |rig, since, until| if rig.counters.clamped.get() == 0 { rig.compare(since, until); });
    }
}

#[test]
fn buckets_become_coarser_and_are_let_go() {
    let keep = Keep {
        minutes: Duration::from_hours(24),
        hours: Duration::from_hours(48),
        days: Duration::from_hours(96),
        bytes: u64::MAX,
    };
    let mut rig = Rig::new(Settings { keep, ..settings() });
    for _ in 0..24 * 8 {
        let now = rig.now;
        rig.add(vec![(crate::build::web_to_db().started(now), None)]);
        rig.keeper.checkpoint().unwrap();
        rig.pass(60, 70);
    }
    let state = rig.keeper.graph().shared().state().clone();
    // Time has passed up to the last flow.
    let clock = rig.now.as_second() - 3600;
    let today = (clock / 86_400) as u32;
    assert_eq!(state.hours_until, (clock / 3600) as u32);
    assert_eq!((state.days_until, state.minutes_from), (today, today - 1));
    assert_eq!((state.hours_from, state.days_from), (today - 2, today - 4));
    assert_eq!(state.days.keys().next(), Some(&(today - 4)));
    assert_eq!(rig.store.minutes(), [today - 1, today]);
    let oldest = rig.store.scan(Space::Graph, b"d", 1).remove(0).unwrap().0;
    assert_eq!(oldest[1..5], (today - 4).to_be_bytes());
    let answer = rig.compare(None, None);
    assert_eq!(answer.from.as_second(), i64::from(today - 4) * 86_400);
    assert!(rig.counters.rolled.get() >= 24 * 7);
}

#[test]
fn a_connection_that_was_open_for_long_counts_where_it_began_and_up_to_now() {
    let mut rig = Rig::new(settings());
    let (now, start) = (rig.now, rig.now - 2 * PAST);
    let until = |end: Timestamp| crate::build::web_to_db().started(start).change(|flow| flow.end_time = end);
    rig.add(vec![(until(now), None)]);
    let told = |rig: &Rig| rig.compare(None, None).edges.remove(0).tally;
    assert_eq!((told(&rig).first, told(&rig).last, rig.counters.clamped.get()), (start, now, 0));
    rig.add(vec![(until(Timestamp::MAX), None)]);
    let cut = now + SignedDuration::from_mins(5);
    assert_eq!((told(&rig).first, told(&rig).last, rig.counters.clamped.get()), (start, cut, 1));
    rig.add(vec![(until(now - PAST - SignedDuration::from_secs(1)), None)]);
    assert_eq!((told(&rig).attempts, rig.counters.clamped.get()), (3, 2), "nobody sends that any more");
}

#[test]
fn no_answer_covers_what_was_before_the_graph() {
    let mut rig = Rig::new(settings());
    let minutes = SignedDuration::from_mins;
    let (begin, year) = (at(-7412), Some(rig.now - SignedDuration::from_hours(8784)));
    rig.pass(60, 0);
    let hour = rig.ask(year, Some(begin + minutes(60)));
    assert_eq!((hour.from, hour.to), (begin, begin + minutes(60)));
    assert_eq!(rig.ask(year, Some(begin - minutes(9))).edges, []);
    for (late, from) in [(-3, -3), (-1, -3), (2, -3)] {
        rig.add(vec![(crate::build::web_to_db().started(begin + minutes(late)), None)]);
        assert_eq!(rig.compare(year, None).from, begin + minutes(from));
    }
    rig.keeper.checkpoint().unwrap();
    rig.kill();
    assert_eq!(rig.compare(year, None).from, begin - minutes(3));
}

#[test]
fn the_words_of_days_to_which_flows_come_late_stay_in_memory() {
    let mut rig = Rig::new(settings());
    let words = |rig: &Rig| rig.keeper.graph().shared().days_in_memory();
    for hours in [0, 24, 48, 72, 90] {
        let time = rig.now - SignedDuration::from_hours(hours);
        rig.add(vec![(crate::build::web_to_db().started(time), None)]);
        rig.keeper.checkpoint().unwrap();
    }
    let today = (rig.now.as_second() / 86_400) as u32;
    assert_eq!(words(&rig), [today - 4, today - 3, today - 2, today]);
    rig.compare(None, None);
}

#[test]
fn flows_that_somebody_asked_about_wait_for_a_checkpoint_no_less() {
    let mut rig = Rig::new(settings());
    for asked in 1..=3 {
        rig.add(vec![(crate::build::web_to_db(), None); 2]);
        rig.ask(None, None);
        assert_eq!(rig.keeper.graph().shared().flows(), 2 * asked);
    }
    rig.keeper.checkpoint().unwrap();
    assert_eq!(rig.keeper.graph().shared().flows(), 0);
}

#[test]
fn a_collector_that_is_killed_between_flows_and_checkpoint_counts_them_once() {
    let mut rig = Rig::new(settings());
    rig.add(vec![(crate::build::web_to_db(), None); 3]);
    rig.keeper.checkpoint().unwrap();
    rig.add(vec![(crate::build::web_to_db(), None); 4]);
    rig.kill();
    assert_eq!((rig.keeper.through(), attempts(&rig)), (3, 7));
    rig.keeper.checkpoint().unwrap();
    rig.kill();
    assert_eq!((rig.keeper.through(), attempts(&rig)), (7, 7));
    rig.compare(None, None);
}

#[test]
fn a_graph_without_its_state_begins_anew_and_counts_what_is_left() {
    let mut rig = Rig::new(settings());
    rig.add(vec![(crate::build::web_to_db(), None); 3]);
    rig.keeper.checkpoint().unwrap();
    rig.store.commit(vec![Change::Put(Space::Graph, b"v".to_vec(), vec![0xff; 3])]).unwrap();
    rig.kill();
    assert_eq!((rig.keeper.through(), rig.counters.damaged.get()), (0, 1));
    rig.compare(None, None);
}

#[test]
fn neither_clock_alone_takes_anything_away() {
    let keep = Keep { minutes: Duration::ZERO, hours: Duration::ZERO, days: Duration::ZERO, bytes: u64::MAX };
    let mut rig = Rig::new(Settings { keep, ..settings() });
    rig.add(vec![(crate::build::web_to_db(), None)]);
    rig.keeper.checkpoint().unwrap();
    rig.pass(365 * 24 * 60, 500);
    rig.pass(-365 * 24 * 60, 1);
    rig.add(vec![(crate::build::web_to_db().started(at(365 * 86_400_000)), None)]);
    rig.pass(0, 500);
    assert_eq!((attempts(&rig), rig.counters.clamped.get()), (2, 1));
}

#[test]
fn a_clock_that_is_where_nothing_is_kept_any_more_loses_nothing() {
    let keep = Keep { minutes: Duration::ZERO, hours: Duration::ZERO, days: Duration::ZERO, bytes: u64::MAX };
    let mut rig = Rig::new(Settings { keep, ..settings() });
    for _ in 0..3 {
        let now = rig.now;
        rig.add(vec![(crate::build::web_to_db().started(now), None)]);
        rig.keeper.checkpoint().unwrap();
        rig.pass(24 * 60, 200);
    }
    let left = attempts(&rig);
    assert!(rig.keeper.graph().shared().state().days_from > 0);
    rig.now -= SignedDuration::from_hours(24 * 365);
    let now = rig.now;
    rig.add(vec![(crate::build::web_to_db().started(now), None)]);
    assert_eq!(attempts(&rig), left + 1);
    rig.keeper.checkpoint().unwrap();
    assert_eq!(attempts(&rig), left + 1);
}

#[test]
fn who_asks_while_buckets_are_written_rolled_up_and_let_go_counts_each_flow_once() {
    let keep = Keep { minutes: Duration::ZERO, hours: Duration::from_hours(24), days: LONG, bytes: u64::MAX };
    let mut rig = Rig::new(Settings { keep, ..settings() });
    let (graph, added, done) = (rig.keeper.graph(), AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let asker = scope.spawn(|| {
            let mut asked = 0;
            while !done.load(Ordering::SeqCst) {
                let before = added.load(Ordering::SeqCst);
                let answer = Answer::to(&graph, &Question::default(), at(0));
                let found: u64 = answer.edges.iter().map(|edge| edge.tally.attempts).sum();
                let after = added.load(Ordering::SeqCst);
                // The writer may have added one that it has not told yet.
                assert!((before..=after + 1).contains(&found), "{before} {found} {after}");
                asked += 1;
            }
            asked
        });
        for step in 0..24 * 4 {
            let late = rig.now - SignedDuration::from_hours(step % 30);
            for time in [rig.now, late] {
                rig.add(vec![(crate::build::web_to_db().started(time), None)]);
                added.fetch_add(1, Ordering::SeqCst);
            }
            if step % 3 == 0 {
                rig.keeper.checkpoint().unwrap();
            }
            rig.pass(60, 100);
        }
        done.store(true, Ordering::SeqCst);
        assert!(asker.join().unwrap() > 0);
    });
    assert_eq!(attempts(&rig), 2 * 24 * 4);
}
