//! What one end of a flow must be.

use super::{
    Wrong, any_of,
    label::{Selector, SelectorError},
    ports, texts,
    words::EndWords,
};
use portolan_proto::v1;

/// What one end of a flow must be; every field holds of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EndFilter {
    namespaces: Vec<String>,
    pods: Vec<PodName>,
    workloads: Vec<WorkloadName>,
    labels: Vec<Selector>,
    ports: Vec<u16>,
}

impl EndFilter {
    /// Reads it from the wire.
    pub(super) fn new(wire: v1::EndFilter) -> Result<Self, Wrong> {
        let v1::EndFilter { namespaces, pods, workloads, labels, ports: numbers } = wire;
        Ok(Self {
            namespaces: texts("namespaces", namespaces)?,
            pods: pods.into_iter().map(PodName::new).collect::<Result<_, _>>()?,
            workloads: self::workloads(workloads)?,
            labels: labels.into_iter().map(selector).collect::<Result<_, _>>()?,
            ports: ports(numbers)?,
        })
    }

    /// Whether an end is what is wanted; its port is asked for where it matters.
    pub(super) fn matches(&self, end: &impl EndWords, is_port: impl Fn(u16) -> bool) -> bool {
        let Self { namespaces, pods, workloads, labels, ports } = self;
        any_of(namespaces, |namespace| end.namespace() == Some(namespace))
            && any_of(ports, |port| is_port(*port))
            && any_of(pods, |name| end.pod().is_some_and(|(namespace, pod)| name.matches(namespace, pod)))
            && any_of(workloads, |name| {
                end.workload().is_some_and(|(kind, workload)| name.is(kind, workload))
            })
            && any_of(labels, |selector| end.has_labels() && selector.matches(|key| end.label(key)))
    }
}

/// A pod's name as somebody asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PodName {
    namespace: Option<String>,
    name: String,
    /// Whether the name is only its beginning.
    prefix: bool,
}

impl PodName {
    fn new(text: String) -> Result<Self, Wrong> {
        let (namespace, rest) = match text.split_once('/') {
            Some((namespace, rest)) => (Some(namespace.to_owned()), rest),
            None => (None, text.as_str()),
        };
        let (name, starred) = rest.strip_suffix('*').map_or((rest, false), |name| (name, true));
        let empty = namespace.as_ref().is_some_and(String::is_empty) || (name.is_empty() && !starred);
        if empty || name.contains(['/', '*']) {
            let problem = "is neither `namespace/name` nor the beginning of a name";
            return Err(Wrong { field: "pods", value: text, problem });
        }
        let prefix = starred || namespace.is_none();
        Ok(Self { name: name.to_owned(), namespace, prefix })
    }

    fn matches(&self, namespace: &str, pod: &str) -> bool {
        self.namespace.as_deref().is_none_or(|wanted| wanted == namespace)
            && if self.prefix { pod.starts_with(&self.name) } else { pod == self.name }
    }
}

/// `Kind/name` or a name of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WorkloadName {
    kind: Option<String>,
    name: String,
}

impl WorkloadName {
    fn new(text: String) -> Result<Self, Wrong> {
        match text.split_once('/') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { kind: Some(kind.to_owned()), name: name.to_owned() })
            }
            None if !text.is_empty() => Ok(Self { kind: None, name: text }),
            _ => Err(Wrong { field: "workloads", value: text, problem: "is neither `Kind/name` nor a name" }),
        }
    }

    /// Whether this is the workload of that kind and name.
    pub(super) fn is(&self, kind: &str, name: &str) -> bool {
        *name == self.name && self.kind.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(kind))
    }
}

/// Reads the names of workloads.
pub(super) fn workloads(texts: Vec<String>) -> Result<Vec<WorkloadName>, Wrong> {
    texts.into_iter().map(WorkloadName::new).collect()
}

fn selector(text: String) -> Result<Selector, Wrong> {
    text.parse().map_err(|SelectorError(problem)| Wrong { field: "labels", value: text, problem })
}
