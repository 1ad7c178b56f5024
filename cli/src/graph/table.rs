//! The graph as a table: an edge a line, for a terminal of some 120 columns.

use super::{
    names::{Names, shortened},
    words::verdicts,
};
use crate::render::{Paint, align_right, count, micros, size, span, table};
use jiff::Timestamp;
use portolan_proto::graph::Edge;

const HEAD: [&str; 7] = ["SOURCE", "DESTINATION", "ATTEMPTS", "BYTES", "P99", "LAST", "VERDICTS"];

/// The longest names that leave room for the rest.
const SOURCE: usize = 28;
const DESTINATION: usize = 38;

/// All edges, in their order.
pub(super) fn edges(edges: &[Edge], now: Timestamp, paint: Paint) -> String {
    let names = Names::new(edges);
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(edges.iter().map(|edge| {
        [
            shortened(&names.source(edge), SOURCE),
            shortened(&names.destination(edge), DESTINATION),
            count(edge.attempts),
            size(edge.bytes),
            edge.latency_us.as_ref().map_or_else(|| "-".to_owned(), |latency| micros(latency.p99)),
            since(edge.last, now),
            verdicts(edge, paint) + &revised(edge),
        ]
    }));
    align_right(&mut rows, &[2, 3, 4, 5]);
    table(&rows)
}

/// How many of the attempts had been told before.
fn revised(edge: &Edge) -> String {
    if edge.revised == 0 { String::new() } else { format!(" ({} revised)", count(edge.revised)) }
}

/// How long ago something was.
pub(super) fn since(time: Timestamp, now: Timestamp) -> String {
    span(now.duration_since(time).as_secs().max(0))
}
