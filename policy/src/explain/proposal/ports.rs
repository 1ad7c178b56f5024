//! Entries of a list of ports: one to add, or one in the place of a name that nobody has.

use super::manifest;
use crate::{PolicyKind, explain::case::Case};
use serde_json::{Value, json};

/// An entry that names a port of no container.
pub(super) struct Dead {
    /// Its index in the list.
    pub(super) index: usize,
    /// The name.
    pub(super) name: String,
}

/// An entry for the port that is asked.
pub(super) fn entry(case: &Case<'_, '_>, kind: PolicyKind, port: u16) -> Option<Value> {
    match kind {
        PolicyKind::NetworkPolicy => manifest::network_policy_port(case),
        kind => Some(manifest::tier_port(kind, port, case.connection.protocol)),
    }
}

/// The first entry of a list that names a port which no container of the cluster has.
pub(super) fn dead(case: &Case<'_, '_>, policy: &Value, list: &str) -> Option<Dead> {
    let entries = policy.pointer(list)?.as_array()?;
    entries.iter().enumerate().find_map(|(index, entry)| {
        let name = name_of(entry).filter(|name| !is_known(case, name))?;
        Some(Dead { index, name: name.to_owned() })
    })
}

/// The first entry of a list that names a port which the destination pod lacks.
pub(super) fn elsewhere<'v>(case: &Case<'_, '_>, policy: &'v Value, list: &str) -> Option<&'v str> {
    let pod = case.destination()?;
    let is_here = |name: &&str| pod.template.ports.iter().any(|port| port.name == **name);
    policy.pointer(list)?.as_array()?.iter().filter_map(name_of).find(|name| !is_here(name))
}

fn name_of(entry: &Value) -> Option<&str> {
    ["port", "namedPort", "destinationNamedPort"].into_iter().find_map(|field| entry.get(field)?.as_str())
}

fn is_known(case: &Case<'_, '_>, name: &str) -> bool {
    case.cluster.live_pods().any(|(pod, _)| pod.template.ports.iter().any(|port| port.name == name))
}

/// What to write in its place, and the word for it: the name that the pod has for the port that is
/// asked, else its number.
pub(super) fn in_place(case: &Case<'_, '_>, kind: PolicyKind, dead: &Dead) -> Option<(Value, String)> {
    let (number, protocol) = (case.connection.port?, case.connection.protocol);
    let ports = case.destination().into_iter().flat_map(|pod| pod.template.ports.iter());
    let mut named = ports.filter(|port| port.port == number && port.protocol == protocol);
    match named.find(|port| !port.name.is_empty() && port.name != dead.name) {
        Some(port) => Some((by_name(case, kind, &port.name), format!("{} ({number}/{protocol})", port.name))),
        None => Some((entry(case, kind, number)?, format!("{number}/{protocol}"))),
    }
}

fn by_name(case: &Case<'_, '_>, kind: PolicyKind, name: &str) -> Value {
    match kind {
        PolicyKind::NetworkPolicy => json!({"port": name, "protocol": case.connection.protocol}),
        PolicyKind::ClusterNetworkPolicy => json!({"destinationNamedPort": name}),
        _ => json!({"namedPort": name}),
    }
}
