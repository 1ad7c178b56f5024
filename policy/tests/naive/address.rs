//! Addresses and blocks as texts and as numbers (M4, N22–N25).

use crate::naive::truth::Truth;
use std::net::{IpAddr, Ipv4Addr};

/// An address: zones are stripped, leading zeros are decimal, IPv4-mapped IPv6 is IPv4.
pub(crate) fn parse_ip(text: &str) -> Option<IpAddr> {
    let text = text.split('%').next()?;
    if text.contains(':') {
        return text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    }
    let octets: Option<Vec<u8>> = text.split('.').map(decimal).collect();
    let octets: [u8; 4] = octets?.try_into().ok()?;
    Some(IpAddr::V4(Ipv4Addr::from(octets)))
}

fn decimal(text: &str) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// A block of addresses of one family.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    ip: IpAddr,
    length: u8,
}

/// `ADDRESS/LENGTH`; host bits are left to [`Block::contains`], which masks them.
pub(crate) fn parse_block(text: &str) -> Option<Block> {
    let (ip, length) = text.split_once('/')?;
    if ip.contains('%') {
        return None;
    }
    let (ip, mut length) = (parse_ip(ip)?, decimal(length)?);
    if text.contains(':') && ip.is_ipv4() {
        length = length.checked_sub(96)?;
    }
    (length <= width(ip)).then_some(Block { ip, length })
}

impl Block {
    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.ip.is_ipv4() && self.prefix(ip) == self.prefix(self.ip)
    }

    /// Whether it holds an address of which the family of another is all that is known.
    pub(crate) fn contains_hidden(&self, of_family: IpAddr, fact: &str) -> Truth {
        if of_family.is_ipv4() != self.ip.is_ipv4() {
            return Truth::No;
        }
        if self.length == 0 { Truth::Yes } else { Truth::missing(fact) }
    }

    /// The leading bits that count.
    fn prefix(&self, ip: IpAddr) -> u128 {
        let dropped = u32::from(width(ip) - self.length);
        bits(ip).checked_shr(dropped).unwrap_or(0)
    }
}

fn width(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}
