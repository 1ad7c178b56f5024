//! Pods that hang on their node in other ways than most: behind one device, behind two bridges, by a pair of
//! interfaces that was made elsewhere; and the addresses that a node has there.

use crate::support::{Agent, SECOND, flow_of, one_to_one, pair, pod, resident, told};
use portolan_lab::enforce::{Backend, Target};
use portolan_lab::{Direction, Lab, Mechanism, PodSpec, Process, Protocol, Seen};
use portolan_policy::{Outcome, SideVerdict, Verdict, Who};
use std::net::IpAddr;

fn veth(lab: &Lab, pod: &str) -> String {
    lab.pod_info(pod).unwrap().veth.unwrap()
}

/// Gives two pods an interface each on top of one device, which is a third pod's, and a way to one another by it.
fn behind_one_device(lab: &mut Lab) -> [Process; 2] {
    lab.pod(PodSpec::new("shop/rack").node("n1")).unwrap();
    let below = veth(lab, "shop/rack");
    let ends = [("shop/web", "mac0", "shop/client"), ("shop/client", "mac1", "shop/web")];
    ends.map(|(own, device, other)| {
        let resident = resident(lab, own);
        let id = resident.id();
        let add = format!(
            "link add link {below} name {device} type macvlan mode bridge\nlink set {device} netns {id}\n"
        );
        lab.ip_batch("n1", &add).unwrap();
        let of = |name: &str| lab.pod_info(name).unwrap().v4();
        let route = format!("link set {device} up\nroute add {} dev {device} src {}\n", of(other), of(own));
        lab.ip_batch(own, &route).unwrap();
        resident
    })
}

#[test]
fn conversations_between_pods_behind_one_device_are_established_when_they_are_answered() {
    let mut lab = pair("one-device");
    let _residents = behind_one_device(&mut lab);
    let web = lab.pod_info("shop/web").unwrap().v4();
    let _servers = (lab.serve_udp("shop/web", 5353).unwrap(), lab.serve_tcp("shop/web", 8080).unwrap());
    let agent = Agent::start(&lab, "n1");
    let attempts = [
        lab.send_udp("shop/client", web, 5353, SECOND).unwrap(),
        lab.ping("shop/client", web, 1, SECOND).unwrap(),
        lab.connect_tcp("shop/client", web, 8080, SECOND).unwrap(),
    ];
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    for attempt in attempts {
        assert!(attempt.result.succeeded(), "{attempt:#?}");
        assert_eq!(told(flow_of(&flows, &attempt)), (Outcome::Established, Verdict::Allowed));
    }
}

const NOBODY_MAY: &str = r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nobody, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}
";

#[test]
fn the_link_local_addresses_of_a_node_are_the_nodes_own() {
    let mut lab = pair("link-local");
    lab.add_policy_yaml(NOBODY_MAY).unwrap();
    let web = lab.pod_info("shop/web").unwrap().v4();
    let (gateway, dns): (IpAddr, IpAddr) = ("169.254.1.1".parse().unwrap(), "169.254.20.10".parse().unwrap());
    lab.ip_batch("n1", &format!("addr add {gateway}/32 dev {}\n", veth(&lab, "shop/web"))).unwrap();
    let _web = lab.serve_tcp("shop/web", 8080).unwrap();
    let _dns = lab.serve_udp("n1", 53).unwrap();
    let agent = Agent::start(&lab, "n1");
    let metadata = lab.send_udp("shop/client", "169.254.169.254".parse().unwrap(), 80, SECOND / 10).unwrap();
    // As a node's own name server does it, while the agent runs.
    lab.ip_batch("n1", &format!("addr add {dns}/32 dev lo\n")).unwrap();
    let probed = lab.connect_tcp_from("n1", Some(gateway), web, 8080, SECOND).unwrap();
    let asked = lab.send_udp("shop/client", dns, 53, SECOND).unwrap();
    let flows = agent.stop();
    assert!(asked.result.succeeded() && probed.result.succeeded(), "{asked:#?} {probed:#?}");
    assert!(matches!(flow_of(&flows, &metadata).destination.who(), Who::External { .. }), "{flows:#?}");
    assert_eq!(node(flow_of(&flows, &asked).destination.who()), "n1");
    let probed = flow_of(&flows, &probed);
    assert_eq!(node(probed.source.who()), "n1");
    assert_eq!(
        (told(probed), probed.ingress.verdict),
        ((Outcome::Established, Verdict::Allowed), SideVerdict::NotApplicable)
    );
}

