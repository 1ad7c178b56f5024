//! Pods come and go, and with the first and the last of a template its plan.

use super::{Cluster, PodAddresses, plans::Plan, slots::SlotId};
use crate::Pod;
use std::{net::IpAddr, sync::Arc};

impl Cluster {
    /// Adds a pod or replaces the one of that name; one that is the same changes nothing.
    pub(super) fn set_pod(&mut self, mut pod: Pod) {
        let scope = self.scope_mut(pod.namespace());
        let known = scope.pods.get(&*pod.name).cloned();
        if known.as_deref() == Some(&pod) {
            return;
        }
        let plan = self.take_template(&mut pod);
        if let Some(known) = known {
            self.remove_pod(&known);
        }
        let pod = Arc::new(pod);
        self.addresses.add_pod(&pod, plan);
        self.change_pods_by_node(&pod, |pods, address| drop(pods.insert(address)));
        self.scope_mut(pod.namespace()).pods.insert(Arc::clone(&pod.name), pod);
    }

    /// Shares the template with the pods made from the same one, and counts the pod.
    fn take_template(&mut self, pod: &mut Pod) -> SlotId {
        let scope = self.scope_mut(pod.namespace());
        let known = scope.templates.get_key_value(&pod.template);
        let id = if let Some((template, id)) = known {
            pod.template = Arc::clone(template);
            *id
        } else {
            let (policies, labels) = (scope.policies.clone(), Arc::clone(&scope.labels));
            let mut plan = Plan::new(Arc::clone(&pod.template), labels);
            for (name, policy) in &policies {
                plan.set_network_policy(name, Some(policy));
            }
            plan.set_tiers(&self.tier_policies);
            let id = self.plans.insert(plan);
            self.scope_mut(pod.namespace()).templates.insert(Arc::clone(&pod.template), id);
            id
        };
        if let Some(plan) = self.plans.get_mut(id) {
            plan.pods += 1;
        }
        id
    }

    /// Forgets the template of a pod that goes, when it was the last.
    fn give_template(&mut self, pod: &Pod) {
        let scope = self.scope_mut(pod.namespace());
        let Some(id) = scope.templates.get(&pod.template).copied() else { return };
        let Some(plan) = self.plans.get_mut(id) else { return };
        plan.pods -= 1;
        if plan.pods == 0 {
            self.plans.remove(id);
            self.scope_mut(pod.namespace()).templates.remove(&pod.template);
        }
    }

    pub(super) fn remove_pod(&mut self, pod: &Arc<Pod>) {
        self.addresses.remove_pod(pod);
        self.change_pods_by_node(pod, |pods, address| drop(pods.remove(&address)));
        self.give_template(pod);
        self.change_scope(pod.namespace(), |scope| drop(scope.pods.remove(&*pod.name)));
    }

    fn change_pods_by_node(
        &mut self,
        pod: &Pod,
        change: impl Fn(&mut PodAddresses, (IpAddr, Arc<str>, Arc<str>)),
    ) {
        let Some(node) = pod.node.as_ref().filter(|_| pod.in_pod_network()) else { return };
        let mut pods = self.pods_by_node.remove(node).unwrap_or_default();
        for ip in &pod.ips {
            change(&mut pods, (*ip, Arc::clone(&pod.template.namespace.name), Arc::clone(&pod.name)));
        }
        if !pods.is_empty() {
            self.pods_by_node.insert(Arc::clone(node), pods);
        }
    }
}
