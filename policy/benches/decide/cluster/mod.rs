//! A cluster as large ones are, the same in every run.
//!
//! ```text
//! Size -> [ Generator ] -> Part: first the nodes and the policies of the whole cluster, then each namespace
//!                            objects    -> the cluster, the baseline
//!                            workloads  -> the questions
//! ```

#[expect(clippy::needless_pass_by_value, reason = "the parts of an object are made where they are passed")]
mod cluster_wide;
pub(crate) mod namespace;
pub(crate) mod pod;
#[expect(clippy::needless_pass_by_value, reason = "the parts of an object are made where they are passed")]
mod policy;
pub(crate) mod role;
mod size;

pub(crate) use size::Size;

use crate::random::Random;
use k8s_openapi::api::{
    apps::v1::ReplicaSet,
    core::v1::{Namespace, Node, Pod, Service},
    discovery::v1::EndpointSlice,
    networking::v1::NetworkPolicy,
};
use namespace::{FIRST_ORDINARY, INGRESS, MONITORING, PLATFORM, SYSTEM};
use pod::{Placed, Workload, node_ip, node_name, pod_ips};
use portolan_policy::Object;
use role::{Controller, Role};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Makes one part after the other.
pub(crate) struct Generator {
    size: Size,
    random: Random,
    /// The namespace that comes next; none before the nodes.
    next: Option<usize>,
    /// How many pods there are so far.
    pods: usize,
    /// How many pods with an address of their own each node has.
    hosts: Vec<u16>,
    turn: usize,
}

/// What belongs together.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) objects: Vec<Object>,
    pub(crate) workloads: Vec<Workload>,
}

/// All of a cluster.
pub(crate) struct World {
    pub(crate) size: Size,
    pub(crate) objects: Vec<Object>,
    pub(crate) workloads: Vec<Workload>,
}

impl World {
    /// Makes all parts.
    pub(crate) fn new(size: Size) -> Self {
        let mut world = Self { size, objects: Vec::new(), workloads: Vec::new() };
        for part in Generator::new(size) {
            world.objects.extend(part.objects);
            world.workloads.extend(part.workloads);
        }
        world
    }
}

/// A typed object from what its JSON would be.
pub(crate) fn typed<T>(value: Value) -> Object
where
    T: DeserializeOwned,
    Object: From<T>,
{
    Object::from(serde_json::from_value::<T>(value).expect("the generator keeps to the API"))
}

impl Generator {
    pub(crate) fn new(size: Size) -> Self {
        let hosts = vec![1; size.nodes()];
        Self { size, random: Random::new(1), next: None, pods: 0, hosts, turn: 0 }
    }

    fn nodes(&self) -> Part {
        let node = |number| {
            typed::<Node>(json!({
                "metadata": {"name": node_name(number), "labels": {"kubernetes.io/hostname": node_name(number)}},
                "status": {"addresses": [{"type": "InternalIP", "address": node_ip(number)}]},
            }))
        };
        let nodes = (0..self.size.nodes()).map(node);
        Part { objects: nodes.chain(cluster_wide::objects()).collect(), workloads: Vec::new() }
    }

    fn namespace(&mut self, number: usize) -> Part {
        let mut part = Part::default();
        part.objects.push(typed::<Namespace>(namespace::object(number)));
        part.objects.extend(policy::objects(number).into_iter().map(typed::<NetworkPolicy>));
        for (role, pods) in self.roles(number) {
            let workload = self.workload(number, role, pods);
            part.objects.extend(objects_of(&workload));
            part.workloads.push(workload);
        }
        part
    }

    /// The workloads of a namespace with the number of their pods.
    fn roles(&mut self, number: usize) -> Vec<(Role, usize)> {
        let size = self.size;
        match number {
            SYSTEM => vec![(Role::Dns, size.one_per(10_000)), (Role::Proxy, size.nodes())],
            INGRESS => vec![(Role::Gateway, size.one_per(5_000))],
            MONITORING => vec![(Role::Prometheus, 2), (Role::LogCollector, size.nodes())],
            PLATFORM => vec![(Role::Queue, size.one_per(5_000))],
            _ => {
                let pods = (size.pods - self.pods) / (size.namespaces() - number);
                Role::ORDINARY.into_iter().zip(namespace::split(pods, &mut self.random)).collect()
            }
        }
    }

    fn workload(&mut self, namespace: usize, role: Role, pods: usize) -> Workload {
        self.pods += pods;
        let pods = (0..pods).map(|index| self.place(namespace, role, index)).collect();
        Workload { namespace, role, pods }
    }

    /// A DaemonSet has a pod on each node, all others go round.
    fn place(&mut self, namespace: usize, role: Role, index: usize) -> Placed {
        let node = if role.controller() == Controller::DaemonSet {
            index
        } else {
            self.turn += 1;
            self.turn % self.size.nodes()
        };
        if namespace::is_host_network(namespace, role) {
            return Placed { v4: node_ip(node), v6: None, node };
        }
        self.hosts[node] += 1;
        let (v4, v6) = pod_ips(node, self.hosts[node]);
        Placed { v4, v6: namespace::is_dual_stack(namespace).then_some(v6), node }
    }
}

fn objects_of(workload: &Workload) -> Vec<Object> {
    let mut objects: Vec<Object> = pod::replica_set(workload).map(typed::<ReplicaSet>).into_iter().collect();
    let pods = 0..workload.pods.len();
    objects.extend(pods.map(|index| typed::<Pod>(pod::object(workload, index))));
    if workload.role.controller() != Controller::DaemonSet {
        objects.push(typed::<Service>(pod::service(workload)));
        objects.extend(pod::slices(workload).into_iter().map(typed::<EndpointSlice>));
    }
    objects
}

impl Iterator for Generator {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        let Some(number) = self.next else {
            self.next = Some(0);
            return Some(self.nodes());
        };
        self.next = Some(number + 1);
        (number < self.size.namespaces()).then(|| self.namespace(number))
    }
}

/// Whether a namespace belongs to a team.
pub(crate) const fn is_ordinary(namespace: usize) -> bool {
    namespace >= FIRST_ORDINARY
}
