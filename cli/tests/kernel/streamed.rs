//! Agents on two nodes, a Kubernetes API server and a collector: two views of a connection, one flow.

use crate::support::{SECOND, eventually, flow_of, one_to_one, parse, pod, policies, portolan, told};
use nix::sys::signal::Signal;
use portolan_lab::{
    Lab, Output, Place, PodSpec, Process, ServiceSpec,
    apiserver::{Running, Store},
    net::addresses::CORE_V4,
};
use portolan_policy::{Flow, Outcome, Reporter, SideVerdict, Verdict};
use serde_json::json;
use std::{path::Path, time::Duration};
use tempfile::TempDir;

const API_PORT: u16 = 6443;
const COLLECTOR_PORT: u16 = 4245;
const START: Duration = Duration::from_secs(30);

const POLICY: &str = r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 5432}, {port: 5433}, {port: 5434}]}]
";

/// The database's node drops 9000, rejects 9001 and lets 9002 and 9003 through, all denied; 5434 is
/// dropped although it is admitted.
const FIREWALL: &str = r"
table inet test {
  chain forward {
    type filter hook forward priority 0; policy accept;
    ct state established,related accept
    tcp dport { 9000, 5434 } drop
    tcp dport 9001 reject with tcp reset
  }
}";

/// A cluster under observation. Fields fall in this order: programs before the lab they run in.
struct Observed {
    collector: Option<Process>,
    agents: Vec<Process>,
    store: Store,
    _api: Running,
    lab: Lab,
}

impl Observed {
    fn new(name: &str) -> Self {
        let mut lab = Lab::new(name).unwrap();
        for node in ["n1", "n2"] {
            lab.node(node).unwrap();
        }
        lab.pod(PodSpec::new("shop/api").node("n1").label("app", "api").owner("Deployment", "api")).unwrap();
        let db = PodSpec::new("shop/db").node("n2").label("app", "db").owner("StatefulSet", "db");
        lab.pod(db.port("sql", 5432, "TCP")).unwrap();
        lab.service(ServiceSpec::new("shop/db").port(5432, "sql", "TCP").selects([("app", "db")])).unwrap();
        lab.add_policy_yaml(POLICY).unwrap();
        lab.node_nft("n2", FIREWALL).unwrap();
        let store = Store::new();
        lab.publish(&store).unwrap();
        let api = lab.serve_api(&store, API_PORT).unwrap();
        Self { collector: None, agents: Vec::new(), store, _api: api, lab }
    }

    fn start_collector(&mut self) {
        let mut command = portolan();
        command.args(["collector", "--listen", &format!("{CORE_V4}:{COLLECTOR_PORT}")]);
        command.args(["--metrics-listen", &format!("{CORE_V4}:9464"), "--join-window", "6s"]);
        let mut collector = self.lab.spawn_in(Place::Core, command, Output::Captured).unwrap();
        collector.wait_for_stderr(START, |line| line.contains("listening")).unwrap();
        self.collector = Some(collector);
    }

    fn start_agents(&mut self) {
        self.start_agents_with(|_node| Vec::new());
    }

    fn start_agents_with(&mut self, more: impl Fn(&str) -> Vec<String>) {
        for node in ["n1", "n2"] {
            let mut command = portolan();
            command.args(["agent", "--node-name", node, "--idle-timeout", "1"]);
            command.args(["--api-server", &format!("http://{CORE_V4}:{API_PORT}")]);
            command.args(["--collector", &format!("http://{CORE_V4}:{COLLECTOR_PORT}")]);
            command.args(more(node));
            self.agents.push(self.lab.spawn_in_node(node, command).unwrap());
        }
        for agent in &mut self.agents {
            agent.wait_for_stderr(START, |line| line == "ready").unwrap();
        }
    }

    /// Ends the agents as nothing should be ended.
    fn kill_agents(&mut self) {
        for mut agent in self.agents.drain(..) {
            agent.signal(Signal::SIGKILL).unwrap();
            agent.wait(START).unwrap();
        }
    }

