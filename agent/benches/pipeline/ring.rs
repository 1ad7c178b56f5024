//! What the ring would hold: records as bytes, in the order in which the kernel writes them.
//!
//! Of a hundred attempts, sixty are connections between two pods of our node (half of them through a service), so
//! that both devices tell of each packet; fifteen go to a pod elsewhere; ten are denied and tried once more; two are
//! refused; thirteen are questions to the name server.

use crate::cluster::{self, APPS, DNS_POD, DNS_PORT, DNS_SERVICE, NAMESPACES, NODES, PORT, SERVICE_PORT};
use portolan_ebpf_types::{
    ConntrackTuple, Drop, Head, NO_CONNTRACK, SocketEnd, Translated, Translation, Tuple, direction, kind,
    tcp_flags,
};
use std::net::IpAddr;

/// The namespace of our node's network.
pub(crate) const NODE_NETNS: u32 = 4_026_531_840;
/// The number of the reason of every drop.
pub(crate) const DROP_REASON: u32 = 12;

/// From one attempt to the next: 25 000 in a second.
const PACE: u64 = 40_000;
/// From one packet of an attempt to the next.
const STEP: u64 = 10_000;
/// How long a connection is open.
const OPEN: u64 = 500_000;
/// When a first SYN that was dropped is sent again.
const AGAIN: u64 = 1_000_000_000;

const SYN: u8 = tcp_flags::SYN;
const SYN_ACK: u8 = tcp_flags::SYN | tcp_flags::ACK;
const RST: u8 = tcp_flags::RST | tcp_flags::ACK;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;

/// Attempts by what becomes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Made {
    /// Open and close as the policies admit; questions included.
    pub(crate) allowed: u64,
    /// Dropped as the policies deny.
    pub(crate) denied: u64,
    /// Admitted, and nobody listens.
    pub(crate) failed: u64,
}

impl Made {
    /// All.
    pub(crate) const fn attempts(self) -> u64 {
        self.allowed + self.denied + self.failed
    }
}

/// Records one after the other, each at a time.
#[derive(Default)]
pub(crate) struct Ring {
    records: Vec<(u64, Vec<u8>)>,
    bytes: Vec<u8>,
    ends: Vec<(u64, usize)>,
    pub(crate) made: Made,
}

impl Ring {
    /// The records of so many attempts, the first at `start`.
    pub(crate) fn fill(attempts: u32, start: u64) -> Self {
        let mut ring = Self::default();
        for number in 0..attempts {
            ring.attempt(number, start + u64::from(number) * PACE);
        }
        ring.records.sort_by_key(|(at, _)| *at);
        for (at, record) in std::mem::take(&mut ring.records) {
            ring.bytes.extend_from_slice(&record);
            ring.ends.push((at, ring.bytes.len()));
        }
        ring
    }

    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The time of the last record.
    pub(crate) fn last(&self) -> u64 {
        self.ends.last().map_or(0, |(at, _)| *at)
    }

    /// Every record with its time.
    pub(crate) fn records(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let begins = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        begins.zip(&self.ends).map(|(begin, (at, end))| (*at, &self.bytes[begin..*end]))
    }

