//! The node's conntrack table, asked about one connection.
//!
//! The probes read the entry on the packet. An opening that nobody answers carries none where it is
//! seen, and only the table can say which backend was chosen for it: asked then, and only then.

use crate::event::{Address, FiveTuple};
use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
    conntrack::{ConntrackAttribute, ConntrackMessage, IPTuple, ProtoTuple, Protocol as Wire, Tuple},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use portolan_policy::Protocol;
use std::{io, net::IpAddr};

/// An open question to the conntrack table of the network namespace that it was opened in.
pub struct Conntrack {
    socket: Socket,
    sequence: u32,
}

impl Conntrack {
    /// Opens the socket.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// The same direction of the connection after translation, when the table has an entry.
    pub fn translated(&mut self, original: &FiveTuple) -> io::Result<Option<FiveTuple>> {
        if !original.protocol.has_ports() {
            return Ok(None);
        }
        self.sequence += 1;
        self.socket.send(&question(original, self.sequence), 0)?;
        loop {
            let (bytes, _) = self.socket.recv_from_full()?;
            let message = NetlinkMessage::<NetfilterMessage>::deserialize(&bytes)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            if message.header.sequence_number == self.sequence {
                return Ok(answer(&message.payload, original.protocol));
            }
        }
    }
}

fn question(original: &FiveTuple, sequence: u32) -> Vec<u8> {
    let tuple = vec![
        Tuple::Ip(vec![
            IPTuple::SourceAddress(original.source.ip),
            IPTuple::DestinationAddress(original.destination.ip),
        ]),
        Tuple::Proto(vec![
            ProtoTuple::Protocol(wire(original.protocol)),
            ProtoTuple::SourcePort(original.source.port),
            ProtoTuple::DestinationPort(original.destination.port),
        ]),
    ];
    let family = match original.source.ip {
        IpAddr::V4(_) => NetfilterProtoFamily::IPv4,
        IpAddr::V6(_) => NetfilterProtoFamily::IPv6,
    };
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST;
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(
        header,
        NetlinkPayload::from(NetfilterMessage::new(
            NetfilterHeader::new(family, 0, 0),
            ConntrackMessage::Get(vec![ConntrackAttribute::CtaTupleOrig(tuple)]),
        )),
    );
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

const fn wire(protocol: Protocol) -> Wire {
    match protocol {
        Protocol::Tcp => Wire::Tcp,
        Protocol::Udp => Wire::Udp,
        Protocol::Sctp => Wire::Sctp,
        Protocol::Icmp => Wire::Icmp,
        Protocol::Icmpv6 => Wire::Ipv6Icmp,
    }
}

/// An entry's reply tuple, turned round; no entry is an error message and so no answer.
fn answer(payload: &NetlinkPayload<NetfilterMessage>, protocol: Protocol) -> Option<FiveTuple> {
    let NetlinkPayload::InnerMessage(NetfilterMessage {
        inner: NetfilterMessageInner::Conntrack(ConntrackMessage::New(attributes)),
        ..
    }) = payload
    else {
        return None;
    };
    let reply = attributes.iter().find_map(|attribute| match attribute {
        ConntrackAttribute::CtaTupleReply(tuple) => Some(tuple),
        _ => None,
    })?;
    let (mut ips, mut ports) = ([None; 2], [None; 2]);
    for part in reply {
        match part {
            Tuple::Ip(parts) => {
                for part in parts {
                    match part {
                        IPTuple::SourceAddress(ip) => ips[0] = Some(*ip),
                        IPTuple::DestinationAddress(ip) => ips[1] = Some(*ip),
                        _ => {}
                    }
                }
            }
            Tuple::Proto(parts) => {
                for part in parts {
                    match part {
                        ProtoTuple::SourcePort(port) => ports[0] = Some(*port),
                        ProtoTuple::DestinationPort(port) => ports[1] = Some(*port),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let end = |index: usize| Some(Address { ip: ips[index]?.to_canonical(), port: ports[index]? });
    Some(FiveTuple { protocol, source: end(0)?, destination: end(1)? }.reversed())
}
