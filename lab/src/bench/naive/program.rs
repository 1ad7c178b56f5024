//! The program of the baseline, in the kernel's instructions: for each packet, one entry of the table by its five-tuple.
//! It counts packets and bytes and notes the time, and reads nothing else. Pure.

use crate::bpf::instruction;

/// What a packet is counted under: two addresses, two ports, protocol and direction.
pub(super) const KEY: usize = 40;
/// Packets, bytes, the time of the last.
pub(super) const VALUE: usize = 24;

/// Which way packets go, as it stands in the key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Direction {
    FromPod = 0,
    ToPod = 1,
}

const LOAD_8: u8 = 0x71;
const LOAD_16: u8 = 0x69;
const LOAD_32: u8 = 0x61;
const LOAD_64: u8 = 0x79;
const STORE_8: u8 = 0x73;
const STORE_32: u8 = 0x63;
const STORE_64: u8 = 0x7b;
const PUT_8: u8 = 0x72;
const PUT_64: u8 = 0x7a;
const MOVE: u8 = 0xbf;
const SET: u8 = 0xb7;
const ADD: u8 = 0x07;
const ADD_REGISTER: u8 = 0x0f;
const LOAD_MAP: u8 = 0x18;
const JUMP: u8 = 0x05;
const IF_EQUAL: u8 = 0x15;
const IF_NOT_EQUAL: u8 = 0x55;
const IF_GREATER: u8 = 0x2d;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

const LOOK_UP: i32 = 1;
const UPDATE: i32 = 2;
const NOW: i32 = 5;

/// TCX_NEXT.
const GO_ON: i32 = -1;

/// Where the frame pointer's key and value lie.
const ON_STACK: i16 = -(KEY as i16);
const NEW: i16 = ON_STACK - VALUE as i16;
const FRAME: u8 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    Ipv6,
    Count,
    Insert,
    Out,
}

#[derive(Default)]
struct Code {
    instructions: Vec<u64>,
    jumps: Vec<(usize, Label)>,
    labels: Vec<(Label, usize)>,
}

/// The program for one direction, with this map as its table.
pub(super) fn assemble(table: i32, direction: Direction) -> Vec<u64> {
    let mut code = Code::default();
    code.begin(direction);
    code.ipv4();
    code.at(Label::Ipv6);
    code.ipv6();
    code.at(Label::Count);
    code.count(table);
    code.at(Label::Insert);
    code.insert(table);
    code.at(Label::Out);
    code.add(SET, 0, 0, 0, GO_ON);
    code.add(EXIT, 0, 0, 0, 0);
    code.resolved()
}

impl Code {
    fn add(&mut self, operation: u8, to: u8, from: u8, offset: i16, number: i32) {
        self.instructions.push(instruction(operation, to, from, offset, number));
    }

    fn jump(&mut self, operation: u8, to: u8, from: u8, number: i32, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.add(operation, to, from, 0, number);
    }

    fn at(&mut self, label: Label) {
        self.labels.push((label, self.instructions.len()));
    }

    fn resolved(mut self) -> Vec<u64> {
        for (at, label) in self.jumps {
            let target = self.labels.iter().find(|(name, _)| *name == label).map_or(at, |(_, place)| *place);
            self.instructions[at] |= u64::from((target as i16 - at as i16 - 1) as u16) << 16;
        }
        self.instructions
    }

    /// Register 7 and 8 are where the packet begins and ends, 9 is its length; the key is empty but for the direction.
    fn begin(&mut self, direction: Direction) {
        const LENGTH: i16 = 0;
        const DATA: i16 = 76;
        const DATA_END: i16 = 80;
        self.add(LOAD_32, 7, 1, DATA, 0);
        self.add(LOAD_32, 8, 1, DATA_END, 0);
        self.add(LOAD_32, 9, 1, LENGTH, 0);
        for word in 0..KEY as i16 / 8 {
            self.add(PUT_64, FRAME, 0, ON_STACK + word * 8, 0);
        }
        self.add(PUT_8, FRAME, 0, ON_STACK + 37, direction as i32);
    }

