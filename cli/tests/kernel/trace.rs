//! The very rule that decided, named by a sample of traced openings; and nothing left of it.

use crate::support::{Agent, Manifests, SECOND, flow_of, one_to_one};
use portolan_lab::{Attempted, Lab, PodSpec, ServiceSpec};
use portolan_policy::{Enforcer, Flow, RuleVerdict};
use std::time::Instant;

/// More than any of these tests opens at once: every opening is in the sample.
const ALL: &str = "--trace-rules=1000";

const FIREWALL: &str = r#"
table inet plugin {
  chain forward {
    type filter hook forward priority 0; policy accept;
    ct state established,related accept
    tcp dport 9000 drop comment "by policy shop/locked"
    tcp dport 9001 reject with tcp reset comment "by policy shop/polite"
    meta l4proto { tcp, udp } th dport 8080 jump to-web comment "web"
    meta l4proto { icmp, ipv6-icmp } drop comment "no echo"
    tcp dport 9003 goto last
  }
  chain to-web {
    accept comment "by policy shop/web"
  }
  chain last {
    counter
  }
}
table inet strict {
  chain late {
    type filter hook forward priority 10; policy drop;
    meta l4proto != tcp accept
    tcp dport != 9003 accept
  }
}"#;

fn shop(name: &str) -> Lab {
    let mut lab = Lab::new(name).unwrap();
    lab.node("n1").unwrap();
    lab.pod(PodSpec::new("shop/web").node("n1").label("app", "web")).unwrap();
    lab.pod(PodSpec::new("shop/client").node("n1").label("app", "client")).unwrap();
    lab.service(ServiceSpec::new("shop/web").port(80, 8080, "TCP").selects([("app", "web")])).unwrap();
    lab
}

fn ruleset(lab: &Lab) -> String {
    lab.run("n1", "nft", &["list", "ruleset"]).unwrap()
}

fn enforcer(flows: &[Flow], attempt: &Attempted) -> Enforcer {
    let flow = flow_of(flows, attempt);
    flow.enforced_by.as_deref().cloned().unwrap_or_else(|| panic!("no rule on {flow:#?}"))
}

/// `family table chain: comment`, and what the rule did.
fn told(rule: &Enforcer) -> (String, RuleVerdict) {
    let Enforcer { family, table, chain, comment, .. } = rule;
    (format!("{family} {table} {chain}: {}", comment.as_deref().unwrap_or("-")), rule.verdict)
}

/// The handle of the rule with these words, as nft tells it.
fn handle(lab: &Lab, table: &str, words: &str) -> Option<u64> {
    let listed = lab.run("n1", "nft", &["-a", "list", "table", "inet", table]).unwrap();
    let line = listed.lines().find(|line| line.contains(words)).unwrap();
    line.rsplit_once("# handle ").unwrap().1.parse().ok()
}

#[test]
fn the_rule_that_dropped_rejected_or_accepted_is_named_with_its_comment() {
    use RuleVerdict::{Accept, Drop, Reject};
    let lab = shop("trace-named");
    lab.node_nft("n1", FIREWALL).unwrap();
    let _servers = [8080, 9002].map(|port| lab.serve_tcp("shop/web", port).unwrap());
    let _echo = lab.serve_udp("shop/web", 8080).unwrap();
    let web = lab.pod_info("shop/web").unwrap();
    let service = lab.service_info("shop/web").unwrap();
    let agent = Agent::start_with(&lab, "n1", &[ALL]);
    let mut expected = Vec::new();
    for address in &web.addresses {
        let connect = |port| lab.connect_tcp("shop/client", *address, port, SECOND).unwrap();
        expected.push((connect(9000), "inet plugin forward: by policy shop/locked", Drop));
        expected.push((connect(9001), "inet plugin forward: by policy shop/polite", Reject));
        expected.push((connect(8080), "inet strict late: -", Accept));
        expected.push((connect(9003), "inet strict late: -", Drop));
        let datagram = lab.send_udp("shop/client", *address, 8080, SECOND).unwrap();
        expected.push((datagram, "inet strict late: -", Accept));
        let ping = lab.ping("shop/client", *address, 1, SECOND / 2).unwrap();
        expected.push((ping, "inet plugin forward: no echo", Drop));
    }
    for address in &service.addresses {
        let through = lab.connect_tcp("shop/client", *address, 80, SECOND).unwrap();
        expected.push((through, "inet strict late: -", Accept));
    }
    let handles = ["by policy shop/locked", "by policy shop/polite", "no echo"]
        .map(|comment| (comment, handle(&lab, "plugin", comment)));
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    for (attempt, rule, verdict) in &expected {
        let found = enforcer(&flows, attempt);
        assert_eq!(told(&found), ((*rule).to_owned(), *verdict), "{attempt:#?}");
        if let Some((_, handle)) =
            handles.iter().find(|(comment, _)| found.comment.as_deref() == Some(comment))
        {
            assert_eq!(found.handle, *handle, "{found:?}");
        }
        let is_policy = attempt.destination.port() == 9003;
        assert_eq!(found.handle.is_none(), is_policy, "a chain's policy is no rule: {found:?}");
    }
    assert!(flows.iter().all(|flow| flow.lost == 0));
}

