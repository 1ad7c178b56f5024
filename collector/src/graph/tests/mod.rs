//! The graph against a naive one: a list of flows, added up for each question.

mod bounds;
mod damage;
mod failing;
mod ledger;
mod naive;
mod random;
mod room;

use super::{
    Bounds, Counters, Graph, Keep, Keeper, Scope, Settings, Survey,
    answer::{EdgeAnswer, Question},
};
use crate::{
    build::at,
    clock::Now,
    ledger::{MemoryStore, SharedStore},
    made::{Joined, Made},
};
use jiff::{SignedDuration, Timestamp};
use naive::{Naive, PAST};
use portolan_policy::Flow;
use portolan_proto::Latencies;
use std::{sync::Arc, time::Duration};

/// A survey, spelled out.
#[derive(Debug)]
struct Answer {
    edges: Vec<EdgeAnswer>,
    from: Timestamp,
    to: Timestamp,
    damaged: u64,
}

impl Answer {
    fn to(graph: &Graph, question: &Question, now: Timestamp) -> Self {
        let survey = graph.ask(question, now).unwrap();
        let numbers: Vec<_> = (0..survey.len()).collect();
        let latencies = survey.latencies(&numbers);
        let edges = survey.edges().zip(numbers).map(|(edge, number)| edge.answer(latencies.of(number)));
        let Scope { from, to, damaged, behind: _ } = survey.scope;
        Self { edges: edges.collect(), from, to, damaged }
    }
}

/// What some flows come to, for tests of what is made of it.
pub(crate) fn survey(flows: Vec<Flow>) -> Survey {
    bounded_survey(flows, settings().bounds.cells)
}

/// The same with as many cells as fit beside the one that is always there.
pub(crate) fn bounded_survey(flows: Vec<Flow>, cells: usize) -> Survey {
    let bounds = Bounds { cells: cells + 1, ..settings().bounds };
    let mut rig = Rig::new(Settings { bounds, ..settings() });
    rig.add(flows.into_iter().map(|flow| (flow, None)).collect());
    rig.keeper.graph().ask(&Question::default(), rig.now).unwrap()
}

/// For ever.
const LONG: Duration = Duration::from_hours(1000 * 24);

/// Everything is told apart and kept.
fn settings() -> Settings {
    Settings {
        bounds: Bounds { addresses: 1000, cells: 100_000 },
        keep: Keep { minutes: LONG, hours: LONG, days: LONG, bytes: u64::MAX },
        past: PAST,
    }
}

/// A graph and the flows that it was given, as the ledger would keep them.
struct Rig {
    store: SharedStore,
    settings: Settings,
    keeper: Keeper,
    counters: Counters,
    now: Timestamp,
    uptime: Duration,
    flows: Vec<Arc<Made>>,
    naive: Naive,
}

impl Rig {
    fn new(settings: Settings) -> Self {
        Self::on(Arc::new(MemoryStore::default()), settings)
    }

    fn on(store: SharedStore, settings: Settings) -> Self {
        let (now, counters) = (at(0), Counters::default());
        let keeper = Keeper::open(Arc::clone(&store), counters.clone(), settings, now);
        Self {
            store,
            settings,
            keeper,
            counters,
            now,
            uptime: Duration::ZERO,
            flows: Vec::new(),
            naive: Naive::default(),
        }
    }

    fn add(&mut self, flows: Vec<(Flow, Option<Latencies>)>) {
        let first = self.flows.len();
        for (flow, latencies) in flows {
            let ordinal = self.flows.len() as u64;
            self.flows.push(Arc::new(Made::new(ordinal, Joined { flow, latencies })));
        }
        self.give(first);
    }

    /// Adds flows that nobody needs to remember.
    fn pour(&mut self, flows: impl Iterator<Item = Flow>) {
        let made = |(ordinal, flow)| Arc::new(Made::new(ordinal, Joined { flow, latencies: None }));
        let flows: Vec<_> = (0..).zip(flows).map(made).collect();
        self.keeper.add(&flows, self.now);
    }

    /// Gives flows to both graphs.
    fn give(&mut self, first: usize) {
        self.keeper.add(&self.flows[first..], self.now);
        for made in &self.flows[first..] {
            self.naive.put(made, self.now);
        }
    }

    /// Ends the process and begins another.
    fn kill(&mut self) {
        self.keeper = Keeper::open(Arc::clone(&self.store), self.counters.clone(), self.settings, self.now);
        let through = self.keeper.through() as usize;
        self.give(through);
    }

    /// Lets time pass, with all that is then to be done, but no checkpoint.
    fn pass(&mut self, minutes: i64, steps: usize) {
        self.now += SignedDuration::from_mins(minutes);
        for _ in 0..steps {
            self.keeper.step(Now { uptime: self.uptime, wall: self.now }).unwrap();
        }
    }

    fn ask(&self, since: Option<Timestamp>, until: Option<Timestamp>) -> Answer {
        Answer::to(&self.keeper.graph(), &Question { since, until }, self.now)
    }

    /// Asks both graphs.
    fn compare(&self, since: Option<Timestamp>, until: Option<Timestamp>) -> Answer {
        let answer = self.ask(since, until);
        assert_eq!(answer.damaged, 0);
        self.naive.compare(&answer);
        answer
    }
}
