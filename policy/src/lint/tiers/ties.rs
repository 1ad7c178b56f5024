//! Policies whose order nobody defines (C5).

mod meeting;
mod parts;

use crate::{
    lint::{
        Code, Severity,
        findings::{At, Findings},
        population::Population,
    },
    network_policy::Direction,
    tier_policy::TierPolicy,
};
use meeting::{Search, Tie};
use parts::Parts;

/// Checks policies in their order.
pub(super) fn check(findings: &mut Findings, population: &Population<'_>, policies: &[&TierPolicy]) {
    let place = |policy: &&TierPolicy| (policy.id.tier, policy.id.priority);
    for tied in policies.chunk_by(|one, other| place(one) == place(other)) {
        let tied: Vec<&TierPolicy> =
            tied.iter().copied().filter(|policy| policy.id.priority.is_some()).collect();
        if differ(&tied) {
            check_tied(findings, population, &tied);
        }
    }
}

/// Whether there are two actions among their rules.
fn differ(policies: &[&TierPolicy]) -> bool {
    let rules = policies.iter().flat_map(|policy| Direction::BOTH.map(|direction| policy.rules(direction)));
    let mut actions = rules.flatten().map(|rule| rule.action);
    actions.next().is_some_and(|first| actions.any(|other| other != first))
}

fn check_tied(findings: &mut Findings, population: &Population<'_>, tied: &[&TierPolicy]) {
    let parts = Parts::read(population, tied);
    let mut search = Search::new(&parts);
    for (at, policy) in tied.iter().enumerate() {
        let mut others = at + 1..tied.len();
        match others.find_map(|other| Some((tied[other], search.tie(at, other)?))) {
            Some((other, tie)) => report(findings, policy, other, &tie),
            None if search.is_cut() && at + 1 < tied.len() => {
                return report_cut(findings, policy, at, tied.len());
            }
            None => {}
        }
    }
}

fn report(findings: &mut Findings, policy: &TierPolicy, other: &TierPolicy, tie: &Tie) {
    let field = tie.direction.rule_field(tie.index);
    let other_field = tie.direction.rule_field(tie.other);
    let message = format!(
        "{} has the same priority, and its {other_field} may want something else for the same connection \
         than {field}; which one is asked first is not defined",
        other.id
    );
    let at = At::from(&policy.id).field("spec.priority");
    findings.add(Code::EqualPriorities, at, message, "give one of them another priority");
}

/// What was not looked at is said.
fn report_cut(findings: &mut Findings, policy: &TierPolicy, looked_at: usize, all: usize) {
    let message = format!(
        "{all} policies have the same priority, and hold too much to hold all of it against each other: \
         {looked_at} were looked at, and this one and those behind it by kind and name were not, or not wholly"
    );
    let at = At::from(&policy.id).field("spec.priority");
    let mend = "spread them over several priorities";
    findings.add_as(Severity::Info, Code::EqualPriorities, at, message, mend);
}