    fn attempt(&mut self, number: u32, at: u64) {
        let namespace = (number % u32::from(NAMESPACES)) as u8;
        let app = (number / u32::from(NAMESPACES) % u32::from(APPS)) as u8;
        // A port is used again only when all others of its pod were.
        let client_port = 20_000 + (number / u32::from(NAMESPACES) / u32::from(APPS) % 40_000) as u16;
        let next = (app + 1) % APPS;
        let mut attempt = Attempt {
            protocol: TCP,
            client: (cluster::pod(0, namespace, app), client_port),
            dialled: (cluster::pod(0, namespace, next), PORT),
            server: (cluster::pod(0, namespace, next), PORT),
            client_device: device(namespace, app),
            server_device: device(namespace, next),
            sequence: number.wrapping_mul(2_654_435_761),
            at,
        };
        match number.wrapping_mul(37) % 100 {
            0..30 => self.connection(&attempt, true),
            30..60 => {
                attempt.dialled = (cluster::service(namespace, next), SERVICE_PORT);
                self.connection(&attempt, true);
            }
            60..75 => {
                attempt.server.0 = cluster::pod(1 + (number % u32::from(NODES - 1)) as u8, namespace, next);
                attempt.dialled = attempt.server;
                self.connection(&attempt, false);
            }
            75..85 => {
                let stranger = (app + 2) % APPS;
                attempt.server.0 = cluster::pod(0, namespace, stranger);
                attempt.dialled = attempt.server;
                self.denied(&attempt);
            }
            85..87 => self.refused(&attempt),
            _ => {
                attempt.protocol = UDP;
                attempt.dialled = (DNS_SERVICE, DNS_PORT);
                attempt.server = (DNS_POD, DNS_PORT);
                attempt.server_device = DNS_DEVICE;
                self.question(&attempt);
            }
        }
    }

    fn connection(&mut self, attempt: &Attempt, local: bool) {
        self.made.allowed += 1;
        self.there(attempt, kind::CONNECTION, SYN, 0, local);
        self.back(attempt, kind::CONNECTION, SYN_ACK, 2 * STEP, local);
        self.put_end(attempt.client_end(ESTABLISHED, OPEN + 4 * STEP));
        if local {
            self.put_head(&attempt.open(3 * STEP));
            self.put_end(attempt.server_end(OPEN + 4 * STEP));
        }
    }

    fn denied(&mut self, attempt: &Attempt) {
        self.made.denied += 1;
        for after in [0, AGAIN] {
            self.put_head(&attempt.out_of(attempt.client_device, kind::CONNECTION, SYN, after, false));
            self.put(attempt.at + after + STEP, &attempt.drop(after + STEP));
        }
        self.put_end(attempt.client_end(SYN_SENT, 2 * AGAIN));
    }

    fn refused(&mut self, attempt: &Attempt) {
        self.made.failed += 1;
        self.there(attempt, kind::CONNECTION, SYN, 0, true);
        self.back(attempt, kind::CONNECTION, RST, 2 * STEP, true);
        self.put_end(attempt.client_end(SYN_SENT, 4 * STEP));
    }

    fn question(&mut self, attempt: &Attempt) {
        self.made.allowed += 1;
        self.there(attempt, kind::FIRST, 0, 0, true);
        self.back(attempt, kind::ANSWER, 0, 2 * STEP, true);
    }

    /// A packet from the client, on one device or on both.
    fn there(&mut self, attempt: &Attempt, kind: u8, flags: u8, after: u64, local: bool) {
        self.put_head(&attempt.out_of(attempt.client_device, kind, flags, after, false));
        if local {
            self.put(
                attempt.at + after + STEP,
                &attempt.into(attempt.server_device, kind, flags, after + STEP, false),
            );
        }
    }

    /// A packet from the server, on both devices or on one.
    fn back(&mut self, attempt: &Attempt, kind: u8, flags: u8, after: u64, local: bool) {
        if local {
            self.put_head(&attempt.out_of(attempt.server_device, kind, flags, after, true));
        }
        self.put(
            attempt.at + after + STEP,
            &attempt.into(attempt.client_device, kind, flags, after + STEP, true),
        );
    }

    fn put_head(&mut self, head: &Head) {
        self.put(head.time_ns, head);
    }

    fn put_end(&mut self, end: SocketEnd) {
        self.put(end.time_ns, &end);
    }

    fn put(&mut self, at: u64, record: &impl bytemuck::NoUninit) {
        self.records.push((at, bytemuck::bytes_of(record).to_vec()));
    }
}

const DNS_DEVICE: u32 = 9;

fn device(namespace: u8, app: u8) -> u32 {
    10 + u32::from(namespace) * u32::from(APPS) + u32::from(app)
}

/// One attempt, whose records are to be made.
struct Attempt {
    protocol: u8,
    client: (IpAddr, u16),
    dialled: (IpAddr, u16),
    server: (IpAddr, u16),
    client_device: u32,
    server_device: u32,
    sequence: u32,
    at: u64,
}

