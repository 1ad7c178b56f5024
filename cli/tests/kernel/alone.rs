//! `portolan agent --manifests … --output -`: one node, no API server, no collector.

use crate::support::{Agent, SECOND, flow_of, one_to_one, pod, policies, told};
use portolan_lab::{Lab, PodSpec, ServiceSpec};
use portolan_policy::{Outcome, SideVerdict, Verdict, Who};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

const POLICIES: &str = r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: client}}}]
    ports: [{port: 8080}, {port: 8081}, {port: 8082}, {port: 8083}, {port: 5353, protocol: UDP}, {port: 5354, protocol: UDP}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: no-egress, namespace: shop}
spec: {podSelector: {matchLabels: {app: jailed}}, policyTypes: [Egress]}
";

/// What a firewall for these policies would hold, with a few mistakes on purpose: 8083 is dropped
/// although policies admit it, 9005 to 9007 pass although policies deny them.
const FIREWALL: &str = r"
table inet test {
  chain forward {
    type filter hook forward priority 0; policy accept;
    ct state established,related accept
    tcp dport { 8083, 9000 } drop
    tcp dport 9001 reject with tcp reset
    tcp dport 9002 reject with icmpx admin-prohibited
    tcp dport 9003 reject with icmpx port-unreachable
    udp dport 9010 drop
    udp dport 9011 reject
  }
}";

fn shop(name: &str) -> Lab {
    let mut lab = Lab::new(name).unwrap();
    lab.node("n1").unwrap();
    let web = PodSpec::new("shop/web").node("n1").label("app", "web").port("http", 8080, "TCP");
    lab.pod(web.owner("Deployment", "web")).unwrap();
    lab.pod(PodSpec::new("shop/client").node("n1").label("app", "client")).unwrap();
    lab.pod(PodSpec::new("shop/jailed").node("n1").label("app", "jailed")).unwrap();
    lab.service(ServiceSpec::new("shop/web").port(80, 8080, "TCP").selects([("app", "web")])).unwrap();
    lab.add_policy_yaml(POLICIES).unwrap();
    lab.node_nft("n1", FIREWALL).unwrap();
    lab
}

#[test]
fn every_outcome_of_tcp_is_told_apart_in_both_families() {
    use Outcome::{Dropped, Established, Refused, Rejected};
    use Verdict::{Allowed, Blocked, Denied, Failed, Unenforced};
    let lab = shop("tcp");
    let web = lab.pod_info("shop/web").unwrap();
    let _servers = [8080, 8081, 9005].map(|port| lab.serve_tcp("shop/web", port).unwrap());
    let agent = Agent::start(&lab, "n1");
    let cases = [
        (8080, Established, Allowed),
        (8081, Established, Allowed),
        (8082, Refused, Failed),
        (8083, Dropped, Blocked),
        (9000, Dropped, Denied),
        (9001, Rejected, Denied),
        (9002, Rejected, Denied),
        (9003, Rejected, Denied),
        (9005, Established, Unenforced),
        (9006, Refused, Unenforced),
    ];
    let mut attempts = Vec::new();
    for (port, outcome, verdict) in cases {
        for address in &web.addresses {
            let attempt = lab.connect_tcp("shop/client", *address, port, SECOND).unwrap();
            attempts.push((attempt, outcome, verdict));
        }
    }
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    for (attempt, outcome, verdict) in &attempts {
        let flow = flow_of(&flows, attempt);
        assert_eq!(told(flow), (*outcome, *verdict), "{flow:#?}");
        assert_eq!((pod(&flow.source), pod(&flow.destination)), ("shop/client".into(), "shop/web".into()));
        assert_eq!(flow.destination.port(), Some(attempt.destination.port()));
        assert_eq!(flow.service, None, "a direct connection has no service");
        assert_eq!(policies(&flow.egress), (SideVerdict::NotIsolated, vec![]));
        let expected = match verdict {
            Denied | Unenforced => {
                (SideVerdict::Denied, vec!["shop/default-deny".to_owned(), "shop/web".to_owned()])
            }
            _ => (SideVerdict::Admitted, vec!["shop/web#0".to_owned()]),
        };
        assert_eq!(policies(&flow.ingress), expected);
        assert_eq!(flow.latency_us.is_some(), *outcome == Established, "{flow:#?}");
        let netfilter = matches!(outcome, Dropped | Rejected).then_some("NETFILTER_DROP");
        assert_eq!(flow.drop_reason.as_deref(), netfilter, "{flow:#?}");
        if *outcome == Established {
            assert!(flow.bytes > 0 && flow.packets > 4, "{flow:#?}");
        }
    }
}

