//! ClusterNetworkPolicy, AdminNetworkPolicy and BaselineAdminNetworkPolicy (C1–C18, A1–A5).

mod peer;
mod ports;
pub(crate) mod view;

use super::{
    Path,
    report::Report,
    selector::{self, Place},
};
use crate::shown::quote;
use crate::{Object, ObjectKind, api::Subject, network_policy::Direction, object::UnknownKey};
use view::{Rule, Tiered};

/// The effect of an error that silences the whole policy.
const SAYS_NOTHING: &str = "the policy says nothing";
/// The effect of too long a list.
const ALL_TAKEN: &str = "all of them are taken";
/// The longest name of a rule, in characters.
const RULE_NAME_MAX: usize = 100;
/// The name that a BaselineAdminNetworkPolicy must have (A2).
const BASELINE_NAME: &str = "default";
/// The highest priority.
const PRIORITY_MAX: i32 = 1000;

/// What an API version allows.
struct Limits {
    /// Rules of a direction, and peers and ports of a rule (C18, A1).
    entries: usize,
    actions: &'static [&'static str],
}

impl Limits {
    const fn of(kind: ObjectKind) -> Self {
        match kind {
            ObjectKind::AdminNetworkPolicy => Self { entries: 100, actions: &["Allow", "Deny", "Pass"] },
            ObjectKind::BaselineAdminNetworkPolicy => Self { entries: 100, actions: &["Allow", "Deny"] },
            _ => Self { entries: 25, actions: &["Accept", "Deny", "Pass"] },
        }
    }
}

/// Checks a policy of one of the three kinds.
pub(super) fn check(report: &mut Report<'_>, object: &Object) {
    let Some(policy) = Tiered::of(object) else { return };
    let name = object.metadata().name.as_deref().unwrap_or_default();
    if policy.kind == ObjectKind::BaselineAdminNetworkPolicy && name != BASELINE_NAME {
        let metadata = Path::root("metadata");
        let problem = format!("a BaselineAdminNetworkPolicy named {}", quote(name));
        report.invalid(&metadata.field("name"), problem, "name it `default`", SAYS_NOTHING);
    }
    let spec = Path::root("spec");
    tier(report, &spec.field("tier"), policy.tier);
    priority(report, &spec.field("priority"), &policy);
    subject(report, &spec.field("subject"), policy.subject);
    rules(report, &spec.field("ingress"), policy.kind, Direction::Ingress, &policy.ingress);
    rules(report, &spec.field("egress"), policy.kind, Direction::Egress, &policy.egress);
}

fn tier(report: &mut Report<'_>, at: &Path<'_>, tier: Option<&str>) {
    match tier {
        None | Some("Admin" | "Baseline") => {}
        Some(word) => {
            let problem =
                if word.is_empty() { "no tier".to_owned() } else { format!("no tier: {}", quote(word)) };
            report.invalid(at, problem, "write Admin or Baseline", SAYS_NOTHING);
        }
    }
}

fn priority(report: &mut Report<'_>, at: &Path<'_>, policy: &Tiered<'_>) {
    let mend = "write a number from 0 to 1000, the lower first";
    match policy.priority {
        _ if policy.kind == ObjectKind::BaselineAdminNetworkPolicy => {}
        None => report.invalid(at, "no priority", mend, SAYS_NOTHING),
        Some(0..=PRIORITY_MAX) => {}
        Some(number) => {
            report.invalid(at, format!("{number} is no priority"), mend, "it is taken as the number it is");
        }
    }
}

/// C6.
fn subject(report: &mut Report<'_>, at: &Path<'_>, subject: &Subject) {
    let Subject { namespaces, pods, unknown } = subject;
    let effect = "whom the policy selects is unknown";
    let mend = "write exactly one of namespaces and pods";
    match (namespaces.is_some(), pods.is_some()) {
        (false, false) if unknown.is_empty() => report.invalid(at, "the subject says nothing", mend, effect),
        (true, true) => report.invalid(at, "namespaces and pods in one subject", mend, effect),
        _ => {}
    }
    for UnknownKey { field, mend: meant, .. } in peer::unknown_in_subject(subject) {
        let mend =
            if meant.is_empty() { "write namespaces or pods as the API has them".to_owned() } else { meant };
        report.invalid(at, format!("no field of the API: {}", quote(&field)), mend, effect);
    }
    if let Some(namespaces) = namespaces {
        selector::check_known(report, &at.field("namespaces"), namespaces, Place::Subject);
    }
    if let Some(pods) = pods {
        peer::namespaced_pods(report, &at.field("pods"), pods, Place::Subject);
    }
}

fn rules(report: &mut Report<'_>, at: &Path<'_>, kind: ObjectKind, direction: Direction, rules: &[Rule<'_>]) {
    report.at_most(at, rules.len(), Limits::of(kind).entries, ALL_TAKEN);
    for (index, rule) in rules.iter().enumerate() {
        check_rule(report, &at.index(index), kind, direction, rule);
    }
}

fn check_rule(
    report: &mut Report<'_>,
    at: &Path<'_>,
    kind: ObjectKind,
    direction: Direction,
    rule: &Rule<'_>,
) {
    let Limits { entries, actions } = Limits::of(kind);
    if let Some(name) = rule.name.filter(|name| name.chars().nth(RULE_NAME_MAX).is_some()) {
        let problem = format!("the rule name {} is longer than 100 characters", quote(name));
        report.invalid(&at.field("name"), problem, "shorten it", "it is taken as written");
    }
    if !actions.contains(&rule.action) {
        let problem = format!("no action of {kind}: {}", quote(rule.action));
        report.invalid(&at.field("action"), problem, format!("write {}", or(actions)), SAYS_NOTHING);
    }
    let peers = at.field(match direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    });
    if rule.peers.is_empty() {
        let mend = "list at least one peer, such as `namespaces: {}` for every pod";
        report.invalid(&peers, "no peers", mend, "the rule matches nobody");
    }
    report.at_most(&peers, rule.peers.len(), entries, ALL_TAKEN);
    for (index, entry) in rule.peers.iter().enumerate() {
        peer::check(report, &peers.index(index), peer::Place { kind, direction, action: rule.action }, entry);
    }
    ports::check(report, at, rule, entries);
}

/// `A, B or C`.
fn or(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
