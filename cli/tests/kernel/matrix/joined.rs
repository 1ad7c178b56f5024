//! The cells between two nodes as the collector tells them: two views of each attempt, one flow.

use super::attempt_all;
use super::cells::{Cell, ROUTED, Way, product};
use super::compare::Report;
use super::scene::Scene;
use crate::support::{SECOND, eventually, parse, portolan};
use portolan_lab::apiserver::Store;
use portolan_lab::net::addresses::CORE_V4;
use portolan_lab::{Lab, Output, Place, Process};
use portolan_policy::Flow;

const API_PORT: u16 = 6443;
const COLLECTOR_PORT: u16 = 4245;

#[test]
fn every_attempt_between_two_nodes_is_one_flow_with_its_cause() {
    let mut scene = Scene::new("joined-matrix", false, ROUTED);
    let store = Store::new();
    scene.lab.publish(&store).unwrap();
    let _api = scene.lab.serve_api(&store, API_PORT).unwrap();
    let _collector = collector(&scene.lab);
    let _agents = ["n1", "n2"].map(|node| agent(&scene.lab, node));
    scene.enforce_late();
    let between = |cell: &Cell| matches!(cell.way, Way::Far | Way::FarClusterIp);
    let cells: Vec<Cell> = product(ROUTED, false).into_iter().filter(between).collect();
    let attempts = attempt_all(&scene, &cells);
    let expected = cells.len();
    let told = || observe(&scene.lab);
    eventually(|| told().len() >= expected, || format!("{} flows of {expected}", told().len()));
    Report::joined(&scene, &attempts, &told()).check();
}

fn collector(lab: &Lab) -> Process {
    let mut command = portolan();
    command.args(["collector", "--listen", &format!("{CORE_V4}:{COLLECTOR_PORT}"), "--join-window", "12s"]);
    let mut collector = lab.spawn_in(Place::Core, command, Output::Captured).unwrap();
    collector.wait_for_stderr(SECOND * 30, |line| line.contains("listening")).unwrap();
    collector
}

fn agent(lab: &Lab, node: &str) -> Process {
    let mut command = portolan();
    command.args(["agent", "--node-name", node, "--idle-timeout", "1"]);
    command.args(["--api-server", &format!("http://{CORE_V4}:{API_PORT}")]);
    command.args(["--collector", &format!("http://{CORE_V4}:{COLLECTOR_PORT}")]);
    let mut agent = lab.spawn_in_node(node, command).unwrap();
    agent.wait_for_stderr(SECOND * 30, |line| line == "ready").unwrap();
    agent
}

fn observe(lab: &Lab) -> Vec<Flow> {
    let url = format!("http://{CORE_V4}:{COLLECTOR_PORT}");
    let args = ["observe", "--collector", &url, "--last", "10000", "-o", "jsonl"];
    let text = lab.run(Place::Core, env!("CARGO_BIN_EXE_portolan"), &args).unwrap();
    parse(&text.lines().map(str::to_owned).collect::<Vec<_>>())
}
