//! What a service address stands for: its ready endpoints (N36).

use crate::naive::{
    address::parse_ip,
    view::{View, namespace_of},
};
use k8s_openapi::api::{
    core::v1::{Service, ServicePort},
    discovery::v1::{Endpoint, EndpointPort, EndpointSlice},
};
use portolan_policy::{Connection, Object, Protocol};
use std::net::IpAddr;

/// The addresses and ports behind what a connection dials; empty where it dials no service, or one
/// without ready endpoints.
pub(crate) fn backends(view: View<'_>, connection: &Connection) -> Vec<(IpAddr, u16)> {
    let Some(dialled) = connection.port else { return Vec::new() };
    if !view.end(connection.destination).pods.is_empty() {
        return Vec::new();
    }
    let on_node = is_node(view, connection.destination);
    let own = |service: &Service, port: &ServicePort| {
        has_ip(service, connection.destination) && port.port == i32::from(dialled)
    };
    let of_node = |_: &Service, port: &ServicePort| on_node && port.node_port == Some(i32::from(dialled));
    let found = find(view, connection.protocol, own).or_else(|| find(view, connection.protocol, of_node));
    let Some((namespace, service, port)) = found else { return Vec::new() };
    behind(view, &namespace, service, port, connection)
}

fn is_node(view: View<'_>, ip: IpAddr) -> bool {
    !view.nodes_reporting(ip).is_empty() || !view.nodes_told(ip).is_empty()
}

/// The first service, by name, with a port that is dialled.
fn find(
    view: View<'_>,
    protocol: Protocol,
    dials: impl Fn(&Service, &ServicePort) -> bool,
) -> Option<(String, &Service, &ServicePort)> {
    let mut found = Vec::new();
    for object in view.objects {
        let Object::Service(service) = object else { continue };
        for port in service.spec.iter().flat_map(|spec| spec.ports.iter().flatten()) {
            if speaks(port.protocol.as_deref(), protocol) && dials(service, port) {
                found.push((namespace_of(object), service.as_ref(), port));
            }
        }
    }
    found.into_iter().min_by_key(|(namespace, service, _)| (namespace.clone(), service.metadata.name.clone()))
}

fn speaks(word: Option<&str>, protocol: Protocol) -> bool {
    protocol.has_ports() && word.unwrap_or("TCP") == protocol.as_str()
}

fn has_ip(service: &Service, ip: IpAddr) -> bool {
    let mut texts: Vec<&str> = Vec::new();
    if let Some(spec) = &service.spec {
        texts.extend(spec.cluster_ip.as_deref());
        texts.extend(spec.cluster_ips.iter().flatten().map(String::as_str));
        texts.extend(spec.external_ips.iter().flatten().map(String::as_str));
    }
    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let balanced = balancer.into_iter().flat_map(|balancer| balancer.ingress.iter().flatten());
    texts.extend(balanced.filter_map(|ingress| ingress.ip.as_deref()));
    texts.into_iter().any(|text| parse_ip(text) == Some(ip))
}

fn behind(
    view: View<'_>,
    namespace: &str,
    service: &Service,
    port: &ServicePort,
    connection: &Connection,
) -> Vec<(IpAddr, u16)> {
    let mut backends = Vec::new();
    for object in view.objects {
        let Object::EndpointSlice(slice) = object else { continue };
        if namespace_of(object) != namespace || !stands_behind(slice, service) {
            continue;
        }
        for number in numbers(slice, port, connection.protocol) {
            let ips = ready_ips(slice).filter(|ip| ip.is_ipv4() == connection.destination.is_ipv4());
            backends.extend(ips.map(|ip| (ip, number)));
        }
    }
    backends
}

fn stands_behind(slice: &EndpointSlice, service: &Service) -> bool {
    let label = slice.metadata.labels.iter().flatten().find(|(key, _)| *key == "kubernetes.io/service-name");
    slice.address_type != "FQDN" && label.map(|(_, name)| name) == service.metadata.name.as_ref()
}

/// The numbers of the slice's ports that bear the name of the service's port.
fn numbers(slice: &EndpointSlice, port: &ServicePort, protocol: Protocol) -> Vec<u16> {
    let named = |known: &&EndpointPort| {
        known.name.clone().unwrap_or_default() == port.name.clone().unwrap_or_default()
            && speaks(known.protocol.as_deref(), protocol)
    };
    let ports = slice.ports.iter().flatten().filter(named);
    ports.filter_map(|known| u16::try_from(known.port.unwrap_or(port.port)).ok()).collect()
}

fn ready_ips(slice: &EndpointSlice) -> impl Iterator<Item = IpAddr> + '_ {
    let is_ready = |endpoint: &&Endpoint| {
        endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
    };
    let endpoints = slice.endpoints.iter().filter(is_ready);
    endpoints.flat_map(|endpoint| endpoint.addresses.iter().filter_map(|text| parse_ip(text)))
}
