//! A BPF program that drops by protocol and port and lets everything else go on: assembled by hand, so that no
//! compiler is needed. Pure.

use super::cut::{Traffic, protocol_number};
use crate::bpf::instruction;
use crate::spec::Protocol;

/// What a hook shows to its program, and what its answers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    /// Where the context holds the beginning and the end of the packet.
    data: i16,
    /// Bytes before the IP header.
    link_header: i16,
    drop: i32,
    pass: i32,
}

impl View {
    /// tc and tcx: the answers are `TC_ACT_SHOT` and "next".
    pub(crate) const TC: Self = Self { data: 76, link_header: 14, drop: 2, pass: -1 };
    /// XDP: `XDP_DROP` and `XDP_PASS`.
    pub(crate) const XDP: Self = Self { data: 0, link_header: 14, drop: 1, pass: 2 };
    /// Sockets of a cgroup: 0 denies, 1 allows.
    pub(crate) const CGROUP: Self = Self { data: 76, link_header: 0, drop: 0, pass: 1 };
}

const LOAD_BYTE: u8 = 0x71;
const LOAD_HALF: u8 = 0x69;
const LOAD_WORD: u8 = 0x61;
const MOVE: u8 = 0xbf;
const SET: u8 = 0xb7;
const ADD: u8 = 0x07;
const SHIFT_RIGHT: u8 = 0x77;
const GOTO: u8 = 0x05;
const GOTO_IF_GREATER: u8 = 0x2d;
const GOTO_UNLESS: u8 = 0x55;
const EXIT: u8 = 0x95;

/// Bytes of headers that are looked at: IPv6 and the ports. Every packet of the lab's clients is longer.
const LEAST: i32 = 44;
/// Instructions before the first comparison, and per comparison.
const HEAD: i16 = 16;
const COMPARISON: i16 = 4;

/// The program for a hook.
pub(crate) fn program(view: View, traffic: &[Traffic]) -> Vec<u64> {
    let comparisons: Vec<Comparison> = traffic.iter().flat_map(|traffic| compare(*traffic)).collect();
    let pass = HEAD + COMPARISON * comparisons.len() as i16;
    let ip = view.link_header;
    let mut code = vec![
        instruction(LOAD_WORD, 2, 1, view.data, 0),
        instruction(LOAD_WORD, 3, 1, view.data + 4, 0),
        instruction(MOVE, 4, 2, 0, 0),
        instruction(ADD, 4, 0, 0, i32::from(ip) + LEAST),
        instruction(GOTO_IF_GREATER, 4, 3, pass - 5, 0),
        instruction(LOAD_BYTE, 5, 2, ip, 0),
        instruction(SHIFT_RIGHT, 5, 0, 0, 4),
        instruction(GOTO_UNLESS, 5, 0, 4, 4),
        // IPv4 without options: protocol, destination port, ICMP type.
        instruction(LOAD_BYTE, 0, 2, ip + 9, 0),
        instruction(LOAD_HALF, 4, 2, ip + 22, 0),
        instruction(LOAD_BYTE, 5, 2, ip + 20, 0),
        instruction(GOTO, 0, 0, 4, 0),
        // IPv6 without extension headers.
        instruction(GOTO_UNLESS, 5, 0, pass - 13, 6),
        instruction(LOAD_BYTE, 0, 2, ip + 6, 0),
        instruction(LOAD_HALF, 4, 2, ip + 42, 0),
        instruction(LOAD_BYTE, 5, 2, ip + 40, 0),
    ];
    for Comparison { protocol, register, value } in comparisons {
        code.push(instruction(GOTO_UNLESS, 0, 0, 3, i32::from(protocol)));
        code.push(instruction(GOTO_UNLESS, register, 0, 2, i32::from(value)));
        code.push(instruction(SET, 0, 0, 0, view.drop));
        code.push(instruction(EXIT, 0, 0, 0, 0));
    }
    code.push(instruction(SET, 0, 0, 0, view.pass));
    code.push(instruction(EXIT, 0, 0, 0, 0));
    code
}

/// A protocol, and what a register must hold beside it.
struct Comparison {
    protocol: u8,
    register: u8,
    value: u16,
}

fn compare((protocol, port): Traffic) -> Vec<Comparison> {
    const PORT: u8 = 4;
    const ICMP_TYPE: u8 = 5;
    let of = |v4: bool, register: u8, value: u16| Comparison {
        protocol: protocol_number(protocol, v4),
        register,
        value,
    };
    match protocol {
        Protocol::Icmp => vec![of(true, ICMP_TYPE, 8), of(false, ICMP_TYPE, 128)],
        _ => vec![of(true, PORT, port.to_be())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_jump_to_the_end_lands_on_it() {
        let program = program(View::TC, &[(Protocol::Tcp, 80), (Protocol::Icmp, 0)]);
        let end = program.len() - 2;
        assert_eq!(program[end], instruction(SET, 0, 0, 0, -1));
        let target = |at: usize| at + 1 + (program[at] >> 16) as u16 as usize;
        assert_eq!((target(4), target(12)), (end, end));
        assert_eq!(end, HEAD as usize + 3 * COMPARISON as usize);
    }

    #[test]
    fn a_port_is_compared_in_network_order() {
        let program = program(View::XDP, &[(Protocol::Sctp, 0x0102)]);
        assert_eq!(program[HEAD as usize], instruction(GOTO_UNLESS, 0, 0, 3, 132));
        assert_eq!(program[HEAD as usize + 1], instruction(GOTO_UNLESS, 4, 0, 2, 0x0201));
    }
}
