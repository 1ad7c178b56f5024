//! What a socket itself says of its connection when it closes.

use crate::support::{Agent, SECOND, pair};
use portolan_policy::{Flow, Outcome};
use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, TcpListener, TcpStream},
};

const PORT: u16 = 8080;
/// Drops every third segment with data on its way to the server, and counts.
const LOSSY: &str = "
table inet lossy {
  counter lost {}
  chain forward {
    type filter hook forward priority 0; policy accept;
    tcp dport 8080 tcp flags & (syn | fin | rst | psh) == psh numgen inc mod 3 == 1 counter name lost drop
  }
}";

/// Sends messages, each after the echo of the one before.
fn talk(web: IpAddr, messages: usize) {
    let mut stream = TcpStream::connect((web, PORT)).unwrap();
    stream.set_read_timeout(Some(10 * SECOND)).unwrap();
    for _ in 0..messages {
        stream.write_all(&[7; 100]).unwrap();
        stream.read_exact(&mut [0; 100]).unwrap();
    }
}

#[test]
fn segments_that_were_lost_are_sent_again_and_the_round_trip_is_told_in_both_families() {
    const MESSAGES: usize = 6;
    let lab = pair("lossy");
    let web = lab.pod_info("shop/web").unwrap();
    let _server = lab.serve_tcp("shop/web", PORT).unwrap();
    let agent = Agent::start(&lab, "n1");
    let mut expected = Vec::new();
    for address in &web.addresses {
        lab.node_nft("n1", LOSSY).unwrap();
        lab.within("shop/client", || talk(*address, MESSAGES)).unwrap();
        let counter = lab.run("n1", "nft", &["list", "counter", "inet", "lossy", "lost"]).unwrap();
        let words: Vec<&str> = counter.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "packets").expect("nft counts packets");
        expected.push((*address, words[at + 1].parse::<u64>().unwrap()));
        lab.node_nft("n1", "delete table inet lossy").unwrap();
    }
    agent.wait_for_flows(expected.len());
    let flows = agent.stop();
    for (address, lost) in expected {
        assert!(lost >= 2, "the firewall dropped {lost} segments only");
        let to = |flow: &&Flow| flow.destination.ip() == address;
        let [flow] = flows.iter().filter(to).collect::<Vec<_>>()[..] else { panic!("{flows:#?}") };
        assert_eq!(flow.outcome, Outcome::Established, "{flow:#?}");
        assert!(flow.retransmits >= Some(lost), "{lost} were lost: {flow:#?}");
        assert!(flow.srtt_us.is_some_and(|micros| (1..10_000_000).contains(&micros)), "{flow:#?}");
        assert_eq!(flow.bytes, 2 * 100 * MESSAGES as u64, "what was sent again counts once: {flow:#?}");
    }
}

#[test]
fn payload_is_counted_to_the_byte_whoever_closes_first_and_a_reset_or_not() {
    const GREETING: usize = 1234;
    let lab = pair("bytes");
    let web = lab.pod_info("shop/web").unwrap().v4();
    let agent = Agent::start(&lab, "n1");
    let server = lab.within("shop/web", || TcpListener::bind(("0.0.0.0", PORT)).unwrap()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2 {
                server.accept().unwrap().0.write_all(&[7; GREETING]).unwrap();
            }
        });
        let connect = || TcpStream::connect((web, PORT)).unwrap();
        lab.within("shop/client", || {
            let mut whole = Vec::new();
            connect().read_to_end(&mut whole).unwrap();
            assert_eq!(whole.len(), GREETING);
            // What was not read when it closes makes the kernel send a reset.
            connect().read_exact(&mut [0; 1]).unwrap();
        })
        .unwrap();
    });
    agent.wait_for_flows(2);
    for flow in agent.stop() {
        assert_eq!((flow.outcome, flow.bytes), (Outcome::Established, GREETING as u64), "{flow:#?}");
    }
}
