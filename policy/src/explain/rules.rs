//! What one rule does in the case at hand, and how near it comes where it does nothing.

use super::{
    Condition, RuleExplanation, Unmet, Via,
    case::Case,
    peers, ports,
    written::{Compiled, WrittenRule},
};
use crate::{
    peer::PeerMatch,
    policy_id::PolicyId,
    rule::{Peers, Rule},
    tier_policy::{Action, Matched},
    truth::Truth,
};

/// A rule with what it does.
pub(super) struct Judged {
    pub(super) truth: Truth,
    pub(super) explanation: RuleExplanation,
    /// How far it is from matching: the fewer the nearer.
    pub(super) distance: (usize, u32),
}

/// Judges a rule.
pub(super) fn judge(case: &Case<'_, '_>, policy: &PolicyId, index: usize, rule: &WrittenRule<'_>) -> Judged {
    let truth = match rule.compiled {
        Compiled::Rule(compiled) => compiled.matches(&case.laid.question),
        Compiled::Tier(compiled) => compiled.matches(&case.laid.question),
    };
    let mut explanation = RuleExplanation {
        rule: index,
        name: rule.name.map(str::to_owned),
        action: rule.action.map(|(_, word)| word),
        peer: None,
        via: None,
        port: None,
        unmet: Vec::new(),
        unknown: None,
    };
    if let Truth::Unknown(fact) = truth {
        explanation.unknown = Some(case.missing(fact, policy));
    }
    match rule.compiled.rule() {
        Some(compiled) => judge_parts(case, policy, rule, compiled, &mut explanation),
        None => explain_closed(rule, &mut explanation),
    }
    let distance = (explanation.unmet.len(), explanation.unmet.iter().map(far).sum());
    Judged { truth, explanation, distance }
}

fn judge_parts(
    case: &Case<'_, '_>,
    policy: &PolicyId,
    rule: &WrittenRule<'_>,
    compiled: &Rule,
    explanation: &mut RuleExplanation,
) {
    let entries = compiled.peers.as_slice();
    let matching = entries.iter().position(|peer| case.matches_peer(peer) == Truth::Yes);
    match (&compiled.peers, matching) {
        (Peers::Any, _) => explanation.via = Some(Via::AnyPeer),
        (_, Some(at)) => {
            explanation.peer = Some(at);
            explanation.via = entries.get(at).map(peers::via);
        }
        (_, None) => explanation.unmet = unmet_peers(case, policy, rule, entries),
    }
    match compiled.matches_port(&case.laid.question.dialled) {
        Truth::Yes => {
            let matches =
                |port: &crate::port::PortMatch| port.matches(&case.laid.question.dialled) == Truth::Yes;
            explanation.port = compiled.ports.iter().position(matches);
        }
        Truth::No => {
            let field = format!("{}.{}", rule.field, rule.ports_field);
            explanation.unmet.push(ports::unmet(case, &rule.ports, &field));
        }
        Truth::Unknown(_) => {}
    }
}

/// What is unmet in the entry that comes nearest; nothing where some entry may match.
fn unmet_peers(
    case: &Case<'_, '_>,
    policy: &PolicyId,
    rule: &WrittenRule<'_>,
    entries: &[PeerMatch],
) -> Vec<Unmet> {
    if entries.iter().any(|peer| case.matches_peer(peer) != Truth::No) {
        return Vec::new();
    }
    let namespace = policy.namespace.as_deref().unwrap_or_default();
    let unmet = rule.peers.iter().enumerate().map(|(at, peer)| {
        let field = format!("{}.{}[{at}]", rule.field, rule.peers_field);
        (at, peers::unmet(case, peer, namespace, &field))
    });
    let nearest = unmet.min_by_key(|(at, unmet)| (unmet.len(), unmet.iter().map(far).sum::<u32>(), *at));
    let Some((at, mut unmet)) = nearest else {
        let text = "the rule lists no peer, so it matches nobody".to_owned();
        return vec![Unmet::new(Condition::PeerKind, format!("{}.{}", rule.field, rule.peers_field), text)];
    };
    let is_about_labels = unmet.iter().any(Unmet::is_about_labels);
    let nobody = is_about_labels && entries.get(at).is_some_and(|peer| case.matches_nobody(peer));
    for condition in unmet.iter_mut().filter(|unmet| unmet.is_about_labels()) {
        condition.matches_nobody = nobody;
    }
    unmet
}

/// A rule with a peer that the API does not know (C17).
fn explain_closed(rule: &WrittenRule<'_>, explanation: &mut RuleExplanation) {
    let Compiled::Tier(compiled) = rule.compiled else { return };
    match (compiled.matched(), compiled.action) {
        (Matched::Nothing, _) | (_, Action::Accept) => {
            let text = "a peer of the rule cannot be read, so the rule matches nothing".to_owned();
            explanation.unmet.push(Unmet::new(Condition::Invalid, rule.field.clone(), text));
        }
        (Matched::All | Matched::Rule(_), _) => explanation.via = Some(Via::FailsClosed),
    }
}

/// How far a condition is from holding.
fn far(unmet: &Unmet) -> u32 {
    match unmet.condition {
        _ if unmet.close.is_some() => 0,
        Condition::Port | Condition::Protocol => 1,
        Condition::Namespace | Condition::Pod | Condition::Node => 2,
        Condition::Address | Condition::DomainName => 3,
        Condition::PeerKind => 4,
        Condition::Invalid => 5,
    }
}

impl Unmet {
    /// A condition with its sentence and nothing else.
    pub(super) const fn new(condition: Condition, field: String, text: String) -> Self {
        let (has, wants, close, hint) = (None, None, None, None);
        Self { condition, field, has, wants, close, text, matches_nobody: false, hint }
    }

    pub(super) const fn is_about_labels(&self) -> bool {
        matches!(self.condition, Condition::Namespace | Condition::Pod)
    }
}
