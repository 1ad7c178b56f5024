//! Decisions per second: every size, set and call, pass after pass in turn.

use crate::{
    build::build,
    calls::{CALLS, Call, Mix},
    clock::timed,
    cluster::{Size, World},
    memory,
    questions::Set,
    spread::Spread,
};
use anyhow::{Result, ensure};
use portolan_policy::{Cluster, Connection};
use std::hint::black_box;

/// A cluster with what it is asked.
pub(crate) struct Ground {
    pub(crate) size: Size,
    pub(crate) cluster: Cluster,
    pub(crate) questions: [(Set, Vec<Connection>); 2],
}

impl Ground {
    pub(crate) fn new(world: &World, questions: usize) -> Result<Self> {
        Ok(Self {
            size: world.size,
            cluster: build(world.objects.clone())?,
            questions: Set::ALL.map(|set| (set, set.questions(world, questions))),
        })
    }
}

/// What one call did with one set on one cluster.
pub(crate) struct Lane<'a> {
    pub(crate) size: Size,
    pub(crate) set: Set,
    pub(crate) call_name: &'static str,
    call: Call,
    cluster: &'a Cluster,
    questions: &'a [Connection],
    pub(crate) mix: Mix,
    /// Blocks asked of the allocator for one decision.
    pub(crate) allocations: f64,
    nanos: Vec<f64>,
}

impl<'a> Lane<'a> {
    fn new(ground: &'a Ground, at: usize, (call_name, call): (&'static str, Call)) -> Self {
        let (set, questions) = &ground.questions[at];
        Self {
            size: ground.size,
            set: *set,
            call_name,
            call,
            cluster: &ground.cluster,
            questions,
            mix: Mix::default(),
            allocations: 0.0,
            nanos: Vec::new(),
        }
    }

    /// One pass over all questions; every pass must give the same answers.
    fn pass(&mut self) -> Result<()> {
        let before = memory::allocations();
        let (mix, took) = timed(|| self.ask());
        let allocations = memory::allocations() - before;
        ensure!(mix.is_real(), "the answers to {} are all alike: {mix:?}", self.set.name());
        ensure!(
            self.nanos.is_empty() || mix == self.mix,
            "two passes over {} came to {mix:?} and {:?}",
            self.set.name(),
            self.mix
        );
        self.mix = mix;
        self.allocations = allocations as f64 / self.questions.len() as f64;
        self.nanos.push(took.as_secs_f64() * 1e9 / self.questions.len() as f64);
        Ok(())
    }

    fn ask(&self) -> Mix {
        let mut mix = Mix::default();
        for question in self.questions {
            mix.add((self.call)(self.cluster, black_box(question)));
        }
        mix
    }

    /// Nanoseconds per decision.
    pub(crate) fn spread(&self) -> Spread {
        Spread::of(&self.nanos)
    }
}

/// Measures all lanes of the grounds, forth and back in turn.
pub(crate) fn race(grounds: &[Ground], passes: usize) -> Result<Vec<Lane<'_>>> {
    let mut lanes: Vec<Lane<'_>> = Vec::new();
    for ground in grounds {
        for call in CALLS {
            lanes.extend((0..ground.questions.len()).map(|at| Lane::new(ground, at, call)));
        }
    }
    for pass in 0..passes {
        for turn in 0..lanes.len() {
            let at = if pass % 2 == 0 { turn } else { lanes.len() - 1 - turn };
            lanes[at].pass()?;
        }
    }
    Ok(lanes)
}
