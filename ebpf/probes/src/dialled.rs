//! What a program dialled, where a load balancer at the sockets led it elsewhere before the connection
//! was opened: the packets never show the service, only the arguments of `connect` do.

use crate::{
    kernel::{fill, load},
    layout,
    maps::{ANY_DIALLED, DIALLED},
};
use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_probe_read_user, bpf_task_pt_regs};
use core::mem::{MaybeUninit, size_of};
use portolan_ebpf_types::Dialled;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const BPF_ANY: u64 = 0;

/// Remembers what was dialled for a socket that is about to send its SYN to somewhere else.
#[inline(always)]
pub fn remember(sk: *const u8) -> Option<()> {
    if layout::REGS_SYSCALL.load() == 0 {
        return None;
    }
    let Some(dialled) = argument().filter(|dialled| is_elsewhere(sk, dialled)) else {
        if any() {
            let _ = DIALLED.remove(sk as u64);
        }
        return None;
    };
    if let Some(flag) = ANY_DIALLED.get_ptr_mut(0) {
        // SAFETY: the map keeps the value alive; it only ever becomes 1.
        unsafe { *flag = 1 };
    }
    DIALLED.insert(sk as u64, dialled, BPF_ANY).ok()
}

/// What was dialled for the socket at this address, if it was led elsewhere.
#[inline(always)]
pub fn of(sk: u64) -> Option<Dialled> {
    if !any() {
        return None;
    }
    let known = DIALLED.get_ptr(sk)?;
    // SAFETY: the map keeps the value alive for this program run.
    Some(unsafe { *known })
}

#[inline(always)]
fn any() -> bool {
    // SAFETY: the map keeps the value alive for this program run.
    ANY_DIALLED.get_ptr(0).is_some_and(|flag| unsafe { *flag } != 0)
}

/// The address that the current system call was given, when that call is `connect`.
#[inline(always)]
fn argument() -> Option<Dialled> {
    // SAFETY: there is always a current task, and it has registers.
    let regs = unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) } as *const u8;
    if regs.is_null() || load::<u32>(regs, layout::REGS_SYSCALL.load()) != layout::NR_CONNECT.load() {
        return None;
    }
    let argument: u64 = load(regs, layout::REGS_SECOND.load());
    let [family0, family1, port0, port1, a, b, c, d] = read_user::<[u8; 8]>(argument)?;
    let mut dialled = Dialled { port: u16::from_be_bytes([port0, port1]), ..Dialled::default() };
    match u16::from_ne_bytes([family0, family1]) {
        AF_INET => {
            dialled.family = 4;
            let [e, f, g, h, ..] = &mut dialled.address;
            (*e, *f, *g, *h) = (a, b, c, d);
        }
        AF_INET6 => {
            dialled.family = 6;
            dialled.address = read_user(argument + 8)?;
        }
        _ => return None,
    }
    Some(dialled)
}

#[inline(always)]
fn read_user<T: Copy>(address: u64) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the destination has the size given; a bad source address gives an error, not a fault.
    let result =
        unsafe { bpf_probe_read_user(value.as_mut_ptr().cast(), size_of::<T>() as u32, address as *const _) };
    // SAFETY: it was filled, and only arrays of bytes are read.
    if result == 0 { Some(unsafe { value.assume_init() }) } else { None }
}

/// Whether the socket goes to another address or port than was dialled, in the same family.
#[inline(always)]
fn is_elsewhere(sk: *const u8, dialled: &Dialled) -> bool {
    let family: u16 = load(sk, layout::SK_FAMILY.load());
    let port = u16::from_be(load(sk, layout::SK_DPORT.load()));
    let mut address = [0_u8; 16];
    let is_read = match (family, dialled.family) {
        (AF_INET, 4) => fill(sk as u64, layout::SK_DADDR.load(), address.as_mut_ptr().cast::<[u8; 4]>()),
        (AF_INET6, 6) => fill(sk as u64, layout::SK_DADDR6.load(), address.as_mut_ptr().cast::<[u8; 16]>()),
        _ => None,
    };
    is_read.is_some() && (port != dialled.port || words(&address) != words(&dialled.address))
}

#[inline(always)]
fn words(address: &[u8; 16]) -> (u64, u64) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *address;
    (u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u64::from_ne_bytes([i, j, k, l, m, n, o, p]))
}
