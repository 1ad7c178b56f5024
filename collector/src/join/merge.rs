//! Two views of one connection become one flow.

use super::side::Side;
use crate::made::Joined;
use portolan_policy::{
    Decision, Enforcer, Evidence, Flow, Judgement, Loss, Outcome, Reporter, SideDecision, SideVerdict, judge,
};
use portolan_proto::{Observation, Witness};
use std::{
    cmp::{max, min},
    sync::Arc,
};

/// The flow of a view that stays alone, as its agent told it.
pub(crate) fn alone(view: Observation, side: Side) -> Joined {
    let reporter = match side {
        Side::Source => Reporter::Source,
        Side::Destination => Reporter::Destination,
        Side::Both => Reporter::Both,
    };
    Joined::alone(view, reporter)
}

/// The flow of the source's and the destination's view.
pub(crate) fn both(source: Observation, destination: Observation) -> Joined {
    let evidence = evidence(source.witness, destination.witness);
    let no_way = destination.witness.no_way && !source.witness.forbidden;
    let outcome = outcome(source.flow.outcome, destination.flow.outcome, evidence.dropped_in_pod, no_way);
    let (drop_reason, drop_location) = drop(outcome, &source.flow, &destination.flow);
    let enforced_by = enforcer(outcome, &source.flow, &destination.flow);
    let (from, to) = (source.flow, destination.flow);
    let decision =
        Decision { egress: decided(from.egress, to.egress), ingress: decided(to.ingress, from.ingress) };
    let Judgement { verdict, inferred } = judge(outcome, &decision, evidence);
    let flow = Flow {
        time: min(from.time, to.time),
        end_time: max(from.end_time, to.end_time),
        source: from.source,
        destination: to.destination,
        service: from.service.or(to.service),
        protocol: from.protocol,
        outcome,
        revises: None,
        drop_reason,
        drop_location,
        enforced_by,
        passed_netfilter: passed(from.passed_netfilter, to.passed_netfilter),
        verdict,
        inferred,
        egress: decision.egress,
        ingress: decision.ingress,
        reporter: Reporter::Both,
        // Two views of the same packets, so not their sum.
        attempts: max(from.attempts, to.attempts),
        tries: max(from.tries, to.tries),
        packets: max(from.packets, to.packets),
        bytes: max(from.bytes, to.bytes),
        latency_us: from.latency_us,
        // None is less than any.
        retransmits: max(from.retransmits, to.retransmits),
        srtt_us: from.srtt_us.or(to.srtt_us),
        lost: from.lost.saturating_add(to.lost),
        losses: losses(from.losses, to.losses),
    };
    Joined { flow, latencies: source.latencies }
}

fn evidence(source: Witness, destination: Witness) -> Evidence {
    Evidence {
        reached_pod: source.reached_pod || destination.reached_pod,
        dropped_in_pod: source.dropped_in_pod || destination.dropped_in_pod,
        filtered: [source, destination].iter().any(|view| view.dropped_in_pod && view.filtered),
        recently_changed: source.recently_changed || destination.recently_changed,
    }
}

/// What became of the attempt, given what each side saw.
///
/// The client's node has the last word on success. A drop or rejection that either side saw
/// explains silence on the other; a reset seen leaving the pod is the pod's own.
fn outcome(source: Outcome, destination: Outcome, in_pod: bool, no_way: bool) -> Outcome {
    use Outcome::{Delivered, Dropped, Established, NoReply, Refused, Rejected};
    match (source, destination) {
        (Established, _) => Established,
        // The router that had no way also said so: that makes it no firewall, unless it said that it is forbidden.
        (Refused | Rejected, Dropped) if no_way => Dropped,
        // The client got an answer, and the packet that would have earned it was dropped on the
        // way: a firewall dropped it and answered in the pod's name.
        (Refused | Rejected, Dropped) if !in_pod => Rejected,
        (Refused, Dropped) | (Rejected, Refused) => Refused,
        (Refused | NoReply | Delivered, Dropped | Rejected | Refused) => destination,
        (NoReply, Delivered) => Delivered,
        // What the destination answered came to nothing at the client, who knows why.
        (Dropped | Rejected, _) | (_, Established | NoReply | Delivered) => source,
    }
}

