//! Which interfaces of a node lead to pods. Pure.
//!
//! Decided by what an interface is, never by its name: plugins choose names as they like, and change
//! them while the interface lives.

use rtnetlink::packet_route::{
    AddressFamily,
    link::{InfoKind, InfoPortKind, LinkAttribute, LinkInfo, LinkLayerType, LinkMessage},
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteType},
};

/// What an interface is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The node's side of a pod.
    Pod,
    /// A pod's, if a route to a single address leads straight to it.
    PodIfRouted,
    /// One end of a pair whose other end is here too: what crosses it stays in this network namespace.
    Inner {
        /// The other end.
        peer: u32,
    },
}

/// An interface that is or may be a pod's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) ifindex: u32,
    pub(super) name: String,
    pub(super) standing: Standing,
}

impl Link {
    /// Reads an interface; `None` when it leads to no pod, whatever the routes.
    ///
    /// A veth may be the node's uplink as well, where the node is a container: it costs a look at its
    /// packets and nothing else, since an address is a pod's by the cluster state, not by its device.
    /// A tap may be a VPN's. On all other kinds packets of many pods cross, or they cross the wrong
    /// way round (macvtap), or they have no Ethernet header (tun), which the programs expect.
    pub(super) fn read(message: &LinkMessage) -> Option<Self> {
        let infos = message.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::LinkInfo(infos) => Some(infos.as_slice()),
            _ => None,
        })?;
        let is_ethernet = message.header.link_layer_type == LinkLayerType::Ether;
        let is_port = infos.contains(&LinkInfo::PortKind(InfoPortKind::Bridge));
        let kind = infos.iter().find_map(|info| match info {
            LinkInfo::Kind(kind) => Some(kind),
            _ => None,
        })?;
        let standing = match kind {
            InfoKind::Veth | InfoKind::Netkit => {
                peer_here(&message.attributes).map_or(Standing::Pod, |peer| Standing::Inner { peer })
            }
            InfoKind::Tun if is_ethernet && is_port => Standing::Pod,
            InfoKind::Tun if is_ethernet => Standing::PodIfRouted,
            _ => return None,
        };
        let name = message.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        })?;
        Some(Self { ifindex: message.header.index, name, standing })
    }
}

/// The other end of a pair, where it is in this network namespace: the kernel names the namespace of one that is
/// not. An end that has no other yet, or none any more, has the index 0 for it.
fn peer_here(attributes: &[LinkAttribute]) -> Option<u32> {
    let is_elsewhere = attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::LinkNetNsId(_)));
    let peer = attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Link(peer) => Some(*peer),
        _ => None,
    });
    peer.filter(|peer| *peer != 0 && !is_elsewhere)
}

/// Whether an interface that is told to be gone lives on in another network namespace.
pub(super) fn has_moved(message: &LinkMessage) -> bool {
    message.attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::NewNetnsId(_)))
}

