//! What became of the attempts of an edge, in words.

use crate::render::{Paint, clean, color, count};
use portolan_policy::{SideVerdict, Verdict};
use portolan_proto::graph::{Direction, Edge};
use std::collections::BTreeSet;

/// What policies deny and the network lets through is the worst; what it should be, the least.
pub(crate) const WORST_FIRST: [Verdict; 7] = [
    Verdict::Unenforced,
    Verdict::Denied,
    Verdict::Blocked,
    Verdict::Failed,
    Verdict::Undecided,
    Verdict::Settling,
    Verdict::Allowed,
];

/// The verdict of an edge that most wants to be looked at.
pub(crate) fn worst(edge: &Edge) -> Verdict {
    let here = |verdict: &Verdict| edge.of(*verdict) > 0;
    WORST_FIRST.into_iter().find(here).unwrap_or(Verdict::Undecided)
}

/// Every verdict with its number, the worst first. One that is alone needs no number.
pub(crate) fn verdicts(edge: &Edge, paint: Paint) -> String {
    let alone = edge.verdicts.len() == 1;
    let words = WORST_FIRST.into_iter().filter(|verdict| edge.of(*verdict) > 0).map(|verdict| {
        let word = paint.apply(color(verdict), &loud(verdict));
        if alone { word } else { format!("{word} {}", count(edge.of(verdict))) }
    });
    words.collect::<Vec<_>>().join(", ")
}

/// In capitals where something is not as it should be.
fn loud(verdict: Verdict) -> String {
    match verdict {
        Verdict::Allowed | Verdict::Settling | Verdict::Undecided => verdict.as_str().to_owned(),
        Verdict::Denied | Verdict::Unenforced | Verdict::Blocked | Verdict::Failed => {
            verdict.as_str().to_uppercase()
        }
    }
}

/// Which policies deny, on each side.
pub(crate) fn who_denies(edge: &Edge) -> String {
    let side = |direction: Direction| {
        let decisions = edge.decisions.iter();
        let here = decisions.filter(|decided| {
            decided.direction == direction && decided.decision.verdict == SideVerdict::Denied
        });
        let policies: BTreeSet<_> =
            here.flat_map(|decided| &decided.decision.policies).map(ToString::to_string).collect();
        let policies = policies.into_iter().collect::<Vec<_>>().join(", ");
        (!policies.is_empty()).then(|| format!("{}: {policies}", direction.as_str()))
    };
    let sides = [Direction::Egress, Direction::Ingress].into_iter().filter_map(side);
    clean(&sides.collect::<Vec<_>>().join("; "))
}

/// How the attempts of a verdict ended, and why.
pub(crate) fn how(edge: &Edge, verdict: Verdict) -> String {
    let ends = edge.outcomes.iter().filter(|ended| ended.verdict == verdict).map(|ended| {
        let reason = ended.drop_reason.as_ref().map(|reason| format!(" {reason}")).unwrap_or_default();
        format!("{}{reason} {}", ended.outcome.as_str(), count(ended.attempts))
    });
    clean(&ends.collect::<Vec<_>>().join(", "))
}
