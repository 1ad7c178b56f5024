//! Child processes of a lab: born in a namespace, their output captured line by line, ended with their guard.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::{LabError, Result};
use crate::net::netns::Netns;

/// What becomes of a child's standard output and error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Kept as lines, to be read from the guard.
    Captured,
    /// The lab's own.
    Inherited,
}

/// Lines that a child has written so far.
#[derive(Debug, Default)]
struct Lines {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

/// A running child process; dropping the guard kills it.
#[derive(Debug)]
#[must_use = "a process is killed when its guard is dropped"]
pub struct Process {
    child: Child,
    program: String,
    stdout: Arc<Lines>,
    stderr: Arc<Lines>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Process {
    pub(crate) fn spawn(place: &Netns, mut command: Command, output: Output) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        if output == Output::Captured {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let start = |source| LabError::Start { program: program.clone(), source };
        let mut child = place.run(|| command.stdin(Stdio::null()).spawn())?.map_err(start)?;
        let (stdout, stderr) = (Arc::<Lines>::default(), Arc::<Lines>::default());
        let mut readers = Vec::new();
        if let Some(pipe) = child.stdout.take() {
            readers.push(collect(pipe, Arc::clone(&stdout)).map_err(start)?);
        }
        if let Some(pipe) = child.stderr.take() {
            readers.push(collect(pipe, Arc::clone(&stderr)).map_err(start)?);
        }
        Ok(Self { child, program, stdout, stderr, readers })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The lines of standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.snapshot()
    }

    /// The lines of standard error so far.
    pub fn stderr(&self) -> Vec<String> {
        self.stderr.snapshot()
    }

    /// Waits for a line of standard output that `matches`.
    pub fn wait_for_stdout(&mut self, deadline: Duration, matches: impl Fn(&str) -> bool) -> Result<String> {
        let lines = Arc::clone(&self.stdout);
        self.wait_for(&lines, deadline, matches)
    }

    /// Waits for a line of standard error that `matches`.
    pub fn wait_for_stderr(&mut self, deadline: Duration, matches: impl Fn(&str) -> bool) -> Result<String> {
        let lines = Arc::clone(&self.stderr);
        self.wait_for(&lines, deadline, matches)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.child.id() as i32), signal)
            .map_err(|err| LabError::socket(format!("signal {}", self.program), err))
    }

    /// Asks it to end (SIGTERM), waits, and returns how it ended. Its output is complete afterwards.
    pub fn terminate(&mut self, deadline: Duration) -> Result<ExitStatus> {
        if self.is_running() {
            self.signal(Signal::SIGTERM)?;
        }
        self.wait(deadline)
    }

    /// Waits for its end and returns how it ended. Its output is complete afterwards.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let begun = Instant::now();
        loop {
            let status = self.child.try_wait();
            let status = status.map_err(|err| LabError::socket(format!("wait for {}", self.program), err))?;
            if let Some(status) = status {
                self.join_readers();
                return Ok(status);
            }
            if begun.elapsed() > deadline {
                return Err(self.late("end", deadline, &self.stderr));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_for(
        &mut self,
        lines: &Arc<Lines>,
        deadline: Duration,
        matches: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let begun = Instant::now();
        let mut read = 0;
        loop {
            // Asked before the lines are read: what was written before the end is still found.
            let ended = !self.is_running();
            if ended {
                self.join_readers();
            }
            if let Some(line) = lines.find_from(&mut read, &matches) {
                return Ok(line);
            }
            if ended || begun.elapsed() > deadline {
                return Err(self.late("say what was expected", begun.elapsed(), lines));
            }
            lines.wait_for_more(read, Duration::from_millis(50));
        }
    }

    fn late(&self, what: &str, waited: Duration, lines: &Lines) -> LabError {
        let said = lines.snapshot();
        let tail = said[said.len().saturating_sub(20)..].join("\n");
        LabError::Late {
            what: format!("{} to {what}", self.program),
            waited,
            detail: format!("; its last lines:\n{tail}"),
        }
    }

    fn join_readers(&mut self) {
        for reader in self.readers.drain(..) {
            if reader.join().is_err() {
                tracing::warn!(program = %self.program, "Reader of a child's output panicked.");
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            // Failing means it just ended by itself; the wait reaps it either way.
            let killed = self.child.kill().and_then(|()| self.child.wait());
            if let Err(err) = killed {
                tracing::debug!(program = %self.program, %err, "Child already gone.");
            }
        }
    }
}

/// Whether a status is that of a process ended by `signal`, or of one that exits cleanly on it.
pub fn ended_by(status: ExitStatus, signal: Signal) -> bool {
    status.success() || status.signal() == Some(signal as i32)
}

impl Lines {
    fn snapshot(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first matching line from number `read` on; moves `read` past what was looked at.
    fn find_from(&self, read: &mut usize, matches: impl Fn(&str) -> bool) -> Option<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let found = lines[*read..].iter().find(|line| matches(line)).cloned();
        *read = lines.len();
        found
    }

    fn wait_for_more(&self, read: usize, at_most: Duration) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        // Woken early or late makes no difference: the caller looks again.
        drop(self.grown.wait_timeout_while(lines, at_most, |lines| lines.len() <= read));
    }
}

fn collect(pipe: impl Read + Send + 'static, into: Arc<Lines>) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("lab-output".to_owned()).spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(count) if count > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            into.lines.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            into.grown.notify_all();
            line.clear();
        }
    })
}
