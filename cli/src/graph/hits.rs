//! What each policy did, as a table.

use super::{names::shortened, table::since};
use crate::render::{align_right, clean, count, table};
use jiff::Timestamp;
use portolan_proto::graph::PolicyHit;

const HEAD: [&str; 8] = ["POLICY", "KIND", "RULE", "ADMITTED", "DENIED", "EDGES", "FIRST", "LAST"];

/// The longest name that leaves room for the rest.
const POLICY: usize = 44;

/// All hits, in their order.
pub(super) fn table_of(hits: &[PolicyHit], now: Timestamp) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(hits.iter().map(|hit| {
        [
            shortened(&clean(&hit.policy.to_string()), POLICY),
            hit.policy.kind.as_str().to_owned(),
            rule(hit),
            count(hit.admitted),
            count(hit.denied),
            count(hit.edges),
            since(hit.first, now),
            since(hit.last, now),
        ]
    }));
    align_right(&mut rows, &[3, 4, 5, 6, 7]);
    table(&rows)
}

/// The rule in its direction's list, as its place in the manifest.
fn rule(hit: &PolicyHit) -> String {
    let direction = hit.direction.as_str();
    hit.policy.rule.map_or_else(|| format!("{direction} (isolates)"), |rule| format!("{direction}[{rule}]"))
}
