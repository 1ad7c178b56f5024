//! The Kubernetes objects that a cluster state is built from, and the keys that name them.

mod policy;

pub use policy::Policy;
pub(crate) use policy::UnknownKey;

use crate::api::{
    v1alpha1::{AdminNetworkPolicy, BaselineAdminNetworkPolicy},
    v1alpha2::ClusterNetworkPolicy,
};
use k8s_openapi::api::{
    apps::v1::ReplicaSet,
    batch::v1::Job,
    core::v1::{Namespace, Node, Pod, Service},
    discovery::v1::EndpointSlice,
    networking::v1::NetworkPolicy,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::fmt;

/// The namespace that an object without one belongs to (N6).
const DEFAULT_NAMESPACE: &str = "default";

/// The kind of an [`Object`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ObjectKind {
    /// `v1`, cluster-scoped.
    Namespace,
    /// `v1`, cluster-scoped.
    Node,
    /// `v1`.
    Pod,
    /// `v1`.
    Service,
    /// `discovery.k8s.io/v1`.
    EndpointSlice,
    /// `networking.k8s.io/v1`.
    NetworkPolicy,
    /// `policy.networking.k8s.io/v1alpha2`, cluster-scoped.
    ClusterNetworkPolicy,
    /// `policy.networking.k8s.io/v1alpha1`, cluster-scoped.
    AdminNetworkPolicy,
    /// `policy.networking.k8s.io/v1alpha1`, cluster-scoped.
    BaselineAdminNetworkPolicy,
    /// `apps/v1`: the way up from a pod to its Deployment.
    ReplicaSet,
    /// `batch/v1`: the way up from a pod to its CronJob.
    Job,
}

impl ObjectKind {
    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 11] = [
        Self::Namespace,
        Self::Node,
        Self::Pod,
        Self::Service,
        Self::EndpointSlice,
        Self::NetworkPolicy,
        Self::ClusterNetworkPolicy,
        Self::AdminNetworkPolicy,
        Self::BaselineAdminNetworkPolicy,
        Self::ReplicaSet,
        Self::Job,
    ];

    /// The kind as the Kubernetes API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Node => "Node",
            Self::Pod => "Pod",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::ClusterNetworkPolicy => "ClusterNetworkPolicy",
            Self::AdminNetworkPolicy => "AdminNetworkPolicy",
            Self::BaselineAdminNetworkPolicy => "BaselineAdminNetworkPolicy",
            Self::ReplicaSet => "ReplicaSet",
            Self::Job => "Job",
        }
    }

    /// The `apiVersion` that Portolan reads the kind in.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::Namespace | Self::Node | Self::Pod | Self::Service => "v1",
            Self::EndpointSlice => "discovery.k8s.io/v1",
            Self::NetworkPolicy => "networking.k8s.io/v1",
            Self::ClusterNetworkPolicy => "policy.networking.k8s.io/v1alpha2",
            Self::AdminNetworkPolicy | Self::BaselineAdminNetworkPolicy => {
                "policy.networking.k8s.io/v1alpha1"
            }
            Self::ReplicaSet => "apps/v1",
            Self::Job => "batch/v1",
        }
    }

    /// Whether objects of the kind live in a namespace.
    pub const fn is_namespaced(self) -> bool {
        !matches!(
            self,
            Self::Namespace
                | Self::Node
                | Self::ClusterNetworkPolicy
                | Self::AdminNetworkPolicy
                | Self::BaselineAdminNetworkPolicy
        )
    }

    /// The kind with this name in the Kubernetes API.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What names one object of a cluster: `NetworkPolicy shop/db`, `Node n1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The object's kind.
    pub kind: ObjectKind,
    /// Its namespace; absent for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectKey {
    /// The key of a namespaced object; an empty namespace means `default`.
    pub fn namespaced(kind: ObjectKind, namespace: &str, name: &str) -> Self {
        let namespace = if namespace.is_empty() { DEFAULT_NAMESPACE } else { namespace };
        Self { kind, namespace: Some(namespace.to_owned()), name: name.to_owned() }
    }

    /// The key of a cluster-scoped object.
    pub fn cluster_scoped(kind: ObjectKind, name: &str) -> Self {
        Self { kind, namespace: None, name: name.to_owned() }
    }

    /// The namespace, `default` where none is given.
    pub(crate) fn namespace_or_default(&self) -> &str {
        self.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or(DEFAULT_NAMESPACE)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// An object that cannot become part of the cluster state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct InvalidObject {
    /// Which object.
    pub key: ObjectKey,
    /// What is wrong with it and how to mend it.
    pub problem: String,
}

impl InvalidObject {
    /// A field that should hold an address holds something else.
    pub(crate) fn ip(key: &ObjectKey, field: &str, text: &str) -> Self {
        let problem = format!("{field}: `{text}` is no IP address; write one such as 10.0.0.1 or fd00::1");
        Self { key: key.clone(), problem }
    }
}

/// A Kubernetes object that a [`Cluster`](crate::Cluster) is built from.
///
/// Build one with `Object::from(pod)`; the boxes keep the variants small.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Object {
    /// A namespace, for its labels.
    Namespace(Box<Namespace>),
    /// A node, for its addresses.
    Node(Box<Node>),
    /// A pod.
    Pod(Box<Pod>),
    /// A service, for its addresses and ports.
    Service(Box<Service>),
    /// The endpoints behind a service.
    EndpointSlice(Box<EndpointSlice>),
    /// A policy of one namespace.
    NetworkPolicy(Policy<NetworkPolicy>),
    /// A cluster-wide policy.
    ClusterNetworkPolicy(Policy<ClusterNetworkPolicy>),
    /// A cluster-wide policy of the older API.
    AdminNetworkPolicy(Policy<AdminNetworkPolicy>),
    /// The cluster-wide default of the older API.
    BaselineAdminNetworkPolicy(Policy<BaselineAdminNetworkPolicy>),
    /// The owner between a pod and its Deployment.
    ReplicaSet(Box<ReplicaSet>),
    /// The owner between a pod and its CronJob.
    Job(Box<Job>),
}

