//! The calls of `bpf(2)` that the lab makes: to load a program, and to attach it for as long as a guard lives; and how
//! one instruction of a program that is put together by hand is laid out.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

pub(crate) const PROG_TEST_RUN: libc::c_long = 10;
pub(crate) const ENABLE_STATS: libc::c_long = 32;
const PROG_LOAD: libc::c_long = 5;
const LINK_CREATE: libc::c_long = 28;

/// What a program is for: its type, and where it is to be attached for the types that want to know at load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    program: u32,
    attach: u32,
}

impl Kind {
    pub(crate) const SOCKET_FILTER: Self = Self { program: 1, attach: 0 };
    pub(crate) const CLASSIFIER: Self = Self { program: 3, attach: 0 };
    pub(crate) const TCX_INGRESS: Self = Self { program: 3, attach: 46 };
    pub(crate) const TCX_EGRESS: Self = Self { program: 3, attach: 47 };
    pub(crate) const XDP: Self = Self { program: 6, attach: 37 };
    pub(crate) const CGROUP_INGRESS: Self = Self { program: 8, attach: 0 };
    pub(crate) const CONNECT_V4: Self = Self { program: 18, attach: 10 };
    pub(crate) const CONNECT_V6: Self = Self { program: 18, attach: 11 };
    pub(crate) const CGROUP_EGRESS: Self = Self { program: 8, attach: 1 };
}

/// The attributes of `BPF_PROG_LOAD`, as far as they are given.
#[repr(C)]
struct Load {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
    log: [u32; 4],
    kernel: u32,
    flags: u32,
    name: [u8; 16],
    device: u32,
    attach: u32,
}

/// The attributes of `BPF_LINK_CREATE`, as far as they are given.
#[repr(C)]
struct Link {
    program: u32,
    target: u32,
    attach: u32,
    flags: u32,
    anchor: [u64; 2],
}

/// One instruction as a little-endian kernel lays it out.
pub(crate) fn instruction(operation: u8, destination: u8, source: u8, offset: i16, value: i32) -> u64 {
    u64::from(operation)
        | u64::from(source << 4 | destination) << 8
        | u64::from(offset as u16) << 16
        | u64::from(value as u32) << 32
}

/// Loads a program.
pub(crate) fn load(kind: Kind, code: &[u64]) -> io::Result<OwnedFd> {
    static LICENSE: &[u8; 4] = b"GPL\0";
    let mut attributes = Load {
        kind: kind.program,
        instructions: code.len() as u32,
        code: code.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        log: [0; 4],
        kernel: 0,
        flags: 0,
        name: *b"portolan_lab\0\0\0\0",
        device: 0,
        attach: kind.attach,
    };
    descriptor(PROG_LOAD, &mut attributes)
}

/// Attaches a program to a device, by number, or to an open cgroup, behind what is there. It goes when the link is
/// closed.
pub(crate) fn attach(kind: Kind, program: BorrowedFd<'_>, target: u32, flags: u32) -> io::Result<OwnedFd> {
    let program = program.as_raw_fd() as u32;
    let mut attributes = Link { program, target, attach: kind.attach, flags, anchor: [0; 2] };
    descriptor(LINK_CREATE, &mut attributes)
}

/// A call that answers with a descriptor.
#[expect(unsafe_code, reason = "the kernel hands out a descriptor as a number")]
pub(crate) fn descriptor<T>(command: libc::c_long, attributes: &mut T) -> io::Result<OwnedFd> {
    let number = call(command, attributes)?;
    // SAFETY: the kernel has just opened it for us, and nobody else has the number.
    Ok(unsafe { OwnedFd::from_raw_fd(number as i32) })
}

/// Any call.
#[expect(unsafe_code, reason = "libc has no wrapper around bpf(2)")]
pub(crate) fn call<T>(command: libc::c_long, attributes: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: the attributes live through the call, have the kernel's layout and this size; what they point to lives
    // as long and is as long as they say.
    let done = unsafe {
        libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>() as libc::c_ulong)
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done) }
}
