//! The table that marks a sample of openings to be traced.
//!
//! It is this agent's own and lives as long as the socket that made it: the kernel removes it however
//! the agent ends, and lets nobody else change it. It never decides: its chains accept everything.

use super::{
    expression::{
        Header, Meta, To, add_to_set, byte, in_set, is, keep_in_set, limit, list, mask, meta, payload, send,
        set_meta,
    },
    link::Request,
    wire::Attributes,
};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use portolan_policy::Protocol;
use std::time::Duration;

/// The name of the table.
pub(super) const NAME: &str = "portolan_trace";
/// `NFPROTO_INET`: both families.
pub(super) const FAMILY: u8 = 1;
/// Before conntrack and everybody's raw tables, after fragments are put together.
const PRIORITY: i32 = -350;
/// Where packets enter the node, and where its own begin: the numbers of the hooks.
const HOOKS: [(&str, u32); 2] = [("prerouting", 0), ("output", 3)];
/// The chain that finds openings, and the one that takes some of them.
const OPENINGS: &str = "openings";
const SAMPLE: &str = "sample";
/// Conversations that are remembered, in each family: what goes on is no opening.
const CONVERSATIONS: u32 = 8192;

const TABLE: u16 = 1;
const NEW_TABLE: u16 = 0;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;

/// The requests that make the table: so many openings a second, and of a conversation only the first
/// packet after such a silence.
pub(super) fn requests(rate: u32, silence: Duration) -> Vec<Request> {
    let mut requests = vec![table()];
    requests.extend(Sort::BOTH.map(|sort| set(sort, silence)));
    requests.extend([chain(OPENINGS), chain(SAMPLE)]);
    requests.extend(HOOKS.map(|(name, hook)| base_chain(name, hook)));
    requests.push(rule(SAMPLE, [limit(rate), byte(1), set_meta(Meta::Trace)]));
    requests.extend(openings());
    requests.extend(HOOKS.map(|(name, _)| rule(name, [send(To::Jump(OPENINGS))])));
    requests
}

fn request(message: u16, flags: u16, attributes: Attributes) -> Request {
    Request { message, flags: NLM_F_CREATE | flags, family: FAMILY, attributes }
}

fn table() -> Request {
    const OWNER: u32 = 2;
    request(NEW_TABLE, NLM_F_EXCL, Attributes::new().text(1, NAME).u32(2, OWNER))
}

fn chain(name: &str) -> Request {
    request(NEW_CHAIN, 0, Attributes::new().text(TABLE, NAME).text(3, name))
}

fn base_chain(name: &str, hook: u32) -> Request {
    const ACCEPT: u32 = 1;
    let hook = Attributes::new().u32(1, hook).u32(2, PRIORITY as u32);
    let attributes = Attributes::new().text(TABLE, NAME).text(3, name).nested(4, &hook);
    request(NEW_CHAIN, 0, attributes.u32(5, ACCEPT).text(7, "filter"))
}

fn rule(chain: &str, expressions: impl IntoIterator<Item = Attributes>) -> Request {
    const APPEND: u16 = 0x800;
    let attributes = Attributes::new().text(TABLE, NAME).text(2, chain).nested(4, &list(expressions));
    request(NEW_RULE, APPEND, attributes)
}

/// What tells an opening by itself, then UDP, where only the first packet is one.
fn openings() -> Vec<Request> {
    const FLAGS_OF_OPENINGS: u8 = 0x07;
    const SYN: u8 = 0x02;
    const INIT: u8 = 1;
    const ECHO: u8 = 8;
    const V6_ECHO: u8 = 128;
    let by_byte = |protocol: Protocol, offset, mask: Option<Attributes>, value| {
        let load = payload(Header::Transport, offset, 1, super::expression::REGISTER);
        let begin = [meta(Meta::Protocol), is(protocol.number()), load];
        let end = [is(value), send(To::Goto(SAMPLE))];
        rule(OPENINGS, begin.into_iter().chain(mask).chain(end))
    };
    let mut rules = vec![
        by_byte(Protocol::Tcp, 13, Some(mask(FLAGS_OF_OPENINGS)), SYN),
        // Most of all packets: the rules below are none of their business.
        rule(OPENINGS, [meta(Meta::Protocol), is(Protocol::Tcp.number()), send(To::Return)]),
        by_byte(Protocol::Sctp, 12, None, INIT),
        by_byte(Protocol::Icmp, 0, None, ECHO),
        by_byte(Protocol::Icmpv6, 0, None, V6_ECHO),
    ];
    rules.extend(Sort::BOTH.into_iter().flat_map(datagrams));
    rules
}

/// A datagram of a known conversation goes on; the first of another may be taken, and once only.
fn datagrams(sort: Sort) -> [Request; 2] {
    let of_this_sort =
        || [meta(Meta::Family), is(sort.family), meta(Meta::Protocol), is(Protocol::Udp.number())];
    let known = of_this_sort().into_iter().chain(sort.key()).chain([
        in_set(sort.set),
        keep_in_set(sort.set),
        send(To::Return),
    ]);
    let first =
        of_this_sort().into_iter().chain(sort.key()).chain([add_to_set(sort.set), send(To::Goto(SAMPLE))]);
    [rule(OPENINGS, known), rule(OPENINGS, first)]
}

/// One IP family, where addresses have their places.
#[derive(Clone, Copy, Debug)]
struct Sort {
    /// `NFPROTO_…`.
    family: u8,
    /// The set of its conversations.
    set: &'static str,
    /// How nftables calls an address, for whoever lists the table.
    address_type: u32,
    /// How long an address is, and where source and destination are in the header.
    address: u32,
    source: u32,
    destination: u32,
}

impl Sort {
    const BOTH: [Self; 2] = [
        Self { family: 2, set: "conversations4", address_type: 7, address: 4, source: 12, destination: 16 },
        Self { family: 10, set: "conversations6", address_type: 8, address: 16, source: 8, destination: 24 },
    ];

    /// Reads source, its port, destination and its port into registers side by side.
    fn key(self) -> [Attributes; 4] {
        /// The first of the registers that hold four bytes each.
        const FIRST: u32 = 8;
        let words = self.address / 4;
        let [source, source_port, destination, destination_port] =
            [0, words, words + 1, 2 * words + 1].map(|word| FIRST + word);
        [
            payload(Header::Network, self.source, self.address, source),
            payload(Header::Transport, 0, 2, source_port),
            payload(Header::Network, self.destination, self.address, destination),
            payload(Header::Transport, 2, 2, destination_port),
        ]
    }

    fn key_length(self) -> u32 {
        2 * (self.address + 4)
    }

    /// The types of the parts, six bits each.
    fn key_type(self) -> u32 {
        const PORT: u32 = 13;
        [self.address_type, PORT, self.address_type, PORT]
            .into_iter()
            .fold(0, |types, part| types << 6 | part)
    }
}

fn set(sort: Sort, silence: Duration) -> Request {
    const TIMEOUT_AND_DYNAMIC: u32 = 0x30;
    let attributes = Attributes::new()
        .text(TABLE, NAME)
        .text(2, sort.set)
        .u32(3, TIMEOUT_AND_DYNAMIC)
        .u32(4, sort.key_type())
        .u32(5, sort.key_length())
        .nested(9, &Attributes::new().u32(1, CONVERSATIONS))
        .u32(10, u32::from(sort.family))
        .u64(11, u64::try_from(silence.as_millis()).unwrap_or(u64::MAX));
    request(NEW_SET, 0, attributes)
}
