//! How the ledger names its rows.
//!
//! ```text
//! state    v                         the form of all this
//!          s number                  how many blocks a segment must have
//!          r node cluster boot       what was applied of a run
//!          l node                    losses that no flow has told of
//!          w number                  views that wait, by the first one's number
//!          x number                  a view in such a row that waits no more
//!          t hour connection start telling   a connection of which one side was told
//!          h hour                    how many such connections an hour has, about
//!          f number                  flows of late
//!          o                         how many flows were ever made
//!          n                         the name that this store has and no other
//! segment  b number                  a block of flows
//!          i number                  what a query must know of it
//! ```

use crate::{
    dedup::Run,
    intake::NodeRun,
    join::{Telling, Told},
};
use jiff::Timestamp;
use portolan_policy::Protocol;
use portolan_proto::Connection;
use std::net::{IpAddr, SocketAddr};

pub(super) const FORM: &[u8] = b"v";
pub(super) const SEGMENT: &[u8] = b"s";
pub(super) const RUN: &[u8] = b"r";
pub(super) const UNTOLD: &[u8] = b"l";
pub(super) const WAITING: &[u8] = b"w";
pub(super) const RESOLVED: &[u8] = b"x";
const TOLD: &[u8] = b"t";
pub(super) const HOURS: &[u8] = b"h";
pub(super) const FRESH: &[u8] = b"f";
pub(super) const MADE: &[u8] = b"o";
pub(super) const NAME: &[u8] = b"n";
pub(super) const BLOCK: &[u8] = b"b";
pub(super) const FACTS: &[u8] = b"i";

const SECONDS_PER_HOUR: i64 = 3600;

/// The key of a number in a table.
pub(super) fn number(table: &[u8], number: u64) -> Vec<u8> {
    [table, &number.to_be_bytes()].concat()
}

/// The number in such a key.
pub(super) fn number_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(1..)?.try_into().ok()?))
}

/// The key of a run. Names may hold any bytes, so each has its length before it.
pub(super) fn run((node, Run { cluster, boot }): &NodeRun) -> Vec<u8> {
    let names = postcard::to_stdvec(&(node, cluster, boot)).expect("names always have a form");
    [RUN, &names].concat()
}

/// The run of such a key.
pub(super) fn run_of(key: &[u8]) -> Option<NodeRun> {
    let (node, cluster, boot) = postcard::from_bytes(key.get(1..)?).ok()?;
    Some((node, Run { cluster, boot }))
}

/// The key of a node's losses.
pub(super) fn untold(node: &str) -> Vec<u8> {
    [UNTOLD, node.as_bytes()].concat()
}

/// The node of such a key.
pub(super) fn untold_of(key: &[u8]) -> Option<String> {
    String::from_utf8(key.get(1..)?.to_vec()).ok()
}

/// The hour in which something happened.
pub(super) fn hour(time: Timestamp) -> i64 {
    time.as_second().div_euclid(SECONDS_PER_HOUR)
}

/// When an hour begins; beyond all time, the end of it.
pub(super) fn hour_begin(hour: i64) -> Timestamp {
    Timestamp::from_second(hour.saturating_mul(SECONDS_PER_HOUR)).unwrap_or(Timestamp::MAX)
}

/// The beginning of the keys of an hour.
pub(super) fn told_in(hour: i64) -> Vec<u8> {
    // Flipping the sign bit sorts what was before 1970 first.
    [TOLD, &(hour ^ i64::MIN).to_be_bytes()].concat()
}

/// The key that notes an hour.
pub(super) fn told_hour(hour: i64) -> Vec<u8> {
    [HOURS, &hour.to_be_bytes()].concat()
}

/// The hour that such a key notes.
pub(super) fn told_hour_of(key: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(key.get(1..)?.try_into().ok()?))
}

/// The beginning of the keys of connections with this tuple, told in an hour.
pub(super) fn told_like(hour: i64, connection: &Connection) -> Vec<u8> {
    let Connection { protocol, source, destination, tcp_isn, start: _ } = connection;
    let mut key = told_in(hour);
    key.push(protocol.number());
    for address in [source, destination] {
        push_address(&mut key, address);
    }
    key.extend(tcp_isn.to_be_bytes());
    key
}