#[test]
fn datagrams_and_echoes_are_conversations_in_both_families() {
    let lab = shop("udp");
    let web = lab.pod_info("shop/web").unwrap();
    let _echo = lab.serve_udp("shop/web", 5353).unwrap();
    let _silent = lab.serve_udp_silent("shop/web", 5354).unwrap();
    let agent = Agent::start(&lab, "n1");
    let cases = [
        (5353, Outcome::Established, Verdict::Allowed),
        (5354, Outcome::Delivered, Verdict::Allowed),
        (5355, Outcome::Refused, Verdict::Unenforced),
        (9010, Outcome::Dropped, Verdict::Denied),
        (9011, Outcome::Rejected, Verdict::Denied),
    ];
    let mut attempts = Vec::new();
    for address in &web.addresses {
        for (port, outcome, verdict) in cases {
            let attempt = lab.send_udp("shop/client", *address, port, SECOND / 2).unwrap();
            attempts.push((attempt, outcome, verdict));
        }
        let ping = lab.ping("shop/jailed", *address, 3, SECOND).unwrap();
        attempts.push((ping, Outcome::Established, Verdict::Unenforced));
    }
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    for (attempt, outcome, verdict) in &attempts {
        let flow = flow_of(&flows, attempt);
        assert_eq!(told(flow), (*outcome, *verdict), "{flow:#?}");
        if !flow.protocol.has_ports() {
            assert_eq!((flow.source.port(), flow.destination.port()), (None, None), "ICMP has no port");
            assert_eq!(flow.packets, 6, "three echoes and their answers");
            assert_eq!(policies(&flow.egress), (SideVerdict::Denied, vec!["shop/no-egress".to_owned()]));
        }
    }
}

#[test]
fn a_busy_conversation_is_counted_to_the_last_datagram_in_both_families() {
    const BURST: u64 = 1000;
    let lab = shop("busy");
    let web = lab.pod_info("shop/web").unwrap();
    let _silent = lab.serve_udp_silent("shop/web", 5354).unwrap();
    let agent = Agent::start(&lab, "n1");
    for address in &web.addresses {
        lab.within("shop/client", || {
            let any: IpAddr =
                if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
            let socket = UdpSocket::bind((any, 0)).unwrap();
            socket.connect((*address, 5354)).unwrap();
            for _burst in 0..3 {
                for _datagram in 0..BURST {
                    socket.send(&[7; 100]).unwrap();
                }
                // Longer than a processor counts by itself, shorter than the silence that ends it.
                std::thread::sleep(SECOND * 3 / 10);
            }
        })
        .unwrap();
    }
    agent.wait_for_flows(2);
    for flow in agent.stop() {
        assert_eq!(told(&flow), (Outcome::Delivered, Verdict::Allowed), "{flow:#?}");
        assert_eq!((flow.packets, flow.bytes), (3 * BURST, 3 * BURST * 100), "{flow:#?}");
    }
}

