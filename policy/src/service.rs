//! Services and the endpoints behind them: which address and port leads to which backends.

use crate::{
    Family, InvalidObject, ObjectKey, Protocol,
    address::parse_ip,
    port::{read_number, read_protocol},
    shown::listed,
};
use k8s_openapi::api::{core::v1 as k8s, discovery::v1 as discovery};
use std::net::IpAddr;

/// The label by which an EndpointSlice names its service.
const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// A service as it is in one version of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// ClusterIPs, external addresses and load balancer addresses.
    pub ips: Vec<IpAddr>,
    /// What its name leads to.
    pub(crate) name_leads_to: NameLeadsTo,
    /// Its ports.
    pub(crate) ports: Vec<ServicePort>,
}

/// What the name of a service leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NameLeadsTo {
    /// A ClusterIP; a manifest that no cluster has seen does not say which.
    ClusterIp,
    /// The addresses of its endpoints (`clusterIP: None`).
    Endpoints,
    /// Another name, as it is written.
    Name(String),
}

/// One port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServicePort {
    /// Its name, empty where it has none.
    pub(crate) name: String,
    /// The number that clients dial on a service address.
    pub(crate) port: u16,
    /// Its protocol.
    pub(crate) protocol: Protocol,
    /// The number that clients dial on a node address.
    pub(crate) node_port: Option<u16>,
}

/// The ready endpoints of one EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoints {
    /// The service they stand behind.
    pub(crate) service: String,
    /// The family of its addresses; absent where it does not say.
    pub(crate) family: Option<Family>,
    /// The addresses that are ready.
    pub(crate) ips: Vec<IpAddr>,
    /// The ports that every one of them serves.
    pub(crate) ports: Vec<EndpointPort>,
}

/// One port of an EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndpointPort {
    /// The name of the service port that leads here.
    name: String,
    /// The number on the endpoint; absent for all ports.
    port: Option<u16>,
    protocol: Protocol,
}

impl Service {
    /// Reads the parts that matter; fails on an address that is none.
    pub(crate) fn read(key: ObjectKey, object: &k8s::Service) -> Result<Self, InvalidObject> {
        let name_leads_to = object.spec.as_ref().map_or(NameLeadsTo::ClusterIp, NameLeadsTo::read);
        let mut ips = read_ips(&key, object)?;
        if name_leads_to != NameLeadsTo::ClusterIp {
            // No proxy serves any address of such a service.
            ips.clear();
        }
        let ports = object.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
        Ok(Self {
            namespace: key.namespace_or_default().to_owned(),
            name: key.name,
            ips,
            name_leads_to,
            ports: ports.filter_map(ServicePort::read).collect(),
        })
    }

    /// The port that is dialled on one of the service's own addresses.
    pub(crate) fn port(&self, port: u16, protocol: Protocol) -> Option<&ServicePort> {
        self.ports.iter().find(|known| known.port == port && known.protocol == protocol)
    }

    /// The ports of a protocol that are dialled on the service's own addresses.
    pub(crate) fn ports_of(&self, protocol: Protocol) -> impl Iterator<Item = u16> + '_ {
        self.ports.iter().filter(move |known| known.protocol == protocol).map(|known| known.port)
    }

    /// Whether its name leads to its endpoints, with no address or port between.
    pub(crate) fn is_headless(&self) -> bool {
        self.name_leads_to == NameLeadsTo::Endpoints
    }

    /// The ports that may be meant where this is dialled.
    pub(crate) fn dialled(
        &self,
        port: Option<u16>,
        protocol: Protocol,
    ) -> impl Iterator<Item = &ServicePort> {
        let of_protocol = self.ports.iter().filter(move |known| known.protocol == protocol);
        of_protocol.filter(move |known| port.is_none_or(|port| known.port == port))
    }

    /// Why no port of it can be meant where this is dialled; `None` where one can.
    pub(crate) fn lacks(&self, port: Option<u16>, protocol: Protocol) -> Option<String> {
        if self.dialled(port, protocol).next().is_some() {
            return None;
        }
        let (title, asked) = (format!("service {}/{}", self.namespace, self.name), protocol.with_port(port));
        Some(match port {
            None if !protocol.has_ports() => format!("{asked} leads to no endpoint of {title}"),
            None => format!("{title} has no {asked} port{}", self.only()),
            Some(_) => format!("{title} has no port {asked}{}", self.only()),
        })
    }

    /// `, only 80/TCP, 443/TCP`.
    fn only(&self) -> String {
        let ports = self.ports.iter().map(|port| port.protocol.with_port(Some(port.port)));
        if self.ports.is_empty() { String::new() } else { format!(", only {}", listed(ports)) }
    }

    /// What is dialled on node addresses.
    pub(crate) fn node_ports(&self) -> impl Iterator<Item = (u16, Protocol)> + '_ {
        self.ports.iter().filter_map(|port| Some((port.node_port?, port.protocol)))
    }

    /// The port that is dialled on a node address.
    pub(crate) fn node_port(&self, port: u16, protocol: Protocol) -> Option<&ServicePort> {
        self.ports.iter().find(|known| known.node_port == Some(port) && known.protocol == protocol)
    }
}

