//! The namespaces: four that the whole cluster uses, then one after another for teams.

use super::role::Role;
use crate::random::Random;
use serde_json::{Value, json};

/// The name server and what runs on every node.
pub(crate) const SYSTEM: usize = 0;
/// The way in from outside.
pub(crate) const INGRESS: usize = 1;
/// Who asks everybody for metrics.
pub(crate) const MONITORING: usize = 2;
/// What several teams share.
pub(crate) const PLATFORM: usize = 3;
/// The number of the first ordinary one.
pub(crate) const FIRST_ORDINARY: usize = 4;

/// Of ten ordinary namespaces: how many policies each has. With five in each of the four others that makes five on
/// the average, for every size that is measured.
const POLICIES: [usize; 10] = [5, 0, 15, 0, 5, 5, 5, 5, 5, 5];

/// Its name.
pub(crate) fn name(number: usize) -> String {
    match number {
        SYSTEM => "kube-system".to_owned(),
        INGRESS => "ingress".to_owned(),
        MONITORING => "monitoring".to_owned(),
        PLATFORM => "platform".to_owned(),
        _ => format!("{}-app-{number:04}", team(number)),
    }
}

/// The team that owns it.
pub(crate) fn team(number: usize) -> String {
    if number < FIRST_ORDINARY { "infra".to_owned() } else { format!("team-{:02}", number % 50) }
}

/// Where in their life its applications are.
pub(crate) const fn environment(number: usize) -> &'static str {
    match number % 5 {
        _ if number < FIRST_ORDINARY => "prod",
        0 => "dev",
        1 => "staging",
        _ => "prod",
    }
}

/// How many policies it has.
pub(crate) const fn policies(number: usize) -> usize {
    if number < FIRST_ORDINARY { 5 } else { POLICIES[(number - FIRST_ORDINARY) % POLICIES.len()] }
}

/// Whether its policies leave alone what its pods open.
pub(crate) const fn has_open_egress(number: usize) -> bool {
    number % 4 == 3
}

/// Whether its pods have an address of each family.
pub(crate) const fn is_dual_stack(number: usize) -> bool {
    number.is_multiple_of(3)
}

/// Whether pods of this workload use the network of their node.
pub(crate) fn is_host_network(number: usize, role: Role) -> bool {
    role == Role::Proxy || (role == Role::Worker && number % 20 == 19)
}

/// The object.
pub(crate) fn object(number: usize) -> Value {
    json!({
        "metadata": {"name": name(number), "labels": {
            "kubernetes.io/metadata.name": name(number),
            "team": team(number),
            "env": environment(number),
            "pod-security.kubernetes.io/enforce": "baseline",
        }},
    })
}

/// Splits the pods of an ordinary namespace among its workloads.
pub(crate) fn split(pods: usize, random: &mut Random) -> [usize; 5] {
    let each = pods / 5;
    let more = random.below(each / 2 + 1);
    [each + more, each, each - more, each, pods - 4 * each]
}
