//! What lives in one namespace.

use super::{endpoints::ServiceEndpoints, plans::NamespaceLabels, slots::SlotId};
use crate::{
    ObjectKind, Pod,
    network_policy::NetworkPolicy,
    service::Service,
    template::{Controller, Namespace, Template},
};
use imbl::{HashMap, OrdMap};
use std::sync::Arc;

/// What lives in one namespace.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) namespace: Namespace,
    pub(super) labels: Arc<NamespaceLabels>,
    pub(super) pods: OrdMap<Arc<str>, Arc<Pod>>,
    /// The templates that pods were made from.
    pub(super) templates: HashMap<Arc<Template>, Made>,
    pub(super) policies: OrdMap<Arc<str>, Arc<NetworkPolicy>>,
    pub(super) services: OrdMap<Arc<str>, Arc<Service>>,
    pub(super) endpoints: ServiceEndpoints,
    /// The objects between a pod and its workload, and what controls them in turn.
    pub(super) owners: OrdMap<(ObjectKind, Arc<str>), Option<Controller>>,
}

/// What was made of a template.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    /// Which policies speak about its pods.
    pub(super) plan: SlotId,
    /// How many pods there are.
    pub(super) pods: usize,
}

impl Scope {
    pub(super) fn new(name: &str) -> Self {
        Self {
            namespace: Namespace::new(name),
            labels: Arc::new(NamespaceLabels::unknown(name)),
            pods: OrdMap::new(),
            templates: HashMap::new(),
            policies: OrdMap::new(),
            services: OrdMap::new(),
            endpoints: ServiceEndpoints::default(),
            owners: OrdMap::new(),
        }
    }

    /// Whether nothing is known of the namespace any more.
    pub(super) fn is_empty(&self) -> bool {
        let Self { namespace: _, labels, pods, templates, policies, services, endpoints, owners } = self;
        labels.labels.is_none()
            && pods.is_empty()
            && templates.is_empty()
            && policies.is_empty()
            && services.is_empty()
            && endpoints.is_empty()
            && owners.is_empty()
    }
}
