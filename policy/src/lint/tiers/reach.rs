//! First match wins: rules that are never reached.

use crate::{
    lint::{
        Code, conditions,
        findings::{At, Findings, listed},
        port_index::Among,
        redundant::is_readable_rule,
        rule_index::{Indexed, RuleId, RuleIndex, Subjects},
        selections::Selection,
    },
    network_policy::Direction,
    peer::Subject,
    rule::Rule,
    selector::Selector,
    tier_policy::{Matched, TierPolicy, TierRule},
};
use std::collections::BTreeMap;

/// Rules that a rule before them, of the same policy or of one that is asked before it, always
/// beats. The policies are in their order; the two APIs have none between them.
pub(super) fn check(findings: &mut Findings, policies: &[&TierPolicy]) {
    let mut of_apis: BTreeMap<_, Vec<&TierPolicy>> = BTreeMap::new();
    for policy in policies {
        of_apis.entry((policy.id.tier, policy.id.kind)).or_default().push(policy);
    }
    for policies in of_apis.values() {
        let subjects = Subjects::new(policies.iter().map(|policy| readable_subject(&policy.subject)));
        for direction in Direction::BOTH {
            Reach::new(policies, &subjects, direction).check(findings);
        }
    }
}

/// The rules of one direction of policies that are asked one after the other.
struct Reach<'a> {
    policies: &'a [&'a TierPolicy],
    subjects: &'a Subjects<'a>,
    direction: Direction,
    rules: RuleIndex<'a>,
}

impl<'a> Reach<'a> {
    fn new(policies: &'a [&'a TierPolicy], subjects: &'a Subjects<'a>, direction: Direction) -> Self {
        let rules = policies.iter().enumerate().flat_map(|(at, policy)| {
            let rules = policy.rules(direction).iter().enumerate();
            rules.filter_map(move |(index, rule)| {
                Some(Indexed { subject: subjects.number(at), id: (at, index), rule: readable(rule)? })
            })
        });
        Self { policies, subjects, direction, rules: RuleIndex::new(&Selector::All, rules) }
    }

    fn check(&self, findings: &mut Findings) {
        for (at, policy) in self.policies.iter().enumerate() {
            // Those of the same priority are not asked before it for certain.
            let tied = self.policies.partition_point(|other| other.id.priority < policy.id.priority);
            let own = self.subjects.number(at);
            let mut around = match subject(&policy.subject) {
                Some(subject) => self.subjects.around(&subject),
                None => Vec::new(),
            };
            if !around.contains(&own) {
                around.push(own);
            }
            for (index, rule) in self.policies[at].rules(self.direction).iter().enumerate() {
                let Some(rule) = readable(rule) else { continue };
                let among = Among::before((tied, 0), (at, 0), (at, index));
                if let Some(used) = self.rules.around(&around, rule, &among) {
                    self.report(findings, (at, index), used.into_iter());
                }
            }
        }
    }

    fn report(
        &self,
        findings: &mut Findings,
        (at, index): RuleId,
        used: impl ExactSizeIterator<Item = RuleId>,
    ) {
        let policy = self.policies[at];
        let name = |(other, index): RuleId| {
            let field = self.direction.rule_field(index);
            if other == at { field } else { format!("{field} of {}", self.policies[other].id) }
        };
        let message = format!("is never reached: {} always matches first", listed("or", used.map(name)));
        let at = At::from(&policy.id).field(self.direction.rule_field(index));
        findings.add(Code::UnreachableRule, at, message, "move it to the front, or take it out");
    }
}

/// Whom a policy selects, where that can be said.
fn subject(subject: &Subject) -> Option<Selection<'_>> {
    match subject {
        Subject::Pods { namespaces, pods } => Some(Selection::of_pods(namespaces, pods)),
        Subject::Unreadable => None,
    }
}

fn readable_subject(written: &Subject) -> Option<Selection<'_>> {
    subject(written).filter(|_| is_readable(written))
}

/// Whether it is certain whom a policy selects.
pub(super) fn is_readable(subject: &Subject) -> bool {
    match subject {
        Subject::Pods { namespaces, pods } => {
            conditions::is_readable(namespaces) && conditions::is_readable(pods)
        }
        Subject::Unreadable => false,
    }
}

/// A rule that is what it says: none that fails closed or has invalid parts.
pub(super) fn readable(rule: &TierRule) -> Option<&Rule> {
    match rule.matched() {
        Matched::Rule(rule) => Some(rule).filter(|rule| is_readable_rule(rule)),
        Matched::All | Matched::Nothing => None,
    }
}