    /// What the collector tells to somebody who asks with these filters.
    fn observe(&self, filters: &[&str]) -> Vec<Flow> {
        let url = format!("http://{CORE_V4}:{COLLECTOR_PORT}");
        let mut args = vec!["observe", "--collector", &url, "--last", "10000", "-o", "jsonl"];
        args.extend(filters);
        let text = self.lab.run(Place::Core, env!("CARGO_BIN_EXE_portolan"), &args).unwrap();
        parse(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    /// What the collector's graph says, in JSON.
    fn graph(&self) -> serde_json::Value {
        let url = format!("http://{CORE_V4}:{COLLECTOR_PORT}");
        let args = ["graph", "--collector", &url, "-o", "json"];
        let text = self.lab.run(Place::Core, env!("CARGO_BIN_EXE_portolan"), &args).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Waits until the collector has a flow for every attempt, then takes all.
    fn all_flows(&self) -> Vec<Flow> {
        let attempts = self.lab.attempts().len();
        eventually(
            || self.observe(&[]).len() >= attempts,
            || {
                format!(
                    "{:#?}\nagents: {:#?}",
                    self.observe(&[]),
                    self.agents.iter().map(Process::stderr).collect::<Vec<_>>()
                )
            },
        );
        self.observe(&[])
    }
}

#[test]
fn two_views_of_a_connection_are_one_flow() {
    use Outcome::{Dropped, Established, Refused, Rejected};
    use Verdict::{Allowed, Blocked, Denied, Failed, Unenforced};
    let mut observed = Observed::new("joined");
    observed.start_collector();
    observed.start_agents();
    let lab = &observed.lab;
    let db = lab.pod_info("shop/db").unwrap();
    let service = lab.service_info("shop/db").unwrap();
    let _servers = [5432, 9002].map(|port| lab.serve_tcp("shop/db", port).unwrap());
    let cases = [
        (5432, Established, Allowed),
        (5433, Refused, Failed),
        (5434, Dropped, Blocked),
        (9000, Dropped, Denied),
        (9001, Rejected, Denied),
        (9002, Established, Unenforced),
        (9003, Refused, Unenforced),
    ];
    let mut expected = Vec::new();
    for address in &db.addresses {
        for (port, outcome, verdict) in cases {
            let attempt = lab.connect_tcp("shop/api", *address, port, SECOND).unwrap();
            expected.push((attempt, outcome, verdict, false));
        }
    }
    for address in &service.addresses {
        let attempt = lab.connect_tcp("shop/api", *address, 5432, SECOND).unwrap();
        expected.push((attempt, Established, Allowed, true));
    }
    let flows = observed.all_flows();
    one_to_one(lab, &flows);
    for (attempt, outcome, verdict, through_service) in &expected {
        let flow = flow_of(&flows, attempt);
        assert_eq!(told(flow), (*outcome, *verdict), "{flow:#?}");
        assert_eq!((pod(&flow.source), pod(&flow.destination)), ("shop/api".into(), "shop/db".into()));
        assert_eq!(flow.reporter, Reporter::Both, "{flow:#?}");
        assert_eq!(flow.service.is_some(), *through_service, "{flow:#?}");
        let port = if *through_service { 5432 } else { attempt.destination.port() };
        assert_eq!(flow.destination.port(), Some(port));
    }
    let denied = observed.observe(&["--verdict", "denied"]);
    assert_eq!(denied.len(), 4, "dropped and rejected, in both families: {denied:#?}");
    assert!(
        denied.iter().all(|flow| policies(&flow.ingress) == (SideVerdict::Denied, vec!["shop/db".into()]))
    );
    assert_eq!(observed.observe(&["--policy", "shop/db", "--port", "9002"]).len(), 2);
    assert_eq!(observed.observe(&["--namespace", "elsewhere"]).len(), 0);
}

#[test]
fn what_both_nodes_told_too_early_is_told_again_once_and_the_graph_knows_that_it_was_one_attempt() {
    let mut observed = Observed::new("too-early");
    observed.start_collector();
    observed.start_agents();
    let lab = &observed.lab;
    let db = lab.pod_info("shop/db").unwrap();
    let _server = lab.serve_tcp("shop/db", 5434).unwrap();
    let told = |count: usize| {
        eventually(|| observed.observe(&[]).len() >= count, || format!("{:#?}", observed.observe(&[])));
    };
    let attempt = std::thread::scope(|scope| {
        // The server's node tells the drop, and the client's after eight seconds that nobody replies.
        let attempt = scope.spawn(|| lab.connect_tcp("shop/api", db.v4(), 5434, 30 * SECOND).unwrap());
        told(1);
        lab.node_nft("n2", "delete table inet test").unwrap();
        attempt.join().unwrap()
    });
    assert!(attempt.result.succeeded(), "{attempt:?}");
    told(2);
    // The other node's second telling comes at about the same time.
    std::thread::sleep(2 * SECOND);
    let flows = observed.observe(&[]);
    let lines: Vec<_> = flows.iter().map(|flow| (flow.outcome, flow.revises, flow.verdict)).collect();
    let first = (Outcome::Dropped, None, Verdict::Blocked);
    let second = (Outcome::Established, Some(Outcome::Dropped), Verdict::Allowed);
    assert!(lines.len() == 2 && lines.contains(&first) && lines.contains(&second), "{flows:#?}");
    let graph = observed.graph();
    let edge = &graph["edges"][0];
    assert_eq!((&edge["attempts"], &edge["revised"]), (&json!(2), &json!(1)), "{graph:#}");
    assert_eq!(edge["verdicts"], json!({"allowed": 1, "blocked": 1}), "{graph:#}");
}

#[test]
fn a_collector_that_comes_later_gets_all_that_was_seen_before() {
    let mut observed = Observed::new("late");
    observed.start_agents();
    let db = observed.lab.pod_info("shop/db").unwrap();
    let _server = observed.lab.serve_tcp("shop/db", 5432).unwrap();
    for _ in 0..20 {
        observed.lab.connect_tcp("shop/api", db.v4(), 5432, SECOND).unwrap();
    }
    for agent in &mut observed.agents {
        agent.wait_for_stderr(START, |line| line.contains("No stream to the collector")).unwrap();
    }
    observed.start_collector();
    let flows = observed.all_flows();
    one_to_one(&observed.lab, &flows);
    assert!(flows.iter().all(|flow| told(flow) == (Outcome::Established, Verdict::Allowed)), "{flows:#?}");
}

/// How many records wait in a spool, as the names of its batches say.
fn spooled(folder: &Path) -> usize {
    let names = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let records = |name: String| name.strip_suffix(".batch")?.split('_').nth(2)?.parse::<usize>().ok();
    names.filter_map(records).sum()
}

#[test]
fn what_killed_agents_had_not_told_the_next_ones_tell_once() {
    let folders = TempDir::new().unwrap();
    let folder = |node: &str| folders.path().join(node);
    let with_spool = |node: &str| vec!["--spool".to_owned(), folder(node).display().to_string()];
    let mut observed = Observed::new("spooled");
    observed.start_agents_with(with_spool);
    let db = observed.lab.pod_info("shop/db").unwrap();
    let _server = observed.lab.serve_tcp("shop/db", 5432).unwrap();
    let connect = |observed: &Observed| {
        for _ in 0..20 {
            observed.lab.connect_tcp("shop/api", db.v4(), 5432, SECOND).unwrap();
        }
    };
    connect(&observed);
    for node in ["n1", "n2"] {
        eventually(|| spooled(&folder(node)) == 20, || format!("{node}: {}", spooled(&folder(node))));
    }
    observed.kill_agents();
    observed.start_agents_with(with_spool);
    connect(&observed);
    observed.start_collector();
    let flows = observed.all_flows();
    one_to_one(&observed.lab, &flows);
    assert!(flows.iter().all(|flow| told(flow) == (Outcome::Established, Verdict::Allowed)), "{flows:#?}");
    assert!(flows.iter().all(|flow| flow.reporter == Reporter::Both && flow.lost == 0), "{flows:#?}");
    for node in ["n1", "n2"] {
        eventually(|| spooled(&folder(node)) == 0, || format!("{node}: {}", spooled(&folder(node))));
    }
}

#[test]
fn policies_are_those_of_the_moment_and_a_malformed_one_costs_only_itself() {
    let mut observed = Observed::new("changes");
    observed.start_collector();
    observed.start_agents();
    let db = observed.lab.pod_info("shop/db").unwrap();
    let _server = observed.lab.serve_tcp("shop/db", 5432).unwrap();
    let before = observed.lab.connect_tcp("shop/api", db.v4(), 5432, SECOND).unwrap();
    observed.all_flows();

    let deny = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"namespace": "shop", "name": "quiet"},
        "spec": {"podSelector": {"matchLabels": {"app": "api"}}, "policyTypes": ["Egress"]},
    });
    observed.store.apply(deny).unwrap();
    // A watch tells in order: who has heard of the second has heard of the first.
    let broken = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"namespace": "shop", "name": "broken"}, "spec": {"podSelector": 7},
    });
    observed.store.insert_raw("networkpolicies", "shop", "broken", broken).unwrap();
    for agent in &mut observed.agents {
        agent.wait_for_stderr(START, |line| line.contains("broken")).unwrap();
    }
    let after = observed.lab.connect_tcp("shop/api", db.v4(), 5432, SECOND).unwrap();
    let flows = observed.all_flows();
    one_to_one(&observed.lab, &flows);
    assert_eq!(told(flow_of(&flows, &before)), (Outcome::Established, Verdict::Allowed));
    let after = flow_of(&flows, &after);
    assert_eq!(policies(&after.egress), (SideVerdict::Denied, vec!["shop/quiet".to_owned()]));
    assert_eq!(after.verdict, Verdict::Settling, "nobody enforced it, but it is seconds old: {after:#?}");
}
