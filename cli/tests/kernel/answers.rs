//! Answers and refusals that never come to who asked: the client tries again, and it stays one attempt.

use crate::support::{Agent, SECOND, one_to_one, pair, told};
use portolan_lab::Lab;
use portolan_policy::{Flow, Outcome, Verdict};
use std::net::UdpSocket;

const PORT: u16 = 8080;
const PATIENCE: std::time::Duration = SECOND.saturating_mul(4);

/// One connection for each address of the server, under an agent.
fn connections(lab: &Lab) -> Vec<Flow> {
    let web = lab.pod_info("shop/web").unwrap();
    let agent = Agent::start(lab, "n1");
    for address in &web.addresses {
        lab.connect_tcp("shop/client", *address, PORT, PATIENCE).unwrap();
    }
    let flows = agent.stop();
    one_to_one(lab, &flows);
    flows
}

#[test]
fn a_reset_that_is_lost_on_its_way_back_leaves_one_attempt() {
    let lab = pair("lost-reset");
    let lossy =
        "table inet t { chain f { type filter hook forward priority 0; tcp flags & rst == rst drop; }; }";
    lab.node_nft("n1", lossy).unwrap();
    for flow in connections(&lab) {
        assert_eq!(told(&flow), (Outcome::Dropped, Verdict::Blocked), "{flow:#?}");
        assert_eq!(flow.drop_reason.as_deref(), Some("NETFILTER_DROP"), "{flow:#?}");
        assert!(flow.tries > 1, "{flow:#?}");
    }
}

#[test]
fn an_answer_that_the_clients_own_firewall_drops_establishes_nothing() {
    let lab = pair("lost-answer");
    let _server = lab.serve_tcp("shop/web", PORT).unwrap();
    let deaf = "table inet t { chain i { type filter hook input priority 0; tcp sport 8080 drop; }; }";
    lab.nft("shop/client", deaf).unwrap();
    for flow in connections(&lab) {
        assert_eq!(told(&flow), (Outcome::Dropped, Verdict::Blocked), "{flow:#?}");
        assert_eq!(flow.drop_reason.as_deref(), Some("NETFILTER_DROP"), "{flow:#?}");
        assert_eq!(flow.latency_us, None, "no handshake, no latency: {flow:#?}");
    }
}

#[test]
fn what_a_pod_sends_to_its_own_closed_port_is_no_flow() {
    let lab = pair("itself");
    let web = lab.pod_info("shop/web").unwrap();
    let agent = Agent::start(&lab, "n1");
    let client = lab.pod_info("shop/client").unwrap();
    for (own, other) in web.addresses.iter().zip(&client.addresses) {
        // The agent knows a pod's namespace from its first packet on.
        lab.ping("shop/web", *other, 1, SECOND).unwrap();
        let send = || UdpSocket::bind((*own, 0)).unwrap().send_to(b"one", (*own, 97)).unwrap();
        lab.within("shop/web", send).unwrap();
    }
    let flows = agent.stop();
    assert_eq!(flows.len(), web.addresses.len(), "only what left the pod: {flows:#?}");
    one_to_one(&lab, &flows);
}
