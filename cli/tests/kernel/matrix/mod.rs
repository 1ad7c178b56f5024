//! The matrix: every mechanism × direction × protocol × family × way on real packets, all in one lab, each attempt to be
//! told exactly once and as the design says.

mod cells;
mod compare;
mod expect;
mod gaps;
mod joined;
mod page;
mod scene;

use self::cells::{BRIDGED, Cause, Cell, ON_DEVICES, ROUTED, product};
use self::compare::{Attempt, Report};
use self::scene::Scene;
use crate::support::Agent;
use portolan_lab::Mechanism;
use portolan_policy::{Flow, Outcome};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Clients at work at once; nearly all of them wait.
const CLIENTS: usize = 96;
/// How long a client waits for an answer that will come, and for one that will not.
const PATIENT: Duration = Duration::from_secs(5);
const HASTY: Duration = Duration::from_millis(400);
/// What a router takes to give up a neighbour.
const NEIGHBOURLY: Duration = Duration::from_secs(2);

#[test]
fn every_attempt_is_told_once_with_its_cause_on_a_node_that_routes() {
    run("matrix", ROUTED, false, &[]).check(gaps::ROUTED);
}

#[test]
fn every_attempt_is_told_once_with_its_cause_on_a_node_that_bridges() {
    run("bridged", BRIDGED, true, &[]).check(gaps::BRIDGED);
}

#[test]
fn every_attempt_is_told_once_with_its_cause_by_an_agent_without_tcx() {
    run("clsact-matrix", ON_DEVICES, false, &["--attach", "clsact"]).check(gaps::ON_DEVICES);
}

fn run(name: &str, causes: &'static [Cause], bridged: bool, agent: &[&str]) -> Report {
    let mut scene = Scene::new(name, bridged, causes);
    let agents = ["n1", "n2"].map(|node| Agent::start_with(&scene.lab, node, agent));
    scene.enforce_late();
    let attempts = attempt_all(&scene, &product(causes, bridged));
    let [here, elsewhere]: [Vec<Flow>; 2] = agents.map(Agent::stop);
    Report::new(&scene, &attempts, &here, &elsewhere)
}

/// Makes the attempts of all cells, many at a time.
fn attempt_all(scene: &Scene, cells: &[Cell]) -> Vec<Attempt> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
            let attempted = scene.attempt(*cell, patience(*cell));
            done.lock().unwrap().push(Attempt { cell: *cell, attempted });
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(work);
        }
    });
    let mut attempts = done.into_inner().unwrap();
    attempts.sort_by_key(|attempt| cells.iter().position(|cell| *cell == attempt.cell));
    attempts
}

fn patience(cell: Cell) -> Duration {
    match expect::expected(cell).outcome {
        _ if cell.cause == Cause::StaleNeighbour => NEIGHBOURLY,
        // What a router says is limited: a second try may hear what the first did not.
        _ if matches!(cell.cause.mechanism(), Some(Mechanism::Route(_))) => HASTY,
        Outcome::Established | Outcome::Refused | Outcome::Rejected => PATIENT,
        _ => HASTY,
    }
}
