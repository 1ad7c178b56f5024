//! The pod interfaces of this network namespace, and the namespace's own addresses, as they come
//! and go: told by the kernel over netlink, never polled.

use crate::whereabouts::Route;
use futures::{StreamExt as _, TryStreamExt as _, channel::mpsc::UnboundedReceiver};
use ipnet::IpNet;
use rtnetlink::{
    Handle, MulticastGroup, RouteMessageBuilder,
    packet_core::{NetlinkMessage, NetlinkPayload},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        address::AddressAttribute,
        link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage},
        route::{RouteAddress, RouteAttribute, RouteMessage, RouteType},
    },
    sys::SocketAddr,
};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// A change among the devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceChange {
    /// A pod interface is there, perhaps known already.
    Up {
        /// Its index.
        ifindex: u32,
        /// Its name.
        name: String,
    },
    /// An interface is gone.
    Gone {
        /// Its index.
        ifindex: u32,
    },
    /// The namespace's own addresses changed.
    Addresses,
    /// The kernel had more to tell than we could hear: look at everything again.
    Overrun,
}

/// Netlink cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DevicesError {
    /// No socket.
    #[error("cannot open a netlink socket")]
    Open(#[source] std::io::Error),
    /// A dump failed.
    #[error("cannot list the {what} of this network namespace")]
    Dump {
        /// Of what.
        what: &'static str,
        /// Why.
        #[source]
        error: rtnetlink::Error,
    },
}

/// Listens to the devices of the network namespace that it was opened in.
pub struct Devices {
    handle: Handle,
    messages: UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>,
}

impl Devices {
    /// Opens the socket; what changes from now on will be told.
    pub fn open() -> Result<Self, DevicesError> {
        let (connection, handle, messages) = rtnetlink::new_multicast_connection(&[
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
        ])
        .map_err(DevicesError::Open)?;
        tokio::spawn(connection);
        Ok(Self { handle, messages })
    }

    /// The pod interfaces that are there now.
    pub async fn pod_interfaces(&self) -> Result<Vec<(u32, String)>, DevicesError> {
        let failed = |error| DevicesError::Dump { what: "interfaces", error };
        let links = self.handle.link().get().execute().try_collect::<Vec<_>>().await.map_err(failed)?;
        Ok(links.iter().filter_map(pod_interface).collect())
    }

    /// The addresses of the network namespace itself, loopback left out.
    pub async fn addresses(&self) -> Result<BTreeSet<IpAddr>, DevicesError> {
        let failed = |error| DevicesError::Dump { what: "addresses", error };
        let found = self.handle.address().get().execute().try_collect::<Vec<_>>().await.map_err(failed)?;
        let addresses = found.iter().filter_map(|message| own_address(&message.attributes));
        Ok(addresses.filter(|ip| !ip.is_loopback() && !is_link_local(ip)).collect())
    }

    /// The routes of the network namespace.
    pub async fn routes(&self) -> Result<Vec<Route>, DevicesError> {
        let failed = |error| DevicesError::Dump { what: "routes", error };
        let families =
            [RouteMessageBuilder::<Ipv4Addr>::new().build(), RouteMessageBuilder::<Ipv6Addr>::new().build()];
        let mut routes = Vec::new();
        for family in families {
            let found =
                self.handle.route().get(family).execute().try_collect::<Vec<_>>().await.map_err(failed)?;
            routes.extend(found.iter().filter_map(route));
        }
        Ok(routes)
    }

    /// Waits for the next change; `None` when the socket is gone.
    pub async fn next(&mut self) -> Option<DeviceChange> {
        loop {
            let (message, _) = self.messages.next().await?;
            match message.payload {
                NetlinkPayload::InnerMessage(message) => {
                    if let Some(change) = change(&message) {
                        return Some(change);
                    }
                }
                NetlinkPayload::Overrun(_) | NetlinkPayload::Error(_) => return Some(DeviceChange::Overrun),
                _ => {}
            }
        }
    }
}

/// On a point-to-point interface `Address` is the peer's, and `Local` is ours.
fn own_address(attributes: &[AddressAttribute]) -> Option<IpAddr> {
    let local = attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(ip) => Some(*ip),
        _ => None,
    });
    local.or_else(|| {
        attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(ip) => Some(*ip),
            _ => None,
        })
    })
}

/// Link-local addresses are the same on every node: they name nobody.
fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// A unicast route; one without destination is the default route.
fn route(message: &RouteMessage) -> Option<Route> {
    if message.header.kind != RouteType::Unicast {
        return None;
    }
    let destination = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(ip)) => Some(IpAddr::V4(*ip)),
        RouteAttribute::Destination(RouteAddress::Inet6(ip)) => Some(IpAddr::V6(*ip)),
        _ => None,
    });
    let any = match message.header.address_family {
        AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        _ => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let length = message.header.destination_prefix_length;
    let via_gateway = message.attributes.iter().any(|attribute| {
        matches!(
            attribute,
            RouteAttribute::Gateway(_) | RouteAttribute::Via(_) | RouteAttribute::MultiPath(_)
        )
    });
    let prefix = IpNet::new(destination.unwrap_or(any), length).ok()?;
    Some(Route { prefix, direct: !via_gateway })
}

fn change(message: &RouteNetlinkMessage) -> Option<DeviceChange> {
    match message {
        RouteNetlinkMessage::NewLink(link) => {
            pod_interface(link).map(|(ifindex, name)| DeviceChange::Up { ifindex, name })
        }
        // A port that leaves its bridge is told of in the bridge's family, and is still there.
        RouteNetlinkMessage::DelLink(link) if link.header.interface_family == AddressFamily::Bridge => None,
        RouteNetlinkMessage::DelLink(link) => Some(DeviceChange::Gone { ifindex: link.header.index }),
        RouteNetlinkMessage::NewAddress(_) | RouteNetlinkMessage::DelAddress(_) => {
            Some(DeviceChange::Addresses)
        }
        _ => None,
    }
}

/// Pods hang on veths. An uplink may be one as well: it costs a look at its packets and nothing
/// else, since an address is a pod's by the cluster state, not by its device.
fn pod_interface(link: &LinkMessage) -> Option<(u32, String)> {
    let is_veth = link.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => infos.contains(&LinkInfo::Kind(InfoKind::Veth)),
        _ => false,
    });
    let name = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })?;
    is_veth.then_some((link.header.index, name))
}
