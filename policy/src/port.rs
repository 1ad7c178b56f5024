//! Ports of the destination as rules name them (N15–N20, C12, C13, A3, §8).

use crate::api::{v1alpha1, v1alpha2};
use crate::{
    Protocol,
    fingerprint::Fingerprint,
    template::Template,
    truth::{Fact, Truth},
};
use k8s_openapi::{api::networking::v1 as k8s, apimachinery::pkg::util::intstr::IntOrString};
use std::ops::RangeInclusive;

/// One entry of a rule's list of ports or protocols.
#[derive(Clone, Debug)]
pub(crate) enum PortMatch {
    /// Every port of the protocol.
    All(Protocol),
    /// The ports of the protocol from first to last.
    Range(Protocol, RangeInclusive<u16>),
    /// The container ports of that name; of any protocol where none is given.
    Named(Option<Protocol>, Fingerprint),
    /// What the API would reject.
    Nothing,
}

/// The port of a question, and the pod whose container ports give names their meaning (N18).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialled<'a> {
    pub(crate) port: Option<u16>,
    pub(crate) protocol: Protocol,
    pub(crate) destination: Option<&'a Template>,
}

impl PortMatch {
    /// N16–N19; what the API would reject matches nothing, an end beyond 65535 is clamped (§8).
    pub(crate) fn of_network_policy(port: &k8s::NetworkPolicyPort) -> Self {
        let k8s::NetworkPolicyPort { end_port, port, protocol } = port;
        let Some(protocol) = read_protocol(protocol.as_deref()) else { return Self::Nothing };
        match (port, *end_port) {
            (None, None) => Self::All(protocol),
            (Some(IntOrString::String(name)), None) if !name.is_empty() => {
                Self::Named(Some(protocol), Fingerprint::of(name))
            }
            (Some(IntOrString::Int(start)), end) => Self::range(protocol, *start, end.unwrap_or(*start)),
            _ => Self::Nothing,
        }
    }

    /// C12, C13.
    pub(crate) fn of_protocol(entry: &v1alpha2::ProtocolMatch) -> Self {
        let v1alpha2::ProtocolMatch { tcp, udp, sctp, destination_named_port, unknown } = entry;
        if !unknown.is_empty() {
            return Self::Nothing;
        }
        match (tcp, udp, sctp, destination_named_port) {
            (Some(ports), None, None, None) => Self::of_destination(Protocol::Tcp, ports),
            (None, Some(ports), None, None) => Self::of_destination(Protocol::Udp, ports),
            (None, None, Some(ports), None) => Self::of_destination(Protocol::Sctp, ports),
            (None, None, None, Some(name)) if !name.is_empty() => Self::Named(None, Fingerprint::of(name)),
            _ => Self::Nothing,
        }
    }

    fn of_destination(protocol: Protocol, ports: &v1alpha2::Ports) -> Self {
        match &ports.destination_port {
            None => Self::All(protocol),
            Some(v1alpha2::Port { number: Some(number), range: None }) => {
                Self::range(protocol, *number, *number)
            }
            Some(v1alpha2::Port { number: None, range: Some(range) }) => {
                Self::range(protocol, range.start, range.end)
            }
            Some(_) => Self::Nothing,
        }
    }

    /// A3; a name stands for the container port's own protocol.
    pub(crate) fn of_admin_policy(entry: &v1alpha1::Port) -> Self {
        let v1alpha1::Port { port_number, named_port, port_range } = entry;
        match (port_number, named_port, port_range) {
            (Some(number), None, None) => read_protocol(number.protocol.as_deref())
                .map_or(Self::Nothing, |protocol| Self::range(protocol, number.port, number.port)),
            (None, Some(name), None) if !name.is_empty() => Self::Named(None, Fingerprint::of(name)),
            (None, None, Some(range)) => read_protocol(range.protocol.as_deref())
                .map_or(Self::Nothing, |protocol| Self::range(protocol, range.start, range.end)),
            _ => Self::Nothing,
        }
    }

    fn range(protocol: Protocol, first: i32, last: i32) -> Self {
        let Some(first) = read_number(first) else { return Self::Nothing };
        let last = u16::try_from(last.clamp(0, i32::from(u16::MAX))).unwrap_or(u16::MAX);
        if first <= last { Self::Range(protocol, first..=last) } else { Self::Nothing }
    }

    /// Without a port only "all ports of the protocol" is certain, and a name that the destination
    /// does not have.
    pub(crate) fn matches(&self, dialled: &Dialled<'_>) -> Truth {
        match (self, dialled.port) {
            (Self::All(protocol), _) => (*protocol == dialled.protocol).into(),
            (Self::Range(protocol, _) | Self::Named(Some(protocol), _), _)
                if *protocol != dialled.protocol =>
            {
                Truth::No
            }
            (Self::Range(_, range), Some(port)) => range.contains(&port).into(),
            (Self::Named(_, name), Some(port)) => {
                dialled.destination.is_some_and(|pod| pod.serves(*name, port, dialled.protocol)).into()
            }
            (Self::Range(..), None) => Truth::Unknown(Fact::Port),
            (Self::Named(_, name), None)
                if dialled.destination.is_some_and(|pod| pod.names(*name, dialled.protocol)) =>
            {
                Truth::Unknown(Fact::Port)
            }
            (Self::Named(..), None) | (Self::Nothing, _) => Truth::No,
        }
    }
}

impl PortMatch {
    /// Whether it matches whichever port stands behind a service: certain is every port or none.
    pub(crate) fn matches_hidden(&self, dialled: Protocol) -> Truth {
        match self {
            Self::All(protocol) => (*protocol == dialled).into(),
            Self::Range(protocol, _) | Self::Named(Some(protocol), _) if *protocol != dialled => Truth::No,
            Self::Range(_, range) if *range.start() <= 1 && *range.end() == u16::MAX => Truth::Yes,
            Self::Range(..) | Self::Named(..) => Truth::Unknown(Fact::Backend),
            Self::Nothing => Truth::No,
        }
    }
}

/// The number of a port; `None` where the API would reject it.
pub(crate) fn read_number(number: i32) -> Option<u16> {
    u16::try_from(number).ok().filter(|port| *port != 0)
}

/// The protocol of a port, TCP where it says none (N1); `None` for a word the API does not know.
pub(crate) fn read_protocol(text: Option<&str>) -> Option<Protocol> {
    match text {
        None | Some("TCP") => Some(Protocol::Tcp),
        Some("UDP") => Some(Protocol::Udp),
        Some("SCTP") => Some(Protocol::Sctp),
        Some(_) => None,
    }
}
