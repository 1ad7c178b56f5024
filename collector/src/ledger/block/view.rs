//! The tables of a block as filters see them, without making anything of them.

use super::{
    Shared,
    decode::BlockError,
    names::{EndRow, Index, KindRow, PolicyRow, RelationRow, ServiceRow, SideRow},
};
use crate::filter::{EndWords, Filters, RelationWords, Sieve};
use portolan_policy::Protocol;

/// Tables that fit together.
#[derive(Clone, Copy)]
pub(super) struct View<'block>(&'block Shared);

impl<'block> View<'block> {
    /// Of tables in which every place is there.
    pub(super) fn new(shared: &'block Shared) -> Result<Self, BlockError> {
        let Shared { names, ends, services, sides, relations, kinds } = shared;
        let is_name = |place: Index| (place as usize) < names.len();
        let checks = [
            ("ends", ends.iter().all(|row| end_names(row).all(is_name))),
            ("services", services.iter().all(|row| [row.namespace, row.name].into_iter().all(is_name))),
            ("decisions", sides.iter().all(|row| side_names(row).all(is_name))),
            ("relations", relations.iter().all(|row| is_relation(row, shared))),
            ("kinds", kinds.iter().all(|row| kind_names(row).all(is_name))),
        ];
        let broken = checks.into_iter().find(|(_, sound)| !sound);
        broken.map_or(Ok(Self(shared)), |(what, _)| Err(BlockError::Shape(what)))
    }

    /// What filters say of these tables.
    pub(super) fn sieve(self, filters: &Filters) -> Sieve<'_> {
        let relations = (0..self.0.relations.len()).map(|place| self.relation(place));
        let kinds = self.0.kinds.iter().map(|kind| (kind.verdict, kind.outcome));
        Sieve::new(filters, &relations, &kinds)
    }

    /// The relation of a place that is there.
    pub(super) fn relation(self, place: usize) -> RelationView<'block> {
        let (view, row) = (self, &self.0.relations[place]);
        let end = |place| EndView { view, row: &self.0.ends[place as usize] };
        RelationView { view, row, source: end(row.source), destination: end(row.destination) }
    }

    fn name(self, place: Index) -> &'block str {
        &self.0.names[place as usize]
    }

    fn perhaps(self, place: Option<Index>) -> Option<&'block str> {
        place.map(|place| self.name(place))
    }
}

fn end_names(row: &EndRow) -> impl Iterator<Item = Index> {
    let (names, labels): ([Option<Index>; 5], &[(Index, Index)]) = match row {
        EndRow::Pod { namespace, pod, kind, workload, ip: _, node, labels } => {
            ([*namespace, *pod, *kind, *workload, *node].map(Some), labels)
        }
        EndRow::Node { node, namespace, pod, ip: _ } => ([Some(*node), *namespace, *pod, None, None], &[]),
        EndRow::Service { namespace, name, ip: _ } => {
            ([Some(*namespace), Some(*name), None, None, None], &[])
        }
        EndRow::External { ip: _ } => ([None; 5], &[]),
    };
    names.into_iter().flatten().chain(labels.iter().flat_map(|(key, value)| [*key, *value]))
}

fn side_names(SideRow { verdict: _, policies, reason }: &SideRow) -> impl Iterator<Item = Index> {
    let policies = policies.iter().flat_map(|policy| [Some(policy.name), policy.namespace]);
    policies.chain([*reason]).flatten()
}

fn kind_names(row: &KindRow) -> impl Iterator<Item = Index> {
    [row.drop_reason, row.drop_location].into_iter().flatten()
}

fn is_relation(row: &RelationRow, Shared { ends, services, sides, .. }: &Shared) -> bool {
    let RelationRow { source, destination, port: _, service, protocol: _, egress, ingress } = *row;
    let is_below = |place: Index, count: usize| (place as usize) < count;
    is_below(source.max(destination), ends.len())
        && is_below(egress.max(ingress), sides.len())
        && service.is_none_or(|service| is_below(service, services.len()))
}

/// An end in the tables.
#[derive(Clone, Copy)]
pub(super) struct EndView<'block> {
    view: View<'block>,
    row: &'block EndRow,
}

impl EndWords for EndView<'_> {
    fn namespace(&self) -> Option<&str> {
        match self.row {
            EndRow::Pod { namespace, .. } | EndRow::Service { namespace, .. } => {
                Some(self.view.name(*namespace))
            }
            EndRow::Node { namespace, .. } => self.view.perhaps(*namespace),
            EndRow::External { .. } => None,
        }
    }

    fn pod(&self) -> Option<(&str, &str)> {
        match self.row {
            EndRow::Pod { namespace, pod, .. } => Some((self.view.name(*namespace), self.view.name(*pod))),
            EndRow::Node { namespace, pod, .. } => {
                Some((self.view.perhaps(*namespace)?, self.view.perhaps(*pod)?))
            }
            EndRow::Service { .. } | EndRow::External { .. } => None,
        }
    }

    fn workload(&self) -> Option<(&str, &str)> {
        match self.row {
            EndRow::Pod { kind, workload, .. } => Some((self.view.name(*kind), self.view.name(*workload))),
            EndRow::Node { .. } | EndRow::Service { .. } | EndRow::External { .. } => None,
        }
    }

    fn node(&self) -> Option<&str> {
        match self.row {
            EndRow::Pod { node, .. } | EndRow::Node { node, .. } => Some(self.view.name(*node)),
            EndRow::Service { .. } | EndRow::External { .. } => None,
        }
    }

    fn has_labels(&self) -> bool {
        matches!(self.row, EndRow::Pod { .. })
    }

    fn label(&self, key: &str) -> Option<&str> {
        let EndRow::Pod { labels, .. } = self.row else { return None };
        // Of a key that stands there twice the last value holds, as where a flow is made of it.
        let (_, value) = labels.iter().rev().find(|(known, _)| self.view.name(*known) == key)?;
        Some(self.view.name(*value))
    }
}

/// A relation in the tables.
#[derive(Clone, Copy)]
pub(super) struct RelationView<'block> {
    view: View<'block>,
    row: &'block RelationRow,
    source: EndView<'block>,
    destination: EndView<'block>,
}

impl RelationWords for RelationView<'_> {
    fn source(&self) -> &impl EndWords {
        &self.source
    }

    fn destination(&self) -> &impl EndWords {
        &self.destination
    }

    fn destination_port(&self) -> Option<u16> {
        self.row.port
    }

    fn service_port(&self) -> Option<u16> {
        let ServiceRow { port, .. } = self.view.0.services[self.row.service? as usize];
        Some(port)
    }

    fn protocol(&self) -> Protocol {
        self.row.protocol
    }

    fn any_policy(&self, is: &mut dyn FnMut(Option<&str>, &str) -> bool) -> bool {
        let sides = [self.row.egress, self.row.ingress].map(|side| &self.view.0.sides[side as usize]);
        let mut policies = sides.into_iter().flat_map(|side| &side.policies);
        policies
            .any(|PolicyRow { namespace, name, .. }| is(self.view.perhaps(*namespace), self.view.name(*name)))
    }
}
