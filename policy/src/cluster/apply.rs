//! One change of the cluster: an object applied or deleted, a fact told.

use super::{
    Cluster,
    plans::{NamespaceLabels, Plan},
    scope::Scope,
    slots::SlotId,
    tier_lists::ChangedTiers,
};
use crate::{
    BaselineReading, InvalidObject, Object, ObjectKey, ObjectKind, Pod, PolicyKind,
    labels::LabelSet,
    network_policy::NetworkPolicy,
    node::{self, Node},
    service::{Endpoints, Service},
    template::{Controller, controller},
    tier_policy::TierPolicy,
};
use std::{net::IpAddr, sync::Arc};

impl Cluster {
    /// Adds an object or replaces the one of the same key.
    ///
    /// On an error nothing changes. A policy that is valid only in parts is accepted: its invalid
    /// parts match nothing.
    pub fn apply(&mut self, object: Object) -> Result<(), InvalidObject> {
        let key = object.key();
        if key.name.is_empty() {
            let problem = "metadata.name is missing; give the object a name".to_owned();
            return Err(InvalidObject { key, problem });
        }
        match object {
            Object::Namespace(object) => {
                let labels = object.metadata.labels.unwrap_or_default();
                self.set_namespace_labels(&key.name, NamespaceLabels::known(&key.name, labels));
            }
            Object::Node(object) => {
                let status = node::read_status(&key, &object)?;
                let extra =
                    self.nodes.get(key.name.as_str()).map_or_else(Vec::new, |node| node.extra.clone());
                let labels = LabelSet::new(object.metadata.labels.unwrap_or_default());
                self.set_node(&key.name, Some(Node::new(status, extra, Some(Arc::new(labels)))));
            }
            Object::Pod(object) => self.set_pod(Pod::read(&key, *object)?),
            Object::Service(object) => {
                let service = Arc::new(Service::read(key, &object)?);
                self.remove_service(&service.namespace, &service.name);
                self.addresses.add_service(&service);
                let name = Arc::from(service.name.as_str());
                self.scope_mut(&service.namespace).services.insert(name, Arc::clone(&service));
            }
            Object::EndpointSlice(object) => {
                let endpoints = Endpoints::read(&key, &object)?;
                self.set_endpoints(&key, endpoints);
            }
            Object::NetworkPolicy(object) => {
                let namespace = key.namespace_or_default();
                let scope = self.scope_mut(namespace);
                let spec = object.into_inner().spec.unwrap_or_default();
                let policy = Arc::new(NetworkPolicy::compile(&scope.namespace, &key.name, spec));
                scope.policies.insert(Arc::clone(&policy.id.name), Arc::clone(&policy));
                self.replan_network_policy(namespace, &key.name, Some(&policy));
            }
            Object::ClusterNetworkPolicy(object) => {
                let policy = TierPolicy::of_cluster(&key.name, object.into_inner().spec);
                self.set_tier_policy(PolicyKind::ClusterNetworkPolicy, &key.name, policy);
            }
            Object::AdminNetworkPolicy(object) => {
                let policy = TierPolicy::of_admin(&key.name, object.into_inner().spec);
                self.set_tier_policy(PolicyKind::AdminNetworkPolicy, &key.name, policy);
            }
            Object::BaselineAdminNetworkPolicy(object) => {
                let policy = TierPolicy::of_baseline(&key.name, object.into_inner().spec);
                self.set_tier_policy(PolicyKind::BaselineAdminNetworkPolicy, &key.name, policy);
            }
            Object::ReplicaSet(object) => self.set_owner(&key, controller(&object.metadata)),
            Object::Job(object) => self.set_owner(&key, controller(&object.metadata)),
        }
        Ok(())
    }

    /// Removes an object; one that is not there is no error.
    pub fn delete(&mut self, key: &ObjectKey) {
        let namespace = key.namespace_or_default();
        let name = key.name.as_str();
        match key.kind {
            ObjectKind::Namespace if self.scopes.contains_key(name) => {
                self.set_namespace_labels(name, NamespaceLabels::unknown(name));
                self.drop_empty_scope(name);
            }
            ObjectKind::Namespace => {}
            ObjectKind::Node => {
                let extra = self.nodes.get(name).map_or_else(Vec::new, |node| node.extra.clone());
                self.set_node(name, (!extra.is_empty()).then(|| Node::new(Vec::new(), extra, None)));
            }
            ObjectKind::Pod => {
                let known = self.scopes.get(namespace).and_then(|scope| scope.pods.get(name)).cloned();
                if let Some(pod) = known {
                    self.remove_pod(&pod);
                }
            }
            ObjectKind::Service => self.remove_service(namespace, name),
            ObjectKind::EndpointSlice => self.set_endpoints(key, None),
            ObjectKind::NetworkPolicy => {
                self.replan_network_policy(namespace, name, None);
                self.change_scope(namespace, |scope| drop(scope.policies.remove(name)));
            }
            ObjectKind::ClusterNetworkPolicy => {
                self.set_tier_policy(PolicyKind::ClusterNetworkPolicy, name, None);
            }
            ObjectKind::AdminNetworkPolicy => {
                self.set_tier_policy(PolicyKind::AdminNetworkPolicy, name, None);
            }
            ObjectKind::BaselineAdminNetworkPolicy => {
                self.set_tier_policy(PolicyKind::BaselineAdminNetworkPolicy, name, None);
            }
            ObjectKind::ReplicaSet | ObjectKind::Job => {
                let owner = (key.kind, Arc::from(name));
                self.change_scope(namespace, |scope| drop(scope.owners.remove(&owner)));
            }
        }
    }

