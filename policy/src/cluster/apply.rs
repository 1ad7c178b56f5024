//! One change of the cluster: an object applied or deleted, a fact told; what is told twice changes
//! nothing.

use super::{Cluster, in_common::Changed, plans::NamespaceLabels, scope::Scope, slots::SlotId};
use crate::{
    BaselineReading, InvalidObject, Object, ObjectKey, ObjectKind, Pod, PolicyKind,
    labels::LabelSet,
    network_policy::NetworkPolicy,
    node::{self, Node},
    service::{Endpoints, Service},
    template::{Controller, controller},
    tier_policy::TierPolicy,
};
use k8s_openapi::api::networking::v1::NetworkPolicySpec;
use std::{net::IpAddr, sync::Arc};

impl Cluster {
    /// Adds an object or replaces the one of the same key.
    ///
    /// On an error nothing changes. A policy that is valid only in parts is accepted: its invalid
    /// parts match nothing.
    pub fn apply(&mut self, object: Object) -> Result<(), InvalidObject> {
        self.take(object).map(drop)
    }

    /// Removes an object; one that is not there is no error.
    pub fn delete(&mut self, key: &ObjectKey) {
        self.remove(key);
    }

    /// Says which addresses a node has beside those of its Node object: gateway, bridge, tunnel (M5).
    ///
    /// Replaces what was said before; holds also while the Node object is not known.
    pub fn set_node_addresses(&mut self, node: &str, addresses: impl IntoIterator<Item = IpAddr>) {
        self.take_node_addresses(node, addresses);
    }

    /// Applies an object; whether that changed anything.
    pub(crate) fn take(&mut self, object: Object) -> Result<bool, InvalidObject> {
        let key = object.key();
        if key.name.is_empty() {
            let problem = "metadata.name is missing; give the object a name".to_owned();
            return Err(InvalidObject { key, problem });
        }
        let (namespace, name) = (key.namespace_or_default(), key.name.as_str());
        Ok(match object {
            Object::Namespace(object) => {
                let labels = object.metadata.labels.unwrap_or_default();
                self.take_namespace_labels(name, NamespaceLabels::known(name, labels))
            }
            Object::Node(object) => {
                let status = node::read_status(&key, &object)?;
                let extra = self.nodes.get(name).map_or_else(Vec::new, |node| node.extra.clone());
                let labels = LabelSet::new(object.metadata.labels.unwrap_or_default());
                self.take_node(name, Node::new(status, extra, Some(Arc::new(labels))))
            }
            Object::Pod(object) => self.take_pod(Pod::read(&key, *object)?),
            Object::Service(object) => {
                let service = Service::read(key, &object)?;
                self.take_service(service)
            }
            Object::EndpointSlice(object) => {
                let endpoints = Endpoints::read(&key, &object)?;
                self.take_endpoints(namespace, name, endpoints)
            }
            Object::NetworkPolicy(object) => {
                self.take_network_policy(namespace, name, object.into_inner().spec.unwrap_or_default())
            }
            Object::ClusterNetworkPolicy(object) => {
                let policy = TierPolicy::of_cluster(name, object.into_inner().spec);
                self.take_tier_policy(PolicyKind::ClusterNetworkPolicy, name, policy)
            }
            Object::AdminNetworkPolicy(object) => {
                let policy = TierPolicy::of_admin(name, object.into_inner().spec);
                self.take_tier_policy(PolicyKind::AdminNetworkPolicy, name, policy)
            }
            Object::BaselineAdminNetworkPolicy(object) => {
                let policy = TierPolicy::of_baseline(name, object.into_inner().spec);
                self.take_tier_policy(PolicyKind::BaselineAdminNetworkPolicy, name, policy)
            }
            Object::ReplicaSet(object) => self.take_owner(&key, controller(&object.metadata)),
            Object::Job(object) => self.take_owner(&key, controller(&object.metadata)),
        })
    }

