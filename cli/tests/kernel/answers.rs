//! Answers and refusals that never come to who asked: the client tries again, and it stays one attempt. And answers that
//! do come, and that the kernel then says it dropped.

use crate::support::{Agent, SECOND, one_to_one, pair, told};
use nix::sys::{
    socket::{
        AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, recv, sendto, setsockopt,
        socket, sockopt,
    },
    time::TimeVal,
};
use portolan_lab::Lab;
use portolan_policy::{Flow, Outcome, Verdict};
use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::AsRawFd as _,
};

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

/// Nobody enforces it, so that each attempt of the client is a breach, and each of the node is none.
const DENY: &str =
    "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: shop},
  spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}}";

/// What `ping` does that has the right to: one request by a raw socket, until its reply is there.
fn raw_ping(to: IpAddr, identifier: u16) {
    let (family, protocol, request, reply, ip_header) = match to {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp, 8, 0, 20),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6, 128, 129, 0),
    };
    let socket = socket(family, SockType::Raw, SockFlag::empty(), protocol).unwrap();
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(5, 0)).unwrap();
    // The kernel sums up ICMPv6 itself.
    let [[sum, sum_low], [id, id_low]] =
        [!((u16::from(request) << 8) + identifier), identifier].map(u16::to_be_bytes);
    let destination = SockaddrStorage::from(SocketAddr::new(to, 0));
    let packet = [request, 0, sum, sum_low, id, id_low, 0, 0];
    sendto(socket.as_raw_fd(), &packet, &destination, MsgFlags::empty()).unwrap();
    let mut received = [0; 128];
    while received[ip_header] != reply || received[ip_header + 4..ip_header + 6] != [id, id_low] {
        recv(socket.as_raw_fd(), &mut received, MsgFlags::empty()).unwrap();
    }
}

#[test]
fn an_echo_reply_that_a_raw_socket_has_taken_has_come() {
    let mut lab = pair("raw-ping");
    lab.add_policy_yaml(DENY).unwrap();
    let agent = Agent::start(&lab, "n1");
    let places = [("shop/client", Verdict::Unenforced), ("n1", Verdict::Allowed)];
    let mut expected = Vec::new();
    for to in lab.pod_info("shop/web").unwrap().addresses {
        for (place, verdict) in places {
            lab.within(place, || raw_ping(to, 77)).unwrap();
            expected.push((to, Outcome::Established, verdict));
        }
    }
    agent.wait_for_flows(expected.len());
    let flows = agent.stop();
    let mut told: Vec<_> =
        flows.iter().map(|flow| (flow.destination.ip(), flow.outcome, flow.verdict)).collect();
    expected.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, expected, "{flows:#?}");
}

#[test]
fn a_datagram_that_is_answered_when_its_client_has_closed_was_answered() {
    let lab = pair("late-datagram");
    let [web, client] = ["shop/web", "shop/client"].map(|pod| lab.pod_info(pod).unwrap().addresses);
    let agent = Agent::start(&lab, "n1");
    for (to, from) in web.iter().zip(&client) {
        let bound = |place, ip: IpAddr| lab.within(place, || UdpSocket::bind((ip, PORT)).unwrap()).unwrap();
        let (server, asking) = (bound("shop/web", *to), bound("shop/client", *from));
        asking.send_to(b"question", (*to, PORT)).unwrap();
        let (_, asked_by) = server.recv_from(&mut [0; 64]).unwrap();
        drop(asking);
        server.send_to(b"answer", asked_by).unwrap();
    }
    agent.wait_for_flows(web.len());
    let flows = agent.stop();
    assert_eq!(flows.len(), web.len(), "{flows:#?}");
    for flow in &flows {
        assert_eq!(told(flow), (Outcome::Established, Verdict::Allowed), "{flow:#?}");
    }
}
