//! Drops in a softirq that interrupts the program which tells of another drop: the kernel runs no program inside itself.
//! A program of its own among the tests: what it makes the kernel refuse, all agents of the machine miss.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

#[path = "kernel/support.rs"]
#[expect(dead_code, reason = "the other kernel tests need more of it")]
mod support;

use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use portolan_lab::Lab;
use serde_json::Value;
use std::{
    net::{IpAddr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};
use support::{Agent, metrics, pair, portolan};

const METRICS: &str = "127.0.0.1:9464";
/// Dropped in the process that sends it.
const OWN: &str = "table inet own { chain o { type filter hook output priority 0; udp dport 9001 drop; }; }";
/// Dropped on the node, where the packets of the other processor come in by softirq.
const NODE: &str = "table inet t { chain f { type filter hook forward priority 0; udp dport 9002 drop; }; }";
/// So many runs were refused: then what became of them says something.
const ENOUGH: u64 = 50;
const PATIENCE: Duration = Duration::from_mins(1);

/// Sends on this processor until told to stop.
fn send(lab: &Lab, from: &str, to: (IpAddr, u16), cpu: usize, stop: &AtomicBool) {
    let work = || {
        let mut set = CpuSet::new();
        set.set(cpu).unwrap();
        sched_setaffinity(Pid::from_raw(0), &set).unwrap();
        let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
        while !stop.load(Ordering::Relaxed) {
            // Its own firewall says so to the sender.
            socket.send_to(b"one", to).ok();
        }
    };
    lab.within(from, work).unwrap();
}

/// How often the kernel refused the first program for drops, and how often that was made good by nobody.
fn missed(lab: &Lab) -> (u64, u64) {
    let output = portolan().args(["probe", "--output", "json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let netns = lab.node_info("n1").unwrap().inode;
    let agent = report["agents"].as_array().unwrap().iter().find(|agent| agent["netns"] == netns).unwrap();
    let programs = agent["programs"].as_array().unwrap().iter();
    let refused =
        programs.filter(|program| program["probe"] == "kfree_skb").map(|p| p["missed"].as_u64().unwrap());
    (refused.sum(), metrics(lab, "n1", METRICS).lost_to("probe-missed"))
}

#[test]
fn a_drop_that_interrupts_the_program_for_another_is_told_all_the_same() {
    let lab = pair("nested");
    let [client, web] = ["shop/client", "shop/web"].map(|pod| lab.pod_info(pod).unwrap());
    let veth = web.veth.clone().unwrap();
    // What web sends is handled by the first processor, which is told so by an interrupt.
    let steer = format!("mount -t sysfs none /sys && echo 1 > /sys/class/net/{veth}/queues/rx-0/rps_cpus");
    lab.run("n1", "unshare", &["--mount", "sh", "-c", &steer]).unwrap();
    lab.nft("shop/client", OWN).unwrap();
    lab.node_nft("n1", NODE).unwrap();
    let agent = Agent::start_with(&lab, "n1", &["--metrics-listen", METRICS]);
    let stop = AtomicBool::new(false);
    let refused = std::thread::scope(|scope| {
        scope.spawn(|| send(&lab, "shop/client", (web.v4(), 9001), 0, &stop));
        scope.spawn(|| send(&lab, "shop/web", (client.v4(), 9002), 1, &stop));
        let begun = Instant::now();
        let mut refused = 0;
        while refused < ENOUGH && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(200));
            refused = missed(&lab).0;
        }
        stop.store(true, Ordering::Relaxed);
        refused
    });
    assert!(refused >= ENOUGH, "only {refused} drops interrupted another: this test says nothing");
    // The agent looks at what was missed once a second.
    std::thread::sleep(Duration::from_millis(1500));
    let (refused, missed) = missed(&lab);
    // What is left are the few instructions before the program has set its mark and after it has taken it back, and
    // what the kernel does there while somebody measures.
    assert!(missed * 2 < refused, "of {refused} refused runs {missed} were made good by nobody");
    drop(agent.stop());
}
