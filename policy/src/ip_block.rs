//! A block of addresses with holes in it (N22).

use crate::address::{holds, parse_cidr};
use ipnet::IpNet;
use k8s_openapi::api::networking::v1::IPBlock;
use std::net::IpAddr;

/// A compiled `ipBlock`.
#[derive(Clone, Debug)]
pub(crate) struct IpBlock {
    pub(crate) cidr: IpNet,
    pub(crate) except: Vec<IpNet>,
}

impl IpBlock {
    /// Compiles a block; `None` where `cidr` or an `except` cannot be read, so that it matches nothing (§8).
    ///
    /// An `except` outside the block has no effect and one equal to it empties it, both by arithmetic.
    pub(crate) fn compile(block: &IPBlock) -> Option<Self> {
        let except = block.except.iter().flatten().map(|except| parse_cidr(except));
        Some(Self { cidr: parse_cidr(&block.cidr)?, except: except.collect::<Option<_>>()? })
    }

    /// In the block and in none of its holes; the families never mix (N22, N23).
    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        holds(&self.cidr, ip) && !self.except.iter().any(|except| holds(except, ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(cidr: &str, except: &[&str]) -> Option<IpBlock> {
        IpBlock::compile(&IPBlock {
            cidr: cidr.to_owned(),
            except: Some(except.iter().map(|text| (*text).to_owned()).collect()),
        })
    }

    fn contains(cidr: &str, except: &[&str], ip: &str) -> bool {
        block(cidr, except).is_some_and(|block| block.contains(ip.parse().unwrap()))
    }

    #[test]
    fn an_exception_makes_a_hole_in_both_families() {
        assert!(contains("10.0.0.0/8", &["10.1.0.0/16"], "10.2.0.1"));
        assert!(!contains("10.0.0.0/8", &["10.1.0.0/16"], "10.1.0.1"));
        assert!(contains("fd00::/16", &["fd00:1::/32"], "fd00:2::1"));
        assert!(!contains("fd00::/16", &["fd00:1::/32"], "fd00:1::1"));
    }

    #[test]
    fn everything_of_one_family_is_nothing_of_the_other() {
        assert!(contains("0.0.0.0/0", &[], "192.0.2.1"));
        assert!(!contains("0.0.0.0/0", &[], "2001:db8::1"));
        assert!(contains("::/0", &[], "2001:db8::1"));
        assert!(!contains("::/0", &[], "192.0.2.1"));
    }

    #[test]
    fn an_exception_outside_has_no_effect_and_one_equal_to_the_block_empties_it() {
        assert!(contains("10.0.0.0/8", &["192.168.0.0/16"], "10.2.0.1"));
        assert!(contains("10.0.0.0/8", &["fd00::/8"], "10.2.0.1"));
        assert!(!contains("10.0.0.0/8", &["10.0.0.0/8"], "10.2.0.1"));
        assert!(!contains("10.0.0.0/8", &["10.9.9.9/8"], "10.2.0.1"));
    }

    #[test]
    fn an_unreadable_part_makes_a_block_that_is_none() {
        assert!(block("10.0.0.0", &[]).is_none());
        assert!(block("", &[]).is_none());
        assert!(block("10.0.0.0/8", &["10.1.0.0"]).is_none());
    }
}
