//! A node as the evaluator needs it: its addresses and its labels.

use crate::{InvalidObject, ObjectKey, address::parse_ip, labels::LabelSet};
use k8s_openapi::api::core::v1 as k8s;
use std::{net::IpAddr, sync::Arc};

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// InternalIP and ExternalIP of `status.addresses`.
    pub(crate) status: Vec<IpAddr>,
    /// Told beside the Node object: gateway, bridge, tunnel (M5).
    pub(crate) extra: Vec<IpAddr>,
    /// Both, in that order, each once.
    pub(crate) all: Vec<IpAddr>,
    /// Its labels; absent while its object is not known.
    pub(crate) labels: Option<Arc<LabelSet>>,
}

impl Node {
    /// Puts the two origins together.
    pub(crate) fn new(status: Vec<IpAddr>, extra: Vec<IpAddr>, labels: Option<Arc<LabelSet>>) -> Self {
        let mut all = Vec::with_capacity(status.len() + extra.len());
        for ip in status.iter().chain(&extra) {
            if !all.contains(ip) {
                all.push(*ip);
            }
        }
        Self { status, extra, all, labels }
    }
}

/// The addresses of a Node object that traffic can have; names of hosts are none.
pub(crate) fn read_status(key: &ObjectKey, object: &k8s::Node) -> Result<Vec<IpAddr>, InvalidObject> {
    let addresses = object.status.iter().flat_map(|status| status.addresses.iter().flatten());
    addresses
        .filter(|address| matches!(address.type_.as_str(), "InternalIP" | "ExternalIP"))
        .map(|address| {
            parse_ip(&address.address)
                .ok_or_else(|| InvalidObject::ip(key, "status.addresses", &address.address))
        })
        .collect()
}
