//! The columns of a flow, as docs/export.md describes them. Their order is that of the JSON contract.

use super::{
    column::{
        Column, Take,
        Take::{Flag, Int, Long, Nanos, Short, Text, Time},
        Text::{Address, Word},
    },
    part::{Group, List, Part},
};
use parquet::{
    errors::Result,
    schema::types::{Type, TypePtr},
};
use portolan_policy::{
    End, Enforcer, Flow, Latency, Loss, PodEnd, PolicyRef, ServiceRef, SideDecision, Who, Workload,
};
use std::sync::Arc;

/// The version of the columns: another number where one goes or means something else, the same where one comes.
pub(super) const VERSION: &str = "1";

/// A row of a file.
#[derive(Clone, Debug)]
pub struct Row {
    /// The number of the flow in the ledger that it comes from; nothing where it comes from elsewhere.
    pub ordinal: Option<u64>,
    /// The flow.
    pub flow: Flow,
}

/// All parts of a row.
pub(super) fn parts() -> Vec<Box<dyn Part>> {
    vec![
        perhaps("ordinal", |row| row.ordinal.as_ref(), ORDINAL),
        group("", |row| Some(&row.flow), HEAD),
        group("source", |row| Some(&row.flow.source), END),
        group("destination", |row| Some(&row.flow.destination), END),
        perhaps("service", |row| row.flow.service.as_deref(), SERVICE),
        group("", |row| Some(&row.flow), WHAT),
        perhaps("enforced_by", |row| row.flow.enforced_by.as_deref(), ENFORCER),
        group("", |row| Some(&row.flow), JUDGED),
        group("egress", |row| Some(&row.flow.egress), SIDE),
        list("egress_policies", |row| &row.flow.egress.policies, POLICY),
        group("ingress", |row| Some(&row.flow.ingress), SIDE),
        list("ingress_policies", |row| &row.flow.ingress.policies, POLICY),
        group("", |row| Some(&row.flow), COUNTS),
        perhaps("latency", |row| row.flow.latency_us.as_ref(), LATENCY),
        group("", |row| Some(&row.flow), TAIL),
        list("losses", |row| &row.flow.losses, LOSS),
    ]
}

/// The schema of these parts.
pub(super) fn schema(parts: &[Box<dyn Part>]) -> Result<TypePtr> {
    let fields: Result<Vec<_>> = parts.iter().map(|part| part.fields()).collect();
    let fields = fields?.into_iter().flatten().collect();
    Ok(Arc::new(Type::group_type_builder("flow").with_fields(fields).build()?))
}

fn group<T: 'static>(
    prefix: &'static str,
    of: fn(&Row) -> Option<&T>,
    columns: &'static [Column<T>],
) -> Box<dyn Part> {
    Box::new(Group { prefix, always: true, of, columns })
}

/// Something that not every row has.
fn perhaps<T: 'static>(
    prefix: &'static str,
    of: fn(&Row) -> Option<&T>,
    columns: &'static [Column<T>],
) -> Box<dyn Part> {
    Box::new(Group { prefix, always: false, of, columns })
}

fn list<T: 'static>(
    name: &'static str,
    of: fn(&Row) -> &[T],
    columns: &'static [Column<T>],
) -> Box<dyn Part> {
    Box::new(List { name, of, columns })
}

const fn always<T>(name: &'static str, take: Take<T>) -> Column<T> {
    Column { name, always: true, take }
}

const fn maybe<T>(name: &'static str, take: Take<T>) -> Column<T> {
    Column { name, always: false, take }
}

const ORDINAL: &[Column<u64>] = &[always("", Long(|ordinal| Some(*ordinal)))];

const HEAD: &[Column<Flow>] = &[
    always("time", Time(|flow| Some(flow.time))),
    always("time_nanos", Nanos(|flow| Some(flow.time))),
    always("end_time", Time(|flow| Some(flow.end_time))),
    always("end_time_nanos", Nanos(|flow| Some(flow.end_time))),
];

const END: &[Column<End>] = &[
    always("kind", Text(|end| Some(Word(kind(end))))),
    maybe("namespace", Text(|end| end.namespace().map(Word))),
    maybe("pod", Text(|end| pod(end).map(Word))),
    maybe("workload_kind", Text(|end| workload(end).map(|Workload { kind, name: _ }| Word(kind)))),
    maybe("workload_name", Text(|end| workload(end).map(|Workload { kind: _, name }| Word(name)))),
    maybe("service", Text(|end| service(end).map(Word))),
    maybe("node", Text(|end| node(end).map(Word))),
    always("ip", Text(|end| Some(Address(end.ip())))),
    maybe("port", Short(End::port)),
];

