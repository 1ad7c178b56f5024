//! The ends of a batch as they are read, with their labels.

use super::{
    BatchError, Flaw,
    column::{Column, Entries, Entry, Memory, Shared, addresses, each, offsets, shared_size},
    share::{Labels, Share},
    texts::Texts,
};
use crate::v1;
use portolan_policy::{PodEnd, Who, Workload};
use std::{net::IpAddr, sync::Arc};

const NAMESPACE: &str = "its namespace is no text of the batch";
const NAME: &str = "its name is no text of the batch";
const NODE: &str = "its node is no text of the batch";
const WORKLOAD: &str = "its workload is no text of the batch";
const LABELS: &str = "its labels are not in the batch";

fn label_sets(
    wire: &v1::LabelSets,
    texts: &Texts<'_>,
    share: &impl Share,
    memory: &mut Memory,
) -> Result<Entries<Arc<Labels>>, BatchError> {
    let v1::LabelSets { sizes, keys, values } = wire;
    offsets("label_sets.values", sizes, values.len())?;
    let offsets = offsets("label_sets.keys", sizes, keys.len())?;
    each("label_sets", sizes.len(), memory, |entry, memory| {
        let (from, to) = (offsets[entry.index] as usize, offsets[entry.index + 1] as usize);
        let (keys, values) = (&keys[from..to], &values[from..to]);
        let weight = |reference: &u32| size_of::<String>() + texts.length(*reference);
        let weights = keys.iter().chain(values).map(weight);
        let weight = entry.take(memory, weights.fold(0, usize::saturating_add))?;
        let text = |reference: &u32| texts.any(entry, *reference, "a label is no text of the batch");
        let pairs = keys.iter().zip(values).map(|(key, value)| Ok((text(key)?, text(value)?)));
        pairs.collect::<Result<_, _>>().map(|labels| share.labels(labels, weight))
    })
}

/// Reads the ends, without their ports.
pub(super) fn ends(
    wire: &v1::Ends,
    wire_label_sets: &v1::LabelSets,
    texts: &Texts<'_>,
    share: &impl Share,
    memory: &mut Memory,
) -> Result<Entries<Shared<Who>>, BatchError> {
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
        labels: label_sets(wire_label_sets, texts, share, memory)?,
        texts,
    };
    each("ends", count, memory, |entry, memory| columns.read(entry, share, memory))
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
    labels: Entries<Arc<Labels>>,
    texts: &'a Texts<'a>,
}

impl Columns<'_> {
    fn read(&self, entry: Entry, share: &impl Share, memory: &mut Memory) -> Result<Shared<Who>, Flaw> {
        let weight = entry.take(memory, self.weight(entry.index))?;
        let ip = self.ips[entry.index];
        let who = match v1::EndKind::try_from(self.kinds[entry.index]).unwrap_or_default() {
            v1::EndKind::Pod => Who::Pod(self.pod(entry)?),
            v1::EndKind::Node => {
                let node = self.filled(entry, self.nodes, NODE)?;
                let namespace = self.texts.some(entry, self.namespaces.at(entry.index), NAMESPACE)?;
                let pod = self.texts.some(entry, self.names.at(entry.index), NAME)?;
                Who::Node { node, namespace, pod, ip }
            }
            v1::EndKind::Service => {
                let namespace = self.filled(entry, self.namespaces, NAMESPACE)?;
                Who::Service { namespace, name: self.filled(entry, self.names, NAME)?, ip }
            }
            v1::EndKind::External => Who::External { ip },
            v1::EndKind::Unspecified => return Err(entry.flaw("its kind is unknown")),
        };
        Ok(Shared { value: share.who(who, weight), weight })
    }

    fn pod(&self, entry: Entry) -> Result<PodEnd, Flaw> {
        let node = self.texts.some(entry, self.nodes.at(entry.index), NODE)?;
        let labels = entry.find_some(&self.labels, self.label_sets.at(entry.index), LABELS)?;
        Ok(PodEnd {
            namespace: self.filled(entry, self.namespaces, NAMESPACE)?,
            pod: self.filled(entry, self.names, NAME)?,
            workload: Workload {
                kind: self.filled(entry, self.workload_kinds, WORKLOAD)?,
                name: self.filled(entry, self.workload_names, WORKLOAD)?,
            },
            ip: self.ips[entry.index],
            node: node.unwrap_or_default(),
            labels: labels.map(Arc::clone).unwrap_or_default(),
        })
    }

    fn filled(&self, entry: Entry, column: Column<'_, u32>, problem: &'static str) -> Result<String, Flaw> {
        self.texts.filled(entry, column.at(entry.index), problem)
    }

    fn weight(&self, index: usize) -> usize {
        let texts = [self.namespaces, self.names, self.nodes, self.workload_kinds, self.workload_names];
        let text = |column: Column<'_, u32>| self.texts.length(column.at(index));
        texts.into_iter().map(text).sum::<usize>() + shared_size::<Who>()
    }
}
