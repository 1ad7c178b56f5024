//! `policyTypes` against the rules that are there (N2, N4).

use super::{
    Code,
    findings::{At, Findings},
};
use crate::{
    network_policy::{Direction, NetworkPolicy},
    truth::Truth,
};

/// Checks one policy.
pub(super) fn check(findings: &mut Findings, policy: &NetworkPolicy) {
    for direction in Direction::BOTH {
        let count = policy.rules(direction).len();
        if policy.is_about(direction) == Truth::No && count > 0 {
            let word = direction.field();
            let at = At::from(&policy.id).field(format!("spec.{word}"));
            let message = format!("{count} {word} rules that policyTypes leaves out: they are ignored");
            let mend = format!("add {} to policyTypes, or take the rules out", direction.policy_type());
            findings.add(Code::IgnoredRules, at, message, mend);
        }
    }
    let spec = &policy.spec;
    let has_types = spec.policy_types.as_ref().is_some_and(|types| !types.is_empty());
    if !has_types && spec.egress.as_ref().is_some_and(Vec::is_empty) {
        let at = At::from(&policy.id).field("spec.egress");
        let message = "an empty egress without policyTypes does not isolate egress";
        let mend = "write `policyTypes: [Egress]`, with Ingress where that is meant, or take `egress` out";
        findings.add(Code::EmptyEgress, at, message, mend);
    }
}
