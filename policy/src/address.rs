//! Addresses and address blocks as Kubernetes objects write them, sloppy old ones included.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads an address; a zone is stripped, an IPv4-mapped address is IPv4 (M4) and leading zeros
/// are decimal (N25).
pub(crate) fn parse_ip(text: &str) -> Option<IpAddr> {
    let text = text.split_once('%').map_or(text, |(address, _zone)| address);
    parse_bare_ip(text).map(|address| address.to_canonical())
}

/// Reads `ADDRESS/LENGTH`, masking host bits (N25); a block of IPv4-mapped addresses is IPv4 (M4).
pub(crate) fn parse_cidr(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let address = parse_bare_ip(address)?;
    let length = parse_decimal(length)?;
    let network = match address {
        IpAddr::V6(v6) if length >= 96 && v6.to_ipv4_mapped().is_some() => {
            IpNet::new(address.to_canonical(), length - 96)
        }
        _ => IpNet::new(address, length),
    };
    network.ok().map(|network| network.trunc())
}

/// Whether the address is in the block: shorter than asking for its first and last one.
pub(crate) fn holds(block: &IpNet, ip: IpAddr) -> bool {
    match (block, ip) {
        (IpNet::V4(block), IpAddr::V4(ip)) => {
            let differ = block.addr().to_bits() ^ ip.to_bits();
            differ.checked_shr(32 - u32::from(block.prefix_len())).unwrap_or(0) == 0
        }
        (IpNet::V6(block), IpAddr::V6(ip)) => {
            let differ = block.addr().to_bits() ^ ip.to_bits();
            differ.checked_shr(128 - u32::from(block.prefix_len())).unwrap_or(0) == 0
        }
        _ => false,
    }
}

fn parse_bare_ip(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        *octet = parse_decimal(parts.next()?)?;
    }
    parts.next().is_none().then(|| IpAddr::V4(Ipv4Addr::from(octets)))
}

/// Digits only: no sign, no space; leading zeros do not make it octal.
fn parse_decimal(text: &str) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn host_bits_are_masked_and_leading_zeros_are_decimal() {
        assert_eq!(parse_cidr("10.1.2.3/8"), Some(net("10.0.0.0/8")));
        assert_eq!(parse_cidr("010.000.010.0/024"), Some(net("10.0.10.0/24")));
        assert_eq!(parse_cidr("fd00::1/64"), Some(net("fd00::/64")));
        assert_eq!(parse_ip("010.0.0.08"), Some("10.0.0.8".parse().unwrap()));
    }

    #[test]
    fn mapped_addresses_are_ipv4_and_zones_are_stripped() {
        assert_eq!(parse_ip("::ffff:10.0.0.1"), Some("10.0.0.1".parse().unwrap()));
        assert_eq!(parse_ip("fe80::1%eth0"), Some("fe80::1".parse().unwrap()));
        assert_eq!(parse_cidr("::ffff:10.0.0.0/104"), Some(net("10.0.0.0/8")));
        assert_eq!(parse_cidr("::/0"), Some(net("::/0")));
    }

    #[test]
    fn a_block_holds_what_lies_between_its_ends() {
        let blocks =
            ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/23", "10.1.0.7/32", "::/0", "fd00::/16", "fd00::7/128"];
        let ips = [
            "0.0.0.0",
            "10.0.255.255",
            "10.1.0.7",
            "10.1.1.255",
            "10.1.2.0",
            "255.255.255.255",
            "::",
            "fd00::7",
        ];
        for block in blocks.map(net) {
            for ip in ips.map(|text| text.parse::<IpAddr>().unwrap()) {
                assert_eq!(holds(&block, ip), block.contains(&ip), "{block} {ip}");
            }
        }
    }

    #[test]
    fn what_is_no_block_is_none() {
        let bad = [
            "",
            "/",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0.0/8",
            "10.0.0.0/+8",
            " 10.0.0.0/8",
            "10.0.0.0/8 ",
            "fd00::/129",
            "fd00::%eth0/64",
            "10.0.0.256/32",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "any",
        ];
        for text in bad {
            assert_eq!(parse_cidr(text), None, "{text:?}");
        }
        for text in ["", "10.0.0", "10.0.0.0.0", "host", "1e1.0.0.1", "::1::"] {
            assert_eq!(parse_ip(text), None, "{text:?}");
        }
    }
}