#[test]
fn a_connection_through_a_service_is_one_flow_to_the_backend() {
    let mut lab = shop("service");
    lab.service(ServiceSpec::new("shop/none").port(80, 8080, "TCP").selects([("app", "nobody")])).unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let web = lab.pod_info("shop/web").unwrap();
    let services = [lab.service_info("shop/web").unwrap(), lab.service_info("shop/none").unwrap()];
    let agent = Agent::start(&lab, "n1");
    for address in &services[0].addresses {
        lab.connect_tcp("shop/client", *address, 80, SECOND).unwrap();
    }
    let through = lab.attempts();
    for address in &services[1].addresses {
        lab.connect_tcp("shop/client", *address, 80, SECOND).unwrap();
    }
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    for attempt in &through {
        let flow = flow_of(&flows, attempt);
        assert_eq!(told(flow), (Outcome::Established, Verdict::Allowed), "{flow:#?}");
        assert!(web.addresses.contains(&flow.destination.ip()), "{flow:#?}");
        assert_eq!(flow.destination.port(), Some(8080), "the port after translation");
        let service = flow.service.as_ref().unwrap();
        assert_eq!((service.namespace.as_str(), service.name.as_str(), service.port), ("shop", "web", 80));
        assert_eq!(service.ip, attempt.destination.ip());
    }
    for attempt in &lab.attempts()[through.len()..] {
        let flow = flow_of(&flows, attempt);
        assert!(matches!(flow.destination.who(), Who::Service { name, .. } if name == "none"), "{flow:#?}");
        assert_eq!(told(flow), (Outcome::Rejected, Verdict::Blocked), "{flow:#?}");
    }
}

#[test]
fn a_connection_that_the_sockets_balanced_is_one_flow_with_its_service() {
    let mut lab = shop("balanced");
    let _servers = [8080, 8083].map(|port| lab.serve_tcp("shop/web", port).unwrap());
    let (web, service) = (lab.pod_info("shop/web").unwrap(), lab.service_info("shop/web").unwrap());
    for (address, backend) in service.addresses.iter().zip(&web.addresses) {
        lab.lead_sockets("shop/client", (*address, 80).into(), (*backend, 8080).into()).unwrap();
    }
    let agent = Agent::start(&lab, "n1");
    for (address, backend) in service.addresses.iter().zip(&web.addresses) {
        lab.connect_tcp("shop/client", *address, 80, SECOND).unwrap();
        // One that was not led elsewhere, from the same sockets of the kernel.
        lab.connect_tcp("shop/client", *backend, 8080, SECOND).unwrap();
    }
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    for attempt in lab.attempts() {
        let flow = flow_of(&flows, &attempt);
        assert_eq!(told(flow), (Outcome::Established, Verdict::Allowed), "{flow:#?}");
        assert_eq!(flow.destination.port(), Some(8080), "{flow:#?}");
        assert_eq!(pod(&flow.destination), "shop/web");
        let dialled = flow.service.as_ref().map(|service| (service.name.as_str(), service.ip, service.port));
        let expected = (attempt.destination.port() == 80).then_some(("web", attempt.destination.ip(), 80));
        assert_eq!(dialled, expected, "{flow:#?}");
    }
}

#[test]
fn drops_in_other_places_carry_their_reason_and_no_false_denial() {
    let lab = shop("places");
    let web = lab.pod_info("shop/web").unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let agent = Agent::start(&lab, "n1");
    let in_pod = "table inet in { chain input { type filter hook input priority 0; tcp dport 8080 drop; }; }";
    lab.nft("shop/web", in_pod).unwrap();
    let inside = lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    lab.nft("shop/web", "delete table inet in").unwrap();
    let answer =
        "table inet out { chain forward { type filter hook forward priority -1; tcp sport 8080 drop; }; }";
    lab.node_nft("n1", answer).unwrap();
    let unanswered = lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    lab.node_nft("n1", "delete table inet out").unwrap();
    let nowhere: IpAddr = "198.18.0.1".parse().unwrap();
    lab.run("n1", "ip", &["route", "add", "blackhole", "198.18.0.1/32"]).unwrap();
    let blackhole = lab.connect_tcp("shop/client", nowhere, 80, SECOND).unwrap();
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    let flow = flow_of(&flows, &inside);
    assert_eq!(told(flow), (Outcome::Dropped, Verdict::Failed), "it reached the pod: {flow:#?}");
    let flow = flow_of(&flows, &unanswered);
    assert_eq!(told(flow), (Outcome::Dropped, Verdict::Blocked), "its answer was dropped: {flow:#?}");
    assert_eq!(flow.drop_reason.as_deref(), Some("NETFILTER_DROP"));
    let flow = flow_of(&flows, &blackhole);
    assert_eq!(told(flow), (Outcome::Dropped, Verdict::Blocked), "{flow:#?}");
    assert!(flow.drop_reason.as_deref().is_some_and(|reason| !reason.is_empty()), "{flow:#?}");
    assert!(matches!(flow.destination.who(), Who::External { .. }), "{flow:#?}");
}

