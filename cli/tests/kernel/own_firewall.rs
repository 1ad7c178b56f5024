//! What turns a process away on its own machine: nothing of it ever crosses a device, and the socket itself is the witness.

use crate::support::{Agent, SECOND, flow_of, pair, told};
use portolan_lab::{Attempted, Lab, Seen};
use portolan_policy::{Outcome, Verdict};
use std::net::IpAddr;

/// What the firewall says, and how the attempt must be told.
const FORMS: [(u16, &str, Outcome); 6] = [
    (9001, "reject with tcp reset", Outcome::Rejected),
    (9002, "reject with icmpx admin-prohibited", Outcome::Rejected),
    (9003, "reject with icmpx port-unreachable", Outcome::Rejected),
    (9004, "reject with icmpx host-unreachable", Outcome::Rejected),
    (9005, "reject with icmpx no-route", Outcome::Rejected),
    (9006, "drop", Outcome::Dropped),
];

/// Nobody listens there, and nothing stands in the way: the peer refuses.
const CLOSED: u16 = 8080;

fn firewall() -> String {
    let rules: Vec<String> = FORMS.iter().map(|(port, form, _)| format!("tcp dport {port} {form}")).collect();
    let rules = rules.join("; ");
    format!("table inet own {{ chain out {{ type filter hook output priority 0; {rules}; }}; }}")
}

/// All forms from one place, at the same time: a word that came while the socket was busy counts at its next try only.
fn attempts(lab: &Lab, from: &str, to: &[IpAddr]) -> Vec<(Attempted, Outcome)> {
    lab.nft(from, &firewall()).unwrap();
    let cases =
        FORMS.map(|(port, _, outcome)| (port, outcome)).into_iter().chain([(CLOSED, Outcome::Refused)]);
    let cases: Vec<_> = cases.flat_map(|case| to.iter().map(move |address| (*address, case))).collect();
    std::thread::scope(|scope| {
        let attempt = |(address, (port, outcome)): (IpAddr, (u16, Outcome))| {
            scope.spawn(move || (lab.connect_tcp(from, address, port, 3 * SECOND).unwrap(), outcome))
        };
        let running: Vec<_> = cases.into_iter().map(attempt).collect();
        running.into_iter().map(|attempt| attempt.join().unwrap()).collect()
    })
}

fn each_form_is_told(from: &str, name: &str) {
    let lab = pair(name);
    let agent = Agent::start(&lab, "n1");
    let attempts = attempts(&lab, from, &lab.pod_info("shop/web").unwrap().addresses);
    let flows = agent.stop();
    // A drop that was lost is counted, and leaves the attempt as dropped.
    let lost: Vec<_> = flows.iter().flat_map(|flow| &flow.losses).collect();
    assert!(lost.is_empty(), "another test keeps the kernel from telling: {lost:?}");
    for (attempt, outcome) in &attempts {
        let turned_away = matches!(attempt.result, Seen::Refused | Seen::Unreachable(_));
        assert_eq!(turned_away, *outcome != Outcome::Dropped, "{attempt:#?}");
        let flow = flow_of(&flows, attempt);
        let verdict = if *outcome == Outcome::Refused { Verdict::Failed } else { Verdict::Blocked };
        assert_eq!(told(flow), (*outcome, verdict), "{attempt:#?} is told as {flow:#?}");
        let reason = (*outcome != Outcome::Refused).then_some("NETFILTER_DROP");
        assert_eq!(flow.drop_reason.as_deref(), reason, "{flow:#?}");
    }
    assert_eq!(flows.len(), attempts.len(), "{flows:#?}");
}

#[test]
fn a_node_whose_own_firewall_turns_its_process_away_is_rejected_and_a_peer_refuses() {
    each_form_is_told("n1", "own-node");
}

#[test]
fn a_pod_whose_own_firewall_turns_its_process_away_is_rejected_and_a_peer_refuses() {
    each_form_is_told("shop/client", "own-pod");
}

#[test]
fn the_very_first_packet_of_a_pod_is_seen_where_its_own_firewall_turns_it_away() {
    let lab = pair("own-first");
    lab.nft("shop/client", &firewall()).unwrap();
    let agent = Agent::start(&lab, "n1");
    // The kernel says of this one that it is on the loopback.
    let web = lab.pod_info("shop/web").unwrap().v6();
    let attempt = lab.connect_tcp("shop/client", web, 9003, 3 * SECOND).unwrap();
    let flows = agent.stop();
    let flow = flow_of(&flows, &attempt);
    assert_eq!(told(flow), (Outcome::Rejected, Verdict::Blocked), "{flow:#?}");
    assert_eq!(flow.tries, 2, "{flow:#?}");
}
