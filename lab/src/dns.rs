//! Just enough DNS for a cluster: address queries for services over UDP, and nothing that could be used against it.
//! Pure: bytes in, bytes out.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// The suffix of every service name.
pub const CLUSTER_DOMAIN: &str = "svc.cluster.local";

const HEADER: usize = 12;
const CLASS_INTERNET: u16 = 1;
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
/// Response, authoritative, recursion not available; the low bits are the result.
const RESPONSE: u16 = 0x8400;
const RECURSION_DESIRED: u16 = 0x0100;
const NO_SUCH_NAME: u16 = 3;
const TIME_TO_LIVE: u32 = 5;
/// A pointer to the name in the question.
const QUESTION_NAME: u16 = 0xc000 | HEADER as u16;

/// Names and their addresses.
pub type Zone = BTreeMap<String, Vec<IpAddr>>;

/// A question for the addresses of one family behind a name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    id: u16,
    name: String,
    kind: u16,
    /// The question as it came, to be repeated in the answer.
    bytes: Vec<u8>,
}

/// A query for the IPv4 or IPv6 addresses of `name`.
pub fn query(id: u16, name: &str, v4: bool) -> Vec<u8> {
    let mut packet = header(id, RECURSION_DESIRED, 0);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label = &label.as_bytes()[..label.len().min(63)];
        packet.push(label.len() as u8);
        packet.extend_from_slice(label);
    }
    packet.push(0);
    put(&mut packet, if v4 { TYPE_A } else { TYPE_AAAA });
    put(&mut packet, CLASS_INTERNET);
    packet
}

/// The answer to a query; none for what is no query.
pub fn answer(zone: &Zone, request: &[u8]) -> Option<Vec<u8>> {
    let question = parse(request)?;
    let found = zone.get(&question.name);
    let wanted = |address: &&IpAddr| match question.kind {
        TYPE_A => address.is_ipv4(),
        TYPE_AAAA => address.is_ipv6(),
        _ => false,
    };
    let addresses: Vec<&IpAddr> = found.into_iter().flatten().filter(wanted).collect();
    let result = if found.is_some() { 0 } else { NO_SUCH_NAME };
    let mut packet = header(question.id, RESPONSE | result, addresses.len() as u16);
    packet.extend_from_slice(&question.bytes);
    for address in addresses {
        put(&mut packet, QUESTION_NAME);
        put(&mut packet, question.kind);
        put(&mut packet, CLASS_INTERNET);
        packet.extend_from_slice(&TIME_TO_LIVE.to_be_bytes());
        match address {
            IpAddr::V4(v4) => record(&mut packet, &v4.octets()),
            IpAddr::V6(v6) => record(&mut packet, &v6.octets()),
        }
    }
    Some(packet)
}

/// The addresses in an answer made by [`answer`].
pub fn addresses(response: &[u8]) -> Vec<IpAddr> {
    let Some(question) = parse(response) else { return Vec::new() };
    let mut found = Vec::new();
    let mut rest = &response[HEADER + question.bytes.len()..];
    // Name pointer, type, class, time to live, length.
    while let Some((fixed, after)) = rest.split_at_checked(12) {
        let length = u16::from_be_bytes([fixed[10], fixed[11]]) as usize;
        let Some((data, next)) = after.split_at_checked(length) else { break };
        if let Ok(octets) = <[u8; 4]>::try_from(data) {
            found.push(octets.into());
        } else if let Ok(octets) = <[u8; 16]>::try_from(data) {
            found.push(octets.into());
        }
        rest = next;
    }
    found
}

fn parse(packet: &[u8]) -> Option<Question> {
    let (header, mut rest) = packet.split_at_checked(HEADER)?;
    if header[4..6] != [0, 1] {
        return None;
    }
    let mut labels = Vec::new();
    loop {
        let (length, after) = rest.split_first()?;
        if *length == 0 {
            rest = after;
            break;
        }
        // Longer lengths are pointers, which no question has.
        if *length > 63 {
            return None;
        }
        let (label, next) = after.split_at_checked(*length as usize)?;
        labels.push(std::str::from_utf8(label).ok()?.to_ascii_lowercase());
        rest = next;
    }
    let (fixed, after) = rest.split_at_checked(4)?;
    let length = packet.len() - HEADER - after.len();
    Some(Question {
        id: u16::from_be_bytes([header[0], header[1]]),
        name: labels.join("."),
        kind: u16::from_be_bytes([fixed[0], fixed[1]]),
        bytes: packet[HEADER..HEADER + length].to_vec(),
    })
}

fn header(id: u16, flags: u16, answers: u16) -> Vec<u8> {
    let mut packet = Vec::with_capacity(64);
    for field in [id, flags, 1, answers, 0, 0] {
        put(&mut packet, field);
    }
    packet
}

fn record(packet: &mut Vec<u8>, data: &[u8]) {
    put(packet, data.len() as u16);
    packet.extend_from_slice(data);
}

fn put(packet: &mut Vec<u8>, field: u16) {
    packet.extend_from_slice(&field.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> Zone {
        let addresses = ["10.96.0.10", "fd00:10:96::a"].map(|address| address.parse().unwrap());
        Zone::from([("web.shop.svc.cluster.local".to_owned(), addresses.to_vec())])
    }

    #[test]
    fn a_name_is_answered_per_family_whatever_its_case() {
        for (v4, expected) in [(true, "10.96.0.10"), (false, "fd00:10:96::a")] {
            let answer = answer(&zone(), &query(7, "Web.Shop.svc.cluster.local.", v4)).unwrap();
            assert_eq!(answer[..2], [0, 7]);
            assert_eq!(addresses(&answer), [expected.parse::<IpAddr>().unwrap()]);
        }
    }

    #[test]
    fn an_unknown_name_is_said_not_to_exist() {
        let answer = answer(&zone(), &query(1, "db.shop.svc.cluster.local", true)).unwrap();
        assert_eq!(answer[3] & 0x0f, 3);
        assert!(addresses(&answer).is_empty());
    }

    #[test]
    fn a_cut_query_is_not_answered_and_a_cut_answer_gives_what_it_holds() {
        let whole = query(1, "web.shop.svc.cluster.local", true);
        for length in 0..whole.len() {
            assert_eq!(answer(&zone(), &whole[..length]), None, "{length}");
        }
        let whole = answer(&zone(), &whole).unwrap();
        for length in 0..whole.len() {
            assert!(addresses(&whole[..length]).is_empty(), "{length}");
        }
    }
}
