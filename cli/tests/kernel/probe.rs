//! `portolan probe` beside agents that run, were killed, and are not there.

use crate::support::{Agent, SECOND, eventually, pair, portolan};
use portolan_lab::Lab;
use serde_json::Value;
use std::{net::UdpSocket, process::Command, time::Duration};

fn report(command: &mut Command) -> Value {
    let output = command.args(["--output", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn probe(args: &[&str]) -> Value {
    report(portolan().arg("probe").args(args))
}

/// What is said of the agent of this lab's node: other tests have agents in the same kernel.
fn of_node(lab: &Lab, report: &Value) -> Value {
    let netns = lab.node_info("n1").unwrap().inode;
    let agents = report["agents"].as_array().unwrap();
    let found: Vec<_> = agents.iter().filter(|agent| agent["netns"] == netns).collect();
    assert_eq!(found.len(), 1, "{report:#}");
    found[0].clone()
}

/// The names of the programs on one side of a device, in order.
fn order(agent: &Value, device: &str, direction: &str) -> Vec<String> {
    let hooks = agent["devices"].as_array().unwrap().iter();
    let mut hooks = hooks.filter(|hook| hook["device"] == device && hook["direction"] == direction);
    let Some(hook) = hooks.next() else { return Vec::new() };
    let program = |standing: &Value| {
        let whose = if standing["ours"] == true { "" } else { " of others" };
        format!("{} {}{whose}", standing["hook"].as_str().unwrap(), standing["program"].as_str().unwrap())
    };
    hook["order"].as_array().unwrap().iter().map(program).collect()
}

#[test]
fn a_running_agent_is_found_in_the_kernel_with_all_that_it_has_there() {
    let lab = pair("probe");
    let web = lab.pod_info("shop/web").unwrap();
    let veth = web.veth.clone().unwrap();
    let agent = Agent::start_with(&lab, "n1", &["--idle-timeout", "60", "--ring-bytes", "1048576"]);
    let found = of_node(&lab, &probe(&[]));
    assert_eq!(found["process"], agent.id());
    let programs: Vec<_> = found["programs"].as_array().unwrap().iter().map(|p| p["probe"].clone()).collect();
    assert_eq!(
        programs,
        [
            "portolan_from",
            "portolan_to",
            "kfree_skb",
            "inet_sock_set_state",
            "kfree_skb_again",
            "inet_sock_again"
        ]
    );
    assert_eq!(found["off"], serde_json::json!([]));
    assert_eq!(order(&found, &veth, "ingress"), ["tcx portolan_from"]);
    assert_eq!(order(&found, &veth, "egress"), ["tcx portolan_to"]);
    let maps = found["maps"].as_array().unwrap();
    let of = |name: &str| maps.iter().find(|map| map["map"] == name).unwrap_or_else(|| panic!("{maps:#?}"));
    assert_eq!(of("EVENTS")["size"], 1 << 20);
    assert_eq!(of("CONVERSATIONS")["used"], 0);
    let silent = lab.within("shop/web", || UdpSocket::bind(("0.0.0.0", 9999)).unwrap()).unwrap();
    lab.send_udp("shop/client", web.v4(), 9999, Duration::from_millis(1)).unwrap();
    let used = || {
        let maps = of_node(&lab, &probe(&[]))["maps"].clone();
        let conversations = |map: &&Value| map["map"] == "CONVERSATIONS";
        maps.as_array().unwrap().iter().find(conversations).unwrap()["used"].as_u64().unwrap()
    };
    // A conversation is kept once for each device that it crosses.
    eventually(|| used() == 2, || format!("{} conversations", used()));
    drop(silent);
    for lost in found["lost"].as_array().unwrap() {
        assert_eq!(lost["count"], 0, "{lost}");
    }
    agent.stop();
    let netns = lab.node_info("n1").unwrap().inode;
    let left = || probe(&[])["agents"].as_array().unwrap().iter().any(|agent| agent["netns"] == netns);
    eventually(|| !left(), || "programs are left behind".to_owned());
}

#[test]
fn what_programs_cost_is_measured_while_statistics_are_on_and_they_go_off_again() {
    let lab = pair("measure");
    let web = lab.pod_info("shop/web").unwrap().v4();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let _agent = Agent::start(&lab, "n1");
    let measured = std::thread::scope(|scope| {
        let probing = scope.spawn(|| probe(&["--measure", "2"]));
        while !probing.is_finished() {
            lab.connect_tcp("shop/client", web, 8080, SECOND).unwrap();
        }
        probing.join().unwrap()
    });
    assert_eq!(measured["measured_seconds"], 2);
    for program in of_node(&lab, &measured)["programs"].as_array().unwrap() {
        if program["probe"].as_str().unwrap().starts_with("kfree_skb") {
            continue; // A healthy connection drops nothing.
        }
        assert!(program["runs"].as_u64() > Some(0), "{program}");
        assert!(program["nanos_per_run"].as_u64() > Some(0), "{program}");
    }
}

#[test]
fn filters_of_others_are_shown_in_their_order() {
    let lab = pair("filters");
    let veth = lab.pod_info("shop/web").unwrap().veth.unwrap();
    let tc = |args: &[&str]| lab.run("n1", "tc", args).unwrap();
    tc(&["qdisc", "add", "dev", &veth, "clsact"]);
    // `ret #-1`, which is TC_ACT_UNSPEC.
    let goes_on = "1,6 0 0 4294967295";
    tc(&["filter", "add", "dev", &veth, "ingress", "prio", "7", "bpf", "bytecode", goes_on, "da"]);
    let agent = Agent::start(&lab, "n1");
    let beside_tcx = of_node(&lab, &probe(&[]));
    assert_eq!(order(&beside_tcx, &veth, "ingress"), ["tcx portolan_from", "clsact bpf of others"]);
    agent.stop();
    let _agent = Agent::start_with(&lab, "n1", &["--attach", "clsact"]);
    let in_clsact = of_node(&lab, &probe(&[]));
    assert_eq!(order(&in_clsact, &veth, "ingress"), ["clsact portolan_from", "clsact bpf of others"]);
    assert_eq!(order(&in_clsact, &veth, "egress"), ["clsact portolan_to"]);
}

#[test]
fn programs_that_a_killed_agent_left_behind_are_named_as_such() {
    let lab = pair("killed");
    let veth = lab.pod_info("shop/web").unwrap().veth.unwrap();
    Agent::start_with(&lab, "n1", &["--attach", "clsact"]).kill();
    // Nobody holds them, so only the devices of the network namespace that we are in can be looked at.
    let left = lab.within("n1", || probe(&[])).unwrap();
    // Agents of other labs may run, and pods of the same name have devices of the same name.
    let agents = left["agents"].as_array().unwrap().iter().filter(|agent| agent["process"] == Value::Null);
    let mut left = agents.filter(|agent| order(agent, &veth, "ingress") == ["clsact portolan_from"]);
    let found = left.next().unwrap();
    let off: Vec<_> = found["off"].as_array().unwrap().iter().map(|off| off["probe"].clone()).collect();
    assert_eq!(off, ["kfree_skb", "inet_sock_set_state"], "links go with the process, filters do not");
    assert!(left.next().is_none());
}

#[test]
fn every_probe_is_tried_out_without_an_agent() {
    let said = probe(&["--check"]);
    let trial = &said["trial"];
    for tried in trial["probes"].as_array().unwrap().iter().chain(trial["attaching"].as_array().unwrap()) {
        assert_eq!(tried["works"], true, "{tried}");
    }
    assert!(said["kernel"]["release"].as_str().is_some_and(|release| !release.is_empty()));
    let ability = |name: &str| {
        let mut abilities = said["kernel"]["abilities"].as_array().unwrap().iter();
        abilities.find(|ability| ability["name"] == name).unwrap()["available"].clone()
    };
    assert_eq!((ability("btf"), ability("tcx")), (Value::Bool(true), Value::Bool(true)));
    let output = portolan().args(["probe", "--check"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("attaching by tcx") && text.contains("portolan_from"), "{text}");
}

#[test]
fn without_the_right_to_list_programs_it_says_what_it_needs() {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin", "--"]);
    command.arg(portolan().get_program()).arg("probe");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("CAP_SYS_ADMIN"), "{said}");
}
