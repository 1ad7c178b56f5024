//! The witness in netfilter: what came to its forwarding rules, and what left them.

use crate::support::{Agent, SECOND, flow_of, one_to_one, told};
use portolan_lab::{Attempted, Lab, PodSpec, ServiceSpec};
use portolan_policy::{Flow, Outcome, Verdict};
use std::net::IpAddr;

const FIREWALL: &str = r"
table inet plugin {
  chain forward {
    type filter hook forward priority 0; policy accept;
    meta l4proto { tcp, udp } th dport 9000 drop
    tcp dport 9001 reject with tcp reset
  }
  chain late {
    type filter hook postrouting priority 95; policy accept;
    tcp dport 9002 drop
  }
  chain early {
    type filter hook prerouting priority -300; policy accept;
    tcp dport 9003 drop
  }
}";

fn shop(name: &str) -> Lab {
    let mut lab = Lab::new(name).unwrap();
    lab.node("n1").unwrap();
    lab.node("n2").unwrap();
    lab.pod(PodSpec::new("shop/web").node("n1").label("app", "web")).unwrap();
    lab.pod(PodSpec::new("shop/client").node("n1").label("app", "client")).unwrap();
    lab.pod(PodSpec::new("shop/far").node("n2").label("app", "far")).unwrap();
    lab.service(ServiceSpec::new("shop/web").port(80, 8080, "TCP").selects([("app", "web")])).unwrap();
    lab.node_nft("n1", FIREWALL).unwrap();
    lab
}

fn passed(flows: &[Flow], attempt: &Attempted) -> Option<bool> {
    flow_of(flows, attempt).passed_netfilter
}

#[test]
fn what_netfilter_let_pass_is_told_from_what_it_stopped_and_from_what_never_came_to_it() {
    let lab = shop("witness-told");
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let _echo = lab.serve_udp("shop/web", 8080).unwrap();
    let web = lab.pod_info("shop/web").unwrap();
    let service = lab.service_info("shop/web").unwrap();
    let agent = Agent::start_with(&lab, "n1", &["--witness"]);
    let mut expected = Vec::new();
    for address in &web.addresses {
        let connect = |port| lab.connect_tcp("shop/client", *address, port, SECOND).unwrap();
        let send = |port| lab.send_udp("shop/client", *address, port, SECOND / 2).unwrap();
        expected.push((connect(8080), Some(true)));
        expected.push((connect(8081), Some(true)));
        expected.push((connect(9000), Some(false)));
        expected.push((connect(9001), Some(false)));
        expected.push((connect(9002), Some(false)));
        expected.push((connect(9003), None));
        expected.push((send(8080), Some(true)));
        expected.push((send(9000), Some(false)));
        expected.push((lab.ping("shop/client", *address, 2, SECOND).unwrap(), Some(true)));
    }
    let from_node = lab.connect_tcp("n1", web.v4(), 8080, SECOND).unwrap();
    expected.push((from_node, Some(true)));
    for address in &service.addresses {
        expected.push((lab.connect_tcp("shop/client", *address, 80, SECOND).unwrap(), Some(true)));
    }
    let nowhere: IpAddr = "198.18.0.1".parse().unwrap();
    lab.run("n1", "ip", &["route", "add", "blackhole", "198.18.0.1/32"]).unwrap();
    expected.push((lab.connect_tcp("shop/client", nowhere, 80, SECOND).unwrap(), None));
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    for (attempt, word) in &expected {
        assert_eq!(passed(&flows, attempt), *word, "{:#?}", flow_of(&flows, attempt));
    }
    assert!(flows.iter().all(|flow| flow.lost == 0));
}

