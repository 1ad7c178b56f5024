//! The ends of a flow, and the service between them.

use super::{
    error::{ConvertError, Within as _},
    scalar::{address, address_to_proto, optional_port, port, required, text},
};
use crate::v1;
use portolan_policy::{End, PodEnd, ServiceRef, Workload};
use std::sync::Arc;
use v1::end::End as Wire;

impl From<End> for v1::End {
    fn from(end: End) -> Self {
        let wire = match end {
            End::Pod(pod) => Wire::Pod(pod.into()),
            End::Node { node, namespace, pod, ip, port } => Wire::Node(v1::NodeEnd {
                node,
                namespace,
                pod,
                ip: address_to_proto(ip),
                port: port.map(u32::from),
            }),
            End::Service { namespace, name, ip, port } => Wire::Service(v1::ServiceEnd {
                namespace,
                name,
                ip: address_to_proto(ip),
                port: port.map(u32::from),
            }),
            End::External { ip, port } => {
                Wire::External(v1::ExternalEnd { ip: address_to_proto(ip), port: port.map(u32::from) })
            }
        };
        Self { end: Some(wire) }
    }
}

impl TryFrom<v1::End> for End {
    type Error = ConvertError;

    fn try_from(v1::End { end }: v1::End) -> Result<Self, ConvertError> {
        match required(end, "end")? {
            Wire::Pod(pod) => PodEnd::try_from(pod).within("pod").map(Self::Pod),
            Wire::Node(node) => node_end(node).within("node"),
            Wire::Service(service) => service_end(service).within("service"),
            Wire::External(external) => external_end(&external).within("external"),
        }
    }
}

impl From<PodEnd> for v1::PodEnd {
    fn from(end: PodEnd) -> Self {
        let PodEnd { namespace, pod, workload: Workload { kind, name }, ip, port, node, labels } = end;
        Self {
            namespace,
            pod,
            workload: Some(v1::Workload { kind, name }),
            ip: address_to_proto(ip),
            port: port.map(u32::from),
            node,
            labels: Arc::unwrap_or_clone(labels),
        }
    }
}

impl TryFrom<v1::PodEnd> for PodEnd {
    type Error = ConvertError;

    fn try_from(wire: v1::PodEnd) -> Result<Self, ConvertError> {
        let v1::PodEnd { namespace, pod, workload, ip, port, node, labels } = wire;
        let v1::Workload { kind, name } = required(workload, "workload")?;
        Ok(Self {
            namespace: text(namespace, "namespace")?,
            pod: text(pod, "pod")?,
            workload: Workload { kind: text(kind, "workload.kind")?, name: text(name, "workload.name")? },
            ip: address(&ip, "ip")?,
            port: optional_port(port, "port")?,
            node,
            labels: Arc::new(labels),
        })
    }
}

fn node_end(wire: v1::NodeEnd) -> Result<End, ConvertError> {
    let v1::NodeEnd { node, namespace, pod, ip, port } = wire;
    Ok(End::Node {
        node: text(node, "node")?,
        namespace,
        pod,
        ip: address(&ip, "ip")?,
        port: optional_port(port, "port")?,
    })
}

fn service_end(wire: v1::ServiceEnd) -> Result<End, ConvertError> {
    let v1::ServiceEnd { namespace, name, ip, port } = wire;
    Ok(End::Service {
        namespace: text(namespace, "namespace")?,
        name: text(name, "name")?,
        ip: address(&ip, "ip")?,
        port: optional_port(port, "port")?,
    })
}

fn external_end(wire: &v1::ExternalEnd) -> Result<End, ConvertError> {
    let v1::ExternalEnd { ip, port } = wire;
    Ok(End::External { ip: address(ip, "ip")?, port: optional_port(*port, "port")? })
}

impl From<ServiceRef> for v1::ServiceRef {
    fn from(service: ServiceRef) -> Self {
        let ServiceRef { namespace, name, ip, port } = service;
        Self { namespace, name, ip: address_to_proto(ip), port: u32::from(port) }
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