impl NameLeadsTo {
    fn read(spec: &k8s::ServiceSpec) -> Self {
        let mut ips = spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip);
        match (spec.type_.as_deref(), &spec.external_name) {
            (Some("ExternalName"), name) => Self::Name(name.clone().unwrap_or_default()),
            _ if ips.any(|ip| ip == "None") => Self::Endpoints,
            _ => Self::ClusterIp,
        }
    }
}

impl ServicePort {
    /// A port that the API would reject leads nowhere.
    fn read(port: &k8s::ServicePort) -> Option<Self> {
        Some(Self {
            name: port.name.clone().unwrap_or_default(),
            port: read_number(port.port)?,
            protocol: read_protocol(port.protocol.as_deref())?,
            node_port: port.node_port.and_then(read_number),
        })
    }
}

impl Endpoints {
    /// Reads the ready endpoints; `None` where the slice belongs to no service.
    pub(crate) fn read(
        key: &ObjectKey,
        object: &discovery::EndpointSlice,
    ) -> Result<Option<Self>, InvalidObject> {
        let labels = object.metadata.labels.as_ref();
        let Some(service) = labels.and_then(|labels| labels.get(SERVICE_NAME_LABEL)) else {
            return Ok(None);
        };
        let family = match object.address_type.as_str() {
            "IPv4" => Some(Family::Ipv4),
            "IPv6" => Some(Family::Ipv6),
            "FQDN" => return Ok(None),
            _ => None,
        };
        let mut ips = Vec::new();
        for text in object.endpoints.iter().filter(|endpoint| is_ready(endpoint)).flat_map(|e| &e.addresses) {
            ips.push(parse_ip(text).ok_or_else(|| InvalidObject::ip(key, "endpoints[].addresses", text))?);
        }
        let ports = object.ports.iter().flatten().filter_map(EndpointPort::read).collect();
        Ok(Some(Self { service: service.clone(), family, ips, ports }))
    }

    /// The addresses and ports behind a port of the service, in the family of `dialled`.
    ///
    /// An endpoint that serves all ports keeps the one that was dialled.
    pub(crate) fn behind<'a>(
        &'a self,
        port: &'a ServicePort,
        dialled: IpAddr,
    ) -> impl Iterator<Item = (IpAddr, u16)> + 'a {
        let ports = self.ports.iter().filter(|known| known.name == port.name);
        let numbers = ports
            .filter(|known| known.protocol == port.protocol)
            .map(|known| known.port.unwrap_or(port.port));
        numbers.flat_map(move |number| {
            let family = self.ips.iter().filter(move |ip| ip.is_ipv4() == dialled.is_ipv4());
            family.map(move |ip| (*ip, number))
        })
    }

    /// The numbers of its ports of a protocol; `None` for all ports.
    pub(crate) fn ports_of(&self, protocol: Protocol) -> impl Iterator<Item = Option<u16>> {
        self.ports.iter().filter(move |known| known.protocol == protocol).map(|known| known.port)
    }
}

impl EndpointPort {
    fn read(port: &discovery::EndpointPort) -> Option<Self> {
        let number = match port.port {
            None => None,
            Some(number) => Some(read_number(number)?),
        };
        Some(Self {
            name: port.name.clone().unwrap_or_default(),
            port: number,
            protocol: read_protocol(port.protocol.as_deref())?,
        })
    }
}

/// An endpoint that does not say is ready.
fn is_ready(endpoint: &discovery::Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
}

/// ClusterIPs, external addresses and load balancer addresses, each once.
fn read_ips(key: &ObjectKey, object: &k8s::Service) -> Result<Vec<IpAddr>, InvalidObject> {
    let mut ips = Vec::new();
    let mut add = |field: &str, text: &str| {
        if text.is_empty() || text == "None" {
            return Ok(());
        }
        let ip = parse_ip(text).ok_or_else(|| InvalidObject::ip(key, field, text))?;
        if !ips.contains(&ip) {
            ips.push(ip);
        }
        Ok(())
    };
    if let Some(spec) = &object.spec {
        for text in spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip) {
            add("spec.clusterIPs", text)?;
        }
        for text in spec.external_ips.iter().flatten() {
            add("spec.externalIPs", text)?;
        }
    }
    let balancer = object.status.iter().filter_map(|status| status.load_balancer.as_ref());
    for ingress in balancer.flat_map(|balancer| balancer.ingress.iter().flatten()) {
        add("status.loadBalancer.ingress", ingress.ip.as_deref().unwrap_or_default())?;
    }
    Ok(ips)
}