    fn needs(&mut self, bytes: i32) {
        self.add(MOVE, 2, 7, 0, 0);
        self.add(ADD, 2, 0, 0, bytes);
        self.jump(IF_GREATER, 2, 8, 0, Label::Out);
    }

    fn copy(&mut self, load: u8, store: u8, from: i16, to: i16) {
        self.add(load, 4, 7, from, 0);
        self.add(store, FRAME, 4, ON_STACK + to, 0);
    }

    /// A header without options, behind Ethernet; numbers in the packet are read as little-endian ones.
    fn ipv4(&mut self) {
        self.needs(38);
        self.add(LOAD_16, 3, 7, 12, 0);
        self.jump(IF_NOT_EQUAL, 3, 0, 0x0008, Label::Ipv6);
        self.copy(LOAD_32, STORE_32, 26, 0);
        self.copy(LOAD_32, STORE_32, 30, 16);
        self.copy(LOAD_32, STORE_32, 34, 32);
        self.copy(LOAD_8, STORE_8, 23, 36);
        self.jump(JUMP, 0, 0, 0, Label::Count);
    }

    fn ipv6(&mut self) {
        self.jump(IF_NOT_EQUAL, 3, 0, 0xdd86, Label::Out);
        self.needs(58);
        for word in 0..4 {
            self.copy(LOAD_64, STORE_64, 22 + word * 8, word * 8);
        }
        self.copy(LOAD_32, STORE_32, 54, 32);
        self.copy(LOAD_8, STORE_8, 20, 36);
    }

    fn table_and_key(&mut self, table: i32) {
        // A map by its descriptor; the instruction is two words long.
        self.add(LOAD_MAP, 1, 1, 0, table);
        self.add(0, 0, 0, 0, 0);
        self.add(MOVE, 2, FRAME, 0, 0);
        self.add(ADD, 2, 0, 0, ON_STACK.into());
    }

    fn count(&mut self, table: i32) {
        self.add(CALL, 0, 0, 0, NOW);
        self.add(MOVE, 7, 0, 0, 0);
        self.table_and_key(table);
        self.add(CALL, 0, 0, 0, LOOK_UP);
        self.jump(IF_EQUAL, 0, 0, 0, Label::Insert);
        self.add(LOAD_64, 1, 0, 0, 0);
        self.add(ADD, 1, 0, 0, 1);
        self.add(STORE_64, 0, 1, 0, 0);
        self.add(LOAD_64, 1, 0, 8, 0);
        self.add(ADD_REGISTER, 1, 9, 0, 0);
        self.add(STORE_64, 0, 1, 8, 0);
        self.add(STORE_64, 0, 7, 16, 0);
        self.jump(JUMP, 0, 0, 0, Label::Out);
    }

    fn insert(&mut self, table: i32) {
        self.add(PUT_64, FRAME, 0, NEW, 1);
        self.add(STORE_64, FRAME, 9, NEW + 8, 0);
        self.add(STORE_64, FRAME, 7, NEW + 16, 0);
        self.table_and_key(table);
        self.add(MOVE, 3, FRAME, 0, 0);
        self.add(ADD, 3, 0, 0, NEW.into());
        self.add(SET, 4, 0, 0, 0);
        self.add(CALL, 0, 0, 0, UPDATE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_jump_goes_forward_to_an_instruction() {
        let code = assemble(5, Direction::ToPod);
        let is_jump = |word: u64| {
            [JUMP, IF_EQUAL, IF_NOT_EQUAL, IF_GREATER].contains(&(word as u8)) && word as u8 != CALL
        };
        let jumps: Vec<_> = code.iter().enumerate().filter(|(_, word)| is_jump(**word)).collect();
        assert_eq!(jumps.len(), 7);
        for (at, word) in jumps {
            let offset = (word >> 16) as i16;
            assert!(offset > 0 && at + 1 + (offset as usize) < code.len(), "{at}: {offset}");
        }
        assert_eq!(*code.last().unwrap(), u64::from(EXIT));
    }
}
