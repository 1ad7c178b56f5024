//! Which edges of the graph somebody wants: the same filters as for flows, as far as workloads can tell.

use super::{
    FilterError, PolicyName, Wrong, any_of, each,
    end::{WorkloadName, workloads},
    ports, texts, words,
};
use crate::graph::{Seen, answer::Party};
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

    /// Whether an edge is wanted.
    pub(crate) fn want(&self, edge: &Seen<'_>) -> bool {
        self.0.is_empty() || self.0.iter().any(|filter| filter.wants(edge))
    }

    /// Whether attempts that were folded into this edge may have been on wanted ones: nobody knows any more.
    pub(crate) fn may_have_wanted(&self, edge: &Seen<'_>) -> bool {
        let is_folded = *edge.source() == Party::Other && *edge.destination() == Party::Other;
        is_folded && !self.want(edge) && self.0.iter().any(|filter| filter.wants_ends(edge))
    }

    /// Whether what a policy did on an edge is wanted.
    pub(crate) fn want_policy(&self, edge: &Seen<'_>, policy: &PolicyRef) -> bool {
        let names = |filter: &EdgeFilter| any_of(&filter.policies, |name| name.matches(policy));
        self.0.is_empty() || self.0.iter().any(|filter| names(filter) && filter.wants(edge))
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

    fn wants(&self, edge: &Seen<'_>) -> bool {
        let (source, destination, port) = (edge.source(), edge.destination(), edge.port());
        any_of(&self.ports, |wanted| Some(*wanted) == port)
            && self.source.matches(source, None)
            && self.destination.matches(destination, port)
            && (self.either.matches(source, None) || self.either.matches(destination, port))
            && self.wants_ends(edge)
            && any_of(&self.policies, |name| {
                let mut policies = edge.decided().flat_map(|(_, side, _)| &side.policies);
                policies.any(|policy| name.matches(policy))
            })
    }

    /// Whether it is wanted by what is known of every edge, whoever is at its ends.
    fn wants_ends(&self, edge: &Seen<'_>) -> bool {
        any_of(&self.protocols, |wanted| *wanted == edge.protocol())
            && edge.ended().any(|(outcome, verdict, _)| {
                any_of(&self.verdicts, |wanted| *wanted == verdict)
                    && any_of(&self.outcomes, |wanted| *wanted == outcome)
            })
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
