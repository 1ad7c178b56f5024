//! Why the verdict is what it is, in words.

use portolan_policy::{Flow, Outcome, PolicyKind, PolicyRef, SideDecision, SideVerdict, Verdict};

/// The words for a flow, unless there is nothing to say.
pub(super) fn of(flow: &Flow) -> Option<String> {
    let words = match flow.verdict {
        Verdict::Allowed => return admitted(flow),
        Verdict::Denied => denied(flow),
        Verdict::Unenforced => unenforced(flow),
        Verdict::Blocked => format!("policies admit it; {}", blocker(flow)),
        Verdict::Failed => format!("policies admit it; {}", failure(flow)),
        Verdict::Settling => format!("a pod or policy changed a moment ago{}", trailing(says(flow))),
        Verdict::Undecided => undecided(flow),
    };
    Some(words)
}

fn denied(flow: &Flow) -> String {
    let why = says(flow);
    if flow.inferred { format!("{why} (inferred: no answer, no drop seen)") } else { why }
}

fn unenforced(flow: &Flow) -> String {
    let yet = match flow.outcome {
        Outcome::Established => "it connected",
        Outcome::Delivered => "it was delivered",
        Outcome::Refused => "the pod answered",
        Outcome::Rejected | Outcome::Dropped | Outcome::NoReply => "it reached the pod",
    };
    format!("policies deny, yet {yet}: not enforced by the network{}", trailing(says(flow)))
}

const fn blocker(flow: &Flow) -> &'static str {
    match flow.outcome {
        Outcome::Rejected => "something else rejected it",
        _ => "something else dropped it",
    }
}

const fn failure(flow: &Flow) -> &'static str {
    match flow.outcome {
        Outcome::Refused => "nobody listens there",
        Outcome::Dropped | Outcome::Rejected => "the pod itself dropped it",
        _ => "no answer came",
    }
}

fn undecided(flow: &Flow) -> String {
    let missing: Vec<_> = sides(flow)
        .into_iter()
        .filter(|(_, side)| side.verdict == SideVerdict::Undecidable)
        .map(|(name, side)| {
            format!("{name}: {}", side.reason.as_deref().unwrap_or("undecidable, the reason is not known"))
        })
        .collect();
    if missing.is_empty() {
        let why = trailing(says(flow));
        return format!("policies deny; whether it reached the pod was not seen{why}");
    }
    missing.join("; ")
}

/// Who admitted it, where anybody had to.
fn admitted(flow: &Flow) -> Option<String> {
    let words: Vec<_> = sides(flow)
        .into_iter()
        .filter(|(_, side)| side.verdict == SideVerdict::Admitted && !side.policies.is_empty())
        .map(|(name, side)| format!("{name}: admitted by {}", names(&side.policies)))
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// What the denying sides say; else, what admitted it.
fn says(flow: &Flow) -> String {
    let words: Vec<_> = sides(flow)
        .into_iter()
        .filter(|(_, side)| side.verdict == SideVerdict::Denied)
        .map(|(name, side)| format!("{name}: {}", denial(&side.policies)))
        .collect();
    if words.is_empty() { admitted(flow).unwrap_or_default() } else { words.join("; ") }
}

/// A rule that denies names itself; a denial by isolation names all that isolate.
fn denial(policies: &[PolicyRef]) -> String {
    match policies {
        [policy] if policy.rule.is_some() || policy.kind != PolicyKind::NetworkPolicy => {
            let rule = policy.rule.map(|rule| format!(" (rule {rule})")).unwrap_or_default();
            format!("denied by {} {policy}{rule}", policy.kind.as_str())
        }
        [] => "denied".to_owned(),
        [policy] => format!("isolated by {policy}; it does not admit it"),
        policies => format!("isolated by {}; none admits it", names(policies)),
    }
}

fn sides(flow: &Flow) -> [(&'static str, &SideDecision); 2] {
    [("egress", &flow.egress), ("ingress", &flow.ingress)]
}

fn names(policies: &[PolicyRef]) -> String {
    policies.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn trailing(words: String) -> String {
    if words.is_empty() { words } else { format!("; {words}") }
}
