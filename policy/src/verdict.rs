//! Outcome × decision = verdict: the table at the heart of the design.

use crate::{Decision, Outcome, SideVerdict, Verdict};

/// What was seen of an attempt beside its outcome.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each asked by name")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The attempt was seen arriving at the destination pod's device, or the pod answered it.
    pub reached_pod: bool,
    /// The drop happened inside the destination pod, after arrival.
    pub dropped_in_pod: bool,
    /// What dropped it is there to drop: no want of a route, of a listener or of room.
    pub filtered: bool,
    /// A pod or policy that matters here changed within seconds of the attempt.
    pub recently_changed: bool,
}

/// A verdict and how it was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Whether it rests on silence instead of on a drop that was seen.
    pub inferred: bool,
}

/// Judges an attempt: what was seen against what the policies say.
///
/// `unenforced` needs a witness that the attempt reached the pod; without one the answer is
/// `undecided`, never a false alarm. A mismatch close to a change is `settling`.
pub fn judge(outcome: Outcome, decision: &Decision, evidence: Evidence) -> Judgement {
    let plain = |verdict| Judgement { verdict, inferred: false };
    let judgement = match decision.admits() {
        None => plain(Verdict::Undecided),
        Some(true) => plain(match outcome {
            Outcome::Established | Outcome::Delivered => Verdict::Allowed,
            Outcome::Dropped | Outcome::Rejected if evidence.dropped_in_pod => Verdict::Failed,
            Outcome::Dropped | Outcome::Rejected => Verdict::Blocked,
            Outcome::Refused | Outcome::NoReply => Verdict::Failed,
        }),
        Some(false) => match outcome {
            Outcome::Dropped | Outcome::Rejected if enforced_by_the_pod(decision, evidence) => {
                plain(Verdict::Denied)
            }
            Outcome::Dropped | Outcome::Rejected if evidence.dropped_in_pod => plain(Verdict::Unenforced),
            Outcome::Dropped | Outcome::Rejected => plain(Verdict::Denied),
            _ if evidence.reached_pod => plain(Verdict::Unenforced),
            Outcome::NoReply => Judgement { verdict: Verdict::Denied, inferred: true },
            Outcome::Established | Outcome::Delivered | Outcome::Refused => plain(Verdict::Undecided),
        },
    };
    match judgement.verdict {
        Verdict::Blocked | Verdict::Unenforced if evidence.recently_changed => plain(Verdict::Settling),
        _ => judgement,
    }
}

/// Whether a filter at the destination pod itself did what that pod's policies ask for: that is as good as one
/// before it.
fn enforced_by_the_pod(decision: &Decision, evidence: Evidence) -> bool {
    let by_ingress_alone =
        decision.ingress.verdict == SideVerdict::Denied && decision.egress.verdict != SideVerdict::Denied;
    evidence.dropped_in_pod && evidence.filtered && by_ingress_alone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SideDecision;
    use Outcome::{Delivered, Dropped, Established, NoReply, Refused, Rejected};

    fn decision(ingress: SideVerdict) -> Decision {
        Decision {
            egress: SideDecision::plain(SideVerdict::NotIsolated).into(),
            ingress: SideDecision::plain(ingress).into(),
        }
    }

    #[test]
    fn the_table_of_the_design() {
        let reached = Evidence { reached_pod: true, ..Evidence::default() };
        let unseen = Evidence::default();
        let cases = [
            (Established, SideVerdict::Admitted, unseen, Verdict::Allowed),
            (Delivered, SideVerdict::NotIsolated, unseen, Verdict::Allowed),
            (Established, SideVerdict::Denied, reached, Verdict::Unenforced),
            (Established, SideVerdict::Denied, unseen, Verdict::Undecided),
            (Delivered, SideVerdict::Denied, reached, Verdict::Unenforced),
            (Delivered, SideVerdict::Denied, unseen, Verdict::Undecided),
            (Dropped, SideVerdict::Admitted, unseen, Verdict::Blocked),
            (Rejected, SideVerdict::Admitted, unseen, Verdict::Blocked),
            (Dropped, SideVerdict::Denied, unseen, Verdict::Denied),
            (Dropped, SideVerdict::Denied, reached, Verdict::Denied),
            (Rejected, SideVerdict::Denied, unseen, Verdict::Denied),
            (Refused, SideVerdict::Admitted, unseen, Verdict::Failed),
            (Refused, SideVerdict::Denied, reached, Verdict::Unenforced),
            (Refused, SideVerdict::Denied, unseen, Verdict::Undecided),
            (NoReply, SideVerdict::Admitted, unseen, Verdict::Failed),
            (NoReply, SideVerdict::Denied, unseen, Verdict::Denied),
            (NoReply, SideVerdict::Denied, reached, Verdict::Unenforced),
            (Established, SideVerdict::Undecidable, reached, Verdict::Undecided),
            (Dropped, SideVerdict::Undecidable, unseen, Verdict::Undecided),
        ];
        for (outcome, side, evidence, expected) in cases {
            let judged = judge(outcome, &decision(side), evidence);
            assert_eq!(judged.verdict, expected, "{outcome:?} × {side:?} with {evidence:?}");
            let silent = outcome == NoReply && expected == Verdict::Denied;
            assert_eq!(judged.inferred, silent, "{outcome:?} × {side:?} with {evidence:?}");
        }
    }

    #[test]
    fn a_drop_inside_the_pod_is_no_denial() {
        let evidence = Evidence { reached_pod: true, dropped_in_pod: true, ..Evidence::default() };
        let admitted = judge(Dropped, &decision(SideVerdict::Admitted), evidence);
        assert_eq!(admitted.verdict, Verdict::Failed);
        let denied = judge(Dropped, &decision(SideVerdict::Denied), evidence);
        assert_eq!(denied.verdict, Verdict::Unenforced);
    }

    #[test]
    fn a_filter_inside_the_pod_enforces_what_its_own_policies_deny_and_nothing_else() {
        let filtered =
            Evidence { reached_pod: true, dropped_in_pod: true, filtered: true, ..Evidence::default() };
        let judged = |decision: &Decision| judge(Dropped, decision, filtered).verdict;
        assert_eq!(judged(&decision(SideVerdict::Denied)), Verdict::Denied);
        assert_eq!(judged(&decision(SideVerdict::Admitted)), Verdict::Failed);
        let by_the_source = Decision {
            egress: SideDecision::plain(SideVerdict::Denied).into(),
            ingress: SideDecision::plain(SideVerdict::Admitted).into(),
        };
        assert_eq!(judged(&by_the_source), Verdict::Unenforced, "it had left its pod");
    }

    #[test]
    fn a_mismatch_close_to_a_change_is_settling_and_a_match_is_not() {
        let evidence = Evidence { reached_pod: true, recently_changed: true, ..Evidence::default() };
        assert_eq!(judge(Established, &decision(SideVerdict::Denied), evidence).verdict, Verdict::Settling);
        assert_eq!(judge(Dropped, &decision(SideVerdict::Admitted), evidence).verdict, Verdict::Settling);
        assert_eq!(judge(Established, &decision(SideVerdict::Admitted), evidence).verdict, Verdict::Allowed);
        assert_eq!(judge(Dropped, &decision(SideVerdict::Denied), evidence).verdict, Verdict::Denied);
    }
}
