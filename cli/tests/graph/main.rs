//! `portolan graph` and `portolan top`: against a server with answers made by hand, and against a collector.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod canned;
#[path = "../../../collector/tests/support/mod.rs"]
mod support;

use canned::{Canned, covered, edge, hit};
use jiff::Timestamp;
use portolan_collector::Config;
use portolan_policy::{Evidence, Outcome};
use portolan_proto::{Observation, Witness, v1};
use std::process::{Command, Output, Stdio};
use support::{
    Collector,
    build::{FlowExt as _, denied, view, web_to_db},
};
use tokio::task::spawn_blocking;

async fn ask(url: &str, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
    command.args(arguments.split_whitespace()).env("TZ", "UTC").env("PORTOLAN_COLLECTOR", url);
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What it prints where all is well.
async fn told(url: &str, arguments: &str) -> String {
    let answer = ask(url, arguments).await;
    assert_eq!(answer.status.code(), Some(0), "{arguments}: {}", text(&answer.stderr));
    assert_eq!(text(&answer.stderr), "", "{arguments}");
    text(&answer.stdout).to_owned()
}

#[tokio::test]
async fn the_graph_is_printed_in_every_form() {
    let canned = Canned::start(vec![edge("web", 1200), edge("job", 3)], Vec::new()).await;
    let url = canned.url();
    let window = "graph --since 2026-01-02T11:00:00Z --until 2026-01-02T12:00:00Z";
    let table = told(&url, window).await;
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("SOURCE    DESTINATION       ATTEMPTS"), "{table}");
    assert!(lines[1].starts_with("shop/web  shop/db:5432/TCP      1200"), "{table}");
    assert!(lines[1].ends_with("DENIED"), "{table}");
    let last = "2 edges with 1203 attempts, from 2026-01-02 11:00 UTC to 2026-01-02 12:00 UTC";
    assert_eq!(lines[4], last);
    let colourful = told(&url, &format!("{window} --color always")).await;
    assert!(colourful.contains("\x1b[31mDENIED\x1b[0m"), "{colourful}");

    let json: serde_json::Value =
        serde_json::from_str(&told(&url, &format!("{window} -o json")).await).unwrap();
    assert_eq!(json["covered"]["from"], "2026-01-02T11:00:00Z");
    assert_eq!(json["edges"][0]["source"]["workload"]["name"], "web");
    assert_eq!(json["edges"][0]["verdicts"]["denied"], 1200);
    assert!(told(&url, &format!("{window} -o dot")).await.starts_with("digraph portolan {\n"));
    assert!(told(&url, &format!("{window} -o mermaid")).await.starts_with("flowchart LR\n"));
}

#[tokio::test]
async fn flags_become_the_request() {
    let canned = Canned::start(vec![edge("web", 1)], Vec::new()).await;
    let url = canned.url();
    let window = "--since 2026-01-02T11:00:00Z --until 2026-01-02T12:00:00Z";
    told(&url, &format!("graph {window} -n shop --to-workload db --verdict denied --histograms -o json"))
        .await;
    told(&url, &format!("graph {window} --limit 7")).await;
    told(&url, &format!("top {window}")).await;
    told(&url, &format!("top latency -n 3 --namespace shop {window}")).await;
    let asked = canned.asked();
    let times: Vec<_> = asked.iter().map(|request| (request.since, request.until)).collect();
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    assert_eq!(times, [(time(1_767_351_600), time(1_767_355_200)); 4]);
    let rest: Vec<_> =
        asked.iter().map(|request| (request.order(), request.limit, request.histograms)).collect();
    let expected = [
        (v1::EdgeOrder::Unspecified, None, true),
        (v1::EdgeOrder::Attempts, Some(7), false),
        (v1::EdgeOrder::Denied, Some(10), false),
        (v1::EdgeOrder::Latency, Some(3), false),
    ];
    assert_eq!(rest, expected);
    let filter = &asked[0].include[0];
    assert_eq!(filter.either.as_ref().unwrap().namespaces, ["shop"]);
    assert_eq!(filter.destination.as_ref().unwrap().workloads, ["db"]);
    assert_eq!(filter.verdicts, [i32::from(v1::Verdict::Denied)]);
    assert_eq!(asked[3].include[0].either.as_ref().unwrap().namespaces, ["shop"]);
}

#[tokio::test]
async fn the_top_says_what_makes_it_so() {
    let canned = Canned::start(vec![edge("web", 1200)], Vec::new()).await;
    let url = canned.url();
    let window = "--since 2026-01-02T11:00:00Z --until 2026-01-02T12:00:00Z";
    let cases = [
        ("denied", "DENIED  ATTEMPTS  SOURCE", "ingress: shop/db"),
        ("latency", "   P99  ATTEMPTS  SOURCE", "p50 95 µs, p90 150 µs, max 9.0 ms"),
        ("bytes", "  BYTES  ATTEMPTS  SOURCE", "40, 2 sent again"),
        ("attempts", "ATTEMPTS    BYTES  SOURCE", "DENIED"),
    ];
    for (by, head, why) in cases {
        let table = told(&url, &format!("top {by} {window}")).await;
        let lines: Vec<_> = table.lines().collect();
        assert!(lines[0].starts_with(head), "{table}");
        assert!(lines[1].contains("shop/web  shop/db:5432/TCP") && lines[1].ends_with(why), "{table}");
    }
}