#[test]
fn pods_that_come_later_and_the_outside_are_seen_too() {
    let mut lab = shop("later");
    let web = lab.pod_info("shop/web").unwrap();
    let _server = lab.serve_tcp("shop/web", 9005).unwrap();
    // The pod is in the cluster state, its interface comes and goes while the agent runs.
    lab.pod(PodSpec::new("shop/late").node("n1")).unwrap();
    lab.delete_pod_interface("shop/late").unwrap();
    let mut agent = Agent::start(&lab, "n1");
    lab.pod(PodSpec::new("dev/newcomer").node("n1").veth("cali0new")).unwrap();
    agent.wait_for_log("cali0new");
    // The state is fixed: to this agent the newcomer is an address outside.
    lab.connect_tcp("dev/newcomer", web.v4(), 9005, SECOND).unwrap();
    lab.connect_tcp("external", web.v4(), 9005, SECOND).unwrap();
    lab.connect_tcp("n1", web.v4(), 9005, SECOND).unwrap();
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    let attempts = lab.attempts();
    for attempt in &attempts[..2] {
        let flow = flow_of(&flows, attempt);
        assert!(matches!(flow.source.who(), Who::External { .. }), "{flow:#?}");
        assert_eq!(told(flow), (Outcome::Established, Verdict::Unenforced), "{flow:#?}");
    }
    let own_node = flow_of(&flows, &attempts[2]);
    assert!(matches!(own_node.source.who(), Who::Node { node, .. } if node == "n1"), "{own_node:#?}");
    assert_eq!(told(own_node), (Outcome::Established, Verdict::Allowed), "{own_node:#?}");
    assert_eq!(policies(&own_node.ingress).0, SideVerdict::NotApplicable, "the own node is exempt");
}

#[test]
fn a_closed_port_of_the_node_itself_is_refused() {
    let lab = shop("node-port");
    let node = lab.node_info("n1").unwrap();
    let agent = Agent::start(&lab, "n1");
    for address in node.addresses.both() {
        lab.connect_tcp("shop/client", address, 22, SECOND).unwrap();
    }
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    for flow in &flows {
        assert_eq!(told(flow), (Outcome::Refused, Verdict::Failed), "{flow:#?}");
        assert!(matches!(flow.destination.who(), Who::Node { node, .. } if node == "n1"), "{flow:#?}");
    }
}

#[test]
fn many_short_connections_are_as_many_flows() {
    const EACH: usize = 250;
    let lab = shop("many");
    let web = lab.pod_info("shop/web").unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let agent = Agent::start(&lab, "n1");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..EACH {
                    lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
                }
            });
        }
    });
    agent.wait_for_flows(4 * EACH);
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    assert!(flows.iter().all(|flow| told(flow) == (Outcome::Established, Verdict::Allowed)));
    assert!(flows.iter().all(|flow| flow.lost == 0));
}

#[test]
fn without_tcx_the_programs_hang_in_clsact_and_leave_nothing_behind() {
    let lab = shop("clsact");
    let web = lab.pod_info("shop/web").unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let filters = || {
        let veth = web.veth.as_deref().unwrap();
        let list = |direction| lab.run("n1", "tc", &["filter", "show", "dev", veth, direction]).unwrap();
        let all = list("ingress") + &list("egress");
        all.lines().filter(|line| line.contains("portolan_")).count()
    };
    Agent::start_with(&lab, "n1", &["--attach", "clsact"]).kill();
    assert_eq!(filters(), 2, "a killed agent cannot clean up");
    let agent = Agent::start_with(&lab, "n1", &["--attach", "clsact"]);
    assert_eq!(filters(), 2, "its successor takes its place");
    let through = lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    let dropped = lab.connect_tcp("shop/client", web.v4(), 9000, SECOND).unwrap();
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    assert_eq!(told(flow_of(&flows, &through)), (Outcome::Established, Verdict::Allowed));
    assert_eq!(told(flow_of(&flows, &dropped)), (Outcome::Dropped, Verdict::Denied));
    assert_eq!(filters(), 0, "an agent that ends takes its filters along");
}
