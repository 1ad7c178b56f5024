//! The edges in order, with what makes them so.

use super::Measure;
use crate::{
    graph::{Names, how, shortened, verdicts, who_denies},
    render::{Paint, align_right, count, micros, size, table},
};
use portolan_policy::Verdict;
use portolan_proto::graph::Edge;

/// The longest names that leave room for the rest.
const SOURCE: usize = 28;
const DESTINATION: usize = 38;

/// All edges, in their order.
pub(super) fn table_of(edges: &[Edge], by: Measure, paint: Paint) -> String {
    let names = Names::new(edges);
    let [measure, beside, why] = heads(by);
    let mut rows = vec![[measure, beside, "SOURCE", "DESTINATION", why].map(str::to_owned)];
    rows.extend(edges.iter().map(|edge| {
        let [figure, beside, why] = told(edge, by, paint);
        let source = shortened(&names.source(edge), SOURCE);
        let destination = shortened(&names.destination(edge), DESTINATION);
        [figure, beside, source, destination, why]
    }));
    align_right(&mut rows, &[0, 1]);
    table(&rows)
}

const fn heads(by: Measure) -> [&'static str; 3] {
    match by {
        Measure::Denied => ["DENIED", "ATTEMPTS", "DENIED BY"],
        Measure::Unenforced => ["UNENFORCED", "ATTEMPTS", "DENIED BY"],
        Measure::Blocked => ["BLOCKED", "ATTEMPTS", "HOW"],
        Measure::Failed => ["FAILED", "ATTEMPTS", "HOW"],
        Measure::Latency => ["P99", "ATTEMPTS", "LATENCY"],
        Measure::Bytes => ["BYTES", "ATTEMPTS", "PACKETS"],
        Measure::Attempts => ["ATTEMPTS", "BYTES", "VERDICTS"],
    }
}

/// The figure, another beside it, and what stands behind it.
fn told(edge: &Edge, by: Measure, paint: Paint) -> [String; 3] {
    let attempts = count(edge.attempts);
    let of = |verdict| count(edge.of(verdict));
    match by {
        Measure::Denied => [of(Verdict::Denied), attempts, who_denies(edge)],
        Measure::Unenforced => [of(Verdict::Unenforced), attempts, who_denies(edge)],
        Measure::Blocked => [of(Verdict::Blocked), attempts, how(edge, Verdict::Blocked)],
        Measure::Failed => [of(Verdict::Failed), attempts, how(edge, Verdict::Failed)],
        Measure::Latency => latency(edge, attempts),
        Measure::Bytes => [size(edge.bytes), attempts, packets(edge)],
        Measure::Attempts => [attempts, size(edge.bytes), verdicts(edge, paint)],
    }
}

fn latency(edge: &Edge, attempts: String) -> [String; 3] {
    let Some(latency) = &edge.latency_us else { return ["-".to_owned(), attempts, String::new()] };
    let [p50, p90, max] = [latency.p50, latency.p90, latency.max].map(micros);
    [micros(latency.p99), attempts, format!("p50 {p50}, p90 {p90}, max {max}")]
}

fn packets(edge: &Edge) -> String {
    let again = (edge.retransmits > 0).then(|| format!(", {} sent again", count(edge.retransmits)));
    format!("{}{}", count(edge.packets), again.unwrap_or_default())
}
