//! The BPF programs: see a packet, a drop or a closing socket, write one fixed record, and let go.
//!
//! Every program only observes. What a field offset is on the running kernel comes in as read-only
//! globals ([`layout`]), resolved by the loader; nothing here depends on the kernel of the build.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "BPF helpers, maps and kernel memory are raw pointers")]
#![allow(missing_docs, unreachable_pub, reason = "a program has no readers of its API; macros need pub")]

mod busy;
mod conntrack;
mod conversation;
mod crossing;
mod device;
mod dialled;
mod drops;
mod kernel;
mod layout;
mod maps;
mod packet;
mod pod_sockets;
mod sockets;
mod turns;
mod zeroed;

use aya_ebpf::{
    macros::{btf_tracepoint, classifier},
    programs::{BtfTracePointContext, TcContext},
};
use portolan_ebpf_types::{direction, turn};

/// TCX_NEXT, and TC_ACT_UNSPEC below tcx: whoever comes next decides.
const GO_ON: i32 = -1;

/// Packets that a pod sent: the ingress of its device on the node.
#[classifier]
pub fn portolan_from(ctx: TcContext) -> i32 {
    let _ = device::observe(&ctx, direction::FROM_DEVICE);
    GO_ON
}

/// Packets that a pod is about to receive: the egress of its device on the node.
#[classifier]
pub fn portolan_to(ctx: TcContext) -> i32 {
    let _ = device::observe(&ctx, direction::TO_DEVICE);
    GO_ON
}

/// Packets that the kernel drops, with its reason.
#[btf_tracepoint(function = "kfree_skb")]
pub fn kfree_skb(ctx: BtfTracePointContext) -> i32 {
    turns::first(turn::DROPS, || drops::observe(&ctx));
    0
}

/// Packets that are dropped by whatever interrupted the program before on this CPU.
#[btf_tracepoint(function = "kfree_skb")]
pub fn kfree_skb_again(ctx: BtfTracePointContext) -> i32 {
    turns::second(turn::DROPS, || drops::observe(&ctx));
    0
}

/// TCP sockets that come to their end.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn inet_sock_set_state(ctx: BtfTracePointContext) -> i32 {
    turns::first(turn::SOCKETS, || sockets::observe(&ctx));
    0
}

/// Sockets that change in whatever interrupted the program before on this CPU.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn inet_sock_again(ctx: BtfTracePointContext) -> i32 {
    turns::second(turn::SOCKETS, || sockets::observe(&ctx));
    0
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
