//! One change of a cluster: what kind, which object, and a question that it may matter for.

use crate::random::Random;
use k8s_openapi::api::{
    core::v1::{Namespace, Pod, PodIP},
    networking::v1::{IPBlock, NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer},
};
use portolan_policy::{
    Cluster, Connection, InvalidObject, Object, ObjectKey, ObjectKind, Protocol,
    api::v1alpha2::ClusterNetworkPolicy,
};
use std::{collections::BTreeMap, net::Ipv4Addr};

/// The kinds of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    PodRelabelled,
    PodNew,
    PodGone,
    PolicyReplaced,
    PolicyNew,
    PolicyGone,
    NamespaceRelabelled,
    ClusterWideReplaced,
}

impl Kind {
    /// All, each with how many changes of it are made in the largest cluster.
    pub(crate) const ALL: [(Self, usize); 8] = [
        (Self::PodRelabelled, 4000),
        (Self::PodNew, 2000),
        (Self::PodGone, 2000),
        (Self::PolicyReplaced, 1000),
        (Self::PolicyNew, 500),
        (Self::PolicyGone, 500),
        (Self::NamespaceRelabelled, 300),
        (Self::ClusterWideReplaced, 20),
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PodRelabelled => "a pod has other labels",
            Self::PodNew => "a pod is new",
            Self::PodGone => "a pod is gone",
            Self::PolicyReplaced => "a NetworkPolicy has one rule more",
            Self::PolicyNew => "a NetworkPolicy is new",
            Self::PolicyGone => "a NetworkPolicy is gone",
            Self::NamespaceRelabelled => "a namespace has other labels",
            Self::ClusterWideReplaced => "a ClusterNetworkPolicy has another priority",
        }
    }

    const fn object(self) -> ObjectKind {
        match self {
            Self::PodRelabelled | Self::PodNew | Self::PodGone => ObjectKind::Pod,
            Self::PolicyReplaced | Self::PolicyNew | Self::PolicyGone => ObjectKind::NetworkPolicy,
            Self::NamespaceRelabelled => ObjectKind::Namespace,
            Self::ClusterWideReplaced => ObjectKind::ClusterNetworkPolicy,
        }
    }
}

/// What a watch would bring.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Apply(Object),
    Delete(ObjectKey),
}

impl Change {
    pub(crate) fn make(self, cluster: &mut Cluster) -> Result<(), InvalidObject> {
        match self {
            Self::Apply(object) => cluster.apply(object),
            Self::Delete(key) => {
                cluster.delete(&key);
                Ok(())
            }
        }
    }
}

/// The objects of a cluster as they are after all changes so far.
pub(crate) struct Store {
    objects: BTreeMap<ObjectKey, Object>,
    /// The names of what may change, by kind.
    names: BTreeMap<ObjectKind, Vec<ObjectKey>>,
    random: Random,
    number: u32,
}

impl Store {
    pub(crate) fn new(objects: &[Object]) -> Self {
        let objects: BTreeMap<ObjectKey, Object> =
            objects.iter().map(|object| (object.key(), object.clone())).collect();
        let mut names: BTreeMap<ObjectKind, Vec<ObjectKey>> = BTreeMap::new();
        for key in objects.keys() {
            names.entry(key.kind).or_default().push(key.clone());
        }
        Self { objects, names, random: Random::new(3), number: 0 }
    }

    /// All objects as they are now.
    pub(crate) fn objects(&self) -> Vec<Object> {
        self.objects.values().cloned().collect()
    }

    /// The next change of a kind, with a question to a pod that it concerns.
    pub(crate) fn next(&mut self, kind: Kind) -> (Change, Connection) {
        self.number += 1;
        let key = self.any(kind.object());
        let old = self.objects[&key].clone();
        let change = match kind {
            Kind::PodGone | Kind::PolicyGone => Change::Delete(key),
            _ => Change::Apply(changed(old.clone(), kind, self.number)),
        };
        let source = self.any(ObjectKind::Pod);
        let concerned = match &change {
            Change::Apply(object) => self.concerned(object),
            Change::Delete(_) => self.concerned(&old),
        };
        self.take(&change);
        let question = Connection {
            source: ip(&self.objects, &source).unwrap_or(Ipv4Addr::new(192, 0, 2, 1)).into(),
            destination: concerned.unwrap_or(Ipv4Addr::new(192, 0, 2, 2)).into(),
            port: Some(8080),
            protocol: Protocol::Tcp,
        };
        (change, question)
    }