    /// Removes an object; whether it was there.
    pub(crate) fn remove(&mut self, key: &ObjectKey) -> bool {
        let namespace = key.namespace_or_default();
        let name = key.name.as_str();
        match key.kind {
            ObjectKind::Namespace => {
                let known = self.scopes.get(name).is_some_and(|scope| scope.labels.labels.is_some());
                if known {
                    self.take_namespace_labels(name, NamespaceLabels::unknown(name));
                    self.drop_empty_scope(name);
                }
                known
            }
            ObjectKind::Node => self.remove_node(name),
            ObjectKind::Pod => {
                let known = self.scopes.get(namespace).and_then(|scope| scope.pods.get(name)).cloned();
                known.inspect(|pod| self.remove_pod(pod)).is_some()
            }
            ObjectKind::Service => self.remove_service(namespace, name),
            ObjectKind::EndpointSlice => self.take_endpoints(namespace, name, None),
            ObjectKind::NetworkPolicy => {
                self.replan_network_policy(namespace, name, None);
                self.change_scope(namespace, |scope| scope.policies.remove(name).is_some())
            }
            ObjectKind::ClusterNetworkPolicy => {
                self.take_tier_policy(PolicyKind::ClusterNetworkPolicy, name, None)
            }
            ObjectKind::AdminNetworkPolicy => {
                self.take_tier_policy(PolicyKind::AdminNetworkPolicy, name, None)
            }
            ObjectKind::BaselineAdminNetworkPolicy => {
                self.take_tier_policy(PolicyKind::BaselineAdminNetworkPolicy, name, None)
            }
            ObjectKind::ReplicaSet | ObjectKind::Job => {
                let owner = (key.kind, Arc::from(name));
                self.change_scope(namespace, |scope| scope.owners.remove(&owner).is_some())
            }
        }
    }

