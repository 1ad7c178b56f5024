//! Which workload a pod belongs to: the way up from owner to owner.

use super::Cluster;
use crate::{ObjectKind, Pod, Workload, pod::Controller};
use std::sync::Arc;

impl Cluster {
    /// The workload of a pod: its top owner, or the pod itself when nothing but its node owns it.
    pub fn workload(&self, pod: &Pod) -> Workload {
        match &pod.owner {
            Some(owner) if owner.kind != "Node" => self.top(pod, owner),
            _ => Workload { kind: "Pod".to_owned(), name: pod.name.clone() },
        }
    }

    /// Goes on from a ReplicaSet to its Deployment and from a Job to its CronJob.
    ///
    /// While the ReplicaSet is not known, its name less the hash that its pods carry is the
    /// Deployment's.
    fn top(&self, pod: &Pod, owner: &Controller) -> Workload {
        let kind = match owner.kind.as_str() {
            "ReplicaSet" => ObjectKind::ReplicaSet,
            "Job" => ObjectKind::Job,
            _ => return workload(&owner.kind, &owner.name),
        };
        match self.controller_of(&pod.namespace, kind, &owner.name) {
            Some(Some(top)) => workload(&top.kind, &top.name),
            Some(None) => workload(&owner.kind, &owner.name),
            None if kind == ObjectKind::ReplicaSet => match pod.deployment_of(&owner.name) {
                Some(deployment) => workload("Deployment", deployment),
                None => workload(&owner.kind, &owner.name),
            },
            None => workload(&owner.kind, &owner.name),
        }
    }

    /// What controls an owner; the outer `None` means that the owner itself is not known.
    fn controller_of(&self, namespace: &str, kind: ObjectKind, name: &str) -> Option<Option<&Controller>> {
        let scope = self.scopes.get(namespace)?;
        scope.owners.get(&(kind, Arc::from(name))).map(Option::as_ref)
    }
}

fn workload(kind: &str, name: &str) -> Workload {
    Workload { kind: kind.to_owned(), name: name.to_owned() }
}