#[tokio::test]
async fn policies_are_told_with_their_hits() {
    let canned = Canned::start(Vec::new(), vec![hit()]).await;
    let window = "--since 2026-01-02T11:00:00Z --until 2026-01-02T12:00:00Z";
    let table = told(&canned.url(), &format!("graph --policies {window}")).await;
    let row: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..6], ["shop/db", "NetworkPolicy", "ingress[0]", "5", "0", "2"], "{table}");
    let json = told(&canned.url(), &format!("graph --policies {window} -o json")).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["policies"][0]["name"], &json["policies"][0]["rule"]), (&"db".into(), &0.into()));
    let answer = ask(&canned.url(), "graph --policies -o dot").await;
    assert_eq!(answer.status.code(), Some(2));
    assert!(text(&answer.stderr).contains("leave out --policies"), "{}", text(&answer.stderr));
}

#[tokio::test]
async fn an_empty_answer_says_of_what_and_when() {
    let canned = Canned::start(Vec::new(), Vec::new()).await;
    let url = canned.url();
    let window = "--since 2026-01-02T11:00:00Z --until 2026-01-02T12:00:00Z";
    let when = "from 2026-01-02 11:00 UTC to 2026-01-02 12:00 UTC";
    assert_eq!(told(&url, &format!("graph {window}")).await, format!("Nothing was seen {when}.\n"));
    let among = ", among the edges that were asked for.\n";
    assert_eq!(
        told(&url, &format!("top -n 5 --namespace x {window}")).await,
        format!("No attempt was denied {when}{among}")
    );
    let policies = told(&url, &format!("graph --policies {window}")).await;
    assert_eq!(policies, format!("No policy decided anything {when}.\n"));
    let json: serde_json::Value =
        serde_json::from_str(&told(&url, &format!("graph -o json {window}")).await).unwrap();
    assert_eq!(json["edges"], serde_json::json!([]));
}

#[tokio::test]
async fn what_is_missing_from_an_answer_is_said() {
    let mut broken = edge("job", 3);
    broken.protocol = 99;
    let canned = Canned::start(vec![broken, edge("web", 1)], Vec::new()).await;
    canned.cover(v1::Covered { damaged: 2, ..covered(2, 4) });
    let answer = ask(&canned.url(), "graph --since 2026-01-02T10:00:00Z --until 2026-01-02T12:00:00Z").await;
    assert_eq!(answer.status.code(), Some(1));
    assert!(text(&answer.stdout).contains("shop/web"), "{}", text(&answer.stdout));
    let said = text(&answer.stderr);
    for part in [
        "field `protocol`",
        "the graph begins at 2026-01-02 11:00 UTC",
        "2 parts of the graph cannot be read",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[tokio::test]
async fn wrong_usage_is_exit_code_two_with_a_mend() {
    let cases = [
        ("top -n shop", "a namespace is asked for with --namespace"),
        ("top -n 0", "a number above 0"),
        ("top everything", "everything"),
        ("graph --limit 0", "0"),
        ("graph --policies --limit 3", "--limit"),
        ("graph --since soon", "5m or 1h30m"),
    ];
    for (arguments, named) in cases {
        let answer = ask("http://127.0.0.1:1", arguments).await;
        assert_eq!(answer.status.code(), Some(2), "{arguments}");
        assert!(text(&answer.stderr).contains(named), "{arguments}: {}", text(&answer.stderr));
    }
}

/// From shop/web to shop/db, seen at both ends: dropped, or through in spite of the policies.
fn denied_there(port: u16, outcome: Outcome) -> Observation {
    let reached_pod = outcome == Outcome::Established;
    let flow = web_to_db().ended(outcome).ingress(denied(&["shop/db"])).source_port(port);
    let witness = Witness { source_local: true, destination_local: true, reached_pod, ..Witness::default() };
    // What is too old counts as of now.
    let flow = flow.started(Timestamp::now()).judged(Evidence { reached_pod, ..Evidence::default() });
    view(flow, u32::from(port), witness)
}

#[tokio::test]
async fn a_collector_answers_what_agents_sent() {
    let collector = Collector::start(Config::default()).await;
    let flows = vec![
        denied_there(1, Outcome::Dropped),
        denied_there(2, Outcome::Dropped),
        denied_there(3, Outcome::Established),
    ];
    collector.agent("n1").await.tell(flows).await;
    let url = collector.url();
    let said = ask(&url, "graph").await;
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    let row = text(&said.stdout).lines().nth(1).unwrap();
    let row: Vec<_> = row.split_whitespace().collect();
    assert_eq!(row[..3], ["shop/web", "shop/db:5432/TCP", "3"]);
    assert!(text(&said.stdout).contains("UNENFORCED 1, DENIED 2"), "{}", text(&said.stdout));
    let top = ask(&url, "top unenforced").await;
    let row = text(&top.stdout).lines().nth(1).unwrap();
    assert!(row.trim_start().starts_with("1 ") && row.ends_with("ingress: shop/db"), "{row}");
    let hits = ask(&url, "graph --policies -o json").await;
    let hits: serde_json::Value = serde_json::from_slice(&hits.stdout).unwrap();
    assert_eq!((&hits["policies"][0]["name"], &hits["policies"][0]["denied"]), (&"db".into(), &3.into()));
    let refused = ask(&url, "graph --pod shop/web-1").await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("use `workloads`, or ask for flows"), "{}", text(&refused.stderr));
    collector.stop().await;
}