#[test]
fn rules_of_iptables_are_named_where_it_stands_on_nftables() {
    let lab = shop("trace-iptables");
    let web = lab.pod_info("shop/web").unwrap();
    let rule = |port: &str, comment: &str, target: &[&str]| {
        let matches =
            ["-A", "FORWARD", "-p", "tcp", "--dport", port, "-m", "comment", "--comment", comment, "-j"];
        lab.run("n1", "iptables-nft", &[&matches[..], target].concat()).unwrap();
    };
    rule("9100", "cali:drop", &["DROP"]);
    rule("9101", "cali:reject", &["REJECT"]);
    rule("9102", "cali:accept", &["ACCEPT"]);
    let agent = Agent::start_with(&lab, "n1", &[ALL]);
    let connect = |port| lab.connect_tcp("shop/client", web.v4(), port, SECOND).unwrap();
    let attempts = [9100, 9101, 9102].map(connect);
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    let rules = attempts.map(|attempt| told(&enforcer(&flows, &attempt)));
    let expected = [
        ("cali:drop", RuleVerdict::Drop),
        ("cali:reject", RuleVerdict::Reject),
        ("cali:accept", RuleVerdict::Accept),
    ];
    assert_eq!(rules, expected.map(|(comment, verdict)| (format!("ip filter FORWARD: {comment}"), verdict)));
}

#[test]
fn rules_of_iptables_legacy_are_not_named_which_the_agent_says() {
    let lab = shop("trace-legacy");
    let web = lab.pod_info("shop/web").unwrap();
    lab.run("n1", "iptables-legacy", &["-A", "FORWARD", "-p", "tcp", "--dport", "9100", "-j", "DROP"])
        .unwrap();
    let agent = Agent::start_with(&lab, "n1", &[ALL]);
    assert!(agent.log().contains("iptables-legacy has tables here"), "{}", agent.log());
    let attempt = lab.connect_tcp("shop/client", web.v4(), 9100, SECOND).unwrap();
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    let flow = flow_of(&flows, &attempt);
    assert_eq!((flow.drop_reason.as_deref(), &flow.enforced_by), (Some("NETFILTER_DROP"), &None));
}

#[test]
fn the_ruleset_is_touched_only_when_asked_for_and_however_the_agent_ends_nothing_is_left() {
    let lab = shop("trace-traces");
    lab.node_nft("n1", FIREWALL).unwrap();
    let before = ruleset(&lab);
    let quiet = Agent::start(&lab, "n1");
    assert_eq!(ruleset(&lab), before, "off unless asked for");
    quiet.stop();
    for end in [|agent: Agent| drop(agent.stop()), Agent::kill] {
        let agent = Agent::start_with(&lab, "n1", &["--trace-rules"]);
        let during = ruleset(&lab);
        assert!(during.contains("table inet portolan_trace"), "{during}");
        assert!(
            during.contains("limit rate 10/second burst 10 packets"),
            "the rate if none is given: {during}"
        );
        assert!(during.contains(before.trim()), "all else stays as it is: {during}");
        end(agent);
        assert_eq!(ruleset(&lab), before);
    }
}

#[test]
fn no_more_is_traced_than_was_allowed() {
    const RATE: usize = 4;
    const BURST: usize = RATE;
    let lab = shop("trace-rate");
    lab.node_nft("n1", FIREWALL).unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let web = lab.pod_info("shop/web").unwrap();
    let agent = Agent::start_with(&lab, "n1", &["--trace-rules=4"]);
    let begun = Instant::now();
    for _ in 0..200 {
        lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    }
    let at_most = BURST + RATE * (begun.elapsed().as_secs() as usize + 1);
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    let named = flows.iter().filter(|flow| flow.enforced_by.is_some()).count();
    assert!((1..=at_most).contains(&named), "{named} of {at_most} at most");
    assert!(flows.iter().all(|flow| flow.lost == 0), "what the sample leaves out is not lost");
}

#[test]
fn of_a_conversation_only_the_first_datagram_takes_room_in_the_sample() {
    let lab = shop("trace-stream");
    lab.node_nft("n1", FIREWALL).unwrap();
    let _silent = lab.serve_udp_silent("shop/web", 8080).unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let web = lab.pod_info("shop/web").unwrap();
    let agent = Agent::start_with(&lab, "n1", &["--trace-rules=3"]);
    // Two conversations and a connection, and no time to speak of for more.
    for address in &web.addresses {
        let stream = || -> std::io::Result<()> {
            let unspecified = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = std::net::UdpSocket::bind(unspecified)?;
            (0..50).try_for_each(|_| socket.send_to(b"x", (*address, 8080)).map(drop))
        };
        lab.within("shop/client", stream).unwrap().unwrap();
    }
    let attempt = lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    let flows = agent.stop();
    assert_eq!(flows.len(), 3, "{flows:#?}");
    assert_eq!(told(&enforcer(&flows, &attempt)).1, RuleVerdict::Accept);
    assert!(flows.iter().all(|flow| flow.enforced_by.is_some()), "{flows:#?}");
}

