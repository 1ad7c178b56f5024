//! Pods come and go, and with the first and the last of a template its plan.

use super::{Cluster, networks::Network, plans::Plan, scope::Made, slots::SlotId};
use crate::{Pod, labels::LabelSet, template::Template};
use std::{collections::BTreeMap, sync::Arc};

/// With how many templates of its namespace a new one is compared: most have what few others have.
const MOST_COMPARED: usize = 32;

impl Cluster {
    /// Adds a pod or replaces the one of that name; whether it is another than before.
    pub(super) fn take_pod(&mut self, mut pod: Pod) -> bool {
        let known = self.scopes.get(pod.namespace()).and_then(|scope| scope.pods.get(&*pod.name)).cloned();
        if known.as_deref() == Some(&pod) {
            return false;
        }
        let plan = self.take_template(&mut pod);
        if let Some(known) = known {
            self.remove_pod(&known);
        }
        let pod = Arc::new(pod);
        match (pod.in_pod_network(), pod.finished) {
            (true, _) => self.add_to_node(&pod, plan),
            (false, false) => self.addresses.add_host_pod(&pod),
            (false, true) => {}
        }
        self.scope_mut(pod.namespace()).pods.insert(Arc::clone(&pod.name), pod);
        true
    }

    /// Gives a pod other labels, as if its object had been changed.
    pub(crate) fn relabel(&mut self, pod: &Pod, labels: BTreeMap<String, String>) {
        let template = Template { labels: LabelSet::new(labels), ..Template::clone(&pod.template) };
        self.take_pod(Pod { template: Arc::new(template), ..pod.clone() });
    }

    /// Shares the template with the pods made from the same one, and counts the pod.
    fn take_template(&mut self, pod: &mut Pod) -> SlotId {
        let scope = self.scope_mut(pod.namespace());
        if let Some((template, made)) = scope.templates.remove_with_key(&pod.template) {
            pod.template = Arc::clone(&template);
            let plan = made.plan;
            scope.templates.insert(template, Made { pods: made.pods + 1, ..made });
            return plan;
        }
        let labels = Arc::clone(&scope.labels);
        let network = self.network_of(&pod.template);
        let tiers = self.tiers.take(&pod.template, labels.ask());
        let plan = Plan::new(Arc::clone(&pod.template), labels, network, tiers);
        let plan = self.plans.insert(plan);
        let scope = self.scope_mut(pod.namespace());
        scope.templates.insert(Arc::clone(&pod.template), Made { plan, pods: 1 });
        plan
    }

    /// The NetworkPolicies that isolate pods of a template that is new, in common with one of those
    /// that are known.
    fn network_of(&self, template: &Template) -> Arc<Network> {
        let scope = self.scopes.get(&template.namespace.name);
        let policies = scope.into_iter().flat_map(|scope| scope.policies.values());
        let known = scope.into_iter().flat_map(|scope| scope.templates.values()).take(MOST_COMPARED);
        let plans = known.filter_map(|made| self.plans.get(made.plan));
        Network::of(template, policies, plans.map(Plan::shared_network))
    }

    /// Forgets the template of a pod that goes, when it was the last.
    fn give_template(&mut self, pod: &Pod) {
        let scope = self.scope_mut(pod.namespace());
        match scope.templates.get_mut(&pod.template) {
            Some(made) if made.pods > 1 => made.pods -= 1,
            Some(made) => {
                let id = made.plan;
                scope.templates.remove(&pod.template);
                if let Some(plan) = self.plans.get(id) {
                    self.tiers.give(plan.tiers());
                }
                self.plans.remove(id);
            }
            None => {}
        }
    }

    pub(super) fn remove_pod(&mut self, pod: &Arc<Pod>) {
        if pod.host_network {
            self.addresses.remove_host_pod(pod);
        } else {
            self.remove_from_node(pod);
        }
        self.give_template(pod);
        self.change_scope(pod.namespace(), |scope| drop(scope.pods.remove(&*pod.name)));
    }

    /// A live pod of the pod network takes its addresses.
    fn add_to_node(&mut self, pod: &Arc<Pod>, plan: SlotId) {
        let Some(id) = self.addresses.add_pod(pod, plan) else { return };
        if let Some(node) = &pod.node {
            let pods = self.pods_by_node.entry(Arc::clone(node)).or_default();
            pods.extend(pod.ips.iter().map(|ip| (*ip, id)));
        }
    }

    /// It leaves them.
    fn remove_from_node(&mut self, pod: &Arc<Pod>) {
        let Some(id) = self.addresses.remove_pod(pod) else { return };
        let Some(node) = &pod.node else { return };
        let Some(pods) = self.pods_by_node.get_mut(node) else { return };
        for ip in &pod.ips {
            pods.remove(&(*ip, id));
        }
        if pods.is_empty() {
            self.pods_by_node.remove(node);
        }
    }
}
