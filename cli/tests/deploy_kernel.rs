//! The rights that `deploy/install.yaml` gives the agent, on the real kernel: enough together, and none too many.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A cluster of one node, for an agent that asks no API server.
const MANIFESTS: &str = r#"
{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
 "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}}
"#;
/// A network namespace of its own with one interface, which a route makes a pod's, and root without capabilities but
/// the named ones.
const NODE: &str = "ip tuntap add cali1 mode tap && ip link set cali1 up && ip route add 10.244.0.2 dev cali1 && \
                    exec setpriv --inh-caps=-all --bounding-set=\"$1\" \"$2\" agent --manifests - --node-name n1 --output -";
const DEADLINE: Duration = Duration::from_secs(30);

/// The capabilities of the agent's container.
fn granted() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/install.yaml");
    let text = std::fs::read_to_string(file).expect("deploy/install.yaml is part of the source");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("it is YAML");
    let agent = documents.iter().find(|document| document["kind"] == "DaemonSet").expect("it has the agent");
    let add = &agent["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilities"]["add"];
    let names = add.as_array().expect("capabilities are a list").iter();
    names.map(|name| name.as_str().expect("a capability is a word").to_lowercase()).collect()
}

/// An agent in its namespace, ended with the test.
struct Agent {
    child: Child,
    log: Receiver<String>,
    seen: Vec<String>,
}

impl Agent {
    fn start(capabilities: &[String]) -> Self {
        let mut bounding = "-all".to_owned();
        for capability in capabilities {
            bounding.push_str(",+");
            bounding.push_str(capability);
        }
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-ec", NODE, "sh", &bounding, env!("CARGO_BIN_EXE_portolan")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("unshare is part of every Linux system");
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        stdin.write_all(MANIFESTS.as_bytes()).expect("the agent reads its manifests");
        drop(stdin);
        let stderr = BufReader::new(child.stderr.take().expect("stderr is a pipe"));
        let (lines, log) = mpsc::channel();
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
        });
        Self { child, log, seen: Vec::new() }
    }

    /// Waits until the agent says it is ready; false when it ends before.
    fn is_ready(&mut self) -> bool {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) if line == "ready" => return true,
                Ok(line) => self.seen.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => return false,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("neither ready nor over:\n{}", self.said()),
            }
        }
    }

    fn said(&self) -> String {
        self.seen.join("\n")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may be over already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn the_granted_capabilities_are_enough() {
    let mut agent = Agent::start(&granted());
    assert!(agent.is_ready(), "{}", agent.said());
    assert!(agent.said().contains("cali1"), "it attached to the interface:\n{}", agent.said());
    assert!(!agent.said().contains("A probe is off"), "{}", agent.said());
}

#[test]
fn the_agent_does_without_the_addresses_of_functions() {
    let without: Vec<String> = granted().into_iter().filter(|capability| capability != "syslog").collect();
    let mut agent = Agent::start(&without);
    assert!(agent.is_ready(), "{}", agent.said());
}

#[test]
fn without_any_other_of_them_the_agent_says_which_it_needs() {
    let all = granted();
    for missing in all.iter().filter(|capability| *capability != "syslog") {
        let rest: Vec<String> = all.iter().filter(|capability| *capability != missing).cloned().collect();
        let mut agent = Agent::start(&rest);
        assert!(!agent.is_ready(), "{missing} is not needed");
        let name = format!("CAP_{}", missing.to_uppercase());
        assert!(agent.said().contains(&name), "without {missing} it says:\n{}", agent.said());
    }
}
