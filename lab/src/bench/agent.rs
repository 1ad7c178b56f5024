//! The agent under measurement: started in the node, asked how far it is, ended, and its flows counted.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::BenchError;
use super::cpu::{self, Times};
use super::exposition::Page;
use super::scene::{CLIENT, METRICS, NODE, SERVER, Scene};
use crate::error::LabError;
use crate::process::Process;

const START: Duration = Duration::from_secs(20);
const END: Duration = Duration::from_secs(20);
const SETTLE: Duration = Duration::from_secs(20);
/// How often it is asked how far it is.
const LOOK: Duration = Duration::from_millis(100);
/// So many looks without anything new, and it has told all that it will tell by itself.
const QUIET_LOOKS: usize = 3;

/// A running agent.
#[derive(Debug)]
pub(super) struct Agent<'a> {
    scene: &'a Scene,
    process: Process,
}

impl<'a> Agent<'a> {
    /// Starts it; it observes when this returns.
    pub(super) fn start(scene: &'a Scene, portolan: &Path) -> Result<Self, BenchError> {
        let (address, port) = METRICS;
        let mut command = Command::new(portolan);
        command.args(["agent", "--node-name", NODE, "--metrics-listen", &format!("{address}:{port}")]);
        command.arg("--manifests").arg(scene.manifests()).arg("--output").arg(scene.flows());
        let mut process = scene.lab.spawn_in_node(NODE, command)?;
        process.wait_for_stderr(START, |line| line.trim() == "ready")?;
        Ok(Self { scene, process })
    }

    /// Processor time so far.
    pub(super) fn times(&self) -> Result<Times, BenchError> {
        Times::of(self.process.id())
    }

    /// Resident memory in bytes, now and at the most so far.
    pub(super) fn memory(&self) -> Result<[u64; 2], BenchError> {
        cpu::memory(self.process.id())
    }

    /// Its metrics.
    pub(super) fn metrics(&self) -> Result<Page, BenchError> {
        Page::fetch(self.scene)
    }

    /// Waits until it has worked off what it saw, and returns how many flows it has made so far.
    pub(super) fn settle(&self) -> Result<u64, BenchError> {
        let begun = Instant::now();
        let (mut flows, mut quiet) = (self.flows_made()?, 0);
        while quiet < QUIET_LOOKS {
            if begun.elapsed() > SETTLE {
                return Err(LabError::Late {
                    what: "the agent to work off what it saw".to_owned(),
                    waited: SETTLE,
                    detail: format!("; it still makes flows, {flows} so far"),
                }
                .into());
            }
            thread::sleep(LOOK);
            let now = self.flows_made()?;
            quiet = if now == flows { quiet + 1 } else { 0 };
            flows = now;
        }
        Ok(flows)
    }

    fn flows_made(&self) -> Result<u64, BenchError> {
        Ok(self.metrics()?.sum("portolan_agent_flows_total") as u64)
    }

    /// Ends it, and counts what it printed.
    pub(super) fn stop(self) -> Result<Flows, BenchError> {
        let scene = self.scene;
        self.end()?;
        Flows::count(&scene.flows())
    }

    /// Ends it.
    pub(super) fn end(mut self) -> Result<(), BenchError> {
        let status = self.process.terminate(END)?;
        if !status.success() {
            let said = self.process.stderr();
            let tail = said[said.len().saturating_sub(8)..].join("\n");
            return Err(BenchError::Agent { status: status.to_string(), tail });
        }
        Ok(())
    }
}

/// What an agent printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flows {
    /// Attempts from the client to the server.
    pub(super) attempts: u64,
    /// Records that it says were lost.
    pub(super) lost: u64,
    /// Flows between anybody else.
    pub(super) foreign: u64,
}

/// What is read of a line.
#[derive(Debug, Deserialize)]
struct Line {
    source: End,
    destination: End,
    attempts: u64,
    lost: u64,
}

#[derive(Debug, Deserialize)]
struct End {
    namespace: Option<String>,
    pod: Option<String>,
}

impl End {
    fn is(&self, pod: &str) -> bool {
        pod.split_once('/').is_some_and(|(namespace, pod)| {
            self.namespace.as_deref() == Some(namespace) && self.pod.as_deref() == Some(pod)
        })
    }
}

impl Flows {
    /// Counts what stands in a file, or comes through a pipe until its writer has gone.
    pub(super) fn count(path: &Path) -> Result<Self, BenchError> {
        let failed = |source| BenchError::Read { path: path.display().to_string(), source };
        let mut flows = Self::default();
        for line in BufReader::new(File::open(path).map_err(failed)?).lines() {
            flows.take(&line.map_err(failed)?)?;
        }
        Ok(flows)
    }

    /// Counts those of another agent too.
    pub(super) const fn add(&mut self, other: Self) {
        let Self { attempts, lost, foreign } = other;
        self.attempts += attempts;
        self.lost += lost;
        self.foreign += foreign;
    }

    fn take(&mut self, text: &str) -> Result<(), BenchError> {
        let Line { source, destination, attempts, lost } = serde_json::from_str(text)
            .map_err(|source| BenchError::Flow { line: text.to_owned(), source })?;
        self.lost += lost;
        if source.is(CLIENT) && destination.is(SERVER) {
            self.attempts += attempts;
        } else {
            self.foreign += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(source: &str, lost: u64) -> String {
        let server = r#"{"kind":"pod","namespace":"bench","pod":"server"}"#;
        format!(r#"{{"source":{source},"destination":{server},"attempts":1,"lost":{lost}}}"#)
    }

    #[test]
    fn flows_of_others_are_told_apart() {
        let mut flows = Flows::default();
        flows.take(&line(r#"{"kind":"pod","namespace":"bench","pod":"client"}"#, 2)).unwrap();
        flows.take(&line(r#"{"kind":"external","ip":"192.0.2.1"}"#, 0)).unwrap();
        assert_eq!(flows, Flows { attempts: 1, lost: 2, foreign: 1 });
    }

    #[test]
    fn a_line_that_is_no_flow_is_named() {
        let error = Flows::default().take("{}").unwrap_err().to_string();
        assert!(error.contains("{}"), "{error}");
    }
}
