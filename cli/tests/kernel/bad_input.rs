//! What goes wrong costs only itself.

use crate::support::{Agent, Manifests, SECOND, eventually, flow_of, one_to_one, pair, portolan, told};
use portolan_lab::{PodSpec, lab::End};
use portolan_policy::{Outcome, Verdict};
use std::time::Duration;

#[test]
fn truncated_and_garbage_packets_make_no_flow_and_no_harm() {
    let lab = pair("garbage");
    let web = lab.pod_info("shop/web").unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let agent = Agent::start(&lab, "n1");
    let ethernet = |ether_type: u16| {
        let mut frame = vec![0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2];
        frame.extend(ether_type.to_be_bytes());
        frame
    };
    let (mut state, mut injected) = (1_u32, 0);
    for ether_type in [0x0800_u16, 0x86dd, 0x0806, 0x8100, 0xffff] {
        for length in [0, 1, 10, 19, 20, 21, 33, 39, 40, 41, 53, 54, 60, 200, 1400] {
            for first in [0x45_u8, 0x4f, 0x40, 0x60, 0x00, 0xff] {
                let mut frame = ethernet(ether_type);
                frame.extend((0..length).map(|index| {
                    // A small generator: the same garbage every time.
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    if index == 0 { first } else { (state >> 24) as u8 }
                }));
                for end in [End::Pod, End::Host] {
                    // The kernel itself refuses what is shorter than a link header.
                    injected += usize::from(lab.inject_frame("shop/client", end, &frame).is_ok());
                }
            }
        }
    }
    let attempt = lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    let flows = agent.stop();
    assert!(injected > 500, "only {injected} frames got out");
    one_to_one(&lab, &flows);
    let flow = flow_of(&flows, &attempt);
    assert_eq!(told(flow), (Outcome::Established, Verdict::Allowed), "{flow:#?}");
}

/// Every beginning of an SCTP packet with some chunks, behind some rows of tags, in an IP packet that says that it is
/// empty.
fn broken_sctp() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for tags in [&[][..], &[0x8100], &[0x88a8, 0x8100], &[0x8100, 0x8100, 0x8100]] {
        for chunk in [0_u8, 1, 2, 6, 10, 255] {
            for length in 0..32 {
                frames.push(sctp_frame(tags, chunk, length));
            }
        }
    }
    frames
}

fn sctp_frame(tags: &[u16], chunk: u8, length: usize) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2];
    for tag in tags {
        frame.extend(tag.to_be_bytes());
        frame.extend([0, 7]);
    }
    // Between addresses of documentation's own network.
    frame.extend([0x08, 0, 0x45, 0, 0, 20, 0, 1, 0, 0, 64, 132, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    let mut packet = vec![0x9c, 0x40, 0x0b, 0x59, 0, 0, 0, 1, 0, 0, 0, 0, chunk, 0, 0, 4];
    packet.resize(32, 0xff);
    frame.extend(&packet[..length]);
    frame
}

#[test]
fn broken_sctp_and_tagged_frames_make_no_flow_and_no_harm() {
    let lab = pair("broken-sctp");
    let web = lab.pod_info("shop/web").unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let agent = Agent::start(&lab, "n1");
    let frames = broken_sctp();
    let mut injected = 0;
    for frame in &frames {
        for end in [End::Pod, End::Host] {
            injected += usize::from(lab.inject_frame("shop/client", end, frame).is_ok());
        }
    }
    assert!(injected > frames.len(), "only {injected} frames got out");
    let attempt = lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    let flow = flow_of(&flows, &attempt);
    assert_eq!(told(flow), (Outcome::Established, Verdict::Allowed), "{flow:#?}");
}

#[test]
fn interfaces_that_vanish_and_return_do_not_stop_the_agent() {
    let mut lab = pair("vanish");
    let web = lab.pod_info("shop/web").unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let mut agent = Agent::start(&lab, "n1");
    for round in 0..20 {
        let name = format!("dev/flash{round}");
        lab.pod(PodSpec::new(&name).node("n1")).unwrap();
        lab.delete_pod(&name).unwrap();
    }
    assert!(agent.is_running(), "{}", agent.log());
    lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    let log = agent.log();
    let flows = agent.stop();
    one_to_one(&lab, &flows);
    assert!(!log.contains("Cannot attach"), "a vanished interface is no failure:\n{log}");
}

#[test]
fn a_malformed_policy_costs_only_itself() {
    let mut lab = pair("malformed");
    let web = lab.pod_info("shop/web").unwrap();
    lab.add_policy_yaml(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: broken, namespace: shop}\n\
         spec: {podSelector: [not, a, selector]}",
    )
    .unwrap();
    lab.add_policy_yaml(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: shop}\n\
         spec: {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 8080}]}]}",
    )
    .unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let agent = Agent::start(&lab, "n1");
    assert!(agent.log().contains("broken"), "the object is named:\n{}", agent.log());
    let attempt = lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    let flows = agent.stop();
    let flow = flow_of(&flows, &attempt);
    assert_eq!(flow.ingress.policies.iter().map(ToString::to_string).collect::<Vec<_>>(), ["shop/web"]);
}

