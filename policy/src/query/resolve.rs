//! Which addresses, and which pods, a question is about.

use super::{
    Family, Place, Query, QueryError,
    meant::{nearest_pod, nearest_service},
};
use crate::{
    Cluster, Connection, Decision, Explanation, Pod, Service,
    explain::{explain_between, explain_by_name},
    service::NameLeadsTo,
    shown::short,
};
use std::{borrow::Cow, net::IpAddr, slice};

/// A question whose ends are found.
#[derive(Clone, Copy, Debug)]
pub struct Resolved<'a> {
    /// The connection; to a service of which no address is known, that to the first of its endpoints.
    pub connection: Connection,
    /// The source, where it was asked for by name.
    pub source: Option<&'a Pod>,
    /// The destination, where it was asked for by name.
    pub destination: Option<&'a Pod>,
    /// The service that was asked for by name and has no address that is known: the question is about
    /// each of its ready endpoints, of a headless one at the port that is asked for, else at the port
    /// that this one leads to.
    pub by_name: Option<&'a Service>,
}

/// One end: the addresses that it may use, in order of preference.
struct End<'a> {
    pod: Option<&'a Pod>,
    by_name: Option<&'a Service>,
    ips: Cow<'a, [IpAddr]>,
}

impl Query {
    /// Finds the pods and the addresses in use: of the family that is asked for, else of that of a
    /// given address, else of the first of the destination's that the source has too.
    pub fn resolve<'a>(&'a self, cluster: &'a Cluster) -> Result<Resolved<'a>, QueryError> {
        let from = self.find_source(cluster).map_err(|error| error.at("from"))?;
        let to = self.find_destination(cluster).map_err(|error| error.at("to"))?;
        let (source, destination) =
            common(&from, &to, self.family).ok_or_else(|| self.no_family(&from, &to))?;
        // ICMP has no port, whatever the question says.
        let port = self.port.filter(|_| self.protocol.has_ports());
        Ok(Resolved {
            connection: Connection { source, destination, port, protocol: self.protocol },
            source: from.pod,
            destination: to.pod,
            by_name: to.by_name,
        })
    }

    fn find<'a>(&'a self, place: &'a Place, cluster: &'a Cluster) -> Result<End<'a>, QueryError> {
        match place {
            Place::Ip(ip) => Ok(End::of(None, slice::from_ref(ip))),
            Place::Service { namespace, name } => self.find_service(cluster, (namespace, name)),
            Place::Pod { namespace, name } => find_pod(cluster, (namespace, name), place),
        }
    }

    fn find_destination<'a>(&'a self, cluster: &'a Cluster) -> Result<End<'a>, QueryError> {
        match &self.to {
            Place::Pod { namespace, name }
                if cluster.pod(namespace, name).is_none() && cluster.service(namespace, name).is_some() =>
            {
                Err(QueryError::PodIsService(self.to.to_string()))
            }
            place => self.find(place, cluster),
        }
    }

    fn find_source<'a>(&'a self, cluster: &'a Cluster) -> Result<End<'a>, QueryError> {
        match &self.from {
            place @ Place::Service { .. } => Err(QueryError::ServiceAsSource(place.to_string())),
            place @ (Place::Pod { .. } | Place::Ip(_)) => self.find(place, cluster),
        }
    }

    /// A service with addresses is asked at those, its ClusterIPs first; else its name leads to its
    /// endpoints.
    fn find_service<'a>(
        &self,
        cluster: &'a Cluster,
        (namespace, name): (&str, &str),
    ) -> Result<End<'a>, QueryError> {
        let service = cluster.service(namespace, name).ok_or_else(|| QueryError::UnknownService {
            service: self.to.to_string(),
            near: nearest_service(cluster, namespace, name),
        })?;
        if !service.ips.is_empty() {
            return Ok(End::of(None, &service.ips));
        }
        let port = self.port.filter(|_| self.protocol.has_ports());
        let endpoints = cluster.endpoints_by_name(service, port, self.protocol);
        if endpoints.is_empty() {
            return Err(self.no_endpoint(service, port));
        }
        Ok(End { pod: None, by_name: Some(service), ips: endpoints.into_iter().collect() })
    }

    /// Why the name of a service leads to no endpoint.
    fn no_endpoint(&self, service: &Service, port: Option<u16>) -> QueryError {
        let place = self.to.to_string();
        match (&service.name_leads_to, service.lacks(port, self.protocol)) {
            (NameLeadsTo::Name(name), _) => QueryError::ExternalName { service: place, name: short(name) },
            (NameLeadsTo::Endpoints, _) => QueryError::NoServiceAddress(place),
            (NameLeadsTo::ClusterIp, Some(problem)) => QueryError::NoServicePort { problem },
            (NameLeadsTo::ClusterIp, None) => {
                QueryError::NoClusterIp { service: place, asked: self.protocol.with_port(port) }
            }
        }
    }

    fn no_family(&self, from: &End<'_>, to: &End<'_>) -> QueryError {
        let lacks = |end: &End<'_>, family| end.ips.iter().all(|ip| Family::of(*ip) != family);
        match self.family {
            Some(family) if lacks(from, family) => {
                QueryError::NotOfFamily { place: self.from.to_string(), family }.at("from")
            }
            Some(family) => QueryError::NotOfFamily { place: self.to.to_string(), family }.at("to"),
            None => QueryError::NoCommonFamily {
                from: self.from.to_string(),
                family: if lacks(to, Family::Ipv4) { Family::Ipv4 } else { Family::Ipv6 },
                to: self.to.to_string(),
            },
        }
    }
}