/// The interface that a route to a single address leads straight to.
pub(super) fn host_route(message: &RouteMessage) -> Option<u32> {
    let full = match message.header.address_family {
        AddressFamily::Inet => 32,
        AddressFamily::Inet6 => 128,
        _ => return None,
    };
    if message.header.kind != RouteType::Unicast || message.header.destination_prefix_length != full {
        return None;
    }
    let (mut device, mut names_neighbour) = (None, false);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => return None,
            RouteAttribute::Destination(RouteAddress::Inet6(ip)) if ip.is_unicast_link_local() => {
                return None;
            }
            RouteAttribute::Destination(_) => names_neighbour = true,
            RouteAttribute::Oif(index) => device = Some(*index),
            _ => {}
        }
    }
    device.filter(|_| names_neighbour)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtnetlink::packet_route::link::LinkHeader;
    use std::net::IpAddr;

    fn link(kind: InfoKind, layer: LinkLayerType, port: Option<InfoPortKind>) -> LinkMessage {
        let mut header = LinkHeader::default();
        (header.index, header.link_layer_type) = (7, layer);
        let mut infos = vec![LinkInfo::Kind(kind)];
        infos.extend(port.map(LinkInfo::PortKind));
        let mut message = LinkMessage::default();
        message.header = header;
        message.attributes = vec![LinkAttribute::IfName("x0".to_owned()), LinkAttribute::LinkInfo(infos)];
        message
    }

    fn standing(message: &LinkMessage) -> Option<Standing> {
        Link::read(message).map(|link| link.standing)
    }

    #[test]
    fn kinds_that_have_a_pod_at_their_other_end_are_pods() {
        for kind in [InfoKind::Veth, InfoKind::Netkit] {
            assert_eq!(standing(&link(kind, LinkLayerType::Ether, None)), Some(Standing::Pod));
        }
    }

    #[test]
    fn a_pair_with_both_ends_here_has_no_pod_at_either() {
        for kind in [InfoKind::Veth, InfoKind::Netkit] {
            let with = |more: &[LinkAttribute]| {
                let mut message = link(kind.clone(), LinkLayerType::Ether, None);
                message.attributes.extend_from_slice(more);
                standing(&message)
            };
            assert_eq!(with(&[LinkAttribute::Link(8)]), Some(Standing::Inner { peer: 8 }));
            let elsewhere = [LinkAttribute::Link(8), LinkAttribute::LinkNetNsId(0)];
            assert_eq!(with(&elsewhere), Some(Standing::Pod));
            assert_eq!(with(&elsewhere[1..]), Some(Standing::Pod), "its index there is the same");
            assert_eq!(with(&[LinkAttribute::Link(0)]), Some(Standing::Pod), "it has no other end yet");
        }
    }

    #[test]
    fn a_tap_is_a_pods_on_a_bridge_or_when_a_route_says_so() {
        let tap = |port| standing(&link(InfoKind::Tun, LinkLayerType::Ether, port));
        assert_eq!(tap(Some(InfoPortKind::Bridge)), Some(Standing::Pod));
        assert_eq!(tap(None), Some(Standing::PodIfRouted));
        assert_eq!(tap(Some(InfoPortKind::Bond)), Some(Standing::PodIfRouted));
        assert_eq!(standing(&link(InfoKind::Tun, LinkLayerType::None, None)), None, "no Ethernet header");
    }

    #[test]
    fn what_carries_the_packets_of_many_is_no_pods() {
        for kind in [
            InfoKind::Bridge,
            InfoKind::Dummy,
            InfoKind::Vxlan,
            InfoKind::Geneve,
            InfoKind::Wireguard,
            InfoKind::IpVlan,
            InfoKind::MacVlan,
            InfoKind::MacVtap,
            InfoKind::Vlan,
            InfoKind::Bond,
            InfoKind::Other("openvswitch".to_owned()),
        ] {
            assert_eq!(standing(&link(kind.clone(), LinkLayerType::Ether, None)), None, "{kind}");
        }
        let mut physical = link(InfoKind::Veth, LinkLayerType::Ether, None);
        physical.attributes.truncate(1);
        assert_eq!(standing(&physical), None);
    }

    fn route(ip: &str, length: u8, more: Vec<RouteAttribute>) -> RouteMessage {
        let ip: IpAddr = ip.parse().unwrap();
        let mut message = RouteMessage::default();
        message.header.address_family = if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        message.header.destination_prefix_length = length;
        message.header.kind = RouteType::Unicast;
        let destination = match ip {
            IpAddr::V4(ip) => RouteAddress::Inet(ip),
            IpAddr::V6(ip) => RouteAddress::Inet6(ip),
        };
        message.attributes = vec![RouteAttribute::Destination(destination), RouteAttribute::Oif(7)];
        message.attributes.extend(more);
        message
    }

    #[test]
    fn a_route_to_one_address_names_its_device() {
        assert_eq!(host_route(&route("10.0.0.7", 32, vec![])), Some(7));
        assert_eq!(host_route(&route("fd00::7", 128, vec![])), Some(7));
    }

    #[test]
    fn networks_gateways_and_link_local_addresses_name_none() {
        let gateway = RouteAttribute::Gateway(RouteAddress::Inet([10, 0, 0, 1].into()));
        assert_eq!(host_route(&route("10.0.0.0", 24, vec![])), None);
        assert_eq!(host_route(&route("10.0.0.7", 32, vec![gateway])), None);
        assert_eq!(host_route(&route("fe80::7", 128, vec![])), None);
        let mut local = route("10.0.0.7", 32, vec![]);
        local.header.kind = RouteType::Local;
        assert_eq!(host_route(&local), None);
    }
}
