//! The calls to bpf(2) that aya has no words for: a netfilter program, its link, and its maps, which no object names.

use super::program::Instruction;
use crate::kernel::bpf::descriptor;
use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd},
};

const CREATE_MAP: libc::c_long = 0;
const LOAD: libc::c_long = 5;
const LINK: libc::c_long = 28;
/// `BPF_PROG_TYPE_NETFILTER` and `BPF_NETFILTER`
const NETFILTER_PROGRAM: u32 = 32;
const NETFILTER_LINK: u32 = 45;

/// What a map is like.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// `BPF_MAP_TYPE_…`
    pub(super) kind: u32,
    /// Bytes of a key.
    pub(super) key: u32,
    /// Bytes of a value.
    pub(super) value: u32,
    /// How much it holds.
    pub(super) entries: u32,
}

/// Where a program hangs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hook {
    /// `NFPROTO_…`
    pub(super) family: u32,
    /// `NF_INET_…`
    pub(super) number: u32,
    /// The lowest comes first.
    pub(super) priority: i32,
}

#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    device: u32,
    attach_type: u32,
}

#[repr(C)]
struct Link {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    family: u32,
    hook: u32,
    priority: i32,
    netfilter_flags: u32,
}

/// Makes a map.
pub(super) fn create_map(mut shape: Shape) -> io::Result<OwnedFd> {
    descriptor(CREATE_MAP, &mut shape)
}

/// Loads a program; a refusal carries the verifier's last words.
pub(super) fn load(name: &CStr, instructions: &[Instruction]) -> io::Result<OwnedFd> {
    const LICENSE: &CStr = c"Dual MIT/GPL";
    let mut log = vec![0_u8; 16_384];
    let mut attributes = Load {
        kind: NETFILTER_PROGRAM,
        count: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        log_level: 1,
        log_size: log.len() as u32,
        log: log.as_mut_ptr() as u64,
        kernel_version: 0,
        flags: 0,
        name: [0; 16],
        device: 0,
        attach_type: NETFILTER_LINK,
    };
    let name = name.to_bytes();
    attributes.name[..name.len()].copy_from_slice(name);
    descriptor(LOAD, &mut attributes).map_err(|error| {
        let text = String::from_utf8_lossy(&log);
        let last = text.trim_end_matches('\0').lines().rev().find(|line| !line.starts_with("processed"));
        match last {
            Some(line) if !line.is_empty() => io::Error::new(error.kind(), format!("{error}: {line}")),
            _ => error,
        }
    })
}

/// Hangs a program on a hook of this network namespace, for as long as the link is held.
pub(super) fn link(program: BorrowedFd<'_>, hook: Hook) -> io::Result<OwnedFd> {
    let mut attributes = Link {
        program: program.as_raw_fd() as u32,
        target: 0,
        attach_type: NETFILTER_LINK,
        flags: 0,
        family: hook.family,
        hook: hook.number,
        priority: hook.priority,
        netfilter_flags: 0,
    };
    descriptor(LINK, &mut attributes)
}
