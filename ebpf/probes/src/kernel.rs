//! Reading the kernel's own structures, which never fails loudly: a bad address reads as nothing.

use crate::layout;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use core::{
    ffi::c_void,
    mem::{MaybeUninit, size_of},
};

/// Loads a member of a structure that the verifier knows by its kernel type: one instruction, where
/// [`read`] is a call. The offset must be a global's, so that the verifier knows it too; an address
/// that is gone reads as zero.
#[inline(always)]
pub fn load<T: Copy>(structure: *const u8, offset: u32) -> T {
    // SAFETY: the verifier takes only a typed kernel pointer with the offset of a member of that size.
    unsafe { structure.add(offset as usize).cast::<T>().read_volatile() }
}

/// Fills `destination` from `base + offset`.
#[inline(always)]
pub fn fill<T: Copy>(base: u64, offset: u32, destination: *mut T) -> Option<()> {
    let source = base.wrapping_add(u64::from(offset)) as *const c_void;
    // SAFETY: the destination has the size given; a bad source address gives an error, not a fault.
    let result = unsafe { bpf_probe_read_kernel(destination.cast(), size_of::<T>() as u32, source) };
    if result == 0 { Some(()) } else { None }
}

/// Reads a `T` of plain integers at `base + offset`.
#[inline(always)]
pub fn read<T: Copy>(base: u64, offset: u32) -> Option<T> {
    let mut value = MaybeUninit::uninit();
    fill(base, offset, value.as_mut_ptr())?;
    // SAFETY: it was filled, and only plain integers and arrays are read.
    Some(unsafe { value.assume_init() })
}

/// Reads a pointer that must not be null.
#[inline(always)]
pub fn pointer(base: u64, offset: u32) -> Option<u64> {
    read::<u64>(base, offset).filter(|&address| address != 0)
}

/// The network namespace that a socket lives in.
#[inline(always)]
pub fn socket_netns(sk: u64) -> Option<u32> {
    read(pointer(sk, layout::SK_NET.load())?, layout::NET_INUM.load())
}

/// The network namespace that a structure of a known type points to with this member.
#[inline(always)]
pub fn netns_of(structure: *const u8, member: u32) -> Option<u32> {
    let net: *const u8 = load(structure, member);
    if net.is_null() { None } else { Some(load(net, layout::NET_INUM.load())) }
}

/// The network namespace that a device lives in.
#[inline(always)]
pub fn device_netns(dev: u64) -> Option<u32> {
    read(pointer(dev, layout::DEV_NET.load())?, layout::NET_INUM.load())
}

/// The other end of a veth; its address is the first thing that the driver keeps.
#[inline(always)]
pub fn veth_peer(dev: u64) -> Option<u64> {
    let kind = pointer(pointer(dev, layout::DEV_LINK_OPS.load())?, layout::LINK_OPS_KIND.load())?;
    if read::<[u8; 5]>(kind, 0)? != *b"veth\0" {
        return None;
    }
    pointer(dev, layout::DEV_PRIVATE.load())
}