fn node(who: &Who) -> &str {
    match who {
        Who::Node { node, .. } => node,
        other => panic!("no node: {other:?}"),
    }
}

#[test]
fn what_a_node_rejects_between_two_bridges_no_pod_has_said() {
    let mut lab = Lab::new("two-bridges").unwrap();
    lab.bridged_node("n1").unwrap();
    for app in ["web", "client"] {
        lab.pod(PodSpec::new(&format!("shop/{app}")).node("n1").label("app", app)).unwrap();
    }
    let (web, client) = (lab.pod_info("shop/web").unwrap(), veth(&lab, "shop/client"));
    let bridge = master(&lab, &client);
    lab.ip_batch(
        "n1",
        &format!(
            "link add other type bridge mcast_snooping 0\nlink set other up\n\
             link add here type veth peer name there\nlink set here master {bridge}\n\
             link set there master other\nlink set here up\nlink set there up\nlink set {client} master other\n"
        ),
    )
    .unwrap();
    let reject = Mechanism::Iptables(Backend::Nft, Target::Reject);
    let reset = Mechanism::Iptables(Backend::Nft, Target::TcpReset);
    lab.enforce(reject, Direction::Ingress, "shop/web", &[(Protocol::Udp, 54)]).unwrap();
    lab.enforce(reset, Direction::Ingress, "shop/web", &[(Protocol::Tcp, 81)]).unwrap();
    let _server = lab.serve_tcp("shop/web", 80).unwrap();
    let mut agent = Agent::start(&lab, "n1");
    agent.wait_for_log(&format!("device=\"{client}\""));
    let through = lab.connect_tcp("shop/client", web.v4(), 80, SECOND * 2).unwrap();
    let rejected = [
        lab.send_udp("shop/client", web.v4(), 54, SECOND).unwrap(),
        lab.connect_tcp("shop/client", web.v4(), 81, SECOND).unwrap(),
    ];
    let log = agent.log();
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    assert_eq!(told(flow_of(&flows, &through)), (Outcome::Established, Verdict::Allowed));
    for attempt in rejected {
        assert_eq!(attempt.result, Seen::Refused);
        let flow = flow_of(&flows, &attempt);
        assert_eq!((told(flow), flow.tries), ((Outcome::Rejected, Verdict::Blocked), 1), "{flow:#?}");
        assert_eq!(flow.drop_reason.as_deref(), Some("NETFILTER_DROP"));
        assert_eq!(pod(&flow.destination), "shop/web");
    }
    assert!(!log.contains("device=\"here\"") && !log.contains("device=\"there\""), "{log}");
}

/// The bridge that an interface is a port of.
fn master(lab: &Lab, device: &str) -> String {
    let words = lab.run("n1", "ip", &["-o", "link", "show", "dev", device]).unwrap();
    let mut words = words.split_whitespace().skip_while(|word| *word != "master");
    words.nth(1).unwrap().to_owned()
}

#[test]
fn an_end_is_a_pods_from_the_moment_that_the_other_moves_into_the_pod() {
    let lab = pair("moved");
    let resident = resident(&lab, "shop/web");
    let pair = |node: &str, pod: &str| {
        lab.ip_batch("n1", &format!("link add {node} type veth peer name {pod}\nlink set {node} up\n"))
            .unwrap();
    };
    pair("early", "in0");
    let mut agent = Agent::start(&lab, "n1");
    pair("late", "in1");
    pair("stays", "in2");
    let moved = format!("link set in0 netns {0}\nlink set in1 netns {0}\n", resident.id());
    let before = agent.log();
    assert!(!before.contains("device=\"early\""), "{before}");
    lab.ip_batch("n1", &moved).unwrap();
    agent.wait_for_log("device=\"early\"");
    agent.wait_for_log("device=\"late\"");
    let log = agent.log();
    assert!(!log.contains("device=\"stays\""), "{log}");
}
