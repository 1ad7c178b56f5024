//! Attempts at the edge of what the matrix holds: sockets of the other family, openings that are sent again, and
//! routers that speak up late.

use crate::support::{Agent, SECOND, pair, told};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket, sockopt};
use portolan_lab::enforce::Route;
use portolan_lab::{Direction, Lab, Mechanism, PodSpec, Protocol, Seen};
use portolan_policy::{Outcome, Verdict};
use std::{net::IpAddr, os::fd::OwnedFd};

#[test]
fn an_ipv6_socket_that_speaks_ipv4_is_told_as_ipv4() {
    let lab = pair("mapped");
    let web = lab.pod_info("shop/web").unwrap();
    let _servers = (lab.serve_tcp("shop/web", 8080).unwrap(), lab.serve_udp("shop/web", 5353).unwrap());
    let IpAddr::V4(v4) = web.v4() else { panic!("the pod has an IPv4 address") };
    let mapped = IpAddr::V6(v4.to_ipv6_mapped());
    let agent = Agent::start(&lab, "n1");
    let attempts = [
        lab.connect_tcp("shop/client", mapped, 8080, SECOND).unwrap(),
        lab.send_udp("shop/client", mapped, 5353, SECOND).unwrap(),
    ];
    let flows = agent.stop();
    assert_eq!(flows.len(), attempts.len(), "{flows:#?}");
    for attempt in attempts {
        assert!(attempt.result.succeeded(), "{attempt:?}");
        let local = attempt.local.unwrap();
        let flow = flows.iter().find(|flow| flow.source.port() == Some(local.port())).unwrap();
        assert_eq!(told(flow), (Outcome::Established, Verdict::Allowed), "{flow:#?}");
        assert_eq!((flow.source.ip(), flow.destination.ip()), (local.ip().to_canonical(), web.v4()));
        assert!(flow.packets > 1 && flow.bytes > 0, "{flow:#?}");
    }
}

#[test]
fn an_opening_that_is_sent_again_is_one_attempt_with_its_tries() {
    let mut lab = pair("tries");
    lab.enforce(Mechanism::NftDrop, Direction::Ingress, "shop/web", &[(Protocol::Tcp, 8080)]).unwrap();
    let web = lab.pod_info("shop/web").unwrap();
    let agent = Agent::start(&lab, "n1");
    for address in &web.addresses {
        // Sent at once, and again after a second.
        lab.connect_tcp("shop/client", *address, 8080, SECOND * 3 / 2).unwrap();
    }
    let flows = agent.stop();
    assert_eq!(flows.len(), 2, "{flows:#?}");
    for flow in &flows {
        assert_eq!(told(flow), (Outcome::Dropped, Verdict::Blocked), "{flow:#?}");
        assert_eq!((flow.attempts, flow.tries), (1, 2), "{flow:#?}");
    }
}

#[test]
fn a_router_that_says_no_to_a_later_try_has_rejected_the_attempt() {
    let mut lab = pair("late-word");
    let traffic = [(Protocol::Tcp, 8080), (Protocol::Udp, 8080)];
    lab.enforce(Mechanism::Route(Route::Prohibit), Direction::Egress, "shop/client", &traffic).unwrap();
    let web = lab.pod_info("shop/web").unwrap();
    let agent = Agent::start(&lab, "n1");
    // A router says only so much to each address; this uses it up.
    let spent = |_| lab.send_udp("shop/client", web.v4(), 8080, SECOND / 10).unwrap().result == Seen::Silent;
    assert!((0..20).any(spent), "the router goes on to say no");
    let attempt = lab.connect_tcp("shop/client", web.v4(), 8080, SECOND * 7).unwrap();
    assert!(matches!(attempt.result, Seen::Unreachable(_)), "{attempt:?}");
    let flows = agent.stop();
    let port = attempt.local.map(|local| local.port());
    let flow = flows.iter().find(|flow| flow.source.port() == port && flow.tries > 1).unwrap();
    assert_eq!(told(flow), (Outcome::Rejected, Verdict::Blocked), "{flow:#?}");
}

#[test]
fn an_opening_that_its_router_drops_after_its_client_has_gone_is_dropped() {
    let lab = pair("late-drop");
    let web = lab.pod_info("shop/web").unwrap();
    let agent = Agent::start(&lab, "n1");
    // The node asks for its neighbour three times, a second apart.
    lab.run("shop/web", "ip", &["addr", "flush", "dev", "eth0"]).unwrap();
    lab.run("n1", "ip", &["neigh", "flush", "dev", &web.veth.unwrap()]).unwrap();
    std::thread::scope(|scope| {
        for address in &web.addresses {
            scope.spawn(|| lab.connect_tcp("shop/client", *address, 8080, SECOND).unwrap());
        }
    });
    agent.wait_for_flows(web.addresses.len());
    let flows = agent.stop();
    assert_eq!(flows.len(), web.addresses.len(), "{flows:#?}");
    for flow in &flows {
        assert_eq!(told(flow), (Outcome::Dropped, Verdict::Blocked), "{flow:#?}");
        assert_eq!(flow.drop_location.as_deref(), Some("neighbour"), "{flow:#?}");
    }
}

#[test]
fn an_opening_that_a_bridge_floods_is_one_try() {
    let mut lab = Lab::new("flooded").unwrap();
    lab.bridged_node("n1").unwrap();
    for pod in ["web", "client", "other", "another"] {
        lab.pod(PodSpec::new(&format!("shop/{pod}")).node("n1")).unwrap();
    }
    // It forgets at once which pod is behind which port.
    lab.run("n1", "ip", &["link", "set", "cni0", "type", "bridge", "ageing_time", "0"]).unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let agent = Agent::start(&lab, "n1");
    let addresses = lab.pod_info("shop/web").unwrap().addresses;
    for address in &addresses {
        assert!(lab.connect_tcp("shop/client", *address, 8080, SECOND).unwrap().result.succeeded());
    }
    let flows = agent.stop();
    assert_eq!(flows.len(), addresses.len(), "{flows:#?}");
    for flow in &flows {
        assert_eq!(told(flow), (Outcome::Established, Verdict::Allowed), "{flow:#?}");
        assert_eq!(flow.tries, 1, "{flow:#?}");
    }
}

/// A socket that gets a copy of all that crosses the devices of its namespace, and has room for hardly any.
fn sniffer() -> OwnedFd {
    let all = SockProtocol::EthAll;
    let sniffer = socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), all).unwrap();
    setsockopt(&sniffer, sockopt::RcvBuf, &1).unwrap();
    sniffer
}

#[test]
fn copies_that_a_sniffer_has_no_room_for_are_no_drops() {
    let lab = pair("sniffer");
    let web = lab.pod_info("shop/web").unwrap();
    let _server = lab.serve_udp_silent("shop/web", 5353).unwrap();
    let sniffer = lab.within("n1", sniffer).unwrap();
    let agent = Agent::start(&lab, "n1");
    for _ in 0..10 {
        lab.send_udp("shop/client", web.v4(), 5353, SECOND / 10).unwrap();
    }
    drop(sniffer);
    let flows = agent.stop();
    assert_eq!(flows.len(), 10, "{flows:#?}");
    for flow in &flows {
        assert_eq!(told(flow), (Outcome::Delivered, Verdict::Allowed), "{flow:#?}");
    }
}
