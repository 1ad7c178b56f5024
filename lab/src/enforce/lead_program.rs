//! A BPF program that leads a socket elsewhere when it connects, as load balancers at the sockets do: assembled by
//! hand. Pure.

use std::net::{IpAddr, SocketAddr};

use crate::bpf::instruction;

const LOAD_WORD: u8 = 0x61;
const STORE_WORD: u8 = 0x63;
const SET: u8 = 0xb4;
const GOTO_UNLESS_EQUAL: u8 = 0x5e;
const EXIT: u8 = 0x95;

/// Where the context holds the port, and the address of either family.
const PORT: i16 = 24;
const IPV4: i16 = 4;
const IPV6: i16 = 8;

/// The program for `connect` of the family of both addresses: 1 lets the socket connect.
pub(crate) fn program(from: SocketAddr, to: SocketAddr) -> Vec<u64> {
    let (old, new) = (fields(from), fields(to));
    let mut code = Vec::new();
    for (index, (offset, value)) in old.iter().enumerate() {
        // Of what follows up to the way out: the other comparisons, and two instructions for each store.
        let out = (3 * (old.len() - index - 1) + 2 * new.len()) as i16;
        code.push(instruction(LOAD_WORD, 2, 1, *offset, 0));
        code.push(instruction(SET, 3, 0, 0, *value));
        code.push(instruction(GOTO_UNLESS_EQUAL, 2, 3, out, 0));
    }
    for (offset, value) in &new {
        code.push(instruction(SET, 3, 0, 0, *value));
        code.push(instruction(STORE_WORD, 1, 3, *offset, 0));
    }
    code.push(instruction(SET, 0, 0, 0, 1));
    code.push(instruction(EXIT, 0, 0, 0, 0));
    code
}

/// The words of the context that hold an address, as a little-endian kernel reads them.
fn fields(address: SocketAddr) -> Vec<(i16, i32)> {
    let words = |first: i16, octets: &[u8]| -> Vec<(i16, i32)> {
        let words = octets.as_chunks::<4>().0.iter();
        words.zip(0_i16..).map(|(word, at)| (first + 4 * at, i32::from_ne_bytes(*word))).collect()
    };
    let mut fields = match address.ip() {
        IpAddr::V4(ip) => words(IPV4, &ip.octets()),
        IpAddr::V6(ip) => words(IPV6, &ip.octets()),
    };
    fields.push((PORT, i32::from(address.port().to_be())));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_comparison_that_fails_leads_to_the_way_out() {
        for (from, to) in [("10.96.0.7:80", "10.0.0.3:8080"), ("[fd00::7]:80", "[fd00::3]:8080")] {
            let program = program(from.parse().unwrap(), to.parse().unwrap());
            let out = program.len() - 2;
            let jumps: Vec<usize> =
                (0..out).filter(|at| program[*at] & 0xff == u64::from(GOTO_UNLESS_EQUAL)).collect();
            assert!(jumps.len() >= 2, "{jumps:?}");
            for at in jumps {
                assert_eq!(at + 1 + (program[at] >> 16) as u16 as usize, out, "from {at}");
            }
        }
    }
}