impl Object {
    /// The object's kind.
    pub const fn kind(&self) -> ObjectKind {
        match self {
            Self::Namespace(_) => ObjectKind::Namespace,
            Self::Node(_) => ObjectKind::Node,
            Self::Pod(_) => ObjectKind::Pod,
            Self::Service(_) => ObjectKind::Service,
            Self::EndpointSlice(_) => ObjectKind::EndpointSlice,
            Self::NetworkPolicy(_) => ObjectKind::NetworkPolicy,
            Self::ClusterNetworkPolicy(_) => ObjectKind::ClusterNetworkPolicy,
            Self::AdminNetworkPolicy(_) => ObjectKind::AdminNetworkPolicy,
            Self::BaselineAdminNetworkPolicy(_) => ObjectKind::BaselineAdminNetworkPolicy,
            Self::ReplicaSet(_) => ObjectKind::ReplicaSet,
            Self::Job(_) => ObjectKind::Job,
        }
    }

    /// The object's metadata.
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Namespace(object) => &object.metadata,
            Self::Node(object) => &object.metadata,
            Self::Pod(object) => &object.metadata,
            Self::Service(object) => &object.metadata,
            Self::EndpointSlice(object) => &object.metadata,
            Self::NetworkPolicy(object) => &object.metadata,
            Self::ClusterNetworkPolicy(object) => &object.metadata,
            Self::AdminNetworkPolicy(object) => &object.metadata,
            Self::BaselineAdminNetworkPolicy(object) => &object.metadata,
            Self::ReplicaSet(object) => &object.metadata,
            Self::Job(object) => &object.metadata,
        }
    }

    /// The object's metadata, to be changed.
    pub(crate) fn metadata_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Namespace(object) => &mut object.metadata,
            Self::Node(object) => &mut object.metadata,
            Self::Pod(object) => &mut object.metadata,
            Self::Service(object) => &mut object.metadata,
            Self::EndpointSlice(object) => &mut object.metadata,
            Self::NetworkPolicy(object) => &mut object.metadata,
            Self::ClusterNetworkPolicy(object) => &mut object.metadata,
            Self::AdminNetworkPolicy(object) => &mut object.metadata,
            Self::BaselineAdminNetworkPolicy(object) => &mut object.metadata,
            Self::ReplicaSet(object) => &mut object.metadata,
            Self::Job(object) => &mut object.metadata,
        }
    }

    /// The keys of its text that the API does not have; only those of policies are known.
    pub(crate) const fn unknown_keys(&self) -> &[UnknownKey] {
        match self {
            Self::NetworkPolicy(policy) => policy.unknown(),
            Self::ClusterNetworkPolicy(policy) => policy.unknown(),
            Self::AdminNetworkPolicy(policy) => policy.unknown(),
            Self::BaselineAdminNetworkPolicy(policy) => policy.unknown(),
            Self::Namespace(_)
            | Self::Node(_)
            | Self::Pod(_)
            | Self::Service(_)
            | Self::EndpointSlice(_)
            | Self::ReplicaSet(_)
            | Self::Job(_) => &[],
        }
    }

    /// What names the object; the name is empty where the object has none.
    pub fn key(&self) -> ObjectKey {
        let metadata = self.metadata();
        let name = metadata.name.as_deref().unwrap_or_default();
        if self.kind().is_namespaced() {
            ObjectKey::namespaced(self.kind(), metadata.namespace.as_deref().unwrap_or_default(), name)
        } else {
            ObjectKey::cluster_scoped(self.kind(), name)
        }
    }
}

/// `Object::from(pod)` and friends.
macro_rules! object_from {
    ($holder:ident: $($kind:ident),+ $(,)?) => {
        $(impl From<$kind> for Object {
            fn from(object: $kind) -> Self {
                Self::$kind($holder::from(object))
            }
        })+
    };
}

object_from!(Box: Namespace, Node, Pod, Service, EndpointSlice, ReplicaSet, Job);
object_from!(Policy: NetworkPolicy, ClusterNetworkPolicy, AdminNetworkPolicy, BaselineAdminNetworkPolicy);

#[cfg(test)]
mod tests {
    use super::*;

    fn named(namespace: Option<&str>, name: &str) -> ObjectMeta {
        ObjectMeta {
            namespace: namespace.map(str::to_owned),
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn a_key_reads_like_kubectl() {
        let policy = NetworkPolicy { metadata: named(Some("shop"), "db"), ..NetworkPolicy::default() };
        assert_eq!(Object::from(policy).key().to_string(), "NetworkPolicy shop/db");
        let node = Node { metadata: named(None, "n1"), ..Node::default() };
        assert_eq!(Object::from(node).key().to_string(), "Node n1");
    }

    #[test]
    fn an_absent_namespace_is_default() {
        let pod = Pod { metadata: named(None, "web"), ..Pod::default() };
        assert_eq!(Object::from(pod).key(), ObjectKey::namespaced(ObjectKind::Pod, "default", "web"));
    }

    #[test]
    fn a_cluster_scoped_object_has_no_namespace_even_when_it_claims_one() {
        let namespace = Namespace { metadata: named(Some("odd"), "shop"), ..Namespace::default() };
        assert_eq!(Object::from(namespace).key(), ObjectKey::cluster_scoped(ObjectKind::Namespace, "shop"));
    }

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in ObjectKind::ALL {
            assert_eq!(ObjectKind::from_name(kind.as_str()), Some(kind));
        }
    }
}
