//! The tiers of one side as text.

use super::page::Page;
use crate::{
    PolicyKind, SideVerdict, Tier,
    explain::{
        Idle, NearMiss, Others, Outcome, PolicyExplanation, RuleExplanation, SideExplanation,
        TierExplanation, Unmet, Via,
    },
    shown::listed,
};

/// Tells what each tier did.
pub(super) fn tell(page: &mut Page, side: &SideExplanation, direction: &str) {
    for tier in &side.tiers {
        for policy in &tier.policies {
            tell_policy(page, side, tier, policy, direction);
        }
        if tier.outcome == Outcome::Passes {
            page.say(1, passed_on(tier.tier));
        }
        if let Some(others) = &tier.others {
            tell_others(page, side, tier, others, direction);
        }
    }
}

const fn passed_on(tier: Tier) -> &'static str {
    match tier {
        Tier::Admin | Tier::NetworkPolicy => "so tier Admin leaves the answer to the NetworkPolicies",
        Tier::Baseline => "so tier Baseline leaves it at the default, which allows",
    }
}

fn tell_policy(
    page: &mut Page,
    side: &SideExplanation,
    tier: &TierExplanation,
    policy: &PolicyExplanation,
    direction: &str,
) {
    let did = match tier.tier {
        Tier::NetworkPolicy => of_network_policy(policy, direction),
        Tier::Admin | Tier::Baseline => of_cluster_policy(policy, tier.tier, direction),
    };
    page.say(1, &format!("{} {}: {did}", title(policy), selects(policy)));
    let is_told = |rule: &&RuleExplanation| tier.tier != Tier::NetworkPolicy && rule.unknown.is_none();
    for rule in policy.matching.iter().filter(|rule| !is_told(rule)) {
        page.say(2, &matching(rule, direction, side.reason.as_deref()));
    }
    let is_allowed = matches!(side.verdict, SideVerdict::Admitted | SideVerdict::NotIsolated);
    let wanted =
        !is_allowed && (side.verdict == SideVerdict::Denied || policy.outcome == Outcome::DoesNotAdmit);
    if let Some(nearest) = policy.nearest.as_ref().filter(|_| wanted) {
        tell_nearest(page, policy, nearest, direction);
    }
}

/// `selects it by app=db`, `selects every pod of namespace shop`.
fn selects(policy: &PolicyExplanation) -> String {
    let selects = if policy.perhaps { "may select" } else { "selects" };
    match (&policy.selects_by, &policy.namespace) {
        (Some(labels), _) => format!("{selects} it by {labels}"),
        (None, Some(namespace)) => format!("{selects} every pod of namespace {namespace}"),
        (None, None) => format!("{selects} every pod of the cluster"),
    }
}

/// `NetworkPolicy shop/db`, `ClusterNetworkPolicy guard (priority 10)`.
fn title(policy: &PolicyExplanation) -> String {
    let priority = policy.priority.map_or_else(String::new, |priority| format!(" (priority {priority})"));
    format!("{}{priority}", policy.title())
}

fn of_network_policy(policy: &PolicyExplanation, direction: &str) -> String {
    match (policy.outcome, policy.rules) {
        (Outcome::Allows, _) => "it admits this".to_owned(),
        (Outcome::Unknown, _) => "whether it admits this is not known".to_owned(),
        (_, 0) => format!("it has no {direction} rule"),
        (_, 1) => format!("its {direction} rule does not admit this"),
        (_, rules) => format!("none of its {rules} {direction} rules admits this"),
    }
}

fn of_cluster_policy(policy: &PolicyExplanation, tier: Tier, direction: &str) -> String {
    let does = match policy.outcome {
        Outcome::Allows => format!("accepts this in tier {}", tier.as_str()),
        Outcome::Denies => format!("denies this in tier {}", tier.as_str()),
        Outcome::Passes => "passes this on".to_owned(),
        Outcome::Unknown => return "what it does is not known".to_owned(),
        Outcome::Silent | Outcome::DoesNotAdmit => return format!("none of its {direction} rules matches"),
    };
    let rule = policy.matching.last();
    let (title, by) = rule.map(|rule| (rule_title(rule, direction), matched_by(rule))).unwrap_or_default();
    format!("{title} {does} ({by})")
}

/// `ingress rule 2 "monitoring"`.
fn rule_title(rule: &RuleExplanation, direction: &str) -> String {
    let name = rule.name.as_ref().map_or_else(String::new, |name| format!(" \"{name}\""));
    format!("{direction} rule {}{name}", rule.rule)
}

