//! The netfilter programs, put together by hand: aya knows no such type of program.
//!
//! Each notes the first packet of a connection that conntrack has not confirmed yet, which it does after the last hook,
//! and lets every packet go on. All others leave after one load and one comparison.

/// One instruction of the machine.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// Where the running kernel keeps what the programs read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// `sk_buff._nfct`
    pub packet_entry: u32,
    /// `nf_conn.status`
    pub status: u32,
    /// `nf_conn.tuplehash[0].tuple`
    pub original: u32,
}

/// The maps that a program writes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Maps {
    /// The ring of notes.
    pub(super) ring: i32,
    /// The one counter of notes that found no room.
    pub(super) lost: i32,
}

/// What a note is: its time, its tuple, and where it was written.
pub(super) const NOTE: usize = 56;
/// The parts of a note, by their distance from its start.
pub(super) const TUPLE: usize = 8;
pub(super) const POINT: usize = 48;

/// Registers: arguments and results, then what calls leave alone, then the stack.
const R0: u8 = 0;
const R1: u8 = 1;
const R2: u8 = 2;
const R3: u8 = 3;
const R4: u8 = 4;
const ENTRY: u8 = 8;
const STACK: u8 = 10;

/// Helpers of the kernel.
const MAP_LOOKUP: i32 = 1;
const KTIME: i32 = 5;
const PROBE_READ_KERNEL: i32 = 113;
const RINGBUF_OUTPUT: i32 = 130;

/// `NF_ACCEPT`
const ACCEPT: i32 = 1;

/// Notes on the stack, and a word below.
const ON_STACK: i32 = -(NOTE as i32);
const SCRATCH: i32 = ON_STACK - 8;

/// The program for one point of the way.
pub(super) fn program(offsets: Offsets, maps: Maps, point: i32) -> Vec<Instruction> {
    let mut code = Code::default();
    code.only_first_packets(offsets);
    code.write_note(offsets, point);
    code.put(maps);
    code.end()
}

/// A program that lets everything pass and does nothing.
pub(super) fn empty() -> Vec<Instruction> {
    Code::default().end()
}

/// Instructions, and the jumps to the end that are still to be aimed.
#[derive(Default)]
struct Code {
    instructions: Vec<Instruction>,
    leaving: Vec<usize>,
}

impl Code {
    /// Leaves unless the packet opens a connection: its entry is new and not confirmed.
    fn only_first_packets(&mut self, offsets: Offsets) {
        const CONTEXT_PACKET: i16 = 8;
        const RELATION: i32 = 7;
        const NEW: i32 = 2;
        const CONFIRMED: i32 = 8;
        self.add(load(R2, R1, CONTEXT_PACKET));
        self.add(load(R2, R2, offsets.packet_entry as i16));
        self.add(copy(R3, R2));
        self.add(and(R3, RELATION));
        self.leave_unless(R3, NEW);
        self.add(and(R2, !RELATION));
        self.add(copy(ENTRY, R2));
        self.read(SCRATCH, 8, offsets.status);
        self.add(load(R1, STACK, SCRATCH as i16));
        self.add(and(R1, CONFIRMED));
        self.leave_unless(R1, 0);
    }

    /// Fills the note.
    fn write_note(&mut self, offsets: Offsets, point: i32) {
        self.add(call(KTIME));
        self.add(store(ON_STACK as i16, R0));
        self.read(ON_STACK + TUPLE as i32, (POINT - TUPLE) as i32, offsets.original);
        self.add(set(R1, point));
        self.add(store((ON_STACK + POINT as i32) as i16, R1));
    }

    /// Puts the note into the ring without waking anybody, or counts it.
    fn put(&mut self, maps: Maps) {
        const NO_WAKEUP: i32 = 1;
        self.map(R1, maps.ring);
        self.stack(R2, ON_STACK);
        self.add(set(R3, NOTE as i32));
        self.add(set(R4, NO_WAKEUP));
        self.add(call(RINGBUF_OUTPUT));
        self.leave_if(R0, 0);
        self.add(set(R1, 0));
        self.add(store(SCRATCH as i16, R1));
        self.map(R1, maps.lost);
        self.stack(R2, SCRATCH);
        self.add(call(MAP_LOOKUP));
        self.leave_if(R0, 0);
        self.add(set(R1, 1));
        self.add(Instruction { code: 0xdb, registers: R0 | R1 << 4, offset: 0, immediate: 0 });
    }

