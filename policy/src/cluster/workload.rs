//! Which workload a pod belongs to: the way up from owner to owner.

use super::Cluster;
use crate::{ObjectKind, Pod, Workload, template::Controller};
use std::sync::Arc;

impl Cluster {
    /// The workload of a pod: its top owner, or the pod itself when nothing but its node owns it.
    pub fn workload(&self, pod: &Pod) -> Workload {
        match &pod.template.owner {
            Some(owner) if owner.kind != "Node" => self.top(pod, owner),
            _ => Workload { kind: "Pod".to_owned(), name: pod.name.as_ref().to_owned() },
        }
    }

    /// Goes on from a ReplicaSet to its Deployment and from a Job to its CronJob.
    ///
    /// While the ReplicaSet is not known, its name less the hash that its pods carry is the
    /// Deployment's.
    fn top(&self, pod: &Pod, owner: &Controller) -> Workload {
        let known = owner_kind(&owner.kind).and_then(|kind| {
            let scope = self.scopes.get(pod.namespace())?;
            scope.owners.get(&(kind, Arc::from(owner.name.as_str())))
        });
        let deployment = pod.deployment_of(&owner.name).filter(|_| owner.kind == "ReplicaSet");
        match (known, deployment) {
            (Some(Some(top)), _) => workload(&top.kind, &top.name),
            (None, Some(deployment)) => workload("Deployment", deployment),
            (Some(None), _) | (None, None) => workload(&owner.kind, &owner.name),
        }
    }
}

/// The kinds that stand between a pod and its workload.
fn owner_kind(kind: &str) -> Option<ObjectKind> {
    ObjectKind::from_name(kind).filter(|kind| matches!(kind, ObjectKind::ReplicaSet | ObjectKind::Job))
}

fn workload(kind: &str, name: &str) -> Workload {
    Workload { kind: kind.to_owned(), name: name.to_owned() }
}
