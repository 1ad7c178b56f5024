//! Which edges of an answer are told, and in which order. Looks at numbers alone: what is not told is never spelled out.

use crate::{
    filter::EdgeFilters,
    graph::{Seen, Survey, latencies::Latencies},
};
use portolan_policy::Verdict;
use portolan_proto::v1::EdgeOrder;
use std::cmp::Reverse;

/// The edges that are told, and what all are that were asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picked {
    /// Their numbers.
    pub(super) edges: Vec<usize>,
    pub(super) matching: u64,
    pub(super) attempts: u64,
}

/// Takes the first ones of the edges that are wanted. Those that have nothing of what is ordered by are left out; equals stand by
/// name.
pub(super) fn pick(survey: &Survey, filters: &EdgeFilters, order: EdgeOrder, limit: usize) -> Picked {
    let edges = survey.edges().enumerate().filter(|(_, edge)| filters.want(edge));
    let wanted: Vec<_> = edges.map(|(number, _)| number).collect();
    let histograms = (order == EdgeOrder::Latency).then(|| survey.latencies(&wanted));
    let (mut edges, mut attempts) = (Vec::with_capacity(wanted.len()), 0_u64);
    for (owner, number) in wanted.into_iter().enumerate() {
        let latencies = || histograms.as_ref().map(|histograms| histograms.of(owner));
        let edge = survey.edge(number);
        if let Some(figure) = rank(order, &edge, latencies) {
            attempts = attempts.saturating_add(edge.figures().attempts);
            edges.push((Reverse(figure), number));
        }
    }
    let matching = edges.len() as u64;
    // Only what is told is sorted.
    if edges.len() > limit {
        edges.select_nth_unstable(limit);
        edges.truncate(limit);
    }
    edges.sort_unstable();
    Picked { edges: edges.into_iter().map(|(_, number)| number).collect(), matching, attempts }
}

/// The figure that an edge is ordered by; nothing where it has none.
fn rank(order: EdgeOrder, edge: &Seen<'_>, latencies: impl FnOnce() -> Option<Latencies>) -> Option<i128> {
    let of = |wanted: Verdict| -> u64 {
        let ended = edge.ended().filter(|(_, verdict, _)| *verdict == wanted);
        ended.fold(0, |sum, (_, _, attempts)| attempts.saturating_add(sum))
    };
    let figure = match order {
        EdgeOrder::Unspecified => return Some(0),
        EdgeOrder::LastSeen => return Some(edge.figures().last().as_nanosecond()),
        EdgeOrder::Latency => return latencies()?.per_mille(990).map(i128::from),
        EdgeOrder::Attempts => edge.figures().attempts,
        EdgeOrder::Denied => of(Verdict::Denied),
        EdgeOrder::Unenforced => of(Verdict::Unenforced),
        EdgeOrder::Blocked => of(Verdict::Blocked),
        EdgeOrder::Failed => of(Verdict::Failed),
        EdgeOrder::Bytes => edge.figures().bytes,
    };
    (figure > 0).then_some(figure.into())
}
