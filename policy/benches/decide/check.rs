//! The baseline: the evaluator of the tests, which looks through every object; timed, and compared.

use crate::{
    clock::timed,
    cluster::{Size, World},
    naive::{self, Facts},
    questions::Set,
    speed::Ground,
    spread::Spread,
};
use anyhow::{Result, ensure};
use portolan_policy::{Connection, Decision, Object, SideDecision};

/// Batches of questions that are timed as one, for a spread.
const BATCHES: usize = 5;

/// What the baseline did with a sample of one set.
pub(crate) struct Compared {
    pub(crate) size: Size,
    pub(crate) set: Set,
    pub(crate) questions: usize,
    /// Nanoseconds per decision, of each batch.
    pub(crate) time: Spread,
}

/// Asks both the first questions of each set, in batches of so many; an error where they disagree.
pub(crate) fn compare(world: &World, ground: &Ground, batch: usize) -> Result<Vec<Compared>> {
    let mut compared = Vec::new();
    for (set, questions) in &ground.questions {
        let sample = &questions[..BATCHES * batch];
        let batches = sample.chunks(batch).map(|batch| ask(&world.objects, ground, batch));
        let nanos = batches.collect::<Result<Vec<f64>>>()?;
        let time = Spread::of(&nanos);
        compared.push(Compared { size: world.size, set: *set, questions: sample.len(), time });
    }
    Ok(compared)
}

fn ask(objects: &[Object], ground: &Ground, batch: &[Connection]) -> Result<f64> {
    let facts = Facts::default();
    let (decisions, took) = timed(|| {
        batch.iter().map(|question| naive::decide(objects, &facts, question)).collect::<Vec<Decision>>()
    });
    for (question, naive) in batch.iter().zip(decisions) {
        let decision = ground.cluster.decide(question);
        ensure!(
            agree(&decision.egress, &naive.egress) && agree(&decision.ingress, &naive.ingress),
            "the engine and the baseline disagree on {question:?}:\n{decision:?}\n{naive:?}"
        );
    }
    Ok(took.as_secs_f64() * 1e9 / batch.len() as f64)
}

/// Reasons may be worded in two ways.
fn agree(one: &SideDecision, other: &SideDecision) -> bool {
    (one.verdict, &one.policies) == (other.verdict, &other.policies)
}
