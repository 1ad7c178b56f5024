//! Pods that hang on their node in other ways than most, and the addresses that a node has there.

use crate::support::{Agent, SECOND, flow_of, pair, told};
use portolan_lab::Lab;
use portolan_policy::{Outcome, SideVerdict, Verdict, Who};
use std::net::IpAddr;

fn veth(lab: &Lab, pod: &str) -> String {
    lab.pod_info(pod).unwrap().veth.unwrap()
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
