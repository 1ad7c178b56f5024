//! The command `portolan-lab` against the real kernel: it cleans up after itself, however it ends.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portolan_lab::Lab;

const PROGRAM: &str = env!("CARGO_BIN_EXE_portolan-lab");

/// A standing cluster of the command's own process.
fn up() -> Child {
    let mut child = Command::new(PROGRAM).args(["up", "--pods", "2"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("stands until")), "the cluster does not stand");
    child
}

fn namespaces_of(child: &Child) -> usize {
    let prefix = format!("plab-{}-", child.id());
    let entries = fs::read_dir("/run/netns").unwrap().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)).count()
}

fn wait(child: &mut Child) -> std::process::ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "the command does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_signal_ends_it_in_order_and_nothing_is_left() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut child = up();
        assert_eq!(namespaces_of(&child), 6);
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        assert!(wait(&mut child).success(), "{signal}");
        assert_eq!(namespaces_of(&child), 0, "{signal}");
    }
}

#[test]
fn what_a_killed_lab_left_is_swept_by_the_next() {
    let mut child = up();
    child.kill().unwrap();
    wait(&mut child);
    drop(Lab::new("after").unwrap());
    assert_eq!(namespaces_of(&child), 0);
}

#[test]
fn a_signal_amid_the_work_removes_what_was_made() {
    let mut child = Command::new(PROGRAM)
        .args(["up", "--nodes", "40", "--pods", "2"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("node n1 "), "{first}");
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(wait(&mut child).code(), Some(143));
    assert_eq!(namespaces_of(&child), 0);
}

#[test]
fn without_privileges_it_says_each_thing_that_is_missing() {
    for verb in ["up", "demo"] {
        let output = Command::new("setpriv").args(["--bounding-set=-all", PROGRAM, verb]).output().unwrap();
        assert_eq!(output.status.code(), Some(69), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("is missing") && said.contains("run as root"), "{said}");
    }
}

#[test]
fn a_demo_whose_programs_do_not_start_says_which() {
    for (program, said) in [
        ("/nonexistent/portolan", "cannot start /nonexistent/portolan"),
        ("false", "portolan collector did not start"),
    ] {
        let output = Command::new(PROGRAM).args(["demo", "--portolan", program]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(said), "{stderr}");
    }
}
