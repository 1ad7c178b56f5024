//! An answer in words, on one line.

use super::Answer;
use crate::{PolicyKind, PolicyRef, SideDecision, SideVerdict};
use std::fmt;

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let allowed = match self.allowed {
            Some(true) => "allowed",
            Some(false) => "denied",
            None => "undecidable",
        };
        let (egress, ingress) = (Side(&self.egress), Side(&self.ingress));
        write!(f, "{allowed}; egress: {egress}; ingress: {ingress}")
    }
}

struct Side<'a>(&'a SideDecision);

impl fmt::Display for Side<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(SideDecision { verdict, policies, reason }) = self;
        let names = Names(policies);
        match verdict {
            SideVerdict::NotIsolated => f.write_str("not isolated"),
            SideVerdict::NotApplicable => f.write_str("not a matter for policies"),
            SideVerdict::Admitted => write!(f, "admitted by {names}"),
            SideVerdict::Denied if is_isolation(policies) => {
                write!(f, "isolated by {names}, and none admits it")
            }
            SideVerdict::Denied => write!(f, "denied by {names}"),
            SideVerdict::Undecidable => {
                write!(f, "cannot be said: {}", reason.as_deref().unwrap_or("the reason is not known"))
            }
        }
    }
}

/// A NetworkPolicy never denies by a rule: it isolates, and does not admit.
fn is_isolation(policies: &[PolicyRef]) -> bool {
    policies.iter().all(|policy| policy.kind == PolicyKind::NetworkPolicy)
}

struct Names<'a>(&'a [PolicyRef]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, policy) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{} {policy}", policy.kind.as_str())?;
            if let Some(rule) = policy.rule {
                write!(f, " rule {rule}")?;
            }
        }
        Ok(())
    }
}
