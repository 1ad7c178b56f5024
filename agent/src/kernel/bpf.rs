//! The calls of bpf(2) that the loader library lacks, or that it makes with more rights than needed.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

const MAP_GET_NEXT_KEY: libc::c_long = 4;
const PROG_QUERY: libc::c_long = 16;

/// Programs on one tcx hook at the most, by the kernel's own limit.
const HOOK: usize = 64;

/// A tcx hook of a device, with the kernel's number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum TcxHook {
    /// What comes from the device into the node.
    Ingress = 46,
    /// What goes from the node to the device.
    Egress = 47,
}

/// Whether this kernel has tcx: asked about the loopback device, which every network namespace has.
pub fn has_tcx() -> io::Result<()> {
    const LOOPBACK: u32 = 1;
    tcx_programs(LOOPBACK, TcxHook::Ingress).map(drop)
}

/// The numbers of the programs on a tcx hook, in the order in which they run.
pub fn tcx_programs(ifindex: u32, hook: TcxHook) -> io::Result<Vec<u32>> {
    #[repr(C)]
    struct Query {
        ifindex: u32,
        attach_type: u32,
        flags: [u32; 2],
        ids: u64,
        count: u32,
        reserved: u32,
        unused: [u64; 3],
        revision: u64,
    }
    let mut ids = [0_u32; HOOK];
    let mut query = Query {
        ifindex,
        attach_type: hook as u32,
        flags: [0; 2],
        ids: ids.as_mut_ptr() as u64,
        count: HOOK as u32,
        reserved: 0,
        unused: [0; 3],
        revision: 0,
    };
    call(PROG_QUERY, &mut query)?;
    Ok(ids[..(query.count as usize).min(HOOK)].to_vec())
}

/// How many entries a hash map has, as far as that can be said while it changes.
pub fn count_entries(map: BorrowedFd<'_>, key_size: u32, at_most: u32) -> io::Result<u32> {
    #[repr(C)]
    struct Walk {
        map: u32,
        reserved: u32,
        key: u64,
        next: u64,
    }
    let (mut key, mut next) = (vec![0_u8; key_size as usize], vec![0_u8; key_size as usize]);
    let mut attributes =
        Walk { map: map.as_raw_fd() as u32, reserved: 0, key: 0, next: next.as_mut_ptr() as u64 };
    let mut count = 0;
    // An entry that goes while it is looked at sends us back to the start.
    while count < at_most {
        match call(MAP_GET_NEXT_KEY, &mut attributes) {
            Ok(_) => count += 1,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => break,
            Err(error) => return Err(error),
        }
        key.copy_from_slice(&next);
        attributes.key = key.as_ptr() as u64;
    }
    Ok(count)
}

/// A call that answers with a descriptor.
#[expect(unsafe_code, reason = "the kernel hands out a descriptor as a number")]
pub(crate) fn descriptor<T>(command: libc::c_long, attributes: &mut T) -> io::Result<OwnedFd> {
    let number = call(command, attributes)?;
    // SAFETY: the kernel has just opened it for us, and nobody else has the number.
    Ok(unsafe { OwnedFd::from_raw_fd(number as i32) })
}

#[expect(unsafe_code, reason = "libc has no wrapper around bpf(2)")]
fn call<T>(command: libc::c_long, attributes: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: the attributes live through the call, have the kernel's layout and this size, and so do the buffers
    // that they point to.
    let done = unsafe {
        libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>() as libc::c_ulong)
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done) }
}
