//! Openings that are dropped at first and get through in the end.

use crate::support::{Agent, SECOND, eventually, flow_of, pair, told};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use portolan_lab::lab::End;
use portolan_policy::{Outcome, Verdict};
use std::os::fd::{AsRawFd as _, OwnedFd};

const PORT: u16 = 8080;
/// As a network plugin that has not come to this pod yet.
const NOT_YET: &str = "
table inet late {
  counter dropped {}
  chain forward {
    type filter hook forward priority 0; policy accept;
    tcp dport 8080 tcp flags syn counter name dropped drop
  }
}";

#[test]
fn a_connection_that_gets_through_on_its_third_try_is_one_flow_and_established() {
    let lab = pair("third-try");
    let web = lab.pod_info("shop/web").unwrap().v4();
    let _server = lab.serve_tcp("shop/web", PORT).unwrap();
    let agent = Agent::start(&lab, "n1");
    lab.node_nft("n1", NOT_YET).unwrap();
    let attempt = std::thread::scope(|scope| {
        let attempt = scope.spawn(|| lab.connect_tcp("shop/client", web, PORT, 10 * SECOND).unwrap());
        let list = || lab.run("n1", "nft", &["list", "counter", "inet", "late", "dropped"]).unwrap();
        eventually(|| list().contains("packets 2 "), list);
        lab.node_nft("n1", "delete table inet late").unwrap();
        attempt.join().unwrap()
    });
    assert!(attempt.result.succeeded(), "{attempt:?}");
    let flows = agent.stop();
    assert_eq!(flows.len(), 1, "{flows:#?}");
    let flow = flow_of(&flows, &attempt);
    assert_eq!(told(flow), (Outcome::Established, Verdict::Allowed), "{flow:#?}");
    assert_eq!((flow.attempts, flow.tries), (1, 3), "{flow:#?}");
}

/// What was dropped for three and a half seconds is told, and the client goes on trying.
#[test]
fn a_connection_that_gets_through_after_it_was_told_as_dropped_is_told_again_with_what_it_revises() {
    let lab = pair("told-again");
    let web = lab.pod_info("shop/web").unwrap().v4();
    let _server = lab.serve_tcp("shop/web", PORT).unwrap();
    let agent = Agent::start(&lab, "n1");
    lab.node_nft("n1", NOT_YET).unwrap();
    let attempt = std::thread::scope(|scope| {
        let attempt = scope.spawn(|| lab.connect_tcp("shop/client", web, PORT, 20 * SECOND).unwrap());
        agent.wait_for_flows(1);
        lab.node_nft("n1", "delete table inet late").unwrap();
        attempt.join().unwrap()
    });
    assert!(attempt.result.succeeded(), "{attempt:?}");
    agent.wait_for_flows(2);
    let flows = agent.stop();
    let told: Vec<_> = flows.iter().map(|flow| (flow.outcome, flow.revises, flow.verdict)).collect();
    let expected = [
        (Outcome::Dropped, None, Verdict::Blocked),
        (Outcome::Established, Some(Outcome::Dropped), Verdict::Allowed),
    ];
    assert_eq!(told, expected, "{flows:#?}");
    for flow in &flows {
        assert_eq!(flow.source.port(), attempt.local.map(|local| local.port()));
    }
    let apart = flows[1].time.duration_since(flows[0].time).abs();
    assert!(apart < jiff::SignedDuration::from_millis(1), "the same start: {flows:#?}");
    assert!(flows[1].tries >= 4, "{flows:#?}");
}

/// A socket that gets a copy of all that crosses the devices of its namespace.
fn sniffer() -> OwnedFd {
    let sniffer =
        socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), SockProtocol::EthAll).unwrap();
    setsockopt(&sniffer, sockopt::ReceiveTimeout, &TimeVal::new(5, 0)).unwrap();
    sniffer
}

/// The first frame with a SYN over IPv4 among what was copied.
fn opening(sniffer: &OwnedFd) -> Vec<u8> {
    const IP: usize = 14;
    const FLAGS: usize = IP + 20 + 13;
    const SYN: u8 = 2;
    let mut frame = [0; 2048];
    loop {
        let length = recv(sniffer.as_raw_fd(), &mut frame, MsgFlags::empty()).unwrap();
        let is_tcp = frame[IP - 2..IP] == [8, 0] && frame[IP + 9] == 6;
        if is_tcp && frame[FLAGS] == SYN {
            return frame[..length].to_vec();
        }
    }
}

/// As when a program with a queue lets the first one pass so late that its client has sent another.
#[test]
fn a_repeated_opening_that_is_dropped_when_its_connection_has_ended_is_no_attempt_of_its_own() {
    let lab = pair("left-behind");
    let web = lab.pod_info("shop/web").unwrap().v4();
    let _server = lab.serve_tcp("shop/web", PORT).unwrap();
    let sniffer = lab.within("shop/client", sniffer).unwrap();
    let agent = Agent::start(&lab, "n1");
    let dropped = || lab.run("n1", "nft", &["list", "counter", "inet", "late", "dropped"]).unwrap();
    lab.node_nft("n1", NOT_YET).unwrap();
    std::thread::scope(|scope| {
        let attempt = scope.spawn(|| lab.connect_tcp("shop/client", web, PORT, 10 * SECOND).unwrap());
        eventually(|| dropped().contains("packets 1 "), dropped);
        lab.node_nft("n1", "delete table inet late").unwrap();
        assert!(attempt.join().unwrap().result.succeeded());
    });
    agent.wait_for_flows(1);
    lab.node_nft("n1", NOT_YET).unwrap();
    lab.inject_frame("shop/client", End::Pod, &opening(&sniffer)).unwrap();
    eventually(|| dropped().contains("packets 1 "), dropped);
    let flows = agent.stop();
    assert_eq!(flows.len(), 1, "{flows:#?}");
    assert_eq!(told(&flows[0]), (Outcome::Established, Verdict::Allowed), "{flows:#?}");
    assert_eq!(flows[0].tries, 2, "{flows:#?}");
}