impl Attempt {
    fn head(&self, kind: u8, flags: u8, after: u64) -> Head {
        Head {
            kind,
            protocol: self.protocol,
            family: 4,
            flags,
            conntrack_info: NO_CONNTRACK,
            time_ns: self.at + after,
            sequence: self.sequence,
            ..Head::default()
        }
    }

    /// A packet as its sender wrote it.
    fn out_of(&self, ifindex: u32, kind: u8, flags: u8, after: u64, reply: bool) -> Head {
        let tuple = if reply { tuple(self.server, self.client) } else { tuple(self.client, self.dialled) };
        Head { direction: direction::FROM_DEVICE, ifindex, tuple, ..self.head(kind, flags, after) }
    }

    /// A packet as its receiver will see it, with what conntrack knows.
    fn into(&self, ifindex: u32, kind: u8, flags: u8, after: u64, reply: bool) -> Translated {
        const NEW: u8 = 2;
        const REPLY: u8 = 3;
        let tuple = if reply { tuple(self.dialled, self.client) } else { tuple(self.client, self.server) };
        let conntrack_info = if reply { REPLY } else { NEW };
        let direction = direction::TO_DEVICE;
        let head = Head { direction, conntrack_info, ifindex, tuple, ..self.head(kind, flags, after) };
        Translated { head, translation: self.translation() }
    }

    fn drop(&self, after: u64) -> Drop {
        let head = Head {
            direction: direction::NONE,
            ifindex: self.client_device,
            netns: NODE_NETNS,
            conntrack_info: 2,
            tuple: tuple(self.client, self.server),
            ..self.head(kind::DROP, SYN, after)
        };
        let (translation, location) = (self.translation(), 0xffff_ffff_8100_0000);
        Drop { head, translation, location, reason: DROP_REASON, reserved: 0 }
    }

    fn translation(&self) -> Translation {
        Translation {
            original: conntrack_tuple(tuple(self.client, self.dialled)),
            reply: conntrack_tuple(tuple(self.server, self.client)),
        }
    }

    /// The server's socket, once the handshake is complete.
    fn open(&self, after: u64) -> Head {
        let tuple = tuple(self.server, self.client);
        Head { direction: direction::NONE, tuple, ..self.head(kind::SOCKET_OPEN, 0, after) }
    }

    fn client_end(&self, old_state: u8, after: u64) -> SocketEnd {
        let tuple = tuple(self.client, self.dialled);
        SocketEnd { tuple, ..self.end(old_state, after) }
    }

    fn server_end(&self, after: u64) -> SocketEnd {
        let tuple = tuple(self.server, self.client);
        SocketEnd { tuple, ..self.end(ESTABLISHED, after) }
    }

    fn end(&self, old_state: u8, after: u64) -> SocketEnd {
        let bytes = if old_state == ESTABLISHED { 640 } else { 0 };
        SocketEnd {
            kind: kind::SOCKET_END,
            old_state,
            family: 4,
            time_ns: self.at + after,
            segments_in: 6,
            segments_out: 6,
            bytes_sent: bytes,
            bytes_received: bytes,
            ..SocketEnd::default()
        }
    }
}

fn tuple(source: (IpAddr, u16), destination: (IpAddr, u16)) -> Tuple {
    Tuple {
        source: octets(source.0),
        destination: octets(destination.0),
        source_port: source.1,
        destination_port: destination.1,
        reserved: 0,
    }
}

fn conntrack_tuple(tuple: Tuple) -> ConntrackTuple {
    ConntrackTuple {
        source: tuple.source,
        source_port: tuple.source_port.to_be_bytes(),
        destination: tuple.destination,
        destination_port: tuple.destination_port.to_be_bytes(),
        ..ConntrackTuple::default()
    }
}

fn octets(ip: IpAddr) -> [u8; 16] {
    let mut octets = [0; 16];
    match ip {
        IpAddr::V4(ip) => octets[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => octets = ip.octets(),
    }
    octets
}
