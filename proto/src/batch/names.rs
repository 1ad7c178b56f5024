//! The tables of a batch as they are written: texts, ends, services, and what policies and firewalls say.

use super::table::Table;
use crate::{convert::policy_kind_to_proto, v1};
use portolan_policy::{Enforcer, PodEnd, PolicyRef, ServiceRef, SideDecision, Who};
use std::{collections::BTreeMap, net::IpAddr};

/// Texts, each once.
#[derive(Debug, Default)]
pub(super) struct Texts<'a> {
    table: Table<&'a str>,
    pub(super) wire: v1::Strings,
}

impl<'a> Texts<'a> {
    pub(super) fn of(&mut self, text: &'a str) -> u32 {
        self.table.number(text).or_write(|| {
            self.wire.text.push_str(text);
            self.wire.lengths.push(text.len() as u32);
        })
    }

    pub(super) fn of_some(&mut self, text: Option<&'a str>) -> u32 {
        text.map_or(0, |text| self.of(text))
    }

    /// Where an empty text says that there is none.
    fn of_filled(&mut self, text: &'a str) -> u32 {
        if text.is_empty() { 0 } else { self.of(text) }
    }
}

/// Sets of labels, each once.
#[derive(Debug, Default)]
struct LabelSets {
    table: Table<Vec<[u32; 2]>>,
    wire: v1::LabelSets,
}

impl LabelSets {
    fn of<'a>(&mut self, labels: &'a BTreeMap<String, String>, texts: &mut Texts<'a>) -> u32 {
        if labels.is_empty() {
            return 0;
        }
        let pairs: Vec<_> = labels.iter().map(|(key, value)| [texts.of(key), texts.of(value)]).collect();
        self.table.number(pairs.clone()).or_write(|| {
            self.wire.sizes.push(pairs.len() as u32);
            self.wire.keys.extend(pairs.iter().map(|[key, _]| key));
            self.wire.values.extend(pairs.iter().map(|[_, value]| value));
        })
    }
}

/// An end without its port, in references.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct EndKey {
    kind: i32,
    namespace: u32,
    name: u32,
    node: u32,
    workload: [u32; 2],
    labels: u32,
}

/// Ends, each once.
#[derive(Debug, Default)]
pub(super) struct Ends {
    table: Table<(EndKey, IpAddr)>,
    labels: LabelSets,
    wire: v1::Ends,
}

impl Ends {
    pub(super) fn of<'a>(&mut self, end: &'a Who, texts: &mut Texts<'a>) -> u32 {
        let (key, ip) = (self.key(end, texts), end.ip());
        self.table.number((key, ip)).or_write(|| {
            let EndKey { kind, namespace, name, node, workload: [workload_kind, workload_name], labels } =
                key;
            self.wire.kinds.push(kind);
            push_address(&mut self.wire.addresses, ip);
            self.wire.namespaces.push(namespace);
            self.wire.names.push(name);
            self.wire.nodes.push(node);
            self.wire.workload_kinds.push(workload_kind);
            self.wire.workload_names.push(workload_name);
            self.wire.label_sets.push(labels);
        })
    }

    fn key<'a>(&mut self, end: &'a Who, texts: &mut Texts<'a>) -> EndKey {
        match end {
            Who::Pod(PodEnd { namespace, pod, workload, ip: _, node, labels }) => EndKey {
                kind: v1::EndKind::Pod.into(),
                namespace: texts.of(namespace),
                name: texts.of(pod),
                node: texts.of_filled(node),
                workload: [texts.of(&workload.kind), texts.of(&workload.name)],
                labels: self.labels.of(labels, texts),
            },
            Who::Node { node, namespace, pod, ip: _ } => EndKey {
                kind: v1::EndKind::Node.into(),
                namespace: texts.of_some(namespace.as_deref()),
                name: texts.of_some(pod.as_deref()),
                node: texts.of(node),
                ..EndKey::default()
            },
            Who::Service { namespace, name, ip: _ } => EndKey {
                kind: v1::EndKind::Service.into(),
                namespace: texts.of(namespace),
                name: texts.of(name),
                ..EndKey::default()
            },
            Who::External { ip: _ } => EndKey { kind: v1::EndKind::External.into(), ..EndKey::default() },
        }
    }

    pub(super) fn finish(self) -> (v1::Ends, v1::LabelSets) {
        (self.wire, self.labels.wire)
    }
}

