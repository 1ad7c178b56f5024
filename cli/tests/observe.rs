//! The command against a collector in this process: what it prints, where, and how it ends.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

#[path = "../../collector/tests/support/mod.rs"]
mod support;

use parquet::{
    file::reader::{FileReader as _, SerializedFileReader},
    record::RowAccessor,
};
use portolan_collector::Config;
use portolan_policy::{Evidence, Flow, Outcome, ServiceRef};
use portolan_proto::Observation;
use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Output, Stdio},
};
use support::{
    Collector,
    build::{FlowExt as _, at, by_source, denied, external, flow, pod, view, web_to_db},
};
use tokio::task::spawn_blocking;

fn portolan(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
    command.args(arguments.split_whitespace()).env("TZ", "UTC").env_remove("PORTOLAN_COLLECTOR");
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Runs to the end beside the collector.
async fn output(mut command: Command) -> Output {
    spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn ask(collector: &Collector, arguments: &str) -> Output {
    let mut command = portolan(arguments);
    command.env("PORTOLAN_COLLECTOR", collector.url());
    output(command).await
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn signal(child: &Child, name: &str) {
    // The shell's own: a small Debian has no program of that name.
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", child.id())]).status().unwrap();
    assert!(status.success());
}

fn both_here(flow: Flow) -> Observation {
    let witness =
        portolan_proto::Witness { source_local: true, destination_local: true, ..Default::default() };
    view(flow, 7, witness)
}

fn outward(port: u16) -> Observation {
    let flow = flow(pod("shop/web-1", "10.0.1.1", "n1"), external("1.1.1.1"));
    by_source(flow.source_port(port).started(at(i64::from(port))))
}

fn denied_through_service() -> Flow {
    web_to_db()
        .ended(Outcome::Dropped)
        .because("NETFILTER_DROP")
        .ingress(denied(&["shop/db", "shop/default-deny"]))
        .change(|flow| {
            let ip = "10.96.0.7".parse().unwrap();
            let service = ServiceRef { namespace: "shop".to_owned(), name: "db".to_owned(), ip, port: 5432 };
            flow.service = Some(service.into());
            flow.reporter = portolan_policy::Reporter::Both;
        })
        .judged(Evidence::default())
}

async fn collector_with_two_flows() -> Collector {
    let collector = Collector::start(Config::default()).await;
    let allowed = web_to_db().started(at(1)).source_port(40001);
    collector.agent("n1").await.tell(vec![both_here(allowed), both_here(denied_through_service())]).await;
    collector
}

#[tokio::test]
async fn lines_for_people() {
    let collector = collector_with_two_flows().await;
    let answer = ask(&collector, "observe").await;
    assert_eq!(answer.status.code(), Some(0), "{}", text(&answer.stderr));
    let expected = "\
2026-01-02 12:31:07.412 shop/web-1 → shop/db-0:5432/TCP via shop/db:5432  \
dropped NETFILTER_DROP  DENIED  ingress: isolated by shop/db, shop/default-deny; none admits it
2026-01-02 12:31:07.413 shop/web-1 → shop/db-0:5432/TCP  established  ALLOWED
";
    assert_eq!(text(&answer.stdout), expected);
    assert_eq!(text(&answer.stderr), "");
    let colourful = ask(&collector, "observe --color always --last 1").await;
    assert!(text(&colourful.stdout).contains("\x1b[32mALLOWED\x1b[0m"), "{}", text(&colourful.stdout));
    collector.stop().await;
}

#[tokio::test]
async fn lines_for_machines_are_the_contract() {
    let collector = collector_with_two_flows().await;
    let answer = ask(&collector, "observe -o jsonl --verdict denied").await;
    let flow = denied_through_service();
    assert_eq!(text(&answer.stdout), format!("{}\n", serde_json::to_string(&flow).unwrap()));
    let back: Flow = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!((back.verdict, back.drop_reason), (flow.verdict, flow.drop_reason));
    assert!(!text(&answer.stdout).contains("labels"), "labels are for filters only");
    collector.stop().await;
}

#[tokio::test]
async fn flags_become_filters() {
    let collector = collector_with_two_flows().await;
    let cases = [
        ("-n shop", 2),
        ("-n shop,other --protocol tcp", 2),
        ("-n other", 0),
        ("-l app=db", 2),
        ("-l app=db --from-label app=db", 0),
        ("--from-pod shop/web-1 --to-workload Deployment/db", 2),
        ("--policy shop/default-deny", 1),
        ("--outcome established", 1),
        ("--port 40001", 1),
        ("--node n2 --until 2026-01-02T12:31:07.413Z", 1),
        ("--since 2026-01-02T12:31:07.413Z", 1),
        ("--since 1m", 0),
        ("--last 1", 1),
    ];
    for (flags, expected) in cases {
        let answer = ask(&collector, &format!("observe {flags}")).await;
        assert_eq!(answer.status.code(), Some(0), "{flags}: {}", text(&answer.stderr));
        assert_eq!(text(&answer.stdout).lines().count(), expected, "{flags}");
    }
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn following_prints_at_once_and_ends_well_on_a_signal() {
    let collector = Collector::start(Config::default()).await;
    let mut agent = collector.agent("n1").await;
    let mut child = portolan(&format!("observe -f --collector {}", collector.url()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    collector.until(|status| status.subscribers == 1).await;
    for port in 1..=3 {
        agent.tell(vec![outward(port)]).await;
        let line = lines.next().unwrap().unwrap();
        assert!(line.contains("shop/web-1 → 1.1.1.1:5432/TCP  established  ALLOWED"), "{line}");
    }
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_no_failure() {
    let collector = Collector::start(Config::default()).await;
    // More than a pipe holds.
    collector.agent("n1").await.tell((1..=4000).map(outward).collect()).await;
    let mut command = portolan(&format!("observe --collector {}", collector.url()));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.ends_with("ALLOWED\n"), "{line}");
    drop(reader);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_the_collector_went_is_said_and_it_is_waited_for() {
    let collector = Collector::start(Config::default()).await;
    let url = collector.url();
    let mut command = portolan(&format!("observe -f -o jsonl --collector {url}"));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    collector.until(|status| status.subscribers == 1).await;
    collector.stop().await;
    let line = said.next().unwrap().unwrap();
    assert_eq!(line, format!("portolan: the collector at {url}/ is gone: the collector is stopping"));
    let line = said.next().unwrap().unwrap();
    assert!(line.starts_with("portolan: trying again"), "{line}");
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_too_slowly_gets_every_flow_once_and_in_order() {
    let collector = Collector::start(Config { subscriber_queue: 8, ..Config::default() }).await;
    let mut agent = collector.agent("n1").await;
    let mut command = portolan(&format!("observe -f -o jsonl --collector {}", collector.url()));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    collector.until(|status| status.subscribers == 1).await;
    // A batch is applied in one go, so nobody can read in between. The second one comes after what was left out.
    agent.tell((1..=1000).map(outward).collect()).await;
    agent.tell((1001..=2000).map(outward).collect()).await;
    for port in 1..=2000 {
        let flow: Flow = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(flow.source.port(), Some(port));
    }
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "", "nothing was missed");
    collector.stop().await;
}

/// The source ports in a file of flows, in its order.
fn exported(file: &Path) -> Vec<u16> {
    let reader = SerializedFileReader::new(File::open(file).unwrap()).unwrap();
    let columns = reader.metadata().file_metadata().schema_descr();
    let column = (0..columns.num_columns()).find(|at| columns.column(*at).name() == "source_port").unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
    rows.map(|row| RowAccessor::get_ushort(&row, column).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_follows_has_every_flow_once_though_it_is_slow_and_the_collector_comes_and_goes() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = || Config { data: Some(data.path().to_owned()), subscriber_queue: 8, ..Config::default() };
    let collector = Collector::start(config()).await;
    let mut agent = collector.agent("n1").await;
    agent.tell(vec![outward(1)]).await;
    let file = folder.path().join("flows.parquet");
    let past = "--since 2026-01-01T00:00:00Z --until 2026-01-03T00:00:00Z";
    let answer = ask(&collector, &format!("export --follow {past} {}", file.display())).await;
    assert_eq!(answer.status.code(), Some(0), "{}", text(&answer.stderr));
    assert!(text(&answer.stderr).starts_with("portolan: wrote 1 flows"), "{}", text(&answer.stderr));

    let grpc = collector.grpc;
    let mut command = portolan(&format!("export --follow --collector {}", collector.url()));
    let mut child = command.arg(&file).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    collector.until(|status| status.subscribers == 1).await;
    // More than the queue holds, in one go.
    agent.tell((2..=1000).map(outward).collect()).await;
    agent.tell((1001..=2000).map(outward).collect()).await;
    drop(agent);
    collector.stop().await;
    let line = said.next().unwrap().unwrap();
    assert!(line.contains("is gone") || line.contains("cannot reach"), "{line}");
    let collector = Collector::start_at(grpc, config()).await;
    let mut agent = collector.agent("n2").await;
    agent.tell((2001..=3000).map(outward).collect()).await;
    let back = said.map(Result::unwrap).find(|line| line.contains("is back"));
    assert!(back.is_some());
    collector.until(|status| status.subscribers == 1).await;
    // Time to take what is on the way; what it does not take is only missing at the end.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let ports = exported(&file);
    let last = 1 + ports.len() as u16;
    assert!(last > 1000 && ports.iter().copied().eq(2..=last), "up to {last}, with a gap or a repeat");
    collector.stop().await;
}

#[tokio::test]
async fn a_collector_that_is_not_there_is_an_error_with_a_mend() {
    for verb in ["observe", "status"] {
        // A port that was free a moment ago.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let answer = output(portolan(&format!("{verb} --collector http://{free}"))).await;
        assert_eq!(answer.status.code(), Some(69));
        let said = text(&answer.stderr);
        assert!(
            said.starts_with(&format!("portolan: cannot reach the collector at http://{free}/: ")),
            "{said}"
        );
        assert!(said.contains("refused") && said.contains("PORTOLAN_COLLECTOR"), "{said}");
        assert_eq!(text(&answer.stdout), "");
    }
}

#[tokio::test]
async fn wrong_usage_is_exit_code_two() {
    let collector = Collector::start(Config::default()).await;
    let url = collector.url();
    let cases = [
        ("observe --verdict maybe", "maybe"),
        ("observe --protocol QUIC", "QUIC"),
        ("observe --since soon", "5m or 1h30m"),
        ("observe --since 2h --until 3h", "--until must be the later one"),
        ("observe --collector https://collector:4245", "begins with http://"),
        ("collector --join-window soon", "5s or 1m30s"),
        (&format!("observe --collector {url} -l app("), "field `labels`: `app(` has a parenthesis"),
        (&format!("observe --collector {url} --pod a/b/c"), "field `pods`: `a/b/c` is neither"),
    ];
    for (arguments, named) in cases {
        let answer = output(portolan(arguments)).await;
        assert_eq!(answer.status.code(), Some(2), "{arguments}");
        assert!(text(&answer.stderr).contains(named), "{arguments}: {}", text(&answer.stderr));
    }
    collector.stop().await;
}

#[tokio::test]
async fn a_cursor_file_that_is_none_is_named_with_what_to_do() {
    let collector = Collector::start(Config::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("at.cursor");
    for (content, code) in [("dear diary", 2), ("nothing", 2), ("00000000000000ff.3", 1)] {
        fs::write(&file, content).unwrap();
        let answer = ask(&collector, &format!("observe --cursor-file {}", file.display())).await;
        let said = text(&answer.stderr);
        assert_eq!(answer.status.code(), Some(code), "{content}: {said}");
        assert!(said.contains(&file.display().to_string()) && said.contains("remove this one"), "{said}");
    }
    collector.stop().await;
}

#[tokio::test]
async fn a_hint_costs_nothing_but_a_line() {
    let collector = collector_with_two_flows().await;
    let answer = ask(&collector, "observe --workload shop/web").await;
    assert_eq!((answer.status.code(), text(&answer.stdout)), (Some(0), ""));
    let said = text(&answer.stderr);
    assert!(said.contains("--namespace shop --workload web"), "{said}");
    collector.stop().await;
}

#[tokio::test]
async fn status_for_people_and_for_machines() {
    let collector = Collector::start(Config::default()).await;
    let told = text(&ask(&collector, "status").await.stdout).to_owned();
    assert!(told.contains("No agent is connected"), "{told}");
    let mut agent = collector.agent("n1").await;
    collector.until(|status| status.agent_streams == 1).await;
    let told = text(&ask(&collector, "status").await.stdout).to_owned();
    assert!(told.contains("1 agent is connected, and has sent nothing yet"), "{told}");
    let folded = denied_through_service().change(|flow| flow.attempts = 7);
    agent.tell(vec![both_here(web_to_db().started(at(1)).source_port(40001)), both_here(folded)]).await;
    let answer = ask(&collector, "status").await;
    assert_eq!(answer.status.code(), Some(0));
    let told = text(&answer.stdout);
    for part in [
        "2 made, 2 kept, 0 given up",
        "in memory",
        "edges in the newest day",
        "allowed 1, denied 7",
        "0 waiting, 0 late",
    ] {
        assert!(told.contains(part), "{part} in:\n{told}");
    }
    let node = told.lines().find(|line| line.starts_with("n1 ")).unwrap();
    assert_eq!(node.split_whitespace().last(), Some("0"), "nothing lost: {node}");

    let answer = ask(&collector, "status -o json").await;
    let report: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(report["flows"]["total"], 2);
    assert_eq!(report["verdicts"]["denied"], 7);
    assert_eq!(report["graph"]["keep_bytes"], 128 << 20);
    assert_eq!(report["nodes"][0]["node"], "n1");
    assert_eq!(report["nodes"][0]["sequence"], 1);
    assert_eq!(report["nodes"][0]["cluster"], "test");

    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    let mut ahead = outward(1);
    (ahead.flow.time, ahead.flow.end_time, ahead.connection.start) = (tomorrow, tomorrow, tomorrow);
    collector.agent("n7").await.tell(vec![ahead]).await;
    let told = text(&ask(&collector, "status").await.stdout).to_owned();
    assert!(told.contains("The clock of n7 is ") && !told.contains("The clock of n1"), "{told}");
    collector.stop().await;
}

/// The address that a `collector` process says it listens on for gRPC.
fn address(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> String {
    let line = lines.map(Result::unwrap).find(|line| line.contains("listening for gRPC")).unwrap();
    line.split("address=").nth(1).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_collector_verb_serves_until_it_is_told_to_stop() {
    let any = "--listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0";
    let mut child =
        portolan(&format!("collector {any} --keep-bytes 5MiB")).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = address(&mut said);

    let answer = output(portolan(&format!("status -o json --collector {address}"))).await;
    let report: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(report["ledger"]["keep_bytes"], 5 << 20);

    let second =
        output(portolan(&format!("collector --listen {address} --metrics-listen 127.0.0.1:0"))).await;
    assert_eq!(second.status.code(), Some(69));
    assert!(text(&second.stderr).contains(&address), "{}", text(&second.stderr));

    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
