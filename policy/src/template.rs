//! What the pods made from one template share: all that policies can tell of a pod but its
//! addresses.

use crate::{
    Protocol,
    fingerprint::Fingerprint,
    labels::LabelSet,
    port::{read_number, read_protocol},
};
use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use std::sync::Arc;

/// What the pods made from one template share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Template {
    /// Their namespace.
    pub(crate) namespace: Namespace,
    /// Their labels.
    pub(crate) labels: LabelSet,
    /// The named ports of their containers.
    pub(crate) ports: Vec<NamedPort>,
    /// The object that controls them.
    pub(crate) owner: Option<Controller>,
}

/// The name of a namespace with its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Namespace {
    pub(crate) name: Arc<str>,
    pub(crate) print: Fingerprint,
}

/// A container port that has a name (N18).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NamedPort {
    pub(crate) name: String,
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
    print: Fingerprint,
}

/// The object that controls another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Controller {
    /// Its kind.
    pub(crate) kind: String,
    /// Its name, in the namespace of what it owns.
    pub(crate) name: String,
}

impl Namespace {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: Arc::from(name), print: Fingerprint::of(name) }
    }
}

impl Template {
    /// Reads what the pods share from one of them.
    pub(crate) fn read(namespace: &str, metadata: &mut ObjectMeta, spec: &k8s::PodSpec) -> Self {
        Self {
            namespace: Namespace::new(namespace),
            owner: controller(metadata),
            labels: LabelSet::new(metadata.labels.take().unwrap_or_default()),
            ports: spec.containers.iter().flat_map(NamedPort::read).collect(),
        }
    }

    /// Whether a container port has this name and protocol.
    pub(crate) fn names(&self, name: Fingerprint, protocol: Protocol) -> bool {
        self.ports.iter().any(|named| named.protocol == protocol && named.print == name)
    }

    /// Whether a container port of this name has that number and protocol (N18).
    pub(crate) fn serves(&self, name: Fingerprint, port: u16, protocol: Protocol) -> bool {
        self.ports.iter().any(|named| named.port == port && named.protocol == protocol && named.print == name)
    }
}

impl NamedPort {
    /// The named ports of a container; a port that the API would reject names nothing.
    fn read(container: &k8s::Container) -> impl Iterator<Item = Self> {
        container.ports.iter().flatten().filter_map(|port| {
            let name = port.name.clone().filter(|name| !name.is_empty())?;
            Some(Self {
                print: Fingerprint::of(&name),
                name,
                port: read_number(port.container_port)?,
                protocol: read_protocol(port.protocol.as_deref())?,
            })
        })
    }
}

/// The owner that controls an object, else the first one.
pub(crate) fn controller(metadata: &ObjectMeta) -> Option<Controller> {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    let controls = |owner: &&OwnerReference| owner.controller == Some(true);
    let owner = owners.iter().find(controls).or_else(|| owners.first())?;
    Some(Controller { kind: owner.kind.clone(), name: owner.name.clone() })
}