    /// Says which addresses a node has beside those of its Node object: gateway, bridge, tunnel (M5).
    ///
    /// Replaces what was said before; holds also while the Node object is not known.
    pub fn set_node_addresses(&mut self, node: &str, addresses: impl IntoIterator<Item = IpAddr>) {
        let extra = addresses.into_iter().map(|ip| ip.to_canonical()).collect();
        let known = self.nodes.get(node).cloned().unwrap_or_default();
        self.set_node(node, Some(Node::new(known.status, extra, known.labels)));
    }

    /// Says whom the Baseline tier is about beside NetworkPolicy (T3).
    pub const fn set_baseline_reading(&mut self, reading: BaselineReading) {
        self.baseline_reading = reading;
    }

    /// The scope of a namespace, made where it is new.
    pub(super) fn scope_mut(&mut self, namespace: &str) -> &mut Scope {
        if !self.scopes.contains_key(namespace) {
            let scope = Scope::new(namespace);
            self.scopes.insert(Arc::clone(&scope.namespace.name), Arc::new(scope));
        }
        let scope = self.scopes.get_mut(namespace).expect("inserted above where it was absent");
        Arc::make_mut(scope)
    }

    /// Changes a scope where there is one, and drops it when nothing is left in it.
    pub(super) fn change_scope(&mut self, namespace: &str, change: impl FnOnce(&mut Scope)) {
        let Some(scope) = self.scopes.get_mut(namespace) else { return };
        change(Arc::make_mut(scope));
        self.drop_empty_scope(namespace);
    }

    fn drop_empty_scope(&mut self, namespace: &str) {
        if self.scopes.get(namespace).is_some_and(|scope| scope.is_empty()) {
            self.scopes.remove(namespace);
        }
    }

    /// The labels of a namespace changed: cluster-wide policies may select its pods or not.
    fn set_namespace_labels(&mut self, namespace: &str, labels: NamespaceLabels) {
        let labels = Arc::new(labels);
        let scope = self.scope_mut(namespace);
        scope.labels = Arc::clone(&labels);
        let ids: Vec<SlotId> = scope.templates.values().map(|made| made.plan).collect();
        for id in ids {
            if let Some(plan) = self.plans.get_mut(id) {
                plan.set_namespace(&labels, &mut self.tiers);
            }
        }
    }

    /// A NetworkPolicy changed or is gone: the plans of its namespace follow.
    fn replan_network_policy(&mut self, namespace: &str, name: &str, policy: Option<&Arc<NetworkPolicy>>) {
        let Some(scope) = self.scopes.get(namespace) else { return };
        for made in scope.templates.values() {
            let is_touched = |plan: &Plan| plan.is_touched_by(name, policy);
            if self.plans.get(made.plan).is_some_and(is_touched)
                && let Some(plan) = self.plans.get_mut(made.plan)
            {
                plan.set_network_policy(name, policy);
            }
        }
    }

    /// A cluster-wide policy changed or is gone: the plans that it touches follow.
    fn set_tier_policy(&mut self, kind: PolicyKind, name: &str, policy: Option<TierPolicy>) {
        let new = policy.map(Arc::new);
        let old = self.tiers.set(kind, name, new.as_ref());
        let (old, new) = (old.as_ref(), new.as_ref());
        let mut changed = ChangedTiers::default();
        self.plans.update(|plan| plan.with_tier_policy(old, new, &mut changed));
    }

    fn set_owner(&mut self, key: &ObjectKey, owner: Option<Controller>) {
        let scope = self.scope_mut(key.namespace_or_default());
        scope.owners.insert((key.kind, Arc::from(key.name.as_str())), owner);
    }

    /// Replaces a node's addresses, or forgets the node.
    fn set_node(&mut self, name: &str, node: Option<Node>) {
        let name: Arc<str> = Arc::from(name);
        if let Some(old) = self.nodes.remove(&name) {
            self.addresses.remove_node(&name, &old);
        }
        if let Some(node) = node {
            self.addresses.add_node(&name, &node);
            self.nodes.insert(name, node);
        }
    }

    /// Takes what an EndpointSlice holds, or forgets it.
    fn set_endpoints(&mut self, key: &ObjectKey, endpoints: Option<Endpoints>) {
        let (namespace, slice) = (key.namespace_or_default(), key.name.as_str());
        match endpoints {
            Some(_) => self.scope_mut(namespace).endpoints.set(slice, endpoints),
            None => self.change_scope(namespace, |scope| scope.endpoints.set(slice, None)),
        }
    }

    fn remove_service(&mut self, namespace: &str, name: &str) {
        let scope = self.scopes.get(namespace);
        let Some(service) = scope.and_then(|scope| scope.services.get(name)).cloned() else { return };
        self.addresses.remove_service(&service);
        self.change_scope(namespace, |scope| drop(scope.services.remove(name)));
    }
}
