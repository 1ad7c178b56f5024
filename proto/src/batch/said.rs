//! What services, policies and firewalls say in a batch, as it is read.

use super::{
    BatchError,
    column::{Column, Entries, Memory, Shared, addresses, each, offsets, shared_size},
    share::Share,
    texts::{Texts, word},
};
use crate::v1;
use portolan_policy::{Enforcer, PolicyRef, ServiceRef, SideDecision};
use std::sync::Arc;

const NAMESPACE: &str = "its namespace is no text of the batch";
const NAME: &str = "its name is no text of the batch";

/// Reads the services.
pub(super) fn services(
    wire: &v1::Services,
    texts: &Texts<'_>,
    share: &impl Share,
    memory: &mut Memory,
) -> Result<Entries<Shared<ServiceRef>>, BatchError> {
    let count = wire.names.len();
    let ips = addresses("services.addresses", wire.addresses.as_ref(), count)?;
    let namespaces = Column::new("services.namespaces", &wire.namespaces, count)?;
    let ports = Column::new("services.ports", &wire.ports, count)?;
    each("services", count, memory, |entry, memory| {
        let [namespace, name] = [namespaces.at(entry.index), wire.names[entry.index]];
        let own = shared_size::<ServiceRef>() + texts.length(namespace) + texts.length(name);
        let weight = entry.take(memory, own)?;
        let port = ports.at(entry.index);
        let value = ServiceRef {
            namespace: texts.filled(entry, namespace, NAMESPACE)?,
            name: texts.filled(entry, name, NAME)?,
            ip: ips[entry.index],
            port: u16::try_from(port).map_err(|_| entry.flaw("its port is none"))?,
        };
        Ok(Shared { value: share.service(value, weight), weight })
    })
}

fn policies(
    wire: &v1::Policies,
    texts: &Texts<'_>,
    memory: &mut Memory,
) -> Result<Entries<Shared<PolicyRef>>, BatchError> {
    let count = wire.kinds.len();
    let namespaces = Column::new("policies.namespaces", &wire.namespaces, count)?;
    let names = Column::new("policies.names", &wire.names, count)?;
    let rules = Column::new("policies.rules", &wire.rules, count)?;
    each("policies", count, memory, |entry, memory| {
        let [namespace, name] = [namespaces.at(entry.index), names.at(entry.index)];
        let own = shared_size::<PolicyRef>() + texts.length(namespace) + texts.length(name);
        let weight = entry.take(memory, own)?;
        let rule = rules.at(entry.index).checked_sub(1).map(u32::try_from).transpose();
        let value = PolicyRef {
            kind: word(entry, wire.kinds[entry.index], "its kind is unknown")?,
            namespace: texts.some(entry, namespace, NAMESPACE)?,
            name: texts.filled(entry, name, NAME)?,
            rule: rule.map_err(|_| entry.flaw("its rule is out of range"))?,
        };
        Ok(Shared { value: Arc::new(value), weight })
    })
}

/// Reads what the policies say on the sides.
pub(super) fn sides(
    wire: &v1::Sides,
    wire_policies: &v1::Policies,
    texts: &Texts<'_>,
    share: &impl Share,
    memory: &mut Memory,
) -> Result<Entries<Shared<SideDecision>>, BatchError> {
    let count = wire.verdicts.len();
    let policies = policies(wire_policies, texts, memory)?;
    Column::new("sides.sizes", &wire.sizes, count)?;
    let offsets = offsets("sides.policies", &wire.sizes, wire.policies.len())?;
    let reasons = Column::new("sides.reasons", &wire.reasons, count)?;
    each("sides", count, memory, |entry, memory| {
        let offset = |at: usize| offsets.get(at).map_or(0, |offset| *offset as usize);
        let named = &wire.policies[offset(entry.index)..offset(entry.index + 1)];
        let find = |policy: &u32| entry.find(&policies, *policy, "a policy is not in the batch");
        let mut weight = shared_size::<SideDecision>() + texts.length(reasons.at(entry.index));
        for policy in named {
            weight = weight.saturating_add(find(policy)?.weight);
        }
        let weight = entry.take(memory, weight)?;
        let value = SideDecision {
            verdict: word(entry, wire.verdicts[entry.index], "its verdict is unknown")?,
            policies: named
                .iter()
                .map(|policy| Ok(find(policy)?.value.as_ref().clone()))
                .collect::<Result<_, _>>()?,
            reason: texts.some(entry, reasons.at(entry.index), "its reason is no text of the batch")?,
        };
        Ok(Shared { value: share.side(value, weight), weight })
    })
}

/// Reads the rules of firewalls.
pub(super) fn enforcers(
    wire: &v1::Enforcers,
    texts: &Texts<'_>,
    share: &impl Share,
    memory: &mut Memory,
) -> Result<Entries<Shared<Enforcer>>, BatchError> {
    let count = wire.verdicts.len();
    let families = Column::new("enforcers.families", &wire.families, count)?;
    let tables = Column::new("enforcers.tables", &wire.tables, count)?;
    let chains = Column::new("enforcers.chains", &wire.chains, count)?;
    let handled = Column::new("enforcers.handled", &wire.handled, count)?;
    let handles = Column::new("enforcers.handles", &wire.handles, count)?;
    let comments = Column::new("enforcers.comments", &wire.comments, count)?;
    each("enforcers", count, memory, |entry, memory| {
        let at = entry.index;
        let names = [families.at(at), tables.at(at), chains.at(at), comments.at(at)];
        let lengths = names.map(|name| texts.length(name)).iter().sum::<usize>();
        let weight = entry.take(memory, shared_size::<Enforcer>() + lengths)?;
        let [family, table, chain, comment] = names;
        let value = Enforcer {
            family: texts.filled(entry, family, "its family is no text of the batch")?,
            table: texts.filled(entry, table, "its table is no text of the batch")?,
            chain: texts.filled(entry, chain, "its chain is no text of the batch")?,
            handle: handled.at(at).then(|| handles.at(at)),
            comment: texts.some(entry, comment, "its comment is no text of the batch")?,
            verdict: word(entry, wire.verdicts[at], "its verdict is unknown")?,
        };
        Ok(Shared { value: share.enforcer(value, weight), weight })
    })
}
