//! The pod interfaces of this network namespace, and the namespace's own addresses, as they come
//! and go: told by the kernel over netlink, never polled.

use super::{
    links::Link,
    listener::{Heard, Listener},
    waiting::{Waiting, standing},
};
use crate::whereabouts::Route;
use futures::TryStreamExt as _;
use ipnet::IpNet;
use rtnetlink::{
    Handle, RouteMessageBuilder,
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        address::AddressAttribute,
        route::{RouteAddress, RouteAttribute, RouteMessage, RouteType},
    },
};
use std::{
    collections::{BTreeSet, VecDeque},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};
use tracing::warn;

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

/// Asks for what is there now. Its socket is its own: an answer is never lost in a flood of changes.
#[derive(Clone)]
pub struct Netlink {
    handle: Handle,
}

impl Netlink {
    /// Opens a socket in this network namespace.
    pub fn open() -> Result<Self, DevicesError> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(DevicesError::Open)?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    async fn links(&self) -> Result<Vec<Link>, DevicesError> {
        let failed = |error| DevicesError::Dump { what: "interfaces", error };
        let links = self.handle.link().get().execute().try_collect::<Vec<_>>().await.map_err(failed)?;
        Ok(links.iter().filter_map(Link::read).collect())
    }

    /// The addresses of the network namespace itself, loopback left out.
    pub async fn addresses(&self) -> Result<BTreeSet<IpAddr>, DevicesError> {
        let failed = |error| DevicesError::Dump { what: "addresses", error };
        let found = self.handle.address().get().execute().try_collect::<Vec<_>>().await.map_err(failed)?;
        let addresses = found.iter().filter_map(|message| own_address(&message.attributes));
        Ok(addresses.filter(|ip| !ip.is_loopback() && !is_nobodys(ip)).collect())
    }

    /// The routes of the network namespace.
    pub async fn routes(&self) -> Result<Vec<Route>, DevicesError> {
        Ok(self.all_routes().await?.iter().filter_map(route).collect())
    }

    async fn all_routes(&self) -> Result<Vec<RouteMessage>, DevicesError> {
        let failed = |error| DevicesError::Dump { what: "routes", error };
        let families =
            [RouteMessageBuilder::<Ipv4Addr>::new().build(), RouteMessageBuilder::<Ipv6Addr>::new().build()];
        let mut routes = Vec::new();
        for family in families {
            routes.extend(
                self.handle.route().get(family).execute().try_collect::<Vec<_>>().await.map_err(failed)?,
            );
        }
        Ok(routes)
    }
}

/// Listens to the devices of the network namespace that it was opened in.
pub struct Devices {
    netlink: Netlink,
    listener: Listener,
    waiting: Waiting,
    /// Changes that came together with the last one that was told.
    changes: VecDeque<DeviceChange>,
}

impl Devices {
    /// Opens the socket; what changes from now on will be told.
    pub fn open(netlink: Netlink) -> Result<Self, DevicesError> {
        let listener = Listener::open().map_err(DevicesError::Open)?;
        Ok(Self { netlink, listener, waiting: Waiting::default(), changes: VecDeque::new() })
    }

    /// Where to ask for what is there now.
    pub const fn netlink(&self) -> &Netlink {
        &self.netlink
    }

    /// The pod interfaces that are there now.
    pub async fn pod_interfaces(&mut self) -> Result<Vec<(u32, String)>, DevicesError> {
        self.waiting = Waiting::default();
        let links = self.netlink.links().await?;
        let mut changes: Vec<_> = links.into_iter().flat_map(|link| self.waiting.noticed(link)).collect();
        if self.waiting.is_for_routes() {
            changes.extend(
                self.netlink.all_routes().await?.iter().filter_map(|route| self.waiting.routed(route)),
            );
        }
        Ok(standing(changes).into_iter().collect())
    }

    /// Waits for the next change; `None` when the socket is gone.
    pub async fn next(&mut self) -> Option<DeviceChange> {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return Some(change);
            }
            match self.listener.next().await {
                Ok(Heard::Change(message)) => {
                    let changes = self.changes_by(&message);
                    self.changes.extend(changes);
                }
                Ok(Heard::Overrun) => return Some(DeviceChange::Overrun),
                Err(error) => {
                    warn!(%error, "Netlink cannot be read.");
                    return None;
                }
            }
        }
    }

    fn changes_by(&mut self, message: &RouteNetlinkMessage) -> Vec<DeviceChange> {
        match message {
            RouteNetlinkMessage::NewLink(link) => {
                Link::read(link).map(|link| self.waiting.noticed(link)).unwrap_or_default()
            }
            // A port that leaves its bridge is told of in the bridge's family, and is still there.
            RouteNetlinkMessage::DelLink(link) if link.header.interface_family == AddressFamily::Bridge => {
                Vec::new()
            }
            RouteNetlinkMessage::DelLink(link) => self.waiting.gone(link),
            RouteNetlinkMessage::NewRoute(route) => self.waiting.routed(route).into_iter().collect(),
            RouteNetlinkMessage::NewAddress(address) | RouteNetlinkMessage::DelAddress(address) => {
                let ip = own_address(&address.attributes);
                // Every new interface has such an address.
                if ip.is_some_and(|ip| is_nobodys(&ip)) { Vec::new() } else { vec![DeviceChange::Addresses] }
            }
            _ => Vec::new(),
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

/// The link-local addresses of IPv6 are made from hardware addresses, which may be the same on every node and in every
/// pod: they name nobody. Those of IPv4 are given on purpose: to the pods' gateway, to a node's own name server.
const fn is_nobodys(ip: &IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
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
