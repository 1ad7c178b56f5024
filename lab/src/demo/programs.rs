//! The programs of the demo: the API server and the collector in the core, an agent in each node, and two observers,
//! one for the reader and one for the comparison.

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use super::DemoError;
use crate::apiserver::{Running, Store};
use crate::lab::Lab;
use crate::net::addresses::CORE_V4;
use crate::place::Place;
use crate::process::{Output, Process};

const API_PORT: u16 = 6443;
const COLLECTOR_PORT: u16 = 4245;
const METRICS_PORT: u16 = 9464;

/// How long a program may take to be ready.
const START: Duration = Duration::from_secs(20);

/// What a program exits with when the machine lacks something (`EX_UNAVAILABLE`).
const UNAVAILABLE: i32 = 69;

/// After how much silence a datagram's conversation is over and told: the demo has no time to lose.
const IDLE_SECONDS: &str = "2";

/// More flows than the demo ever makes.
const ALL: &str = "100000";

/// Everything that runs beside the lab; dropping it ends it.
#[derive(Debug)]
pub(super) struct Programs {
    // Ended in this order: observers before what they observe.
    printer: Option<Process>,
    reader: Process,
    _agents: Vec<Process>,
    _collector: Process,
    _api: Running,
    api_outside: String,
    collector_outside: String,
}

impl Programs {
    /// Starts all and returns when every agent is ready and both observers listen.
    pub(super) fn start(lab: &Lab, portolan: &Path) -> Result<Self, DemoError> {
        let store = Store::new();
        lab.publish(&store)?;
        let api = lab.serve_api(&store, API_PORT)?;
        let collector = start_collector(lab, portolan)?;
        let agents: Result<Vec<_>, _> =
            ["n1", "n2"].iter().map(|node| start_agent(lab, portolan, node)).collect();
        let mut agents = agents?;
        for agent in &mut agents {
            await_line(agent, "portolan agent", |line| line.trim() == "ready")?;
        }
        let reader = observe(lab, portolan, &["--output", "jsonl"], Output::Captured)?;
        let printer = observe(lab, portolan, &[], Output::Inherited)?;
        Ok(Self {
            printer: Some(printer),
            reader,
            _agents: agents,
            _collector: collector,
            _api: api,
            api_outside: format!("http://{}", lab.expose(API_PORT)?),
            collector_outside: format!("http://{}", lab.expose(COLLECTOR_PORT)?),
        })
    }

    /// The flows as JSON lines, once they stand for `attempts` and nothing came for a while.
    pub(super) fn collect_flows(
        &mut self,
        attempts: u64,
        patience: Duration,
        quiet: Duration,
    ) -> Result<Vec<String>, DemoError> {
        let begun = Instant::now();
        let (mut count, mut last) = (0, Instant::now());
        loop {
            let lines = self.reader.stdout();
            if lines.len() > count {
                (count, last) = (lines.len(), Instant::now());
            }
            let complete = told(&lines) >= attempts;
            if (complete && last.elapsed() > quiet) || (!complete && begun.elapsed() > patience) {
                return Ok(lines);
            }
            if !self.reader.is_running() {
                return Err(ended(&mut self.reader, "portolan observe"));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ends the live print, so that what follows stands alone.
    pub(super) fn stop_printing(&mut self) {
        self.printer = None;
    }

    /// Where to point other programs at.
    pub(super) fn addresses(&self, portolan: &Path) -> String {
        let Self { api_outside, collector_outside, .. } = self;
        let portolan = portolan.display();
        format!(
            "\nCustomers keep coming until Ctrl-C. In another terminal:\n  \
             {portolan} observe --collector {collector_outside} --last 20 --follow\n  \
             {portolan} status --collector {collector_outside}\n  \
             kubectl --server {api_outside} get pods,networkpolicies -A"
        )
    }
}

fn start_collector(lab: &Lab, portolan: &Path) -> Result<Process, DemoError> {
    let mut command = Command::new(portolan);
    command.arg("collector");
    command.args(["--listen", &format!("[::]:{COLLECTOR_PORT}")]);
    command.args(["--metrics-listen", &format!("[::]:{METRICS_PORT}")]);
    let mut collector = lab.spawn_in(Place::Core, command, Output::Captured)?;
    await_line(&mut collector, "portolan collector", |line| line.contains("listening"))?;
    Ok(collector)
}

fn start_agent(lab: &Lab, portolan: &Path, node: &str) -> Result<Process, DemoError> {
    let mut command = Command::new(portolan);
    command.args(["agent", "--node-name", node]);
    command.args(["--api-server", &format!("http://{CORE_V4}:{API_PORT}")]);
    command.args(["--collector", &format!("http://{CORE_V4}:{COLLECTOR_PORT}")]);
    command.args(["--idle-timeout", IDLE_SECONDS]).env_remove("KUBECONFIG");
    Ok(lab.spawn_in_node(node, command)?)
}

/// An observer inside the core, where the collector is.
fn observe(lab: &Lab, portolan: &Path, args: &[&str], output: Output) -> Result<Process, DemoError> {
    let mut command = Command::new(portolan);
    command.args(["observe", "--follow", "--last", ALL]);
    command.args(["--collector", &format!("http://{CORE_V4}:{COLLECTOR_PORT}")]).args(args);
    Ok(lab.spawn_in(Place::Core, command, output)?)
}

fn await_line(process: &mut Process, name: &str, matches: impl Fn(&str) -> bool) -> Result<(), DemoError> {
    match process.wait_for_stderr(START, matches) {
        Ok(_) => Ok(()),
        Err(_) if !process.is_running() => Err(ended(process, name)),
        Err(late) => {
            Err(DemoError::Program { program: name.to_owned(), why: late.to_string(), unavailable: false })
        }
    }
}

/// The error of a program that ended by itself: its status and last words.
fn ended(process: &mut Process, name: &str) -> DemoError {
    let status = process.wait(Duration::from_secs(1)).ok();
    let said = process.stderr();
    let tail = said[said.len().saturating_sub(12)..].join("\n");
    let status_text = status.map_or_else(|| "it has ended".to_owned(), |status| status.to_string());
    DemoError::Program {
        program: name.to_owned(),
        why: format!("{status_text}\n{tail}"),
        unavailable: status.and_then(|status: ExitStatus| status.code()) == Some(UNAVAILABLE),
    }
}

/// How many attempts the lines stand for; one that is no flow is found when all are read.
fn told(lines: &[String]) -> u64 {
    let attempts = |line: &String| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        value.get("attempts")?.as_u64()
    };
    lines.iter().filter_map(attempts).sum()
}