#[test]
fn what_iptables_legacy_or_a_program_behind_a_queue_stopped_is_told_as_well() {
    let lab = shop("witness-legacy");
    let web = lab.pod_info("shop/web").unwrap();
    let rule = |port: &str, target: &[&str]| {
        let rule = ["-A", "FORWARD", "-p", "tcp", "--dport", port, "-j"];
        lab.run("n1", "iptables-legacy", &[&rule[..], target].concat()).unwrap();
    };
    rule("9100", &["DROP"]);
    rule("9101", &["REJECT"]);
    // Nobody listens there, so that the kernel drops.
    rule("9102", &["NFQUEUE", "--queue-num", "9"]);
    rule("9103", &["ACCEPT"]);
    let agent = Agent::start_with(&lab, "n1", &["--witness"]);
    let connect = |port| lab.connect_tcp("shop/client", web.v4(), port, SECOND).unwrap();
    let attempts = [9100, 9101, 9102, 9103].map(connect);
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    let words = attempts.map(|attempt| passed(&flows, &attempt));
    assert_eq!(words, [Some(false), Some(false), Some(false), Some(true)]);
}

#[test]
fn a_node_that_let_it_pass_says_so_where_the_end_is_out_of_its_sight() {
    let lab = shop("witness-far");
    let far = lab.pod_info("shop/far").unwrap();
    let drop =
        "table inet plugin { chain forward { type filter hook forward priority 0; tcp dport 8080 drop; }; }";
    lab.node_nft("n2", drop).unwrap();
    let agents = ["n1", "n2"].map(|node| Agent::start_with(&lab, node, &["--witness"]));
    let attempt = lab.connect_tcp("shop/client", far.v4(), 8080, SECOND).unwrap();
    let [near, beyond] = agents.map(Agent::stop);
    assert_eq!(passed(&near, &attempt), Some(true));
    assert_eq!(told(flow_of(&near, &attempt)), (Outcome::NoReply, Verdict::Failed), "it changes no verdict");
    assert_eq!(passed(&beyond, &attempt), Some(false));
    assert_eq!(flow_of(&beyond, &attempt).outcome, Outcome::Dropped);
}

#[test]
fn without_being_asked_there_is_no_witness_and_a_killed_one_is_in_nobodys_way() {
    let lab = shop("witness-off");
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let web = lab.pod_info("shop/web").unwrap();
    Agent::start_with(&lab, "n1", &["--witness"]).kill();
    let agent = Agent::start(&lab, "n1");
    let attempt = lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    assert!(attempt.result.succeeded());
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    assert_eq!(passed(&flows, &attempt), None);
}

#[test]
fn notes_that_find_no_room_are_counted_and_make_nobody_say_that_it_was_stopped() {
    const OPENINGS: u16 = 9000;
    let lab = shop("witness-full");
    let web = lab.pod_info("shop/web").unwrap();
    // The probes' own ring must hold what is told meanwhile.
    let agent = Agent::start_with(&lab, "n1", &["--witness", "--ring-bytes", "16777216"]);
    agent.pause();
    let openings = || -> std::io::Result<()> {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
        // The pod answers that nobody listens, which the next datagram is told of.
        (20_000..20_000 + OPENINGS).try_for_each(|port| socket.send_to(b"x", (web.v4(), port)).map(drop))
    };
    lab.within("shop/client", openings).unwrap().unwrap();
    agent.go_on();
    agent.wait_for_flows(OPENINGS.into());
    let after = lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    let flows = agent.stop();
    let lost = flows.iter().flat_map(|flow| &flow.losses).filter(|loss| loss.cause == "witness-ring-full");
    let lost = lost.map(|loss| loss.count).sum::<u64>();
    let told = |word| flows.iter().filter(|flow| flow.passed_netfilter == word).count() as u64;
    assert_eq!(told(Some(false)), 0, "nothing stands in anybody's way");
    assert_eq!(told(Some(true)) + told(None), u64::from(OPENINGS) + 1);
    // An opening of which nothing can be said has lost a note or both.
    assert!(told(None) > 0 && told(None) <= lost, "{} of nothing, {lost} lost", told(None));
    assert_eq!(passed(&flows, &after), Some(true), "there is room again");
}
