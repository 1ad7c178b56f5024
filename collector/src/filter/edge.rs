//! Which edges of the graph somebody wants: the same filters as for flows, as far as workloads can tell.

use super::{
    FilterError, PolicyName, Wrong, any_of, each,
    end::{WorkloadName, workloads},
    ports, texts, words,
};
use crate::graph::answer::{Edge, EdgeAnswer, Party};
use portolan_policy::{Outcome, PolicyRef, Protocol, Verdict};
use portolan_proto::v1;

/// Any number of filters: an edge passes when one matches or there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EdgeFilters(Vec<EdgeFilter>);

impl EdgeFilters {
    /// Reads the filters of a request.
    pub(crate) fn new(wire: Vec<v1::Filter>) -> Result<Self, FilterError> {
        each(wire, EdgeFilter::new).map(Self)
    }

    /// Whether an edge may be wanted, by what is known before its attempts are counted.
    pub(crate) fn may_want(&self, edge: &Edge) -> bool {
        self.0.is_empty() || self.0.iter().any(|filter| filter.may_want(edge))
    }

    /// Whether an edge is wanted.
    pub(crate) fn want(&self, answer: &EdgeAnswer) -> bool {
        self.0.is_empty() || self.0.iter().any(|filter| filter.wants(answer))
    }

    /// Whether what a policy did on an edge is wanted.
    pub(crate) fn want_policy(&self, answer: &EdgeAnswer, policy: &PolicyRef) -> bool {
        let names = |filter: &EdgeFilter| any_of(&filter.policies, |name| name.matches(policy));
        self.0.is_empty() || self.0.iter().any(|filter| names(filter) && filter.wants(answer))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct EdgeFilter {
    either: PartyFilter,
    source: PartyFilter,
    destination: PartyFilter,
    ports: Vec<u16>,
    protocols: Vec<Protocol>,
    verdicts: Vec<Verdict>,
    outcomes: Vec<Outcome>,
    policies: Vec<PolicyName>,
}

impl EdgeFilter {
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
        refuse("nodes", nodes, "is asked, and the graph does not know nodes of pods: ask for flows")?;
        let source = source.unwrap_or_default();
        refuse(
            "ports",
            &source.ports,
            "is asked of a source, whose port an edge does not know: ask for flows",
        )?;
        Ok(Self {
            either: PartyFilter::new(either.unwrap_or_default())?,
            source: PartyFilter::new(source)?,
            destination: PartyFilter::new(destination.unwrap_or_default())?,
            ports: ports(numbers)?,
            protocols: words::<v1::Protocol, _>("protocols", protocols)?,
            verdicts: words::<v1::Verdict, _>("verdicts", verdicts)?,
            outcomes: words::<v1::Outcome, _>("outcomes", outcomes)?,
            policies: policies.into_iter().map(PolicyName::new).collect::<Result<_, _>>()?,
        })
    }

    fn may_want(&self, edge: &Edge) -> bool {
        let Edge { source, destination, service: _, port, protocol } = edge;
        any_of(&self.protocols, |wanted| wanted == protocol)
            && any_of(&self.ports, |wanted| Some(*wanted) == *port)
            && self.source.matches(source, None)
            && self.destination.matches(destination, *port)
            && (self.either.matches(source, None) || self.either.matches(destination, *port))
    }

    fn wants(&self, answer: &EdgeAnswer) -> bool {
        let ended = answer.counts.iter().any(|count| {
            any_of(&self.verdicts, |verdict| *verdict == count.verdict)
                && any_of(&self.outcomes, |outcome| *outcome == count.outcome)
        });
        let policies = || answer.decisions.iter().flat_map(|decided| &decided.decision.policies);
        ended
            && self.may_want(&answer.edge)
            && any_of(&self.policies, |name| policies().any(|policy| name.matches(policy)))
    }
}

/// What one end of an edge must be; every field holds of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PartyFilter {
    namespaces: Vec<String>,
    workloads: Vec<WorkloadName>,
    ports: Vec<u16>,
}

impl PartyFilter {
    fn new(wire: v1::EndFilter) -> Result<Self, Wrong> {
        let v1::EndFilter { namespaces, pods, workloads: names, labels, ports: numbers } = wire;
        refuse(
            "pods",
            pods,
            "is a pod, and the graph knows their workloads: use `workloads`, or ask for flows",
        )?;
        refuse(
            "labels",
            labels,
            "are labels, which the graph does not keep: use `workloads`, or ask for flows",
        )?;
        let namespaces = texts("namespaces", namespaces)?;
        Ok(Self { namespaces, workloads: workloads(names)?, ports: ports(numbers)? })
    }

    fn matches(&self, party: &Party, port: Option<u16>) -> bool {
        let Self { namespaces, workloads, ports } = self;
        any_of(namespaces, |wanted| namespace(party) == Some(wanted))
            && any_of(ports, |wanted| Some(*wanted) == port)
            && any_of(workloads, |wanted| match party {
                Party::Workload { namespace: _, kind, name } => wanted.is(kind, name),
                Party::Node { .. } | Party::Service { .. } | Party::External { .. } | Party::Other => false,
            })
    }
}

fn namespace(party: &Party) -> Option<&str> {
    match party {
        Party::Workload { namespace, .. } | Party::Service { namespace, .. } => Some(namespace),
        Party::Node { .. } | Party::External { .. } | Party::Other => None,
    }
}

/// Nobody may ask for what an edge cannot tell.
fn refuse<T: ToString>(
    field: &'static str,
    values: impl IntoIterator<Item = T>,
    problem: &'static str,
) -> Result<(), Wrong> {
    let value = values.into_iter().next().map(|value| value.to_string());
    value.map_or(Ok(()), |value| Err(Wrong { field, value, problem }))
}
