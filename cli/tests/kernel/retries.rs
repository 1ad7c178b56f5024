//! Openings that are dropped at first and get through in the end.

use crate::support::{Agent, SECOND, eventually, flow_of, pair, told};
use portolan_policy::{Outcome, Verdict};

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
