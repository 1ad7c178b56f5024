//! What lives in one namespace.

use crate::{
    ObjectKind, Pod,
    pod::Controller,
    selector::NAMESPACE_NAME_LABEL,
    service::{Endpoints, Service},
    tier::PoliciesByName,
};
use imbl::OrdMap;
use std::{collections::BTreeMap, sync::Arc};

/// What lives in one namespace.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// The namespace's labels; absent while its object is not known.
    pub(super) labels: Option<Arc<BTreeMap<String, String>>>,
    pub(super) pods: OrdMap<Arc<str>, Arc<Pod>>,
    pub(super) policies: PoliciesByName,
    pub(super) services: OrdMap<Arc<str>, Arc<Service>>,
    /// By the name of the EndpointSlice.
    pub(super) endpoints: OrdMap<Arc<str>, Arc<Endpoints>>,
    /// The objects between a pod and its workload, and what controls them in turn.
    pub(super) owners: OrdMap<(ObjectKind, Arc<str>), Option<Controller>>,
}

impl Scope {
    /// Takes the labels of the Namespace object; its name is always among them (N10).
    pub(super) fn set_labels(&mut self, name: &str, mut labels: BTreeMap<String, String>) {
        labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name.to_owned());
        self.labels = Some(Arc::new(labels));
    }

    /// The endpoints behind a service.
    pub(super) fn endpoints_of(&self, service: &str) -> impl Iterator<Item = &Endpoints> {
        self.endpoints.values().map(AsRef::as_ref).filter(move |endpoints| endpoints.service == service)
    }

    /// Whether nothing is known of the namespace any more.
    pub(super) fn is_empty(&self) -> bool {
        let Self { labels, pods, policies, services, endpoints, owners } = self;
        labels.is_none()
            && pods.is_empty()
            && policies.is_empty()
            && services.is_empty()
            && endpoints.is_empty()
            && owners.is_empty()
    }
}