    fn any(&mut self, kind: ObjectKind) -> ObjectKey {
        self.random.one_of(&self.names[&kind]).clone()
    }

    /// The address of the pod itself, of a pod in the namespace, else of any pod.
    fn concerned(&mut self, object: &Object) -> Option<Ipv4Addr> {
        let key = object.key();
        let namespace = match object {
            Object::Pod(pod) => return pod_ip(pod),
            Object::Namespace(_) => key.name,
            _ => key.namespace.unwrap_or_else(|| self.any(ObjectKind::Namespace).name),
        };
        let first = ObjectKey::namespaced(ObjectKind::Pod, &namespace, "");
        let (_, pod) = self.objects.range(first..).next()?;
        ip(&self.objects, &pod.key())
    }

    fn take(&mut self, change: &Change) {
        match change {
            Change::Apply(object) => {
                let key = object.key();
                if self.objects.insert(key.clone(), object.clone()).is_none() {
                    self.names.entry(key.kind).or_default().push(key);
                }
            }
            Change::Delete(key) => {
                self.objects.remove(key);
                self.names.entry(key.kind).or_default().retain(|name| name != key);
            }
        }
    }
}

fn pod_ip(pod: &Pod) -> Option<Ipv4Addr> {
    pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()
}

fn ip(objects: &BTreeMap<ObjectKey, Object>, key: &ObjectKey) -> Option<Ipv4Addr> {
    match objects.get(key)? {
        Object::Pod(pod) => pod_ip(pod),
        _ => None,
    }
}

/// The object as the `number`th change leaves it.
fn changed(old: Object, kind: Kind, number: u32) -> Object {
    match (old, kind) {
        (Object::Pod(pod), Kind::PodNew) => new_pod(*pod, number).into(),
        (Object::Pod(pod), _) => relabelled_pod(*pod, number).into(),
        (Object::NetworkPolicy(policy), Kind::PolicyNew) => new_policy(policy.into_inner(), number).into(),
        (Object::NetworkPolicy(policy), _) => longer_policy(policy.into_inner(), number).into(),
        (Object::Namespace(namespace), _) => relabelled_namespace(*namespace, number).into(),
        (Object::ClusterNetworkPolicy(policy), _) => other_priority(policy.into_inner(), number).into(),
        (other, _) => other,
    }
}

/// It goes to another tier, as its selectors see it.
fn relabelled_pod(mut pod: Pod, number: u32) -> Pod {
    let labels = pod.metadata.labels.get_or_insert_default();
    let tiers = ["frontend", "backend", "data", "system"];
    labels.insert("tier".to_owned(), tiers[number as usize % tiers.len()].to_owned());
    labels.insert("rollout".to_owned(), number.to_string());
    pod
}

/// One more of the same workload, at an address that nobody had.
fn new_pod(mut pod: Pod, number: u32) -> Pod {
    let name = pod.metadata.name.unwrap_or_default();
    pod.metadata.name = Some(format!("{name}-{number}"));
    let ip = Ipv4Addr::from_bits(Ipv4Addr::new(10, 64, 0, 0).to_bits() + number).to_string();
    if let Some(spec) = &mut pod.spec {
        spec.host_network = None;
    }
    if let Some(status) = &mut pod.status {
        status.pod_ip = Some(ip.clone());
        status.pod_ips = Some(vec![PodIP { ip }]);
    }
    pod
}

fn new_policy(mut policy: NetworkPolicy, number: u32) -> NetworkPolicy {
    policy.metadata.name = Some(format!("new-{number}"));
    policy
}

fn longer_policy(mut policy: NetworkPolicy, number: u32) -> NetworkPolicy {
    let cidr = format!("203.0.{}.0/24", number % 256);
    let block =
        NetworkPolicyPeer { ip_block: Some(IPBlock { cidr, except: None }), ..NetworkPolicyPeer::default() };
    let rule = NetworkPolicyIngressRule { from: Some(vec![block]), ports: None };
    if let Some(spec) = &mut policy.spec {
        spec.ingress.get_or_insert_default().push(rule);
    }
    policy
}

fn relabelled_namespace(mut namespace: Namespace, number: u32) -> Namespace {
    let labels = namespace.metadata.labels.get_or_insert_default();
    let environments = ["prod", "staging", "dev"];
    labels.insert("env".to_owned(), environments[number as usize % environments.len()].to_owned());
    namespace
}

fn other_priority(mut policy: ClusterNetworkPolicy, number: u32) -> ClusterNetworkPolicy {
    policy.spec.priority = Some((number % 1000) as i32);
    policy
}