impl Resolved<'_> {
    /// What the policies say; a pod that was asked for by name is that pod, even where another one
    /// claims its address.
    pub fn decide(&self, cluster: &Cluster) -> Decision {
        match self.by_name {
            Some(service) => cluster.decide_by_name(&self.connection, self.source, service),
            None => cluster.decide_between(&self.connection, self.source, self.destination),
        }
    }

    /// Why they say it, about the same pods.
    pub fn explain(&self, cluster: &Cluster) -> Explanation {
        match self.by_name {
            Some(service) => explain_by_name(cluster, &self.connection, self.source, service),
            None => explain_between(cluster, &self.connection, self.source, self.destination),
        }
    }
}

impl<'a> End<'a> {
    fn of(pod: Option<&'a Pod>, ips: &'a [IpAddr]) -> Self {
        Self { pod, by_name: None, ips: Cow::Borrowed(ips) }
    }
}

fn find_pod<'a>(
    cluster: &'a Cluster,
    (namespace, name): (&str, &str),
    place: &Place,
) -> Result<End<'a>, QueryError> {
    let pod = cluster.pod(namespace, name).ok_or_else(|| QueryError::UnknownPod {
        pod: place.to_string(),
        near: nearest_pod(cluster, namespace, name),
    })?;
    match addresses(pod, cluster) {
        _ if pod.finished => Err(QueryError::FinishedPod(place.to_string())),
        [] => Err(QueryError::NoAddress(place.to_string())),
        ips => Ok(End::of(Some(pod), ips)),
    }
}

/// A host-network pod that was told no address has those of its node.
fn addresses<'a>(pod: &'a Pod, cluster: &'a Cluster) -> &'a [IpAddr] {
    match &pod.node {
        Some(node) if pod.host_network && pod.ips.is_empty() => cluster.node_addresses(node),
        _ => &pod.ips,
    }
}

fn common(from: &End<'_>, to: &End<'_>, family: Option<Family>) -> Option<(IpAddr, IpAddr)> {
    let fits = |ip: &&IpAddr| family.is_none_or(|family| Family::of(**ip) == family);
    to.ips.iter().filter(fits).find_map(|destination| {
        let alike = |ip: &&IpAddr| Family::of(**ip) == Family::of(*destination);
        from.ips.iter().find(alike).map(|source| (*source, *destination))
    })
}
