//! Which flows, or edges of the graph, somebody wants: pure predicates, read from the wire once.
//!
//! Fields are ANDed, the values of a field ORed. The fields about an end must all hold of the same
//! end, so that `namespace shop` with `label app=db` finds `app=db` in `shop`.

mod edge;
mod end;
mod label;
mod sieve;
mod words;

#[cfg(test)]
mod edge_tests;
#[cfg(test)]
mod tests;

pub(crate) use edge::EdgeFilters;
pub(crate) use sieve::Sieve;
pub(crate) use words::{EndWords, RelationWords};

use end::EndFilter;
use portolan_policy::{Flow, Outcome, PolicyRef, Protocol, Verdict};
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
        self.wants_kind(flow.verdict, flow.outcome)
            && self.wants_relation(flow, SourcePort::Is(flow.source.port()))
    }

    /// Whether what became of a flow is wanted.
    fn wants_kind(&self, verdict: Verdict, outcome: Outcome) -> bool {
        any_of(&self.verdicts, |wanted| *wanted == verdict)
            && any_of(&self.outcomes, |wanted| *wanted == outcome)
    }

    /// Whether everything else of it is.
    fn wants_relation(&self, flow: &impl RelationWords, port: SourcePort) -> bool {
        let Self { either, source, destination, ports, protocols, verdicts: _, outcomes: _, policies, nodes } =
            self;
        let reached = |wanted| flow.destination_port() == Some(wanted);
        let from = |end: &EndFilter| end.matches(flow.source(), |wanted| port.is(wanted));
        let to = |end: &EndFilter| end.matches(flow.destination(), reached);
        any_of(protocols, |protocol| *protocol == flow.protocol())
            && any_of(ports, |wanted| {
                reached(*wanted) || flow.service_port() == Some(*wanted) || port.is(*wanted)
            })
            && any_of(nodes, |node| [flow.source().node(), flow.destination().node()].contains(&Some(node)))
            && any_of(policies, |wanted| flow.any_policy(&mut |namespace, name| wanted.is(namespace, name)))
            && from(source)
            && to(destination)
            && (from(either) || to(either))
    }
}

/// The source port of a flow, as far as it is known.
#[derive(Clone, Copy, Debug)]
enum SourcePort {
    /// This.
    Is(Option<u16>),
    /// Whichever is wanted.
    Wanted,
    /// None that is.
    Unwanted,
}

impl SourcePort {
    fn is(self, wanted: u16) -> bool {
        match self {
            Self::Is(port) => port == Some(wanted),
            Self::Wanted => true,
            Self::Unwanted => false,
        }
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
        self.is(policy.namespace.as_deref(), &policy.name)
    }

    fn is(&self, namespace: Option<&str>, name: &str) -> bool {
        name == self.name && (self.namespace.is_none() || self.namespace.as_deref() == namespace)
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
