//! A pod as the evaluator needs it.

use crate::{InvalidObject, ObjectKey, address::parse_ip, template::Template};
use k8s_openapi::api::core::v1 as k8s;
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

/// The label that a Deployment puts on its pods with the suffix of their ReplicaSet's name.
const TEMPLATE_HASH_LABEL: &str = "pod-template-hash";

/// A pod as it is in one version of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: Arc<str>,
    /// Its addresses in the order of `status.podIPs`, IPv4-mapped ones as IPv4.
    pub ips: Box<[IpAddr]>,
    /// The node it runs on, once it is scheduled.
    pub node: Option<Arc<str>>,
    /// Whether it shares the node's network; then it is a node address and nothing else.
    pub host_network: bool,
    /// Whether its phase is Succeeded or Failed; then it holds no address any more (M6).
    pub finished: bool,
    /// What it shares with the other pods of its workload.
    pub(crate) template: Arc<Template>,
}

impl Pod {
    /// Reads the parts that matter; fails on an address that is none.
    pub(crate) fn read(key: &ObjectKey, mut object: k8s::Pod) -> Result<Self, InvalidObject> {
        let spec = object.spec.unwrap_or_default();
        let status = object.status.unwrap_or_default();
        let ips = read_ips(&status).map_err(|text| InvalidObject::ip(key, "status.podIPs", &text))?;
        let template = Template::read(key.namespace_or_default(), &mut object.metadata, &spec);
        Ok(Self {
            name: Arc::from(key.name.as_str()),
            ips: ips.into(),
            node: spec.node_name.filter(|node| !node.is_empty()).map(Arc::from),
            host_network: spec.host_network.unwrap_or_default(),
            finished: matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")),
            template: Arc::new(template),
        })
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.template.namespace.name
    }

    /// Its labels.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        self.template.labels.text()
    }

    /// Whether it lives in the pod network: the only pods that policies select and speak about.
    pub fn in_pod_network(&self) -> bool {
        !self.host_network && !self.finished
    }

    /// The Deployment that the ReplicaSet `name` belongs to by the naming convention, for when the
    /// ReplicaSet itself is not known.
    pub(crate) fn deployment_of<'a>(&self, replica_set: &'a str) -> Option<&'a str> {
        let hash = self.labels().get(TEMPLATE_HASH_LABEL)?;
        replica_set.strip_suffix(hash.as_str())?.strip_suffix('-').filter(|name| !name.is_empty())
    }

    /// Whether both are versions of one pod.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.name == other.name && self.namespace() == other.namespace()
    }

    /// `namespace/name`.
    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.namespace(), self.name)
    }
}

/// The addresses of `podIPs`, and `podIP` where it is not among them; the text that is none otherwise.
fn read_ips(status: &k8s::PodStatus) -> Result<Vec<IpAddr>, String> {
    let plural = status.pod_ips.iter().flatten().map(|pod_ip| pod_ip.ip.as_str());
    let texts = plural.chain(status.pod_ip.as_deref()).filter(|text| !text.is_empty());
    let mut ips = Vec::new();
    for text in texts {
        let ip = parse_ip(text).ok_or_else(|| text.to_owned())?;
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    Ok(ips)
}
