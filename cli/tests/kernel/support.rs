//! A lab with agents, and flows to be matched with attempts.

use nix::sys::signal::Signal;
use portolan_lab::{Attempted, Lab, PodSpec, Process, Protocol as LabProtocol, Seen};
use portolan_policy::{End, Flow, Outcome, PolicyRef, Protocol, SideVerdict, Verdict, Who};
use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(30);

/// The binary under test.
pub(crate) fn portolan() -> Command {
    Command::new(env!("CARGO_BIN_EXE_portolan"))
}

/// Whether this kernel has tcx. A test that is about it says so and ends where there is none.
#[expect(clippy::print_stderr, reason = "a test that is skipped must be seen to be")]
pub(crate) fn has_tcx() -> bool {
    let found = portolan_agent::kernel::bpf::has_tcx();
    if let Err(error) = &found {
        eprintln!("skipped: this kernel has no tcx ({error})");
    }
    found.is_ok()
}

/// A lab of one node with a web server's pod and a client's.
pub(crate) fn pair(name: &str) -> Lab {
    let mut lab = Lab::new(name).unwrap();
    lab.node("n1").unwrap();
    for app in ["web", "client"] {
        lab.pod(PodSpec::new(&format!("shop/{app}")).node("n1").label("app", app)).unwrap();
    }
    lab
}

/// A process that stands for a pod's network namespace where one is named by a process.
pub(crate) fn resident(lab: &Lab, pod: &str) -> Process {
    let mut command = Command::new("sleep");
    command.arg("infinity");
    lab.spawn_in_pod(pod, command).unwrap()
}

/// The lab's objects in a file, for an agent without an API server.
pub(crate) struct Manifests(PathBuf);

impl Manifests {
    pub(crate) fn of(lab: &Lab) -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("portolan-{}-{number}.yaml", std::process::id()));
        std::fs::write(&path, lab.manifests().unwrap()).unwrap();
        Self(path)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = portolan();
        command.args(["agent", "--output", "-", "--manifests"]).arg(&self.0);
        command
    }
}

impl Drop for Manifests {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

/// An agent alone on its node, ready.
pub(crate) struct Agent {
    process: Process,
    _manifests: Manifests,
}

impl Agent {
    pub(crate) fn start(lab: &Lab, node: &str) -> Self {
        Self::start_with(lab, node, &[])
    }

    pub(crate) fn start_with(lab: &Lab, node: &str, args: &[&str]) -> Self {
        let manifests = Manifests::of(lab);
        let mut command = manifests.command();
        if !args.contains(&"--idle-timeout") {
            command.args(["--idle-timeout", "1"]);
        }
        command.args(args);
        let mut process = lab.spawn_in_node(node, command).unwrap();
        process.wait_for_stderr(DEADLINE, |line| line == "ready").unwrap();
        Self { process, _manifests: manifests }
    }

    pub(crate) fn log(&self) -> String {
        self.process.stderr().join("\n")
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    /// Its resident memory in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix(" kB"));
        kilobytes.unwrap().trim().parse::<u64>().unwrap() * 1024
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal).unwrap();
    }

    /// Ends it as nothing should be ended.
    pub(crate) fn kill(mut self) {
        self.process.signal(Signal::SIGKILL).unwrap();
        self.process.wait(DEADLINE).unwrap();
    }

    /// Lets it do nothing for a while.
    pub(crate) fn pause(&self) {
        self.process.signal(Signal::SIGSTOP).unwrap();
    }

    pub(crate) fn go_on(&self) {
        self.process.signal(Signal::SIGCONT).unwrap();
    }

    /// Waits until the log has said something.
    pub(crate) fn wait_for_log(&mut self, words: &str) {
        self.process.wait_for_stderr(DEADLINE, |line| line.contains(words)).unwrap();
    }

    /// How many flows were printed.
    pub(crate) fn flows(&self) -> usize {
        self.process.stdout().len()
    }

    /// Waits until as many flows were printed.
    pub(crate) fn wait_for_flows(&self, count: usize) {
        eventually(|| self.process.stdout().len() >= count, || format!("{:#?}", self.process.stdout()));
    }

    /// Ends it with SIGTERM and takes all flows it printed.
    pub(crate) fn stop(mut self) -> Vec<Flow> {
        let status = self.process.terminate(DEADLINE).unwrap();
        assert_eq!(status.code(), Some(0), "the first SIGTERM ends with 0:\n{}", self.log());
        parse(&self.process.stdout())
    }
}

pub(crate) fn parse(lines: &[String]) -> Vec<Flow> {
    let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    lines.iter().map(parse).collect()
}