#[test]
fn a_strangers_table_of_that_name_stays_and_costs_the_trace_only() {
    let lab = shop("trace-taken");
    lab.node_nft("n1", "table inet portolan_trace { chain theirs { counter; }; }").unwrap();
    let before = ruleset(&lab);
    let web = lab.pod_info("shop/web").unwrap();
    let agent = Agent::start_with(&lab, "n1", &[ALL]);
    lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    let log = agent.log();
    assert!(log.contains("Openings are not traced"), "{log}");
    assert!(log.contains("`nft delete table inet portolan_trace` removes"), "{log}");
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    assert!(flows.iter().all(|flow| flow.enforced_by.is_none()));
    assert_eq!(ruleset(&lab), before);
}

#[test]
fn a_second_agent_leaves_the_trace_to_the_first() {
    let lab = shop("trace-second");
    let first = Agent::start_with(&lab, "n1", &[ALL]);
    let second = Agent::start_with(&lab, "n1", &[ALL]);
    assert!(second.log().contains("an agent that runs owns it"), "{}", second.log());
    second.stop();
    assert!(ruleset(&lab).contains("portolan_trace"), "the first one's table");
    first.stop();
    assert_eq!(ruleset(&lab).trim(), services_only(&lab));
}

/// The lab's own table of services, which is all that is left of a ruleset without a firewall.
fn services_only(lab: &Lab) -> String {
    let tables = lab.run("n1", "nft", &["list", "tables"]).unwrap();
    assert_eq!(tables.lines().count(), 1, "{tables}");
    ruleset(lab).trim().to_owned()
}

#[test]
fn a_ruleset_that_is_thrown_away_and_made_anew_does_no_harm() {
    let lab = shop("trace-hostile");
    let web = lab.pod_info("shop/web").unwrap();
    let table = |comment: usize| {
        format!(
            "table inet churn {{ chain forward {{ type filter hook forward priority 0; policy accept; \
             tcp dport 9000 drop comment \"number {comment}\"; }}; }}"
        )
    };
    let agent = Agent::start_with(&lab, "n1", &[ALL]);
    let mut attempts = Vec::new();
    for round in 0..3 {
        lab.node_nft("n1", &format!("flush ruleset\n{}", table(round))).unwrap();
        assert!(ruleset(&lab).contains("portolan_trace"), "a flush leaves what has an owner");
        attempts.push(lab.connect_tcp("shop/client", web.v4(), 9000, SECOND / 4).unwrap());
        agent.wait_for_flows(round + 1);
    }
    let hostile = lab.run("n1", "nft", &["delete", "table", "inet", "portolan_trace"]);
    assert!(hostile.is_err(), "nobody else can remove it");
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    for (round, attempt) in attempts.iter().enumerate() {
        let rule = enforcer(&flows, attempt);
        assert_eq!(told(&rule), (format!("inet churn forward: number {round}"), RuleVerdict::Drop));
        assert_eq!(rule.handle, Some(2), "another rule of the same handle each time");
    }
    assert!(!ruleset(&lab).contains("portolan_trace"));
}

#[test]
fn steps_that_the_agent_was_too_slow_for_are_counted() {
    let lab = shop("trace-slow");
    lab.node_nft("n1", FIREWALL).unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let web = lab.pod_info("shop/web").unwrap();
    let agent = Agent::start_with(&lab, "n1", &[ALL]);
    agent.pause();
    for _ in 0..1000 {
        lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    }
    agent.go_on();
    agent.wait_for_flows(1000);
    lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    let lost = flows.iter().flat_map(|flow| &flow.losses).filter(|loss| loss.cause == "trace-steps");
    assert!(lost.map(|loss| loss.count).sum::<u64>() > 0, "{:#?}", flows.last());
}

#[test]
fn without_the_right_to_change_nftables_the_rest_goes_on() {
    let lab = shop("trace-right");
    let manifests = Manifests::of(&lab);
    let agent = manifests.command();
    let mut without = std::process::Command::new("setpriv");
    without.args(["--bounding-set", "-net_admin", "--inh-caps", "-net_admin", "--"]);
    without.arg(agent.get_program()).args(agent.get_args()).arg(ALL);
    let mut process = lab.spawn_in_node("n1", without).unwrap();
    process.wait_for_stderr(30 * SECOND, |line| line.contains("Openings are not traced")).unwrap();
    process.wait_for_stderr(30 * SECOND, |line| line == "ready").unwrap();
    let log = process.stderr().join("\n");
    assert!(log.contains("needs root, or the capability CAP_NET_ADMIN"), "{log}");
    assert_eq!(process.terminate(30 * SECOND).unwrap().code(), Some(0));
}
