//! The ends of a batch as they are read, with their labels.

use super::{
    BatchError, Flaw,
    column::{Column, Entries, Entry, Memory, Shared, addresses, each, offsets},
    texts::Texts,
};
use crate::v1;
use portolan_policy::{End, PodEnd, Workload};
use std::{collections::BTreeMap, net::IpAddr};

/// What a label takes beside its texts.
const LABEL: usize = 2 * size_of::<String>();
const NAMESPACE: &str = "its namespace is no text of the batch";
const NAME: &str = "its name is no text of the batch";
const NODE: &str = "its node is no text of the batch";
const WORKLOAD: &str = "its workload is no text of the batch";
const LABELS: &str = "its labels are not in the batch";

/// Sets of labels, as references.
struct LabelSets<'a> {
    keys: &'a [u32],
    values: &'a [u32],
    offsets: Vec<u32>,
    /// What a copy of each set takes.
    weights: Vec<usize>,
}

impl<'a> LabelSets<'a> {
    fn read(wire: &'a v1::LabelSets, texts: &Texts<'_>) -> Result<Self, BatchError> {
        let v1::LabelSets { sizes, keys, values } = wire;
        offsets("label_sets.values", sizes, values.len())?;
        let offsets = offsets("label_sets.keys", sizes, keys.len())?;
        let mut sets = Self { keys, values, offsets, weights: Vec::new() };
        let weight = |(key, value): (&u32, &u32)| LABEL + texts.length(*key) + texts.length(*value);
        sets.weights = (0..sizes.len())
            .map(|index| sets.pairs(index).map(weight).fold(0, usize::saturating_add))
            .collect();
        Ok(sets)
    }

    fn pairs(&self, index: usize) -> impl Iterator<Item = (&'a u32, &'a u32)> {
        let (from, to) = (self.offsets[index] as usize, self.offsets[index + 1] as usize);
        self.keys[from..to].iter().zip(&self.values[from..to])
    }

    fn weight(&self, reference: u32) -> usize {
        let index = (reference as usize).checked_sub(1);
        index.and_then(|index| self.weights.get(index)).copied().unwrap_or(0)
    }

    fn get(&self, entry: Entry, reference: u32, texts: &Texts<'_>) -> Result<BTreeMap<String, String>, Flaw> {
        let Some(index) = (reference as usize).checked_sub(1) else { return Ok(BTreeMap::new()) };
        if index >= self.weights.len() {
            return Err(entry.flaw(LABELS));
        }
        let text = |reference: &u32| texts.any(entry, *reference, LABELS);
        self.pairs(index).map(|(key, value)| Ok((text(key)?, text(value)?))).collect()
    }
}

/// Reads the ends, without their ports.
pub(super) fn ends(
    wire: &v1::Ends,
    label_sets: &v1::LabelSets,
    texts: &Texts<'_>,
    memory: &mut Memory,
) -> Result<Entries<Shared<End>>, BatchError> {
    let count = wire.kinds.len();
    let columns = Columns {
        kinds: &wire.kinds,
        ips: addresses("ends.addresses", wire.addresses.as_ref(), count)?,
        namespaces: Column::new("ends.namespaces", &wire.namespaces, count)?,
        names: Column::new("ends.names", &wire.names, count)?,
        nodes: Column::new("ends.nodes", &wire.nodes, count)?,
        workload_kinds: Column::new("ends.workload_kinds", &wire.workload_kinds, count)?,
        workload_names: Column::new("ends.workload_names", &wire.workload_names, count)?,
        label_sets: Column::new("ends.label_sets", &wire.label_sets, count)?,
        labels: LabelSets::read(label_sets, texts)?,
        texts,
    };
    each("ends", count, memory, |entry, memory| columns.read(entry, memory))
}

struct Columns<'a> {
    kinds: &'a [i32],
    ips: Vec<IpAddr>,
    namespaces: Column<'a, u32>,
    names: Column<'a, u32>,
    nodes: Column<'a, u32>,
    workload_kinds: Column<'a, u32>,
    workload_names: Column<'a, u32>,
    label_sets: Column<'a, u32>,
    labels: LabelSets<'a>,
    texts: &'a Texts<'a>,
}

impl Columns<'_> {
    fn read(&self, entry: Entry, memory: &mut Memory) -> Result<Shared<End>, Flaw> {
        let weight = entry.take(memory, self.weight(entry.index))?;
        let (port, ip) = (None, self.ips[entry.index]);
        let end = match v1::EndKind::try_from(self.kinds[entry.index]).unwrap_or_default() {
            v1::EndKind::Pod => End::Pod(self.pod(entry)?),
            v1::EndKind::Node => {
                let node = self.filled(entry, self.nodes, NODE)?;
                let namespace = self.texts.some(entry, self.namespaces.at(entry.index), NAMESPACE)?;
                let pod = self.texts.some(entry, self.names.at(entry.index), NAME)?;
                End::Node { node, namespace, pod, ip, port }
            }
            v1::EndKind::Service => {
                let namespace = self.filled(entry, self.namespaces, NAMESPACE)?;
                End::Service { namespace, name: self.filled(entry, self.names, NAME)?, ip, port }
            }
            v1::EndKind::External => End::External { ip, port },
            v1::EndKind::Unspecified => return Err(entry.flaw("its kind is unknown")),
        };
        Ok(Shared { value: end, weight })
    }

    fn pod(&self, entry: Entry) -> Result<PodEnd, Flaw> {
        let node = self.texts.some(entry, self.nodes.at(entry.index), NODE)?;
        Ok(PodEnd {
            namespace: self.filled(entry, self.namespaces, NAMESPACE)?,
            pod: self.filled(entry, self.names, NAME)?,
            workload: Workload {
                kind: self.filled(entry, self.workload_kinds, WORKLOAD)?,
                name: self.filled(entry, self.workload_names, WORKLOAD)?,
            },
            ip: self.ips[entry.index],
            port: None,
            node: node.unwrap_or_default(),
            labels: self.labels.get(entry, self.label_sets.at(entry.index), self.texts)?,
        })
    }

    fn filled(&self, entry: Entry, column: Column<'_, u32>, problem: &'static str) -> Result<String, Flaw> {
        self.texts.filled(entry, column.at(entry.index), problem)
    }

    fn weight(&self, index: usize) -> usize {
        let texts = [self.namespaces, self.names, self.nodes, self.workload_kinds, self.workload_names];
        let text = |column: Column<'_, u32>| self.texts.length(column.at(index));
        let texts: usize = texts.into_iter().map(text).sum();
        texts.saturating_add(self.labels.weight(self.label_sets.at(index)))
    }
}
