//! Which flows, or edges of the graph, somebody wants: pure predicates, read from the wire once.
//!
//! Fields are ANDed, the values of a field ORed. The fields about an end must all hold of the same
//! end, so that `namespace shop` with `label app=db` finds `app=db` in `shop`.

mod edge;
mod end;
mod label;

#[cfg(test)]
mod edge_tests;
#[cfg(test)]
mod tests;

pub(crate) use edge::EdgeFilters;

use end::EndFilter;
use portolan_policy::{End, Flow, Outcome, PodEnd, PolicyRef, Protocol, Verdict, Who};
use portolan_proto::v1;

/// A filter that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("filter {index}, field `{field}`: `{value}` {problem}")]
pub struct FilterError {
    index: usize,
    field: &'static str,
    value: String,
    problem: &'static str,
}

/// A value that a field cannot have, before it is known in which filter it stands.
#[derive(Debug)]
struct Wrong {
    field: &'static str,
    value: String,
    problem: &'static str,
}

/// Any number of filters: a flow passes when one matches or there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(Vec<Filter>);

impl Filters {
    /// Reads the filters of a request.
    pub fn new(wire: Vec<v1::Filter>) -> Result<Self, FilterError> {
        each(wire, Filter::new).map(Self)
    }

    /// Whether a flow is wanted.
    pub fn matches(&self, flow: &Flow) -> bool {
        self.0.is_empty() || self.0.iter().any(|filter| filter.matches(flow))
    }
}

/// Reads every filter of a request; an error says which one it is about.
fn each<T>(
    wire: Vec<v1::Filter>,
    read: impl Fn(v1::Filter) -> Result<T, Wrong>,
) -> Result<Vec<T>, FilterError> {
    let read = |(index, filter)| {
        read(filter).map_err(|Wrong { field, value, problem }| FilterError { index, field, value, problem })
    };
    wire.into_iter().enumerate().map(read).collect()
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Filter {
    either: EndFilter,
    source: EndFilter,
    destination: EndFilter,
    ports: Vec<u16>,
    protocols: Vec<Protocol>,
    verdicts: Vec<Verdict>,
    outcomes: Vec<Outcome>,
    policies: Vec<PolicyName>,
    nodes: Vec<String>,
}

impl Filter {
    fn new(wire: v1::Filter) -> Result<Self, Wrong> {
        let v1::Filter {
            either,
            source,
            destination,
            ports: numbers,
            protocols,
            verdicts,
            outcomes,
            policies,
            nodes,
        } = wire;
        Ok(Self {
            either: EndFilter::new(either.unwrap_or_default())?,
            source: EndFilter::new(source.unwrap_or_default())?,
            destination: EndFilter::new(destination.unwrap_or_default())?,
            ports: ports(numbers)?,
            protocols: words::<v1::Protocol, _>("protocols", protocols)?,
            verdicts: words::<v1::Verdict, _>("verdicts", verdicts)?,
            outcomes: words::<v1::Outcome, _>("outcomes", outcomes)?,
            policies: policies.into_iter().map(PolicyName::new).collect::<Result<_, _>>()?,
            nodes: texts("nodes", nodes)?,
        })
    }

    fn matches(&self, flow: &Flow) -> bool {
        let Self { either, source, destination, ports, protocols, verdicts, outcomes, policies, nodes } =
            self;
        any_of(protocols, |protocol| *protocol == flow.protocol)
            && any_of(verdicts, |verdict| *verdict == flow.verdict)
            && any_of(outcomes, |outcome| *outcome == flow.outcome)
            && any_of(ports, |port| has_port(flow, *port))
            && any_of(nodes, |node| [&flow.source, &flow.destination].iter().any(|end| is_on(end, node)))
            && any_of(policies, |name| policies_of(flow).any(|policy| name.matches(policy)))
            && source.matches(&flow.source)
            && destination.matches(&flow.destination)
            && (either.matches(&flow.source) || either.matches(&flow.destination))
    }
}

/// `namespace/name`, or a name wherever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PolicyName {
    namespace: Option<String>,
    name: String,
}

impl PolicyName {
    fn new(text: String) -> Result<Self, Wrong> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
                Ok(Self { namespace: Some(namespace.to_owned()), name: name.to_owned() })
            }
            None if !text.is_empty() => Ok(Self { namespace: None, name: text }),
            _ => Err(Wrong {
                field: "policies",
                value: text,
                problem: "is neither `namespace/name` nor a name",
            }),
        }
    }

    fn matches(&self, policy: &PolicyRef) -> bool {
        policy.name == self.name && (self.namespace.is_none() || self.namespace == policy.namespace)
    }
}

fn policies_of(flow: &Flow) -> impl Iterator<Item = &PolicyRef> {
    flow.egress.policies.iter().chain(&flow.ingress.policies)
}

fn has_port(flow: &Flow, port: u16) -> bool {
    flow.source.port() == Some(port)
        || flow.destination.port() == Some(port)
        || flow.service.as_ref().is_some_and(|service| service.port == port)
}

fn is_on(end: &End, wanted: &str) -> bool {
    match end.who() {
        Who::Pod(PodEnd { node, .. }) | Who::Node { node, .. } => node == wanted,
        Who::Service { .. } | Who::External { .. } => false,
    }
}

/// A field without values asks nothing.
fn any_of<T>(values: &[T], matches: impl FnMut(&T) -> bool) -> bool {
    values.is_empty() || values.iter().any(matches)
}

fn texts(field: &'static str, values: Vec<String>) -> Result<Vec<String>, Wrong> {
    if values.iter().any(String::is_empty) {
        return Err(Wrong { field, value: String::new(), problem: "is empty" });
    }
    Ok(values)
}

fn ports(numbers: Vec<u32>) -> Result<Vec<u16>, Wrong> {
    let read = |number: u32| {
        u16::try_from(number).map_err(|_| Wrong {
            field: "ports",
            value: number.to_string(),
            problem: "is not a port; ports go up to 65535",
        })
    };
    numbers.into_iter().map(read).collect()
}

fn words<Wire, Word>(field: &'static str, numbers: Vec<i32>) -> Result<Vec<Word>, Wrong>
where
    Wire: TryFrom<i32>,
    Word: TryFrom<Wire>,
{
    let read = |number: i32| {
        Wire::try_from(number).ok().and_then(|wire| Word::try_from(wire).ok()).ok_or_else(|| Wrong {
            field,
            value: number.to_string(),
            problem: "is not a value that this collector knows",
        })
    };
    numbers.into_iter().map(read).collect()
}
