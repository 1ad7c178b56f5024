//! What the network did, in words.

use portolan_policy::{Flow, Outcome};

/// The outcome, with what an earlier record said of it, the kernel's reason and place for a drop, and the tries that
/// nobody answered.
pub(super) fn of(flow: &Flow) -> String {
    let reason = flow.drop_reason.as_ref().map(|reason| format!(" {reason}"));
    let place = flow.drop_location.as_ref().map(|place| format!(" ({place})"));
    let unanswered = flow.outcome == Outcome::NoReply && flow.tries > flow.attempts;
    let tries = unanswered.then(|| format!(" after {} tries", flow.tries));
    let before = flow.revises.map(|before| format!(" (was {})", before.as_str()));
    [Some(flow.outcome.as_str().to_owned()), before, reason, place, tries].into_iter().flatten().collect()
}