const SERVICE: &[Column<ServiceRef>] = &[
    always("namespace", Text(|service| Some(Word(&service.namespace)))),
    always("name", Text(|service| Some(Word(&service.name)))),
    always("ip", Text(|service| Some(Address(service.ip)))),
    always("port", Short(|service| Some(service.port))),
];

const WHAT: &[Column<Flow>] = &[
    always("protocol", Text(|flow| Some(Word(flow.protocol.as_str())))),
    always("outcome", Text(|flow| Some(Word(flow.outcome.as_str())))),
    maybe("revises", Text(|flow| flow.revises.map(|outcome| Word(outcome.as_str())))),
    maybe("drop_reason", Text(|flow| flow.drop_reason.as_deref().map(Word))),
    maybe("drop_location", Text(|flow| flow.drop_location.as_deref().map(Word))),
];

const ENFORCER: &[Column<Enforcer>] = &[
    always("family", Text(|rule| Some(Word(&rule.family)))),
    always("table", Text(|rule| Some(Word(&rule.table)))),
    always("chain", Text(|rule| Some(Word(&rule.chain)))),
    maybe("handle", Long(|rule| rule.handle)),
    maybe("comment", Text(|rule| rule.comment.as_deref().map(Word))),
    always("verdict", Text(|rule| Some(Word(rule.verdict.as_str())))),
];

const JUDGED: &[Column<Flow>] = &[
    maybe("passed_netfilter", Flag(|flow| flow.passed_netfilter)),
    always("verdict", Text(|flow| Some(Word(flow.verdict.as_str())))),
    always("inferred", Flag(|flow| Some(flow.inferred))),
];

const SIDE: &[Column<SideDecision>] = &[
    always("verdict", Text(|side| Some(Word(side.verdict.as_str())))),
    maybe("reason", Text(|side| side.reason.as_deref().map(Word))),
];

const POLICY: &[Column<PolicyRef>] = &[
    always("kind", Text(|policy| Some(Word(policy.kind.as_str())))),
    maybe("namespace", Text(|policy| policy.namespace.as_deref().map(Word))),
    always("name", Text(|policy| Some(Word(&policy.name)))),
    maybe("rule", Int(|policy| policy.rule)),
];

const COUNTS: &[Column<Flow>] = &[
    always("reporter", Text(|flow| Some(Word(flow.reporter.as_str())))),
    always("attempts", Long(|flow| Some(flow.attempts))),
    always("tries", Long(|flow| Some(flow.tries))),
    always("packets", Long(|flow| Some(flow.packets))),
    always("bytes", Long(|flow| Some(flow.bytes))),
];

const LATENCY: &[Column<Latency>] = &[
    always("min_us", Long(|latency| Some(latency.min))),
    always("p50_us", Long(|latency| Some(latency.p50))),
    always("p99_us", Long(|latency| Some(latency.p99))),
    always("max_us", Long(|latency| Some(latency.max))),
];

const TAIL: &[Column<Flow>] = &[
    maybe("retransmits", Long(|flow| flow.retransmits)),
    maybe("srtt_us", Long(|flow| flow.srtt_us)),
    always("lost", Long(|flow| Some(flow.lost))),
];

const LOSS: &[Column<Loss>] = &[
    always("cause", Text(|loss| Some(Word(&loss.cause)))),
    always("count", Long(|loss| Some(loss.count))),
    always("from", Time(|loss| Some(loss.from))),
    always("from_nanos", Nanos(|loss| Some(loss.from))),
    always("to", Time(|loss| Some(loss.to))),
    always("to_nanos", Nanos(|loss| Some(loss.to))),
];

fn kind(end: &End) -> &'static str {
    match end.who() {
        Who::Pod(_) => "pod",
        Who::Node { .. } => "node",
        Who::Service { .. } => "service",
        Who::External { .. } => "external",
    }
}

fn pod(end: &End) -> Option<&str> {
    match end.who() {
        Who::Pod(PodEnd { pod, .. }) => Some(pod),
        Who::Node { pod, .. } => pod.as_deref(),
        Who::Service { .. } | Who::External { .. } => None,
    }
}

fn workload(end: &End) -> Option<&Workload> {
    match end.who() {
        Who::Pod(PodEnd { workload, .. }) => Some(workload),
        Who::Node { .. } | Who::Service { .. } | Who::External { .. } => None,
    }
}

fn service(end: &End) -> Option<&str> {
    match end.who() {
        Who::Service { name, .. } => Some(name),
        Who::Pod(_) | Who::Node { .. } | Who::External { .. } => None,
    }
}

fn node(end: &End) -> Option<&str> {
    match end.who() {
        Who::Pod(PodEnd { node, .. }) | Who::Node { node, .. } => Some(node),
        Who::Service { .. } | Who::External { .. } => None,
    }
}
