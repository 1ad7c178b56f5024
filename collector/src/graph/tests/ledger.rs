//! The graph beside a ledger in a folder: what is durable there is counted here, whenever the process ends.

use super::{Answer, naive::Naive, settings};
use crate::{
    build::{FlowExt as _, at, web_to_db},
    clock::Now,
    config::Config,
    graph::{Counters, Keeper, Scope, Settings, answer::Question},
    intake::Effects,
    ledger::{Change, Ledger, Space},
    made::Joined,
    metrics::Metrics,
};
use proptest::{collection::vec, prelude::*};
use std::{path::Path, sync::Arc, time::Duration};

struct Process {
    ledger: Ledger,
    keeper: Keeper,
}

impl Process {
    fn start(data: &Path) -> Self {
        let config = Config { data: Some(data.to_owned()), ..Config::default() };
        let (ledger, _) = Ledger::open(&config, Arc::new(Metrics::new()), at(0)).unwrap();
        let mut keeper = Keeper::open(ledger.store(), Counters::default(), settings(), at(0));
        keeper.follow(ledger.shelf());
        Self { ledger, keeper }
    }

    /// Does what the writer does with flows, up to the acknowledgement.
    fn make(&mut self, ports: &[u16], naive: &mut Naive) {
        let flow = |port: &u16| {
            let flow = web_to_db().started(at(i64::from(*port) * 20_000)).destination_port(port % 5);
            Joined { flow, latencies: None }
        };
        let flows = ports.iter().map(flow).collect();
        let made = self.ledger.commit(Effects { flows, ..Effects::default() }, at(0)).unwrap();
        self.keeper.add(&made, at(0));
        for made in &made {
            naive.put(made, at(0));
        }
    }

    fn compare(&mut self, naive: &Naive) {
        while self.keeper.is_behind() {
            self.keeper.step(Now { uptime: Duration::ZERO, wall: at(0) }).unwrap();
        }
        let answer = Answer::to(&self.keeper.graph(), &Question::default(), at(0));
        naive.compare(&answer);
        assert_eq!(answer.edges.iter().map(|edge| edge.tally.attempts).sum::<u64>(), naive.attempts());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn whenever_the_process_ends_no_flow_is_lost_and_none_counts_twice(
        steps in vec((vec(0..20_u16, 0..9), 0..4_u8), 1..16),
    ) {
        let data = tempfile::tempdir().unwrap();
        let (mut process, mut naive) = (Process::start(data.path()), Naive::default());
        for (ports, then) in steps {
            process.make(&ports, &mut naive);
            match then {
                0 => process.keeper.checkpoint().unwrap(),
                1 => {
                    drop(process);
                    process = Process::start(data.path());
                    process.compare(&naive);
                }
                _ => process.compare(&naive),
            }
        }
        drop(process);
        Process::start(data.path()).compare(&naive);
    }
}

/// A process that starts beside 9000 flows, with a graph whose state is damaged.
fn begin_anew(data: &Path, naive: &mut Naive) -> Process {
    let mut process = Process::start(data);
    for _ in 0..3 {
        process.make(&[1; 3000], naive);
    }
    process.keeper.checkpoint().unwrap();
    process.ledger.store().commit(vec![Change::Put(Space::Graph, b"v".to_vec(), vec![0xff; 3])]).unwrap();
    drop(process);
    Process::start(data)
}

#[test]
fn a_graph_that_is_behind_catches_up_with_whoever_makes_more_flows_than_it_takes_in_at_once() {
    let (data, mut naive) = (tempfile::tempdir().unwrap(), Naive::default());
    let mut process = begin_anew(data.path(), &mut naive);
    let steps = (0..12).take_while(|_| {
        process.make(&[2; 6000], &mut naive);
        process.keeper.step(Now { uptime: Duration::ZERO, wall: at(0) }).unwrap();
        process.keeper.is_behind()
    });
    assert!(steps.count() < 4);
    process.compare(&naive);
}

#[test]
fn a_graph_that_begins_anew_says_how_far_it_is_and_takes_new_flows_in_their_turn() {
    let (data, mut naive) = (tempfile::tempdir().unwrap(), Naive::default());
    let mut process = begin_anew(data.path(), &mut naive);
    let scope = |process: &Process| process.keeper.graph().ask(&Question::default(), at(0)).unwrap().scope;
    assert_eq!(scope(&process).behind, 9000);
    process.make(&[5; 10], &mut naive);
    let told = (0..).map(|_| {
        process.keeper.step(Now { uptime: Duration::ZERO, wall: at(0) }).unwrap();
        let Scope { to, behind, .. } = scope(&process);
        assert!(behind == 0 || to <= at(60_000), "complete up to {to} with {behind} to come");
        behind
    });
    let told: Vec<_> = told.take_while(|behind| *behind > 0).collect();
    assert_eq!(told, [9010 - 4096, 9010 - 2 * 4096]);
    process.compare(&naive);
}

#[test]
fn chunks_that_are_put_together_on_disk_are_the_same() {
    let data = tempfile::tempdir().unwrap();
    let (mut process, mut naive) = (Process::start(data.path()), Naive::default());
    for port in 0..30 {
        process.make(&[port % 7, 3], &mut naive);
        process.keeper.checkpoint().unwrap();
        process.compare(&naive);
    }
    let minutes = |process: &Process| {
        let store = process.ledger.store();
        let day = store.minutes()[0];
        store.scan(Space::Minutes(day), b"m", usize::MAX).len()
    };
    let before = minutes(&process);
    assert!(before < 20, "{before} chunks");
    drop(process);
    let mut process = Process::start(data.path());
    assert_eq!(minutes(&process), before);
    process.compare(&naive);
}

#[test]
fn days_that_are_let_go_leave_no_files() {
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::start(data.path());
    let mut naive = Naive::default();
    process.make(&[1, 2, 3], &mut naive);
    process.keeper.checkpoint().unwrap();
    let store = process.ledger.store();
    assert_eq!(store.minutes().len(), 1);
    // Another run that keeps nothing, two days on.
    let keep = crate::graph::Keep { minutes: Duration::ZERO, ..settings().keep };
    let now = at(2 * 86_400_000);
    let mut keeper =
        Keeper::open(Arc::clone(&store), Counters::default(), Settings { keep, ..settings() }, now);
    let made = process.ledger.commit(
        Effects {
            flows: vec![Joined { flow: web_to_db().started(now), latencies: None }],
            ..Effects::default()
        },
        now,
    );
    keeper.add(&made.unwrap(), now);
    for _ in 0..500 {
        keeper.step(Now { uptime: Duration::ZERO, wall: now }).unwrap();
    }
    keeper.checkpoint().unwrap();
    assert_eq!(store.minutes().len(), 1, "today's");
    let answer = Answer::to(&keeper.graph(), &Question::default(), now);
    assert_eq!(answer.edges.iter().map(|edge| edge.tally.attempts).sum::<u64>(), 4);
}