/// The key of a connection told alone.
pub(super) fn told(Told { connection, side: _, telling }: &Told) -> Vec<u8> {
    let mut key = told_like(hour(connection.start), connection);
    key.extend(connection.start.as_nanosecond().to_be_bytes());
    key.push(u8::from(*telling == Telling::Again));
    key
}

/// The connection of such a key, and which telling of it.
pub(super) fn told_of(key: &[u8]) -> Option<(Connection, Telling)> {
    let rest = key.get(TOLD.len() + size_of::<i64>()..)?;
    let (protocol, rest) = rest.split_first()?;
    let (source, rest) = take_address(rest)?;
    let (destination, rest) = take_address(rest)?;
    let (tcp_isn, rest) = rest.split_first_chunk()?;
    let (start, rest) = rest.split_first_chunk()?;
    let protocol = Protocol::from_number(*protocol)?;
    let tcp_isn = u32::from_be_bytes(*tcp_isn);
    let start = Timestamp::from_nanosecond(i128::from_be_bytes(*start)).ok()?;
    let telling = match rest {
        [0] => Telling::First,
        [1] => Telling::Again,
        _ => return None,
    };
    Some((Connection { protocol, source, destination, tcp_isn, start }, telling))
}

fn take_address(bytes: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (family, rest) = bytes.split_first()?;
    let (ip, rest) = match family {
        4 => rest.split_first_chunk::<4>().map(|(ip, rest)| (IpAddr::from(*ip), rest))?,
        6 => rest.split_first_chunk::<16>().map(|(ip, rest)| (IpAddr::from(*ip), rest))?,
        _ => return None,
    };
    let (port, rest) = rest.split_first_chunk()?;
    Some((SocketAddr::new(ip, u16::from_be_bytes(*port)), rest))
}

fn push_address(key: &mut Vec<u8>, address: &SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            key.push(4);
            key.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            key.push(6);
            key.extend(ip.octets());
        }
    }
    key.extend(address.port().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        build::{at, connection, web_to_db},
        join::Side,
    };
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_are_read_as_they_were_written(node in ".{0,9}", cluster in ".{0,5}", boot in ".{1,9}") {
            let wanted = (node.clone(), Run { cluster, boot });
            prop_assert_eq!(run_of(&run(&wanted)), Some(wanted));
            prop_assert_eq!(untold_of(&untold(&node)), Some(node));
        }

        #[test]
        fn a_connection_is_read_from_its_key(
            source in any::<SocketAddr>(),
            destination in any::<SocketAddr>(),
            tcp_isn in any::<u32>(),
            millis in -9_000_000_000_000_i64..9_000_000_000_000,
            protocol in prop::sample::select(Protocol::ALL.to_vec()),
        ) {
            let plain = |address: SocketAddr| SocketAddr::new(address.ip(), address.port());
            let (source, destination) = (plain(source), plain(destination));
            let connection = Connection { protocol, source, destination, tcp_isn, start: at(millis) };
            for telling in [Telling::First, Telling::Again] {
                let key = told(&Told { connection, side: Side::Source, telling });
                prop_assert_eq!(told_of(&key), Some((connection, telling)));
            }
        }

        #[test]
        fn any_bytes_are_a_connection_or_none(bytes in prop::collection::vec(any::<u8>(), 0..90)) {
            told_of(&bytes);
        }

        #[test]
        fn hours_sort_as_they_pass(first in any::<i64>(), second in any::<i64>()) {
            prop_assert_eq!(told_in(first) < told_in(second), first < second);
            prop_assert_eq!(told_hour_of(&told_hour(first)), Some(first));
        }
    }

    #[test]
    fn a_connection_is_found_by_what_both_nodes_know_of_it() {
        let mut connection = connection(&web_to_db(), 7);
        connection.start = at(123);
        let key = |telling| told(&Told { connection, side: Side::Source, telling });
        for telling in [Telling::First, Telling::Again] {
            assert!(key(telling).starts_with(&told_like(hour(at(0)), &connection)));
            assert_eq!(told_of(&key(telling)), Some((connection, telling)));
        }
        let key = key(Telling::First);
        connection.tcp_isn = 8;
        assert!(!key.starts_with(&told_like(hour(at(0)), &connection)));
    }
}
