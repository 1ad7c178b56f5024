//! Where the running kernel keeps things: set by the loader from the kernel's BTF before load.
//!
//! Offsets are in bytes from the start of the structure that is named first.

use aya_ebpf::Global;

macro_rules! globals {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        $(
            $(#[$doc])*
            #[unsafe(no_mangle)]
            pub static $name: Global<u32> = Global::new(0);
        )+
    };
}

globals! {
    /// Inode number of the node's network namespace.
    NODE_NETNS,
    /// `sk_buff.dev`
    SKB_DEV,
    /// `sk_buff.sk`
    SKB_SK,
    /// `sk_buff.head`
    SKB_HEAD,
    /// `sk_buff.network_header`
    SKB_NETWORK_HEADER,
    /// `sk_buff._skb_refdst`
    SKB_REFDST,
    /// `dst_entry.dev`
    DST_DEV,
    /// `sk_buff.tail`, counted from the head
    SKB_TAIL,
    /// `sk_buff._nfct`; 0 when the kernel has no conntrack
    SKB_NFCT,
    /// `net_device.ifindex`
    DEV_IFINDEX,
    /// `net_device.nd_net`
    DEV_NET,
    /// `net_device.rtnl_link_ops`
    DEV_LINK_OPS,
    /// Where `netdev_priv` begins
    DEV_PRIVATE,
    /// `rtnl_link_ops.kind`
    LINK_OPS_KIND,
    /// `net.ns.inum`
    NET_INUM,
    /// `nf_conn.tuplehash[0].tuple`
    CT_ORIGINAL,
    /// `nf_conn.tuplehash[1].tuple`
    CT_REPLY,
    /// `sock.__sk_common.skc_family`
    SK_FAMILY,
    /// `sock.__sk_common.skc_net`
    SK_NET,
    /// `sock.__sk_common.skc_daddr`
    SK_DADDR,
    /// `sock.__sk_common.skc_rcv_saddr`
    SK_SADDR,
    /// `sock.__sk_common.skc_v6_daddr`
    SK_DADDR6,
    /// `sock.__sk_common.skc_v6_rcv_saddr`
    SK_SADDR6,
    /// `sock.__sk_common.skc_dport`
    SK_DPORT,
    /// `inet_sock.inet_sport`
    SK_SPORT,
    /// `sock.sk_protocol`
    SK_PROTOCOL,
    /// `sock.__sk_common.skc_flags`
    SK_FLAGS,
    /// `sock.sk_err`
    SK_ERR,
    /// `sock.sk_err_soft`
    SK_ERR_SOFT,
    /// `sock.sk_error_queue.qlen`
    SK_ERROR_QUEUE,
    /// `tcp_sock.bytes_sent`
    TCP_BYTES_SENT,
    /// `tcp_sock.bytes_retrans`
    TCP_BYTES_RETRANS,
    /// `tcp_sock.bytes_received`
    TCP_BYTES_RECEIVED,
    /// `tcp_sock.segs_in`
    TCP_SEGS_IN,
    /// `tcp_sock.segs_out`
    TCP_SEGS_OUT,
    /// `tcp_sock.total_retrans`
    TCP_RETRANS,
    /// `tcp_sock.srtt_us`
    TCP_SRTT,
    /// `pt_regs`: the number of the system call; 0 when what programs dial is not looked at
    REGS_SYSCALL,
    /// `pt_regs`: the second argument of the system call
    REGS_SECOND,
    /// The number of `connect`
    NR_CONNECT,
    /// 1 when closing sockets are told, so that devices need not tell the same
    SOCKETS_TELL,
    /// `SKB_DROP_REASON_QUEUE_PURGE`: every healthy connection makes one
    REASON_QUEUE_PURGE,
    /// `SKB_CONSUMED`: not a drop at all
    REASON_CONSUMED,
    /// `SKB_DROP_REASON_OTHERHOST`: a copy that a bridge sent to all its ports
    REASON_OTHERHOST,
    /// `SKB_DROP_REASON_PACKET_SOCK_ERROR`: a copy for which a sniffer had no room
    REASON_PACKET_SOCK_ERROR,
}
