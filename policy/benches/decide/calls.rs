//! The calls that are measured, each in one line, and what their answers come to.

use portolan_policy::{Cluster, Connection, SideVerdict};
use std::fmt;

/// Decides, and gives the verdicts of egress and ingress.
pub(crate) type Call = fn(&Cluster, &Connection) -> [SideVerdict; 2];

/// By name, all of the public calls that decide a connection.
pub(crate) const CALLS: [(&str, Call); 2] = [("evaluate", evaluate), ("decide", decide)];

fn evaluate(cluster: &Cluster, connection: &Connection) -> [SideVerdict; 2] {
    let evaluation = cluster.evaluate(connection);
    [evaluation.egress.verdict, evaluation.ingress.verdict]
}

fn decide(cluster: &Cluster, connection: &Connection) -> [SideVerdict; 2] {
    let decision = cluster.decide(connection);
    [decision.egress.verdict, decision.ingress.verdict]
}

/// How many answers there were of each kind: a check that the work was real.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mix {
    denied: usize,
    undecidable: usize,
    admitted: usize,
    not_isolated: usize,
    not_applicable: usize,
}

impl Mix {
    /// Counts one answer: denied on either side is denied, and a policy that admits on either side admits.
    pub(crate) fn add(&mut self, sides: [SideVerdict; 2]) {
        let kinds = [
            (SideVerdict::Denied, &mut self.denied),
            (SideVerdict::Undecidable, &mut self.undecidable),
            (SideVerdict::Admitted, &mut self.admitted),
            (SideVerdict::NotIsolated, &mut self.not_isolated),
            (SideVerdict::NotApplicable, &mut self.not_applicable),
        ];
        if let Some((_, count)) = kinds.into_iter().find(|(kind, _)| sides.contains(kind)) {
            *count += 1;
        }
    }

    /// Whether policies were asked and did not all say the same.
    pub(crate) const fn is_real(&self) -> bool {
        self.denied > 0 && self.admitted > 0 && self.not_isolated > 0
    }

    const fn all(&self) -> usize {
        self.denied + self.undecidable + self.admitted + self.not_isolated + self.not_applicable
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |count: usize| count as f64 * 100.0 / self.all().max(1) as f64;
        write!(
            f,
            "{:.1} | {:.1} | {:.1} | {:.1} | {:.1}",
            percent(self.admitted),
            percent(self.denied),
            percent(self.not_isolated),
            percent(self.not_applicable),
            percent(self.undecidable),
        )
    }
}
