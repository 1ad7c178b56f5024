//! The read-only globals of the probes, filled from the kernel's types.

use super::KernelTypes;
use crate::reasons::Reasons;
use portolan_ebpf_types::ConntrackTuple;
use std::mem::offset_of;

/// A member that this kernel does not have, and what is lost without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The member, as `structure.member`.
    pub member: String,
    /// The probe that needs it.
    pub probe: &'static str,
}

/// Values for the globals of the probes.
#[derive(Debug, Default)]
pub struct Layout {
    /// Name and value of each global.
    pub globals: Vec<(&'static str, u32)>,
    /// The tracepoints that this kernel has, each with the number of its type.
    pub tracepoints: Vec<(&'static str, u32)>,
    /// What could not be resolved.
    pub missing: Vec<Missing>,
}

/// The place of the reason among the arguments of `kfree_skb`.
const REASON_ARGUMENT: usize = 2;

/// No drop reason has this number.
const NO_REASON: u32 = u32::MAX;

const DROPS: &str = "kfree_skb";
const SOCKETS: &str = "inet_sock_set_state";
const CONNTRACK: &str = "conntrack";
const DIALLED: &str = "connect";

/// Global, structure, member, and the probe that cannot do without it.
const MEMBERS: &[(&str, &str, &str, &str)] = &[
    ("SKB_DEV", "sk_buff", "dev", DROPS),
    ("SKB_SK", "sk_buff", "sk", DROPS),
    ("SKB_HEAD", "sk_buff", "head", DROPS),
    ("SKB_REFDST", "sk_buff", "_skb_refdst", DROPS),
    ("DST_DEV", "dst_entry", "dev", DROPS),
    ("SKB_TAIL", "sk_buff", "tail", DROPS),
    ("SKB_NETWORK_HEADER", "sk_buff", "network_header", DROPS),
    ("DEV_IFINDEX", "net_device", "ifindex", DROPS),
    ("DEV_NET", "net_device", "nd_net.net", DROPS),
    ("DEV_LINK_OPS", "net_device", "rtnl_link_ops", DROPS),
    ("LINK_OPS_KIND", "rtnl_link_ops", "kind", DROPS),
    ("NET_INUM", "net", "ns.inum", DROPS),
    ("SKB_NFCT", "sk_buff", "_nfct", CONNTRACK),
    ("SK_FAMILY", "sock", "__sk_common.skc_family", SOCKETS),
    ("SK_NET", "sock", "__sk_common.skc_net.net", SOCKETS),
    ("SK_DADDR", "sock", "__sk_common.skc_daddr", SOCKETS),
    ("SK_SADDR", "sock", "__sk_common.skc_rcv_saddr", SOCKETS),
    ("SK_DADDR6", "sock", "__sk_common.skc_v6_daddr", SOCKETS),
    ("SK_SADDR6", "sock", "__sk_common.skc_v6_rcv_saddr", SOCKETS),
    ("SK_DPORT", "sock", "__sk_common.skc_dport", SOCKETS),
    ("SK_SPORT", "inet_sock", "inet_sport", SOCKETS),
    ("SK_PROTOCOL", "sock", "sk_protocol", SOCKETS),
    ("SK_FLAGS", "sock", "__sk_common.skc_flags", SOCKETS),
    ("SK_ERR", "sock", "sk_err", SOCKETS),
    ("SK_ERR_SOFT", "sock", "sk_err_soft", SOCKETS),
    ("SK_ERROR_QUEUE", "sock", "sk_error_queue.qlen", SOCKETS),
    ("TCP_BYTES_SENT", "tcp_sock", "bytes_sent", SOCKETS),
    ("TCP_BYTES_RETRANS", "tcp_sock", "bytes_retrans", SOCKETS),
    ("TCP_BYTES_RECEIVED", "tcp_sock", "bytes_received", SOCKETS),
    ("TCP_SEGS_IN", "tcp_sock", "segs_in", SOCKETS),
    ("TCP_SEGS_OUT", "tcp_sock", "segs_out", SOCKETS),
    ("TCP_RETRANS", "tcp_sock", "total_retrans", SOCKETS),
    ("TCP_SRTT", "tcp_sock", "srtt_us", SOCKETS),
];

/// Where a processor has the number and the second argument of a system call; the latter with the bytes behind
/// the first of them.
const CONNECT_REGISTERS: Option<(&str, (&str, u32))> = if cfg!(target_arch = "x86_64") {
    Some(("orig_ax", ("si", 0)))
} else if cfg!(target_arch = "aarch64") {
    Some(("syscallno", ("regs", 8)))
} else {
    None
};

/// The helper that gives a task's registers to a program, since 5.15.
const TASK_REGISTERS: &str = "BPF_FUNC_task_pt_regs";

/// Reasons that are no drops of anybody's traffic.
const NOISE: &[(&str, &str)] = &[
    ("REASON_QUEUE_PURGE", "QUEUE_PURGE"),
    ("REASON_CONSUMED", "SKB_CONSUMED"),
    ("REASON_OTHERHOST", "OTHERHOST"),
    ("REASON_PACKET_SOCK_ERROR", "PACKET_SOCK_ERROR"),
];

/// Where conntrack must keep what: its tuples are copied as they are.
const CONNTRACK_TUPLE: &[(&str, usize)] = &[
    ("src.u3", offset_of!(ConntrackTuple, source)),
    ("src.u", offset_of!(ConntrackTuple, source_port)),
    ("dst.u3", offset_of!(ConntrackTuple, destination)),
    ("dst.u", offset_of!(ConntrackTuple, destination_port)),
];

impl Layout {
    /// Resolves every global for the node with this network namespace.
    pub fn resolve(types: &KernelTypes, reasons: &Reasons, node_netns: u32) -> Self {
        let mut layout = Self::default();
        layout.globals.push(("NODE_NETNS", node_netns));
        let numbered = |name| Some((name, types.tracepoint(name)?));
        layout.tracepoints.extend([DROPS, SOCKETS].into_iter().filter_map(numbered));
        for &(global, structure, member, probe) in MEMBERS {
            let offset = types.offset(structure, member);
            layout.set(global, offset, probe, || format!("{structure}.{member}"));
        }
        if types.tracepoint_arguments(DROPS).is_some_and(|arguments| arguments <= REASON_ARGUMENT) {
            let member = "reason among the arguments of the tracepoint kfree_skb, as since 5.17".to_owned();
            layout.missing.push(Missing { member, probe: DROPS });
        }
        layout.set("DEV_PRIVATE", device_private(types), DROPS, || "net_device.priv".to_owned());
        layout.set("CT_ORIGINAL", conntrack_tuple(types, 0), CONNTRACK, || "nf_conn.tuplehash".to_owned());
        layout.set("CT_REPLY", conntrack_tuple(types, 1), CONNTRACK, || "nf_conn.tuplehash".to_owned());
        for (member, offset) in CONNTRACK_TUPLE {
            if types.offset("nf_conntrack_tuple", member) != Some(*offset as u32) {
                let member = format!("nf_conntrack_tuple.{member} at byte {offset}");
                layout.missing.push(Missing { member, probe: CONNTRACK });
            }
        }
        layout.disable_conntrack_unless_whole();
        layout.look_at_what_is_dialled(types);
        for (global, reason) in NOISE {
            layout.globals.push((global, reasons.number(reason).unwrap_or(NO_REASON)));
        }
        layout
    }

    /// Whether a probe has all that it needs.
    fn supports(&self, probe: &str) -> bool {
        self.missing.iter().all(|missing| missing.probe != probe)
    }

    fn set(
        &mut self,
        global: &'static str,
        offset: Option<u32>,
        probe: &'static str,
        member: impl FnOnce() -> String,
    ) {
        match offset {
            Some(offset) => self.globals.push((global, offset)),
            None => self.missing.push(Missing { member: member(), probe }),
        }
    }

    /// The probes look where `REGS_SYSCALL` is not 0.
    fn look_at_what_is_dialled(&mut self, types: &KernelTypes) {
        let offset = |member: &str| types.offset("pt_regs", member);
        let Some((syscall, second)) = CONNECT_REGISTERS else {
            let member = "pt_regs of this kind of processor".to_owned();
            self.missing.push(Missing { member, probe: DIALLED });
            return;
        };
        match (offset(syscall), offset(second.0), types.has_helper(TASK_REGISTERS)) {
            (Some(syscall), Some(arguments), true) => {
                let second = arguments + second.1;
                let number = libc::SYS_connect as u32;
                self.globals.extend([
                    ("REGS_SYSCALL", syscall),
                    ("REGS_SECOND", second),
                    ("NR_CONNECT", number),
                ]);
            }
            _ => self.missing.push(Missing { member: TASK_REGISTERS.to_owned(), probe: DIALLED }),
        }
    }

    /// The probes read conntrack where `SKB_NFCT` is not 0: half a layout must not be used.
    fn disable_conntrack_unless_whole(&mut self) {
        if !self.supports(CONNTRACK) {
            self.globals.retain(|(global, _)| *global != "SKB_NFCT");
        }
    }
}

/// Where a driver's private data begins: a member since 6.9, behind the structure before.
fn device_private(types: &KernelTypes) -> Option<u32> {
    const ALIGN: u32 = 32;
    types
        .offset("net_device", "priv")
        .or_else(|| types.size("net_device").map(|size| size.next_multiple_of(ALIGN)))
}

fn conntrack_tuple(types: &KernelTypes, index: u32) -> Option<u32> {
    let hashes = types.offset("nf_conn", "tuplehash")?;
    let stride = types.size("nf_conntrack_tuple_hash")?;
    Some(hashes + index * stride + types.offset("nf_conntrack_tuple_hash", "tuple")?)
}