/// Services, each once.
#[derive(Debug, Default)]
pub(super) struct Services<'a> {
    table: Table<&'a ServiceRef>,
    pub(super) wire: v1::Services,
}

impl<'a> Services<'a> {
    pub(super) fn of(&mut self, service: &'a ServiceRef, texts: &mut Texts<'a>) -> u32 {
        self.table.number(service).or_write(|| {
            let ServiceRef { namespace, name, ip, port } = service;
            self.wire.namespaces.push(texts.of(namespace));
            self.wire.names.push(texts.of(name));
            push_address(&mut self.wire.addresses, *ip);
            self.wire.ports.push((*port).into());
        })
    }
}

/// What the policies say on one side, each once, and the policies.
#[derive(Debug, Default)]
pub(super) struct Sides<'a> {
    policies: Table<&'a PolicyRef>,
    table: Table<&'a SideDecision>,
    wire: v1::Sides,
    wire_policies: v1::Policies,
}

impl<'a> Sides<'a> {
    pub(super) fn of(&mut self, side: &'a SideDecision, texts: &mut Texts<'a>) -> u32 {
        let number = self.table.number(side);
        let SideDecision { verdict, policies, reason } = side;
        number.or_write(|| {
            self.wire.verdicts.push(v1::SideVerdict::from(*verdict).into());
            self.wire.sizes.push(policies.len() as u32);
            self.wire.reasons.push(texts.of_some(reason.as_deref()));
            for policy in policies {
                let number = policy_number(&mut self.policies, &mut self.wire_policies, policy, texts);
                self.wire.policies.push(number);
            }
        })
    }

    pub(super) fn finish(self) -> (v1::Sides, v1::Policies) {
        (self.wire, self.wire_policies)
    }
}

fn policy_number<'a>(
    table: &mut Table<&'a PolicyRef>,
    wire: &mut v1::Policies,
    policy: &'a PolicyRef,
    texts: &mut Texts<'a>,
) -> u32 {
    table.number(policy).or_write(|| {
        let PolicyRef { kind, namespace, name, rule } = policy;
        wire.kinds.push(policy_kind_to_proto(*kind).into());
        wire.namespaces.push(texts.of_some(namespace.as_deref()));
        wire.names.push(texts.of(name));
        wire.rules.push(rule.map_or(0, |rule| u64::from(rule) + 1));
    })
}

/// The rules of firewalls, each once.
#[derive(Debug, Default)]
pub(super) struct Enforcers<'a> {
    table: Table<&'a Enforcer>,
    pub(super) wire: v1::Enforcers,
}

impl<'a> Enforcers<'a> {
    pub(super) fn of(&mut self, enforcer: &'a Enforcer, texts: &mut Texts<'a>) -> u32 {
        self.table.number(enforcer).or_write(|| {
            let Enforcer { family, table, chain, handle, comment, verdict } = enforcer;
            self.wire.verdicts.push(v1::RuleVerdict::from(*verdict).into());
            self.wire.families.push(texts.of(family));
            self.wire.tables.push(texts.of(table));
            self.wire.chains.push(texts.of(chain));
            self.wire.handled.push(handle.is_some());
            self.wire.handles.push(handle.unwrap_or(0));
            self.wire.comments.push(texts.of_some(comment.as_deref()));
        })
    }
}

/// Writes the next address.
pub(super) fn push_address(wire: &mut Option<v1::Addresses>, ip: IpAddr) {
    let v1::Addresses { octets, long } = wire.get_or_insert_default();
    match ip {
        IpAddr::V4(four) => octets.extend(four.octets()),
        IpAddr::V6(sixteen) => octets.extend(sixteen.octets()),
    }
    long.push(ip.is_ipv6());
}