fn losses(mut some: Vec<Loss>, others: Vec<Loss>) -> Vec<Loss> {
    for loss in others {
        loss.add_to(&mut some);
    }
    some
}

/// The kernel's name for the drop and its place, both from the side that saw it.
fn drop(outcome: Outcome, source: &Flow, destination: &Flow) -> (Option<Arc<str>>, Option<Arc<str>>) {
    if !matches!(outcome, Outcome::Dropped | Outcome::Rejected) {
        return (None, None);
    }
    let seen_as = |wanted: Outcome| {
        [source, destination]
            .into_iter()
            .filter(move |flow| flow.outcome == wanted)
            .find(|flow| flow.drop_reason.is_some())
            .map(|flow| (flow.drop_reason.clone(), flow.drop_location.clone()))
    };
    let seen = seen_as(outcome).or_else(|| seen_as(Outcome::Dropped)).or_else(|| seen_as(Outcome::Rejected));
    seen.unwrap_or_default()
}

/// The rule that brought the outcome about: one that denied, or else the last that let it through.
fn enforcer(outcome: Outcome, source: &Flow, destination: &Flow) -> Option<Arc<Enforcer>> {
    let rules = [destination, source].map(|flow| flow.enforced_by.as_ref());
    let agreeing = || rules.into_iter().flatten().filter(|rule| rule.agrees_with(outcome));
    agreeing().find(|rule| rule.verdict.is_denial()).or_else(|| agreeing().next()).cloned()
}

/// It passed where every node that it came to let it pass.
const fn passed(source: Option<bool>, destination: Option<bool>) -> Option<bool> {
    match (source, destination) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), _) | (_, Some(true)) => Some(true),
        (None, None) => None,
    }
}

/// The near side's decision, unless only the far side could make one.
fn decided(near: Arc<SideDecision>, far: Arc<SideDecision>) -> Arc<SideDecision> {
    let undecidable = |side: &SideDecision| side.verdict == SideVerdict::Undecidable;
    if undecidable(&near) && !undecidable(&far) { far } else { near }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{FlowExt as _, by_destination, by_source, web_to_db};
    use portolan_policy::RuleVerdict::{Accept, Drop};

    fn view(outcome: Outcome, rule: Option<(&str, portolan_policy::RuleVerdict)>) -> Flow {
        let enforcer = |(table, verdict): (&str, _)| Enforcer {
            family: "inet".to_owned(),
            table: table.to_owned(),
            chain: "fw".to_owned(),
            handle: Some(4),
            comment: None,
            verdict,
        };
        web_to_db().ended(outcome).change(|flow| flow.enforced_by = rule.map(enforcer).map(Arc::new))
    }

    fn table(source: Flow, destination: Flow) -> Option<String> {
        both(by_source(source), by_destination(destination)).flow.enforced_by.map(|rule| rule.table.clone())
    }

    #[test]
    fn the_rule_is_the_one_that_brought_the_outcome_about() {
        let near = || view(Outcome::NoReply, Some(("near", Accept)));
        let far = view(Outcome::Dropped, Some(("far", Drop)));
        assert_eq!(table(near(), far).as_deref(), Some("far"));
        let unnamed = view(Outcome::Dropped, None);
        assert_eq!(table(near(), unnamed), None, "one that let it go on dropped nothing");
        let through = |rule| view(Outcome::Established, rule);
        let near = || through(Some(("near", Accept)));
        assert_eq!(table(near(), through(Some(("far", Accept)))).as_deref(), Some("far"), "the last one");
        assert_eq!(table(near(), through(None)).as_deref(), Some("near"));
    }

    #[test]
    fn what_passed_on_one_node_and_not_on_the_other_did_not_pass() {
        let all = [None, Some(false), Some(true)];
        let together = all.map(|source| all.map(|destination| passed(source, destination)));
        assert_eq!(together[0], all);
        assert_eq!(together[1], [Some(false); 3]);
        assert_eq!(together[2], [Some(true), Some(false), Some(true)]);
    }
}
