//! More than can be kept: what was recorded and what was counted as lost make up what was tried.

use crate::support::{Agent, Counted, SECOND, eventually, metrics, pair};
use portolan_lab::Lab;
use portolan_policy::Protocol;
use std::{
    cell::Cell,
    collections::BTreeSet,
    net::{SocketAddr, UdpSocket},
};

const PORT: u16 = 9999;
const FIRST_PORT: u16 = 20_000;
const METRICS: &str = "127.0.0.1:9464";

/// Sends one datagram from each of as many ports to a pod that reads and never answers. So many are
/// under way at once as the socket that reads can hold, and far more than the ring.
fn datagrams(lab: &Lab, count: u16) {
    const UNDER_WAY: u16 = 100;
    let web = lab.pod_info("shop/web").unwrap().v4();
    let silent = lab.within("shop/web", || UdpSocket::bind(("0.0.0.0", PORT)).unwrap()).unwrap();
    silent.set_read_timeout(Some(5 * SECOND)).unwrap();
    let send = || {
        for number in 0..count {
            let socket = UdpSocket::bind(("0.0.0.0", FIRST_PORT + number)).unwrap();
            socket.send_to(b"one", SocketAddr::new(web, PORT)).unwrap();
            if (number + 1) % UNDER_WAY == 0 {
                for _ in 0..UNDER_WAY {
                    silent.recv(&mut [0; 8]).expect("the network itself loses none");
                }
            }
        }
    };
    lab.within("shop/client", send).unwrap();
}

#[test]
fn records_read_and_records_lost_are_all_records_when_the_ring_is_too_small() {
    const COUNT: u16 = 10_000;
    let lab = pair("ring");
    let agent = Agent::start_with(&lab, "n1", &["--ring-bytes", "4096", "--metrics-listen", METRICS]);
    datagrams(&lab, COUNT);
    // A conversation is told of once where it leaves one pod and once where it reaches the other.
    let tried = 2 * u64::from(COUNT);
    let polls = Cell::new(0);
    let counted = || {
        polls.set(polls.get() + 1);
        metrics(&lab, "n1", METRICS)
    };
    let all = |counted: &Counted| counted.sum("events_total") + counted.lost();
    eventually(|| all(&counted()) >= tried, || format!("{:?}", counted()));
    let counted = counted();
    // Both sockets of a connection to the agent's own metrics are told of when they end, and the kernel drops now and
    // then what it sends by itself in a new namespace. What is counted twice would be thousands.
    let others = 2 * polls.get() + 20;
    assert!(all(&counted) <= tried + others, "something is counted twice: {counted:?}");
    assert!(counted.lost() > u64::from(COUNT), "the ring is not too small: {counted:?}");
    let flows = agent.stop();
    let flows: Vec<_> = flows.iter().filter(|flow| flow.protocol == Protocol::Udp).collect();
    let ports: BTreeSet<_> = flows.iter().map(|flow| flow.source.port()).collect();
    assert_eq!(ports.len(), flows.len(), "no attempt is told of twice");
    let told: u64 = flows.iter().map(|flow| flow.lost).sum();
    assert_eq!(told, counted.lost(), "the flows carry what the metrics count");
    assert!(flows.len() as u64 + told >= u64::from(COUNT), "an attempt is missing and nothing says so");
}

#[test]
fn a_connection_is_told_of_or_counted_among_the_lost_openings() {
    const THREADS: usize = 4;
    const EACH: usize = 500;
    let lab = pair("openings");
    let web = lab.pod_info("shop/web").unwrap().v4();
    let agent = Agent::start_with(&lab, "n1", &["--ring-bytes", "4096", "--metrics-listen", METRICS]);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    // Nobody listens: the shortest connection there is.
                    lab.connect_tcp("shop/client", web, PORT, SECOND).unwrap();
                }
            });
        }
    });
    let lost = || metrics(&lab, "n1", METRICS).lost_to("kernel-ring-full-openings");
    let is_whole = || agent.flows() as u64 + lost() >= (THREADS * EACH) as u64;
    eventually(is_whole, || format!("{} flows, {} openings lost", agent.flows(), lost()));
    let flows = agent.stop();
    let ports: BTreeSet<_> = flows.iter().map(|flow| flow.source.port()).collect();
    assert_eq!(ports.len(), flows.len(), "no attempt is told of twice");
    assert!(flows.len() < THREADS * EACH, "the ring is not too small");
}

#[test]
fn attempts_that_find_the_table_full_are_counted() {
    const COUNT: u16 = 2000;
    let lab = pair("table");
    let agent = Agent::start_with(&lab, "n1", &["--max-attempts", "100", "--metrics-listen", METRICS]);
    datagrams(&lab, COUNT);
    // Both sightings of a conversation that found no room are refused; each counts.
    let refused = || metrics(&lab, "n1", METRICS).lost_to("attempt-table-full");
    eventually(|| refused() >= u64::from(COUNT - 1000), || format!("{} refused", refused()));
    let flows = agent.stop();
    let flows: Vec<_> = flows.iter().filter(|flow| flow.protocol == Protocol::Udp).collect();
    let told: u64 = flows.iter().map(|flow| flow.lost).sum();
    assert!(flows.len() < usize::from(COUNT));
    assert!(flows.len() as u64 + told >= u64::from(COUNT), "{} flows, {told} lost", flows.len());
}
