//! Somebody follows while the collector is killed: what they printed is what the ledger has, each flow once.

use crate::{
    KILLS, PATIENT, agents, from_environment,
    process::{Process, free_port},
    same,
    world::{Dice, flows_of, world},
};
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};
use tokio::time::sleep;

fn observe(port: u16, flags: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
    command.args(["observe", "-o", "jsonl", "--collector", &format!("127.0.0.1:{port}")]);
    command.args(flags.split_whitespace()).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// One that follows, and its lines.
struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    fn start(port: u16, flags: &str) -> Self {
        let mut child = observe(port, flags).arg("-f").stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, receiver) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        Self { child, lines: receiver }
    }

    /// So many lines and no more, after which it is told to stop.
    fn lines(mut self, count: usize) -> Vec<String> {
        let next = || self.lines.recv_timeout(crate::support::DEADLINE).ok();
        let mut lines: Vec<_> = std::iter::from_fn(next).take(count).collect();
        self.stop();
        lines.extend(self.lines.iter());
        lines
    }

    /// Sends SIGINT, unless it has ended.
    fn interrupt(&self) {
        let kill = format!("kill -INT {}", self.child.id());
        Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status().unwrap();
    }

    fn stop(&mut self) {
        self.interrupt();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

/// No test leaves one behind.
impl Drop for Follower {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn kept(port: u16) -> Vec<String> {
    let answer = observe(port, "").output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let mut lines: Vec<_> = String::from_utf8(answer.stdout).unwrap().lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// Agents tell a world to a collector that is killed again and again. Returns what is kept, and the last collector.
async fn killed(data: &Path, port: u16, first: Process, seed: u64, kills: u64) -> (Vec<String>, Process) {
    let (mut dice, mut collector, mut killed) = (Dice::new(seed), first, 0);
    let mut agents = agents(&world(seed, 400 * kills), port, seed, Duration::from_millis(2));
    while !agents.is_empty() {
        sleep(Duration::from_millis(dice.below(300))).await;
        if killed < kills {
            collector.kill();
            killed += 1;
            collector = Process::start(data, port, PATIENT).await;
        }
        while let Some(done) = agents.try_join_next() {
            done.unwrap();
        }
    }
    assert!(killed >= kills.min(3), "the agents were done before the collector was killed");
    let kept = kept(port);
    assert_eq!(kept.len() as u64, flows_of(seed, 400 * kills));
    (kept, collector)
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_unstable();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_of_a_collector_that_is_killed_prints_what_the_ledger_has() {
    let (kills, seed) = (from_environment("PORTOLAN_KILLS", KILLS), from_environment("PORTOLAN_SEED", 11));
    let (data, port) = (tempfile::tempdir().unwrap(), free_port());
    let first = Process::start(data.path(), port, PATIENT).await;
    let follower = Follower::start(port, "");
    // Of who begins with the past, some of it is left when the collector is killed.
    let from_the_past = Follower::start(port, "--since 2000-01-01T00:00:00Z");
    first.until(|status| status.subscribers == 2).await;
    println!("PORTOLAN_SEED={seed} PORTOLAN_KILLS={kills}");
    let (kept, collector) = killed(data.path(), port, first, seed, kills).await;
    same(&sorted(follower.lines(kept.len())), &kept);
    same(&sorted(from_the_past.lines(kept.len())), &kept);
    collector.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_stops_goes_on_behind_the_cursor_in_its_file() {
    let (data, port) = (tempfile::tempdir().unwrap(), free_port());
    let file = data.path().join("cursor");
    let flags = format!("--since 2000-01-01T00:00:00Z --cursor-file {}", file.display());
    let first = Process::start(data.path(), port, PATIENT).await;
    let coming_and_going = {
        let flags = flags.clone();
        async move {
            let (mut lines, mut dice) = (Vec::new(), Dice::new(5));
            for _ in 0..5 {
                let mut follower = Follower::start(port, &flags);
                sleep(Duration::from_millis(100 + dice.below(300))).await;
                // While the collector is away it cannot be asked for the first time.
                follower.interrupt();
                follower.child.wait().unwrap();
                lines.extend(follower.lines.iter());
            }
            lines
        }
    };
    let (mut lines, (kept, collector)) =
        tokio::join!(coming_and_going, killed(data.path(), port, first, 3, 3));
    assert!(!lines.is_empty() && file.exists(), "something was printed on the way");
    println!("{} of {} flows before the last", lines.len(), kept.len());
    let rest = observe(port, &flags).output().unwrap();
    lines.extend(String::from_utf8(rest.stdout).unwrap().lines().map(str::to_owned));
    same(&sorted(lines), &kept);
    let again = observe(port, &flags).output().unwrap();
    assert_eq!((again.status.code(), again.stdout.len()), (Some(0), 0), "nothing is left");
    collector.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_folder_is_refused_in_words() {
    let (data, other, port) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), free_port());
    let file = data.path().join("cursor");
    let flags = format!("--cursor-file {}", file.display());
    let collector = Process::start(data.path(), port, PATIENT).await;
    let mut follower = Follower::start(port, &flags);
    collector.until(|status| status.subscribers == 1).await;
    while !file.exists() {
        sleep(Duration::from_millis(10)).await;
    }
    follower.stop();
    collector.stop();
    let collector = Process::start(other.path(), port, PATIENT).await;
    let answer = observe(port, &flags).output().unwrap();
    let said = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert_eq!(answer.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot go on: the cursor is of another store"), "{said}");
    collector.stop();
}