#[test]
fn an_agent_without_the_right_to_bpf_says_what_it_needs() {
    let lab = pair("rights");
    let manifests = Manifests::of(&lab);
    let mut command = std::process::Command::new("setpriv");
    command.args(["--bounding-set", "-bpf,-sys_admin", "--inh-caps", "-bpf,-sys_admin", "--"]);
    let agent = manifests.command();
    command.arg(agent.get_program()).args(agent.get_args());
    let mut process = lab.spawn_in_node("n1", command).unwrap();
    let status = process.wait(Duration::from_secs(20)).unwrap();
    let log = process.stderr().join("\n");
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("CAP_BPF"), "{log}");
    assert!(!log.lines().any(|line| line == "ready"), "{log}");
}

#[test]
fn wrong_usage_is_answered_with_the_mend() {
    let output = portolan().args(["agent", "--manifests", "/nowhere", "--output", "-"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("/nowhere"), "{said}");
    let output = portolan().args(["agent", "--bogus"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "wrong usage");
    let output = portolan().args(["agent", "--manifests", "/nowhere"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "nowhere to put the flows");
    let garbage =
        ["agent", "--output", "-", "--manifests", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")];
    let output = portolan().args(garbage).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("Cargo.toml"), "{said}");
    let no_room = ["agent", "--output", "-", "--max-attempts", "0"];
    let output = portolan().args(no_room).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "no room for an attempt");
    assert!(said.contains("--max-attempts") && said.contains("give 1 or more"), "{said}");
    let output = portolan().args(["agent", "--output", "-", "--manifests", "/dev/null"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success()
            && said.trim_end().ends_with("Portolan knows: give Pods, Nodes, policies, …"),
        "{said}"
    );
    // What the environment says for other runs does not stand in the way of the flags of this one.
    let mut command = portolan();
    command.env("KUBECONFIG", "/nowhere").env("PORTOLAN_COLLECTOR", "http://127.0.0.1:1");
    let output = command.args(["agent", "--manifests", "/missing", "--output", "-"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("/missing"), "{said}");
}

#[test]
fn an_agent_under_a_name_that_no_node_has_warns_and_names_those_that_there_are() {
    let lab = pair("nosuch");
    let log = |name: &str| Agent::start_with(&lab, "n1", &["--node-name", name]).log();
    let wrong = log("nosuch");
    assert!(wrong.contains("no pod counts as local") && wrong.contains("known=\"n1\""), "{wrong}");
    assert!(wrong.contains("--node-name"), "{wrong}");
    let right = log("n1");
    assert!(!right.contains("no pod counts as local"), "{right}");
}

#[test]
fn a_reader_that_goes_away_ends_the_agent_quietly() {
    let lab = pair("pipe");
    let web = lab.pod_info("shop/web").unwrap();
    let manifests = Manifests::of(&lab);
    let agent = manifests.command();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "\"$@\" | head -n 1 >&2; echo over >&2", "sh"]);
    shell.arg(agent.get_program()).args(agent.get_args());
    let mut process = lab.spawn_in_node("n1", shell).unwrap();
    process.wait_for_stderr(Duration::from_secs(20), |line| line == "ready").unwrap();
    // Two flows: the first is read, the second finds nobody.
    for _ in 0..2 {
        lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
        let flows = || process.stderr().iter().filter(|line| line.starts_with('{')).count();
        eventually(|| flows() == 1, || process.stderr().join("\n"));
    }
    let status = process.wait(Duration::from_secs(20)).unwrap();
    assert_eq!(status.code(), Some(0), "{}", process.stderr().join("\n"));
}
