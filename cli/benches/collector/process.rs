//! The processes that are measured: the collector, and the baseline.

use crate::naive;
use anyhow::Context as _;
use portolan_lab::bench::cpu::{self, Times};
use portolan_proto::v1::{self, status_client::StatusClient};
use std::{
    env, fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tonic::transport::{Channel, Endpoint};

/// How long a process may take until it answers.
const READY: Duration = Duration::from_mins(2);
/// How often it is asked whether it does.
const ASK: Duration = Duration::from_millis(2);
/// A view waits so long for the other node's, so that a round has an end.
const JOIN_WINDOW: &str = "1s";

/// A running process; dropping it kills it.
pub(crate) struct Process {
    child: Child,
    pub(crate) endpoint: String,
}

impl Process {
    /// A collector that keeps everything in a folder. Returns how long it took to answer.
    pub(crate) async fn collector(folder: &Path) -> anyhow::Result<(Self, Duration)> {
        let address = free_address()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
        command.args(["collector", "--listen", &address, "--metrics-listen", "127.0.0.1:0"]);
        command.args(["--join-window", JOIN_WINDOW, "--data"]).arg(folder.join("data"));
        let log = fs::File::create(folder.join("log"))?;
        command.stdout(log.try_clone()?).stderr(log);
        let begun = Instant::now();
        let mut process = Self::spawn(&mut command, &address)?;
        while process.status().await.is_err() {
            if let Some(status) = process.child.try_wait()? {
                let said = fs::read_to_string(folder.join("log"))?;
                anyhow::bail!("the collector ended with {status}; it said:\n{said}");
            }
            anyhow::ensure!(
                begun.elapsed() < READY,
                "the collector does not answer; see {}",
                folder.display()
            );
            tokio::time::sleep(ASK).await;
        }
        Ok((process, begun.elapsed()))
    }

    /// The baseline: this program under another name.
    pub(crate) fn baseline() -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(env::current_exe()?);
        let process = Self::spawn(command.args([naive::WORD, &address]), &address)?;
        let begun = Instant::now();
        while std::net::TcpStream::connect(&address).is_err() {
            anyhow::ensure!(begun.elapsed() < READY, "the baseline does not listen");
            thread::sleep(ASK);
        }
        Ok(process)
    }

    fn spawn(command: &mut Command, address: &str) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { child, endpoint: format!("http://{address}") })
    }

    /// Processor time so far.
    pub(crate) fn times(&self) -> anyhow::Result<Times> {
        Ok(Times::of(self.child.id())?)
    }

    /// Resident memory: now, and at the most so far.
    pub(crate) fn memory(&self) -> anyhow::Result<[u64; 2]> {
        Ok(cpu::memory(self.child.id())?)
    }

    pub(crate) async fn channel(&self) -> anyhow::Result<Channel> {
        Ok(Endpoint::from_shared(self.endpoint.clone())?.connect().await?)
    }

    /// What the collector says of itself.
    pub(crate) async fn status(&self) -> anyhow::Result<v1::GetStatusResponse> {
        let mut client = StatusClient::new(self.channel().await?);
        Ok(client.get(v1::GetStatusRequest {}).await?.into_inner())
    }

    /// Ends it at once, as SIGKILL does.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
