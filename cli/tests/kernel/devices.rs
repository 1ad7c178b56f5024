//! Devices of every kind that come, go, change their name, and carry programs of others too.

use crate::support::{Agent, SECOND, eventually, flow_of, has_tcx, one_to_one, pair, resident, told};
use nix::sys::signal::Signal;
use portolan_agent::{
    capture::{AttachMode, Probes, Wishes},
    kernel::{KernelTypes, Layout, bpf},
    reasons::Reasons,
};
use portolan_lab::{Attempted, Lab, PodSpec, Seen};
use portolan_policy::{Outcome, Verdict};
use std::{
    net::Ipv4Addr,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

fn ip(lab: &Lab, line: &str) {
    lab.run("n1", "ip", &line.split(' ').collect::<Vec<_>>()).unwrap();
}

#[test]
fn taps_are_attached_to_when_a_route_or_a_bridge_says_that_a_pod_is_behind_them() {
    let lab = pair("taps");
    for line in [
        "tuntap add early mode tap",
        "link set early up",
        "route add 10.99.0.1 dev early",
        "tuntap add vpn mode tap",
        "link set vpn up",
    ] {
        ip(&lab, line);
    }
    let mut agent = Agent::start(&lab, "n1");
    agent.wait_for_log("device=\"early\"");
    for line in [
        "tuntap add late mode tap",
        "link set late up",
        "tuntap add port mode tap",
        "link add br0 type bridge",
        "link set port master br0",
        "route add 10.99.0.0/24 dev vpn",
        "route add 10.99.0.2 dev late",
    ] {
        ip(&lab, line);
    }
    agent.wait_for_log("device=\"late\"");
    agent.wait_for_log("device=\"port\"");
    let log = agent.log();
    assert!(!log.contains("device=\"vpn\"") && !log.contains("device=\"br0\""), "{log}");
}

#[test]
fn a_device_that_is_renamed_is_attached_to_once() {
    let mut lab = pair("renamed");
    let web = lab.pod_info("shop/web").unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let agent = Agent::start(&lab, "n1");
    let before = lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    lab.rename_veth("shop/web", "eni1234").unwrap();
    lab.rename_veth("shop/client", "lxc99").unwrap();
    let after = lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    let log = agent.log();
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    for attempt in [before, after] {
        assert_eq!(told(flow_of(&flows, &attempt)), (Outcome::Established, Verdict::Allowed));
    }
    assert!(!log.contains("device=\"eni1234\"") && !log.contains("device=\"lxc99\""), "{log}");
}

#[test]
fn a_pod_is_seen_from_its_first_packet() {
    const PODS: usize = 12;
    let mut lab = pair("newborn");
    let web = lab.pod_info("shop/web").unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let agent = Agent::start(&lab, "n1");
    for number in 0..PODS {
        let name = format!("dev/pod{number}");
        lab.pod(PodSpec::new(&name).node("n1")).unwrap();
        // It is not in the agent's cluster state: the server's end makes it our business.
        lab.connect_tcp(&*name, web.v4(), 8080, SECOND).unwrap();
    }
    let flows = agent.stop();
    one_to_one(&lab, &flows);
}

#[test]
fn an_agent_that_was_killed_leaves_no_link_and_its_successor_attaches_once() {
    if !has_tcx() {
        return;
    }
    let lab = pair("successor");
    let web = lab.pod_info("shop/web").unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let veth = web.veth.clone().unwrap();
    let attached = || {
        let look = || order(nix::net::if_::if_nametoindex(veth.as_str()).unwrap()).map(|side| side.len());
        lab.within("n1", look).unwrap()
    };
    Agent::start(&lab, "n1").kill();
    eventually(|| attached() == [0, 0], || format!("{:?} programs are left", attached()));
    let agent = Agent::start(&lab, "n1");
    assert_eq!(attached(), [1, 1]);
    lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    eventually(|| attached() == [0, 0], || format!("{:?} programs are left", attached()));
}

#[test]
fn filters_that_a_killed_agent_left_in_clsact_are_gone_while_its_successor_hangs_on_tcx() {
    if !has_tcx() {
        return;
    }
    let lab = pair("leftovers");
    let web = lab.pod_info("shop/web").unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let veth = web.veth.as_deref().unwrap();
    let filters = || {
        let list = |side| lab.run("n1", "tc", &["filter", "show", "dev", veth, side]).unwrap();
        let all = list("ingress") + &list("egress");
        all.lines().filter(|line| line.contains("bpf") && line.contains("handle")).count()
    };
    Agent::start_with(&lab, "n1", &["--attach", "clsact"]).kill();
    // Another's filter is none of our business.
    lab.run(
        "n1",
        "tc",
        &["filter", "add", "dev", veth, "ingress", "prio", "9", "bpf", "bytecode", "1,6 0 0 0"],
    )
    .unwrap();
    assert_eq!(filters(), 3, "a killed agent cannot clean up");
    let agent = Agent::start(&lab, "n1");
    assert_eq!(filters(), 1, "only the other's is left");
    lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    let flows = agent.stop();
    one_to_one(&lab, &flows);
}

#[test]
fn a_flood_that_the_kernel_cannot_tell_of_is_counted_and_everything_is_looked_at_again() {
    /// More than the agent's buffer for them holds.
    const ROUTES: u32 = 250_000;
    let mut lab = pair("overrun");
    let web = lab.pod_info("shop/web").unwrap().v4();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let mut agent = Agent::start(&lab, "n1");
    agent.signal(Signal::SIGSTOP);
    let route = |number: u32| format!("route add blackhole {}\n", Ipv4Addr::from(0x0b00_0000 + number));
    lab.ip_batch("n1", &(0..ROUTES).map(route).collect::<String>()).unwrap();
    lab.pod(PodSpec::new("dev/newcomer").node("n1").veth("late0")).unwrap();
    agent.signal(Signal::SIGCONT);
    agent.wait_for_log("device=\"late0\"");
    agent.wait_for_log("interfaces-overrun");
    lab.connect_tcp("dev/newcomer", web, 8080, SECOND).unwrap();
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    assert!(flows.iter().any(|flow| flow.lost > 0), "the overrun is told: {flows:#?}");
}

/// Probes of nobody's: another program that asks for the same place on every device.
fn intruder() -> Probes {
    let types = KernelTypes::read(Path::new(KernelTypes::PATH)).unwrap();
    let reasons = Reasons::of(&types);
    let wishes = Wishes { attach: AttachMode::Tcx, ..Wishes::default() };
    Probes::load(&Layout::resolve(&types, &reasons, 0), &wishes).unwrap().0
}

#[test]
fn the_first_place_is_taken_back_when_another_asks_for_it_later() {
    if !has_tcx() {
        return;
    }
    let lab = pair("order");
    let veth = lab.pod_info("shop/web").unwrap().veth.unwrap();
    let web = lab.pod_info("shop/web").unwrap().v4();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let agent = Agent::start(&lab, "n1");
    let (ifindex, before) = lab
        .within("n1", || {
            let ifindex = nix::net::if_::if_nametoindex(veth.as_str()).unwrap();
            (ifindex, order(ifindex))
        })
        .unwrap();
    let mut intruder = intruder();
    let taken = lab
        .within("n1", || {
            intruder.attach(ifindex).unwrap();
            order(ifindex)
        })
        .unwrap();
    assert_eq!(
        [taken[0].last(), taken[1].first()],
        [before[0].last(), before[1].first()],
        "it took our place"
    );
    let now = || lab.within("n1", || order(ifindex)).unwrap();
    let in_place = || {
        let now = now();
        now[0].first() == before[0].first() && now[0].len() == 2 && now[1] == taken[1]
    };
    eventually(in_place, || format!("{:?}", now()));
    lab.connect_tcp("shop/client", web, 8080, SECOND).unwrap();
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    assert_eq!(flows.iter().map(|flow| flow.lost).sum::<u64>(), 1, "the move is told: {flows:#?}");
}

/// The programs at ingress and at egress.
fn order(ifindex: u32) -> [Vec<u32>; 2] {
    [bpf::TcxHook::Ingress, bpf::TcxHook::Egress].map(|hook| bpf::tcx_programs(ifindex, hook).unwrap())
}

#[test]
fn filters_of_others_that_drop_are_seen_through_wherever_they_stand() {
    if !has_tcx() {
        return;
    }
    let lab = pair("droppers");
    let web = lab.pod_info("shop/web").unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let veth = |pod: &str| lab.pod_info(pod).unwrap().veth.unwrap();
    let tc = |args: &[&str]| lab.run("n1", "tc", args).unwrap();
    let drop = |pod: &str, side: &str| {
        let veth = veth(pod);
        tc(&["qdisc", "replace", "dev", &veth, "clsact"]);
        // `ret #2`, which is TC_ACT_SHOT.
        tc(&["filter", "add", "dev", &veth, side, "prio", "9", "bpf", "bytecode", "1,6 0 0 2", "da"]);
    };
    let allow = |pod: &str| tc(&["qdisc", "del", "dev", &veth(pod), "clsact"]);
    let agent = Agent::start(&lab, "n1");
    // The filters drop the questions for neighbours too: they are asked before.
    lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    drop("shop/client", "ingress");
    let before_us = lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    allow("shop/client");
    drop("shop/web", "egress");
    let after_us = lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    allow("shop/web");
    let through = lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    let reason = |attempt: &Attempted| flow_of(&flows, attempt).drop_reason.clone();
    assert_eq!(reason(&before_us).as_deref(), Some("TC_INGRESS"));
    assert_eq!(reason(&after_us).as_deref(), Some("TC_EGRESS"));
    assert_eq!(told(flow_of(&flows, &through)), (Outcome::Established, Verdict::Allowed));
}

#[test]
fn a_churn_of_interfaces_costs_no_attempt_and_no_memory() {
    if !has_tcx() {
        return;
    }
    churn("churn", "tcx", pairs_or(30));
}

#[test]
fn a_churn_of_interfaces_with_clsact_costs_no_attempt_and_no_memory() {
    churn("churn-clsact", "clsact", pairs_or(200));
}

/// How many pairs of interfaces are made: `PORTOLAN_PAIRS` of them, where it is set.
fn pairs_or(usual: usize) -> usize {
    std::env::var("PORTOLAN_PAIRS").map_or(usual, |pairs| pairs.parse().expect("PORTOLAN_PAIRS is a number"))
}

/// Makes and removes so many pairs of interfaces, some at a time, while a pod talks.
fn churn(name: &str, attach: &str, pairs: usize) {
    const AT_ONCE: usize = 50;
    /// Allocators keep some of what they had.
    const ROOM: u64 = 16 << 20;
    let lab = pair(name);
    let web = lab.pod_info("shop/web").unwrap().v4();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let resident = resident(&lab, "shop/web");
    let behind = resident.id();
    let agent = Agent::start_with(&lab, "n1", &["--attach", attach]);
    lab.connect_tcp("shop/client", web, 8080, SECOND).unwrap();
    let (descriptors, memory) = (agent.descriptors(), agent.memory());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let attempt = lab.connect_tcp("shop/client", web, 8080, 5 * SECOND).unwrap();
                assert!(matches!(attempt.result, Seen::Connected { .. }), "{attempt:#?}");
                std::thread::sleep(SECOND / 50);
            }
        });
        for first in (0..pairs).step_by(AT_ONCE) {
            let numbers = first..pairs.min(first + AT_ONCE);
            let add = numbers.clone().map(|n| {
                format!("link add c{n} type veth peer name p{n} netns {behind}\nlink set c{n} up\n")
            });
            lab.ip_batch("n1", &add.collect::<String>()).unwrap();
            let delete = numbers.map(|n| format!("link del c{n}\n"));
            lab.ip_batch("n1", &delete.collect::<String>()).unwrap();
        }
        over.store(true, Ordering::Relaxed);
    });
    eventually(
        || agent.descriptors() <= descriptors,
        || format!("{} descriptors, {descriptors} before", agent.descriptors()),
    );
    let grown = agent.memory().saturating_sub(memory);
    let log = agent.log();
    let flows = agent.stop();
    assert!(grown < ROOM, "{grown} bytes more than before");
    assert!(!log.contains("Cannot attach"), "{log}");
    // In a long run ports are used again: there are as many flows of each port as attempts.
    let mut tried: Vec<_> = lab.attempts().iter().map(|attempt| attempt.local.unwrap().port()).collect();
    let mut told: Vec<_> = flows.iter().map(|flow| flow.source.port().unwrap()).collect();
    tried.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, tried);
    assert!(flows.iter().all(|flow| flow.outcome == Outcome::Established));
    assert_eq!(flows.iter().map(|flow| flow.lost).sum::<u64>(), 0, "nothing was lost");
}