/// `ingress rule 0 (Accept): peer 1 by selector, port entry 0`.
fn matching(rule: &RuleExplanation, direction: &str, reason: Option<&str>) -> String {
    let action = rule.action.map_or_else(String::new, |action| format!(" ({action})"));
    let title = rule_title(rule, direction);
    match &rule.unknown {
        Some(unknown) if Some(unknown.as_str()) == reason => format!("{title}{action} may match"),
        Some(unknown) => format!("{title}{action} may match: {unknown}"),
        None => format!("{title}{action}: {}", matched_by(rule)),
    }
}

/// `peer 1 by selector, port entry 0`.
fn matched_by(rule: &RuleExplanation) -> String {
    let peer = match (rule.via, rule.peer) {
        (Some(Via::FailsClosed), _) => {
            return "a peer of it cannot be read, so it denies everything".to_owned();
        }
        (Some(via), Some(peer)) => format!("peer {peer} by {}", via_words(via)),
        _ => "any peer".to_owned(),
    };
    let port = rule.port.map_or_else(|| "every port".to_owned(), |port| format!("port entry {port}"));
    format!("{peer}, {port}")
}

const fn via_words(via: Via) -> &'static str {
    match via {
        Via::AnyPeer => "any peer",
        Via::Selector => "selector",
        Via::IpBlock => "block of addresses",
        Via::Node => "node",
        Via::DomainName => "domain name",
        Via::FailsClosed => "nothing",
    }
}

/// The rule that came nearest, and its conditions in the order in which they fail.
fn tell_nearest(page: &mut Page, policy: &PolicyExplanation, rule: &RuleExplanation, direction: &str) {
    let nearest = if policy.rules == 1 { "" } else { "nearest is " };
    let action = rule.action.map_or_else(String::new, |action| format!(" ({action})"));
    for (at, unmet) in rule.unmet.iter().enumerate() {
        let lead = match at {
            0 => format!("{nearest}{}{action}: ", rule_title(rule, direction)),
            _ => "also: ".to_owned(),
        };
        page.say(2, &format!("{lead}{}", unmet.text));
        if at == 0 && unmet.matches_nobody {
            page.say(3, "no pod of the cluster matches this peer");
        }
        tell_hint(page, 3, unmet);
    }
}

fn tell_hint(page: &mut Page, depth: usize, unmet: &Unmet) {
    if let Some(hint) = &unmet.hint {
        page.say(depth, &format!("hint: {hint}"));
    }
}

/// The policies of the namespace that do not isolate the pod in this direction.
fn tell_others(
    page: &mut Page,
    side: &SideExplanation,
    tier: &TierExplanation,
    others: &Others,
    direction: &str,
) {
    let other = if tier.policies.is_empty() { "" } else { "other " };
    let matters = side.verdict == SideVerdict::Denied || !others.near.is_empty();
    match others.not_selecting {
        _ if !matters => {}
        0 => {}
        1 => page.say(1, &format!("1 {other}policy of the namespace does not select it")),
        count => page.say(1, &format!("{count} {other}policies of the namespace do not select it")),
    }
    for near in &others.near {
        tell_near(page, near);
    }
    if matches!(side.verdict, SideVerdict::Denied | SideVerdict::NotIsolated) {
        tell_idle(page, &others.selecting_nobody, direction);
    }
    for name in &others.ignored_rules {
        let rules =
            format!("has {direction} rules that are ignored: spec.policyTypes leaves {direction} out");
        page.say(1, &format!("NetworkPolicy {name} selects it and {rules}"));
    }
}

/// Policies that do nothing: whoever wrote them thinks that they do.
fn tell_idle(page: &mut Page, idle: &[Idle], direction: &str) {
    let told = listed(idle.iter().map(|idle| format!("{} (podSelector {})", idle.policy, idle.wants)));
    let sentence = match idle.len() {
        0 => return,
        1 => format!("NetworkPolicy {told} is about {direction} and selects no pod at all"),
        count => format!("{count} NetworkPolicies about {direction} select no pod at all: {told}"),
    };
    page.say(1, &sentence);
}

fn tell_near(page: &mut Page, near: &NearMiss) {
    let policy = format!("{} {}", PolicyKind::NetworkPolicy.as_str(), near.policy);
    page.say(2, &format!("{policy} nearly does: {}", near.unmet.text));
    match (near.selects_nobody, near.would_admit) {
        (true, true) => page.say(3, "it selects no pod at all, and would admit this"),
        (true, false) => page.say(3, "it selects no pod at all"),
        (false, true) => page.say(3, "it would admit this"),
        (false, false) => {}
    }
}