    /// The end of all ways: the packet goes on.
    fn end(mut self) -> Vec<Instruction> {
        let end = self.instructions.len();
        for &jump in &self.leaving {
            self.instructions[jump].offset = (end - jump - 1) as i16;
        }
        self.add(set(R0, ACCEPT));
        self.add(Instruction { code: 0x95, registers: 0, offset: 0, immediate: 0 });
        self.instructions
    }

    fn add(&mut self, instruction: Instruction) {
        self.instructions.push(instruction);
    }

    /// Reads from the conntrack entry to the stack; what cannot be read is zero, and so nobody's.
    fn read(&mut self, to: i32, length: i32, offset: u32) {
        self.stack(R1, to);
        self.add(set(R2, length));
        self.add(copy(R3, ENTRY));
        self.add(add(R3, offset as i32));
        self.add(call(PROBE_READ_KERNEL));
    }

    fn stack(&mut self, register: u8, offset: i32) {
        self.add(copy(register, STACK));
        self.add(add(register, offset));
    }

    /// A map by its descriptor takes two instructions.
    fn map(&mut self, register: u8, descriptor: i32) {
        const MAP_DESCRIPTOR: u8 = 1;
        self.add(Instruction {
            code: 0x18,
            registers: register | MAP_DESCRIPTOR << 4,
            offset: 0,
            immediate: descriptor,
        });
        self.add(Instruction { code: 0, registers: 0, offset: 0, immediate: 0 });
    }

    fn leave_if(&mut self, register: u8, value: i32) {
        self.jump(0x15, register, value);
    }

    fn leave_unless(&mut self, register: u8, value: i32) {
        self.jump(0x55, register, value);
    }

    fn jump(&mut self, code: u8, register: u8, immediate: i32) {
        self.leaving.push(self.instructions.len());
        self.add(Instruction { code, registers: register, offset: 0, immediate });
    }
}

const fn load(to: u8, from: u8, offset: i16) -> Instruction {
    Instruction { code: 0x79, registers: to | from << 4, offset, immediate: 0 }
}

const fn store(offset: i16, from: u8) -> Instruction {
    Instruction { code: 0x7b, registers: STACK | from << 4, offset, immediate: 0 }
}

const fn copy(to: u8, from: u8) -> Instruction {
    Instruction { code: 0xbf, registers: to | from << 4, offset: 0, immediate: 0 }
}

const fn set(to: u8, immediate: i32) -> Instruction {
    Instruction { code: 0xb7, registers: to, offset: 0, immediate }
}

const fn add(to: u8, immediate: i32) -> Instruction {
    Instruction { code: 0x07, registers: to, offset: 0, immediate }
}

const fn and(to: u8, immediate: i32) -> Instruction {
    Instruction { code: 0x57, registers: to, offset: 0, immediate }
}

const fn call(helper: i32) -> Instruction {
    Instruction { code: 0x85, registers: 0, offset: 0, immediate: helper }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFSETS: Offsets = Offsets { packet_entry: 104, status: 128, original: 32 };

    #[test]
    fn every_way_through_the_program_ends_by_letting_the_packet_go_on() {
        let program = program(OFFSETS, Maps { ring: 3, lost: 4 }, 1);
        let end = program.len() - 2;
        assert_eq!(program[end], set(R0, ACCEPT));
        assert_eq!(program[end + 1].code, 0x95, "exit");
        assert_eq!(program.iter().filter(|one| one.code == 0x95).count(), 1, "there is no other exit");
        let jumps = program.iter().enumerate().filter(|(_, one)| [0x15, 0x55].contains(&one.code));
        let targets: Vec<usize> = jumps.map(|(at, one)| at + 1 + one.offset as usize).collect();
        assert_eq!(targets, [end; 4]);
    }

    #[test]
    fn established_traffic_leaves_at_the_fifth_instruction() {
        let program = program(OFFSETS, Maps { ring: 3, lost: 4 }, 0);
        assert_eq!(program.iter().position(|one| one.code == 0x55), Some(4));
    }
}