    /// Takes the addresses that a node has beside those of its object; whether they are others.
    pub(crate) fn take_node_addresses(
        &mut self,
        node: &str,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> bool {
        let extra = addresses.into_iter().map(|ip| ip.to_canonical()).collect();
        let known = self.nodes.get(node).cloned().unwrap_or_default();
        self.take_node(node, Node::new(known.status, extra, known.labels))
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

    /// Changes a scope where there is one, and drops it when nothing is left in it; what the change
    /// says, or nothing.
    pub(super) fn change_scope<R: Default>(
        &mut self,
        namespace: &str,
        change: impl FnOnce(&mut Scope) -> R,
    ) -> R {
        let Some(scope) = self.scopes.get_mut(namespace) else { return R::default() };
        let said = change(Arc::make_mut(scope));
        self.drop_empty_scope(namespace);
        said
    }

    fn drop_empty_scope(&mut self, namespace: &str) {
        if self.scopes.get(namespace).is_some_and(|scope| scope.is_empty()) {
            self.scopes.remove(namespace);
        }
    }

    /// The labels of a namespace: cluster-wide policies may select its pods or not.
    fn take_namespace_labels(&mut self, namespace: &str, labels: NamespaceLabels) -> bool {
        let known = self.scopes.get(namespace).and_then(|scope| scope.labels.labels.as_ref());
        if known == labels.labels.as_ref() {
            return false;
        }
        let labels = Arc::new(labels);
        let scope = self.scope_mut(namespace);
        scope.labels = Arc::clone(&labels);
        let ids: Vec<SlotId> = scope.templates.values().map(|made| made.plan).collect();
        for id in ids {
            if let Some(plan) = self.plans.get_mut(id) {
                let tiers = self.tiers.take(plan.template(), labels.ask());
                self.tiers.give(plan.tiers());
                *plan = plan.with_namespace(&labels, tiers);
            }
        }
        true
    }

    fn take_service(&mut self, service: Service) -> bool {
        let scope = self.scopes.get(service.namespace.as_str());
        let known = scope.and_then(|scope| scope.services.get(service.name.as_str()));
        if known.is_some_and(|known| **known == service) {
            return false;
        }
        let service = Arc::new(service);
        self.remove_service(&service.namespace, &service.name);
        self.addresses.add_service(&service);
        let name = Arc::from(service.name.as_str());
        self.scope_mut(&service.namespace).services.insert(name, service);
        true
    }

    fn take_network_policy(&mut self, namespace: &str, name: &str, spec: NetworkPolicySpec) -> bool {
        if self.network_policy(namespace, name).is_some_and(|known| known.spec == spec) {
            return false;
        }
        let scope = self.scope_mut(namespace);
        let policy = Arc::new(NetworkPolicy::compile(&scope.namespace, name, spec));
        scope.policies.insert(Arc::clone(&policy.id.name), Arc::clone(&policy));
        self.replan_network_policy(namespace, name, Some(&policy));
        true
    }

    /// A NetworkPolicy changed or is gone: the plans of its namespace follow.
    fn replan_network_policy(&mut self, namespace: &str, name: &str, policy: Option<&Arc<NetworkPolicy>>) {
        let Some(scope) = self.scopes.get(namespace) else { return };
        let mut changed = Changed::default();
        for made in scope.templates.values() {
            let new = self
                .plans
                .get(made.plan)
                .and_then(|plan| plan.with_network_policy(name, policy, &mut changed));
            if let (Some(new), Some(plan)) = (new, self.plans.get_mut(made.plan)) {
                *plan = new;
            }
        }
    }

    /// A cluster-wide policy changed or is gone: the plans that it touches follow.
    fn take_tier_policy(&mut self, kind: PolicyKind, name: &str, policy: Option<TierPolicy>) -> bool {
        let known = self.tiers.get(kind, name).map(|policy| &policy.written);
        if known == policy.as_ref().map(|policy| &policy.written) {
            return false;
        }
        match policy.map(|policy| self.tiers.set(kind, name, policy)) {
            Some(Some(joining)) => self.plans.update(|plan| plan.joined_by(&joining, &mut self.tiers)),
            Some(None) => {}
            None => self.tiers.forget(kind, name),
        }
        true
    }

    fn take_owner(&mut self, key: &ObjectKey, owner: Option<Controller>) -> bool {
        let (namespace, name) = (key.namespace_or_default(), (key.kind, Arc::from(key.name.as_str())));
        let known = self.scopes.get(namespace).and_then(|scope| scope.owners.get(&name));
        let is_new = known != Some(&owner);
        if is_new {
            self.scope_mut(namespace).owners.insert(name, owner);
        }
        is_new
    }

    /// Adds a node, or replaces its addresses and labels.
    fn take_node(&mut self, name: &str, node: Node) -> bool {
        let known = self.nodes.get(name);
        if known.map_or(node == Node::default(), |known| *known == node) {
            return false;
        }
        self.forget_node(name);
        let name: Arc<str> = Arc::from(name);
        self.addresses.add_node(&name, &node);
        self.nodes.insert(name, node);
        true
    }

    /// A node whose object is gone keeps what was told beside it.
    fn remove_node(&mut self, name: &str) -> bool {
        let Some(known) = self.nodes.get(name).filter(|node| node.labels.is_some()) else { return false };
        let extra = known.extra.clone();
        self.forget_node(name);
        self.take_node(name, Node::new(Vec::new(), extra, None));
        true
    }

    fn forget_node(&mut self, name: &str) {
        if let Some((name, node)) = self.nodes.remove_with_key(name) {
            self.addresses.remove_node(&name, &node);
        }
    }

    /// Takes what an EndpointSlice holds, or forgets it.
    fn take_endpoints(&mut self, namespace: &str, slice: &str, endpoints: Option<Endpoints>) -> bool {
        let scope = self.scopes.get(namespace);
        if scope.and_then(|scope| scope.endpoints.get(slice)) == endpoints.as_ref() {
            return false;
        }
        match endpoints {
            Some(_) => self.scope_mut(namespace).endpoints.set(slice, endpoints),
            None => self.change_scope(namespace, |scope| scope.endpoints.set(slice, None)),
        }
        true
    }

    fn remove_service(&mut self, namespace: &str, name: &str) -> bool {
        let scope = self.scopes.get(namespace);
        let Some(service) = scope.and_then(|scope| scope.services.get(name)).cloned() else { return false };
        self.addresses.remove_service(&service);
        self.change_scope(namespace, |scope| scope.services.remove(name).is_some())
    }
}
