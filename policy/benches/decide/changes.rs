//! What changes cost: the time of each, and the memory of the versions before them.

use crate::{
    build::build,
    change::{Kind, Store},
    clock::timed,
    memory,
    spread::Percentiles,
};
use anyhow::{Result, ensure};
use portolan_policy::{Cluster, Connection, Object};
use std::{collections::VecDeque, hint::black_box};

/// How many versions before the present one are kept while changes are timed, as the agent keeps some.
const KEPT: usize = 8;

/// What the changes of one kind cost.
pub(crate) struct Changed {
    pub(crate) kind: Kind,
    /// Microseconds from the old version, which is kept, to the new one.
    pub(crate) change: Percentiles,
    /// Microseconds of giving up the oldest version.
    pub(crate) release: Percentiles,
    /// Microseconds of the first decision after it, about a pod that it concerns.
    pub(crate) decision: Percentiles,
    /// Bytes that one version holds alone, when each of many is kept.
    pub(crate) version: f64,
}

/// Makes changes of all kinds, a part of those of the largest cluster; then compares with a cluster built afresh.
pub(crate) fn measure(
    objects: &[Object],
    cluster: &Cluster,
    questions: &[Connection],
    part: usize,
) -> Result<Vec<Changed>> {
    let mut store = Store::new(objects);
    let mut cluster = cluster.clone();
    let mut asked = Vec::new();
    let mut changed = Vec::new();
    for (kind, count) in Kind::ALL {
        let count = (count / part).max(10);
        let [change, release, decision] = time(kind, count, &mut store, &mut cluster, &mut asked)?;
        let version = versions(kind, count, &mut store, &mut cluster)?;
        changed.push(Changed { kind, change, release, decision, version });
    }
    asked.extend_from_slice(questions);
    compare(&cluster, &build(store.objects())?, &asked)?;
    Ok(changed)
}

/// The times of the change itself, of giving up the oldest version, and of the first decision.
fn time(
    kind: Kind,
    count: usize,
    store: &mut Store,
    cluster: &mut Cluster,
    asked: &mut Vec<Connection>,
) -> Result<[Percentiles; 3]> {
    let mut kept = VecDeque::from(vec![cluster.clone(); KEPT]);
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..count {
        let (change, question) = store.next(kind);
        let (made, changing) = timed(|| {
            kept.push_back(cluster.clone());
            change.make(cluster)
        });
        made?;
        let ((), releasing) = timed(|| drop(kept.pop_front()));
        let (_, deciding) = timed(|| black_box(cluster.decide(&question)));
        for (times, took) in times.iter_mut().zip([changing, releasing, deciding]) {
            times.push(took.as_secs_f64() * 1e6);
        }
        asked.push(question);
    }
    Ok(times.map(|times| Percentiles::of(&times)))
}

/// Keeps every version, and gives up all at once.
fn versions(kind: Kind, count: usize, store: &mut Store, cluster: &mut Cluster) -> Result<f64> {
    let mut kept = Vec::with_capacity(count);
    for _ in 0..count {
        let (change, question) = store.next(kind);
        kept.push(cluster.clone());
        change.make(cluster)?;
        black_box(cluster.decide(&question));
    }
    let before = memory::live();
    drop(kept);
    Ok((before - memory::live()) as f64 / count as f64)
}

/// A cluster that changed must answer like one that was never otherwise.
fn compare(changed: &Cluster, fresh: &Cluster, questions: &[Connection]) -> Result<()> {
    for question in questions {
        let (after, afresh) = (changed.decide(question), fresh.decide(question));
        ensure!(
            after == afresh,
            "after changes a cluster says of {question:?}:\n{after:?}\nand built afresh:\n{afresh:?}"
        );
    }
    Ok(())
}
