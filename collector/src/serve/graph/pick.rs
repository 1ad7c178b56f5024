//! Which edges of an answer are told, and in which order.

use crate::graph::answer::EdgeAnswer;
use portolan_policy::Verdict;
use portolan_proto::v1::EdgeOrder;
use std::cmp::Reverse;

/// The edges that are told, and what all are that were asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picked {
    pub(super) edges: Vec<EdgeAnswer>,
    pub(super) matching: u64,
    pub(super) attempts: u64,
}

/// Takes the first ones of edges that come sorted by name. Those that have nothing of what is ordered by are left out;
/// equals keep their order.
pub(super) fn pick(edges: Vec<EdgeAnswer>, order: EdgeOrder, limit: usize) -> Picked {
    let place = |(place, edge): (usize, &EdgeAnswer)| Some((Reverse(rank(order, edge)?), place));
    let mut places: Vec<_> = edges.iter().enumerate().filter_map(place).collect();
    let attempts = places.iter().fold(0, |sum, (_, place)| edges[*place].tally.attempts.saturating_add(sum));
    let matching = places.len() as u64;
    // Only what is told is sorted.
    if places.len() > limit {
        places.select_nth_unstable(limit);
        places.truncate(limit);
    }
    places.sort_unstable();
    let mut edges: Vec<_> = edges.into_iter().map(Some).collect();
    let edges = places.into_iter().filter_map(|(_, place)| edges[place].take()).collect();
    Picked { edges, matching, attempts }
}

/// The figure that an edge is ordered by; nothing where it has none.
fn rank(order: EdgeOrder, EdgeAnswer { tally, counts, .. }: &EdgeAnswer) -> Option<i128> {
    let of = |wanted: Verdict| -> u64 {
        let counts = counts.iter().filter(|count| count.verdict == wanted);
        counts.fold(0, |sum, count| count.attempts.saturating_add(sum))
    };
    let figure = match order {
        EdgeOrder::Unspecified => return Some(0),
        EdgeOrder::LastSeen => return Some(tally.last.as_nanosecond()),
        EdgeOrder::Latency => return tally.latencies.per_mille(990).map(i128::from),
        EdgeOrder::Attempts => tally.attempts,
        EdgeOrder::Denied => of(Verdict::Denied),
        EdgeOrder::Unenforced => of(Verdict::Unenforced),
        EdgeOrder::Blocked => of(Verdict::Blocked),
        EdgeOrder::Failed => of(Verdict::Failed),
        EdgeOrder::Bytes => tally.bytes,
    };
    (figure > 0).then_some(figure.into())
}