/// Waits for a predicate, not for a time.
pub(crate) fn eventually(holds: impl Fn() -> bool, otherwise: impl Fn() -> String) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "not within {DEADLINE:?}: {}", otherwise());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The flow of an attempt: exactly one.
pub(crate) fn flow_of<'a>(flows: &'a [Flow], attempt: &Attempted) -> &'a Flow {
    let found: Vec<&Flow> = flows.iter().filter(|flow| belongs(flow, attempt)).collect();
    assert_eq!(found.len(), 1, "{attempt:#?}\nhas the flows {found:#?}\namong {flows:#?}");
    found[0]
}

fn belongs(flow: &Flow, attempt: &Attempted) -> bool {
    let Some(local) = attempt.local else { return false };
    let same_protocol = match attempt.protocol {
        LabProtocol::Tcp => flow.protocol == Protocol::Tcp,
        LabProtocol::Udp => flow.protocol == Protocol::Udp,
        _ => matches!(flow.protocol, Protocol::Icmp | Protocol::Icmpv6),
    };
    let dialled = flow.service.as_ref().map_or(flow.destination.ip(), |service| service.ip);
    same_protocol
        && flow.source.ip() == local.ip()
        && dialled == attempt.destination.ip()
        && (!flow.protocol.has_ports() || flow.source.port() == Some(local.port()))
}

/// Every attempt has its one flow, and there is no flow beside.
pub(crate) fn one_to_one(lab: &Lab, flows: &[Flow]) {
    let attempts = lab.attempts();
    for attempt in &attempts {
        let flow = flow_of(flows, attempt);
        let agrees = match attempt.result {
            Seen::Connected { .. } | Seen::Answered { .. } => flow.outcome == Outcome::Established,
            Seen::Refused => matches!(flow.outcome, Outcome::Refused | Outcome::Rejected),
            Seen::Unreachable(_) => matches!(flow.outcome, Outcome::Rejected | Outcome::Dropped),
            Seen::Silent => {
                matches!(flow.outcome, Outcome::Dropped | Outcome::Delivered | Outcome::NoReply)
            }
            Seen::TimedOut => matches!(flow.outcome, Outcome::Dropped | Outcome::NoReply),
            Seen::Failed(errno) => panic!("the client failed with errno {errno}: {attempt:#?}"),
        };
        assert!(agrees, "{attempt:#?}\nis told as {flow:#?}");
        assert_eq!(flow.attempts, 1, "{flow:#?}");
    }
    assert_eq!(flows.len(), attempts.len(), "extra flows among {flows:#?}");
}

/// A flow in few words: `outcome verdict`.
pub(crate) fn told(flow: &Flow) -> (Outcome, Verdict) {
    (flow.outcome, flow.verdict)
}

/// The pod at an end, `namespace/name`.
pub(crate) fn pod(end: &End) -> String {
    match end.who() {
        Who::Pod(pod) => format!("{}/{}", pod.namespace, pod.pod),
        other => format!("{other:?}"),
    }
}

/// The policies of a side, `namespace/name#rule`.
pub(crate) fn policies(side: &portolan_policy::SideDecision) -> (SideVerdict, Vec<String>) {
    let name = |policy: &PolicyRef| match policy.rule {
        Some(rule) => format!("{policy}#{rule}"),
        None => policy.to_string(),
    };
    (side.verdict, side.policies.iter().map(name).collect())
}

/// What an agent counts about itself.
#[derive(Debug)]
pub(crate) struct Counted(Vec<(String, f64)>);

/// Reads the metrics of an agent in a node.
pub(crate) fn metrics(lab: &Lab, node: &str, address: &str) -> Counted {
    use std::io::{Read as _, Write as _};
    let ask = || -> std::io::Result<String> {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let text = lab.within(node, ask).unwrap().unwrap();
    let value = |line: &str| {
        let (name, value) = line.strip_prefix("portolan_agent_")?.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    Counted(text.lines().filter_map(value).collect())
}

impl Counted {
    /// The sum over all labels of a metric.
    pub(crate) fn sum(&self, name: &str) -> u64 {
        let of_name = |line: &&(String, f64)| line.0.split('{').next() == Some(name);
        self.0.iter().filter(of_name).map(|(_, value)| *value as u64).sum()
    }

    pub(crate) fn lost(&self) -> u64 {
        self.sum("lost_records_total")
    }

    pub(crate) fn lost_to(&self, cause: &str) -> u64 {
        let name = format!("lost_records_total{{cause=\"{cause}\"}}");
        self.0.iter().find(|line| line.0 == name).map_or(0, |(_, value)| *value as u64)
    }
}
