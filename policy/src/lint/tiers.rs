//! The cluster-wide policies: whom they match, in which order they are asked, and whether that order
//! says what becomes of a connection.

mod people;
mod reach;
mod ties;

use super::{
    Code,
    findings::{At, Findings},
    population::Population,
    services::{Services, check_address},
};
use crate::{
    Cluster, PolicyKind, Tier,
    address::parse_cidr,
    network_policy::Direction,
    tier_policy::{Action, TierPolicy},
    validate::view::Tiered,
};

/// Checks all of them.
pub(super) fn check(
    findings: &mut Findings,
    cluster: &Cluster,
    population: &Population<'_>,
    services: &Services,
) {
    let mut policies: Vec<&TierPolicy> = cluster.tier_policies().collect();
    policies.sort_by(|one, other| (one.id.tier, one.order()).cmp(&(other.id.tier, other.order())));
    for policy in &policies {
        people::check(findings, population, policy);
        check_addresses(findings, services, policy);
    }
    check_passes(findings, &policies);
    check_apis(findings, &policies);
    reach::check(findings, &policies);
    ties::check(findings, population, &policies);
}

/// Networks that are the address of a service.
fn check_addresses(findings: &mut Findings, services: &Services, policy: &TierPolicy) {
    for (index, rule) in Tiered::of_policy(policy).egress.iter().enumerate() {
        for (peer, written) in rule.peers.iter().enumerate() {
            for (at, network) in written.networks.iter().flatten().enumerate() {
                let Some(network) = parse_cidr(network) else { continue };
                let field = || format!("{}.to[{peer}].networks[{at}]", Direction::Egress.rule_field(index));
                let at = || At::from(&policy.id).field(field());
                check_address(findings, at, services, &network);
            }
        }
    }
}

/// C4: behind Baseline there is only "allow".
fn check_passes(findings: &mut Findings, policies: &[&TierPolicy]) {
    for policy in policies.iter().filter(|policy| policy.id.tier == Tier::Baseline) {
        for direction in Direction::BOTH {
            let rules = policy.rules(direction).iter().enumerate();
            for (index, _) in rules.filter(|(_, rule)| rule.action == Action::Pass) {
                let at = At::from(&policy.id).field(format!("{}.action", direction.rule_field(index)));
                let message = "Pass in the Baseline tier lets the connection through: nothing comes after it";
                findings.add(Code::BaselinePass, at, message, "write Accept, which says so");
            }
        }
    }
}

/// A6: how the two generations stand to each other is nowhere defined.
fn check_apis(findings: &mut Findings, policies: &[&TierPolicy]) {
    let older = [
        (Tier::Admin, PolicyKind::AdminNetworkPolicy),
        (Tier::Baseline, PolicyKind::BaselineAdminNetworkPolicy),
    ];
    for (tier, kind) in older {
        let of =
            |kind| policies.iter().filter(move |policy| policy.id.kind == kind && policy.id.tier == tier);
        let newer = of(PolicyKind::ClusterNetworkPolicy).count();
        let Some(first) = of(kind).next().filter(|_| newer > 0) else { continue };
        let message = format!(
            "{} beside ClusterNetworkPolicies of tier {} ({newer}): their order is not defined; {}",
            kind.as_str(),
            tier.as_str(),
            match tier {
                Tier::Admin => "Portolan joins them by priority",
                _ => "Portolan asks it last",
            }
        );
        findings.add(Code::MixedApis, &first.id, message, "write all of them as ClusterNetworkPolicies");
    }
}
