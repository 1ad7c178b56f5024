//! Enforcement by the lab, on the real kernel: each mechanism keeps exactly what it was told from its way.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking")]

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use portolan_lab::enforce::{Backend, Reject, Route, Target, XdpMode};
use portolan_lab::{Direction, Lab, Mechanism, PodSpec, Protocol, SctpAnswer, Seen, Server, Traffic};

const SECOND: Duration = Duration::from_secs(1);
const SHORT: Duration = Duration::from_millis(150);
/// What is enforced against, and what is left alone.
const CUT: [Traffic; 4] =
    [(Protocol::Tcp, 9000), (Protocol::Udp, 9000), (Protocol::Sctp, 9000), (Protocol::Icmp, 0)];
const FREE: u16 = 8080;

fn pair(name: &str, bridged: bool) -> Lab {
    let mut lab = Lab::new(name).unwrap();
    if bridged { lab.bridged_node("n1") } else { lab.node("n1") }.unwrap();
    for pod in ["shop/client", "shop/server"] {
        lab.pod(PodSpec::new(pod)).unwrap();
    }
    lab
}

fn servers(lab: &Lab) -> Vec<Server> {
    let serve = |port| {
        let sctp = lab.serve_sctp("shop/server", port, SctpAnswer::InitAck);
        [lab.serve_tcp("shop/server", port), lab.serve_udp("shop/server", port), sctp].map(Result::unwrap)
    };
    [FREE, 9000].into_iter().flat_map(serve).collect()
}

fn attempt(lab: &Lab, to: IpAddr, (protocol, port): Traffic, wait: Duration) -> Seen {
    let attempted = match protocol {
        Protocol::Tcp => lab.connect_tcp("shop/client", to, port, wait),
        Protocol::Udp => lab.send_udp("shop/client", to, port, wait),
        Protocol::Sctp => lab.connect_sctp("shop/client", to, port, wait),
        Protocol::Icmp => lab.ping("shop/client", to, 1, wait),
    };
    attempted.unwrap().result
}

/// Enforces one way, and looks that it works in both families for every protocol and for its port only.
fn holds(mechanism: Mechanism, direction: Direction, bridged: bool, cut: &[Traffic]) {
    let mut lab = pair("enforce", bridged);
    let pod = if direction == Direction::Egress { "shop/client" } else { "shop/server" };
    lab.enforce(mechanism, direction, pod, cut).unwrap();
    let _servers = servers(&lab);
    for address in lab.pod_info("shop/server").unwrap().addresses {
        for traffic in cut {
            let seen = attempt(&lab, address, *traffic, SHORT);
            assert!(!seen.succeeded(), "{mechanism:?} {direction:?} {traffic:?} {address}: {seen:?}");
            if traffic.0 != Protocol::Icmp {
                let seen = attempt(&lab, address, (traffic.0, FREE), SECOND);
                assert!(seen.succeeded(), "{mechanism:?} {direction:?} free {traffic:?} {address}: {seen:?}");
            }
        }
    }
}

fn holds_both_ways(mechanism: Mechanism) {
    for direction in [Direction::Egress, Direction::Ingress] {
        holds(mechanism, direction, false, &CUT);
    }
}

#[test]
fn what_is_not_enforced_reaches_its_server() {
    for bridged in [false, true] {
        let lab = pair("free", bridged);
        let _servers = servers(&lab);
        for address in lab.pod_info("shop/server").unwrap().addresses {
            for traffic in CUT {
                let seen = attempt(&lab, address, traffic, SECOND);
                assert!(seen.succeeded(), "{traffic:?} {address} bridged {bridged}: {seen:?}");
            }
        }
    }
}

#[test]
fn sctp_without_a_server_is_refused_by_the_kernel_and_with_one_as_it_says() {
    let lab = pair("sctp", false);
    for address in lab.pod_info("shop/server").unwrap().addresses {
        assert_eq!(attempt(&lab, address, (Protocol::Sctp, FREE), SECOND), Seen::Refused);
    }
    let _abort = lab.serve_sctp("shop/server", 1, SctpAnswer::Abort).unwrap();
    let _silent = lab.serve_sctp("shop/server", 2, SctpAnswer::Silence).unwrap();
    for address in lab.pod_info("shop/server").unwrap().addresses {
        assert_eq!(attempt(&lab, address, (Protocol::Sctp, 1), SECOND), Seen::Refused);
        assert_eq!(attempt(&lab, address, (Protocol::Sctp, 2), SHORT), Seen::Silent);
    }
}

#[test]
fn nftables_drops_in_every_hook() {
    for mechanism in [
        Mechanism::NftDrop,
        Mechanism::NftPolicy,
        Mechanism::NftRaw,
        Mechanism::NftAnswer,
        Mechanism::NftInPod,
    ] {
        holds_both_ways(mechanism);
    }
}

#[test]
fn nftables_rejects_in_every_form() {
    for reject in [Reject::AdminProhibited, Reject::PortUnreachable, Reject::HostUnreachable, Reject::NoRoute]
    {
        holds(Mechanism::NftReject(reject), Direction::Ingress, false, &CUT);
    }
    holds(Mechanism::NftReject(Reject::TcpReset), Direction::Egress, false, &CUT[..1]);
}

#[test]
fn iptables_drops_and_rejects_by_either_backend() {
    for backend in [Backend::Legacy, Backend::Nft] {
        holds(Mechanism::Iptables(backend, Target::Drop), Direction::Egress, false, &CUT);
        holds(Mechanism::Iptables(backend, Target::Reject), Direction::Ingress, false, &CUT);
        holds(Mechanism::Iptables(backend, Target::TcpReset), Direction::Ingress, false, &CUT[..1]);
    }
}

#[test]
fn a_queue_drops_with_a_listener_and_without() {
    for listener in [true, false] {
        holds_both_ways(Mechanism::Queue { listener });
    }
}

#[test]
fn programs_on_the_veth_drop() {
    for mechanism in
        [Mechanism::Tc, Mechanism::Tcx, Mechanism::Xdp(XdpMode::Native), Mechanism::Xdp(XdpMode::Generic)]
    {
        holds_both_ways(mechanism);
    }
}

#[test]
fn a_program_at_the_sockets_denies() {
    holds(Mechanism::Cgroup, Direction::Egress, false, &CUT);
    holds(Mechanism::Cgroup, Direction::Ingress, false, &CUT[..3]);
}

#[test]
fn routes_lead_nowhere() {
    for route in [Route::Blackhole, Route::Prohibit, Route::Unreachable, Route::Throw] {
        holds_both_ways(Mechanism::Route(route));
    }
}

#[test]
fn a_bridge_is_filtered_by_its_own_family_and_by_iptables() {
    for direction in [Direction::Egress, Direction::Ingress] {
        holds(Mechanism::NftBridge, direction, true, &CUT);
        holds(Mechanism::Iptables(Backend::Legacy, Target::Drop), direction, true, &CUT);
    }
}

#[test]
fn a_lab_leaves_no_control_group_behind() {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let root = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let root = root.into_iter().find(|fields| fields[2] == "cgroup2").unwrap()[1].to_owned();
    let groups = |lab: &str| {
        let entries = fs::read_dir(&root).unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().contains(lab)).count()
    };
    let mut lab = pair("groups-left", false);
    lab.enforce(Mechanism::Cgroup, Direction::Egress, "shop/client", &CUT).unwrap();
    assert_eq!(groups("groups-left"), 1);
    drop(lab);
    assert_eq!(groups("groups-left"), 0);
}
