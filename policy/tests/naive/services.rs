//! What a service address stands for: its ready endpoints (N36; docs/decisions/0006-tiers.md).

use crate::naive::{
    address::parse_ip,
    ending::{Ending, Endings},
    network_policy,
    side::{Direction, Side},
    tier,
    view::{Question, View, namespace_of},
};
use k8s_openapi::api::{
    core::v1::{Service, ServicePort},
    discovery::v1::{Endpoint, EndpointPort, EndpointSlice},
};
use portolan_policy::{Connection, Object, Protocol};
use std::{collections::BTreeSet, net::IpAddr};

/// What an address that is dialled leads to.
pub(crate) enum Behind {
    /// Itself.
    Address,
    /// These, one of which is chosen.
    Endpoints(Vec<(IpAddr, u16)>),
    /// Nobody knows: the fact that is missing.
    NotKnown(String),
}

/// The ports that may be dialled: the one that is asked, else those of the services at the address.
pub(crate) fn ports(view: View<'_>, connection: &Connection) -> BTreeSet<Option<u16>> {
    let Connection { destination, port, protocol, .. } = *connection;
    let is_plain = !view.end(destination).pods.is_empty() || is_node(view, destination);
    if port.is_some() || is_plain {
        return [port].into();
    }
    let services = view.objects.iter().filter_map(|object| match object {
        Object::Service(service) if has_ip(service, destination) => Some(service),
        _ => None,
    });
    let known = services.flat_map(|service| service.spec.iter().flat_map(|spec| spec.ports.iter().flatten()));
    let dialled = known.filter(|known| speaks(known.protocol.as_deref(), protocol));
    let ports: BTreeSet<_> = dialled.filter_map(|known| u16::try_from(known.port).ok()).map(Some).collect();
    if ports.is_empty() { [None].into() } else { ports }
}

/// What stands behind what a connection dials.
pub(crate) fn behind(view: View<'_>, connection: &Connection) -> Behind {
    let Some(dialled) = connection.port else { return Behind::Address };
    if !view.end(connection.destination).pods.is_empty() {
        return Behind::Address;
    }
    let on_node = is_node(view, connection.destination);
    let own = |service: &Service, port: &ServicePort| {
        has_ip(service, connection.destination) && port.port == i32::from(dialled)
    };
    let of_node = |_: &Service, port: &ServicePort| on_node && port.node_port == Some(i32::from(dialled));
    let found = find(view, connection.protocol, own).or_else(|| find(view, connection.protocol, of_node));
    let Some((namespace, service, port)) = found else { return Behind::Address };
    let slices = slices(view, &namespace, service);
    if !slices.iter().any(|slice| may_hold(slice, connection.destination)) {
        let ips = ips(service);
        if ips.iter().any(Option::is_some)
            && !ips.iter().flatten().any(|ip| ip.is_ipv4() == connection.destination.is_ipv4())
        {
            return Behind::Address;
        }
        return Behind::NotKnown(format!("the endpoints of service {namespace}/{:?}", service.metadata.name));
    }
    match endpoints(&slices, port, connection) {
        none if none.is_empty() => Behind::Address,
        some => Behind::Endpoints(some),
    }
}

/// The side of the destination where nobody knows what stands behind a service: it may be any live
/// pod, so that it matters whether a policy speaks about one of them; else it is as an address.
pub(crate) fn ask_hidden<'a>(view: View<'a>, question: &Question<'a>, fact: &str) -> Endings {
    let may_matter = view.network_pods().any(|subject| {
        let (direction, peer) = (Direction::Ingress, question.source.clone());
        let side = Side { view, direction, subject, peer, question: question.clone(), hairpin: false };
        network_policy::may_isolate(&side) || tier::may_speak(&side)
    });
    if may_matter { Endings::undefined(fact) } else { Endings::only(Ending::NotApplicable) }
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

/// No proxy serves a headless service or a mere name at any address.
fn has_ip(service: &Service, ip: IpAddr) -> bool {
    ips(service).contains(&Some(ip))
}

/// The addresses of a service; `None` for a word that is none.
fn ips(service: &Service) -> Vec<Option<IpAddr>> {
    let spec = service.spec.iter();
    if spec.clone().any(|spec| spec.type_.as_deref() == Some("ExternalName"))
        || spec
            .flat_map(|spec| spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip))
            .any(|ip| ip == "None")
    {
        return Vec::new();
    }
    let mut texts: Vec<&str> = Vec::new();
    if let Some(spec) = &service.spec {
        texts.extend(spec.cluster_ip.as_deref());
        texts.extend(spec.cluster_ips.iter().flatten().map(String::as_str));
        texts.extend(spec.external_ips.iter().flatten().map(String::as_str));
    }
    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let balanced = balancer.into_iter().flat_map(|balancer| balancer.ingress.iter().flatten());
    texts.extend(balanced.filter_map(|ingress| ingress.ip.as_deref()));
    texts.into_iter().map(parse_ip).collect()
}

fn slices<'a>(view: View<'a>, namespace: &str, service: &Service) -> Vec<&'a EndpointSlice> {
    let slices = view.objects.iter().filter_map(|object| match object {
        Object::EndpointSlice(slice) if namespace_of(object) == namespace => Some(slice.as_ref()),
        _ => None,
    });
    slices.filter(|slice| stands_behind(slice, service)).collect()
}

fn endpoints(slices: &[&EndpointSlice], port: &ServicePort, connection: &Connection) -> Vec<(IpAddr, u16)> {
    let mut endpoints = Vec::new();
    for slice in slices {
        for number in numbers(slice, port, connection.protocol) {
            let ips = ready_ips(slice).filter(|ip| ip.is_ipv4() == connection.destination.is_ipv4());
            endpoints.extend(ips.map(|ip| (ip, number)));
        }
    }
    endpoints
}

/// Whether the slice may hold addresses of the family.
fn may_hold(slice: &EndpointSlice, of_family: IpAddr) -> bool {
    match slice.address_type.as_str() {
        "IPv4" => of_family.is_ipv4(),
        "IPv6" => of_family.is_ipv6(),
        _ => true,
    }
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
