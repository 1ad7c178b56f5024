//! The ends of a flow, and the service between them.

use super::{
    error::{ConvertError, Within as _},
    scalar::{address, address_to_proto, optional_port, port, required, text},
};
use crate::v1;
use portolan_policy::{End, PodEnd, ServiceRef, Who, Workload};
use std::sync::Arc;
use v1::end::End as Wire;

impl From<&End> for v1::End {
    fn from(end: &End) -> Self {
        let port = end.port().map(u32::from);
        let ip = address_to_proto(end.ip());
        let wire = match end.who() {
            Who::Pod(pod) => Wire::Pod(pod_to_proto(pod, port)),
            Who::Node { node, namespace, pod, ip: _ } => Wire::Node(v1::NodeEnd {
                node: node.clone(),
                namespace: namespace.clone(),
                pod: pod.clone(),
                ip,
                port,
            }),
            Who::Service { namespace, name, ip: _ } => {
                Wire::Service(v1::ServiceEnd { namespace: namespace.clone(), name: name.clone(), ip, port })
            }
            Who::External { ip: _ } => Wire::External(v1::ExternalEnd { ip, port }),
        };
        Self { end: Some(wire) }
    }
}

impl TryFrom<v1::End> for End {
    type Error = ConvertError;

    fn try_from(v1::End { end }: v1::End) -> Result<Self, ConvertError> {
        match required(end, "end")? {
            Wire::Pod(pod) => pod_end(pod).within("pod"),
            Wire::Node(node) => node_end(node).within("node"),
            Wire::Service(service) => service_end(service).within("service"),
            Wire::External(external) => external_end(&external).within("external"),
        }
    }
}

fn pod_to_proto(end: &PodEnd, port: Option<u32>) -> v1::PodEnd {
    let PodEnd { namespace, pod, workload: Workload { kind, name }, ip, node, labels } = end;
    v1::PodEnd {
        namespace: namespace.clone(),
        pod: pod.clone(),
        workload: Some(v1::Workload { kind: kind.clone(), name: name.clone() }),
        ip: address_to_proto(*ip),
        port,
        node: node.clone(),
        labels: labels.as_ref().clone(),
    }
}

fn pod_end(wire: v1::PodEnd) -> Result<End, ConvertError> {
    let v1::PodEnd { namespace, pod, workload, ip, port, node, labels } = wire;
    let v1::Workload { kind, name } = required(workload, "workload")?;
    let who = Who::Pod(PodEnd {
        namespace: text(namespace, "namespace")?,
        pod: text(pod, "pod")?,
        workload: Workload { kind: text(kind, "workload.kind")?, name: text(name, "workload.name")? },
        ip: address(&ip, "ip")?,
        node,
        labels: Arc::new(labels),
    });
    Ok(who.at(optional_port(port, "port")?))
}

fn node_end(wire: v1::NodeEnd) -> Result<End, ConvertError> {
    let v1::NodeEnd { node, namespace, pod, ip, port } = wire;
    let who = Who::Node { node: text(node, "node")?, namespace, pod, ip: address(&ip, "ip")? };
    Ok(who.at(optional_port(port, "port")?))
}

fn service_end(wire: v1::ServiceEnd) -> Result<End, ConvertError> {
    let v1::ServiceEnd { namespace, name, ip, port } = wire;
    let who = Who::Service {
        namespace: text(namespace, "namespace")?,
        name: text(name, "name")?,
        ip: address(&ip, "ip")?,
    };
    Ok(who.at(optional_port(port, "port")?))
}

fn external_end(wire: &v1::ExternalEnd) -> Result<End, ConvertError> {
    let v1::ExternalEnd { ip, port } = wire;
    Ok(Who::External { ip: address(ip, "ip")? }.at(optional_port(*port, "port")?))
}

impl From<&ServiceRef> for v1::ServiceRef {
    fn from(service: &ServiceRef) -> Self {
        let ServiceRef { namespace, name, ip, port } = service;
        Self {
            namespace: namespace.clone(),
            name: name.clone(),
            ip: address_to_proto(*ip),
            port: u32::from(*port),
        }
    }
}

impl TryFrom<v1::ServiceRef> for ServiceRef {
    type Error = ConvertError;

    fn try_from(wire: v1::ServiceRef) -> Result<Self, ConvertError> {
        let v1::ServiceRef { namespace, name, ip, port: number } = wire;
        Ok(Self {
            namespace: text(namespace, "namespace")?,
            name: text(name, "name")?,
            ip: address(&ip, "ip")?,
            port: port(number, "port")?,
        })
    }
}
