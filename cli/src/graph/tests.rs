//! What people and other programs read of a graph, letter by letter; names may be anything.

use super::{dot, hits, mermaid, table};
use crate::render::Paint;
use jiff::Timestamp;
use portolan_policy::{
    Outcome, PolicyKind, PolicyRef, Protocol, SideDecision, SideVerdict, Verdict, Workload,
};
use portolan_proto::graph::{
    DecisionCount, Direction, Edge, Latency, OutcomeCount, Party, PolicyHit, Service, by_verdict,
};
use proptest::{collection::vec, prelude::*};
use std::{
    io::Write as _,
    process::{Command, Stdio},
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-01-02T12:00:00Z")
}

fn workload(namespace: &str, kind: &str, name: &str) -> Party {
    let workload = Workload { kind: kind.to_owned(), name: name.to_owned() };
    Party::Workload { namespace: namespace.to_owned(), workload }
}

fn edge(source: Party, destination: Party, counts: &[(Outcome, Verdict, u64)]) -> Edge {
    let count = |&(outcome, verdict, attempts): &(_, _, _)| OutcomeCount {
        outcome,
        verdict,
        drop_reason: (outcome == Outcome::Dropped).then(|| "NETFILTER_DROP".to_owned()),
        attempts,
    };
    let outcomes: Vec<_> = counts.iter().map(count).collect();
    Edge {
        source,
        destination,
        service: None,
        port: Some(5432),
        protocol: Protocol::Tcp,
        attempts: outcomes.iter().map(|count| count.attempts).sum(),
        revised: 0,
        verdicts: by_verdict(&outcomes),
        outcomes,
        packets: 40,
        bytes: 9000,
        retransmits: 0,
        first: at("2026-01-02T11:00:00Z"),
        last: at("2026-01-02T11:58:30Z"),
        latency_us: None,
        decisions: Vec::new(),
    }
}

fn shop() -> Vec<Edge> {
    let (web, db) = (|| workload("shop", "Deployment", "web"), || workload("shop", "StatefulSet", "db"));
    let allowed = (Outcome::Established, Verdict::Allowed, 1200);
    let denied = (Outcome::Dropped, Verdict::Denied, 3);
    let unenforced = (Outcome::Established, Verdict::Unenforced, 1);
    let mut main = edge(web(), db(), &[allowed, denied, unenforced]);
    main.service = Some(Service { namespace: "shop".to_owned(), name: "db".to_owned() });
    main.latency_us =
        Some(Latency { count: 1201, min: 80, p50: 95, p90: 150, p99: 2100, max: 9000, histogram: vec![] });
    let out = Edge {
        port: Some(443),
        ..edge(web(), Party::External { ip: "2001:db8::1".parse().unwrap() }, &[allowed])
    };
    let ping = Edge {
        port: None,
        protocol: Protocol::Icmp,
        ..edge(Party::Node { node: "n1".into() }, db(), &[denied])
    };
    vec![main, out, ping]
}

#[test]
fn the_table_shows_who_whom_how_much_and_what_became_of_it() {
    let expected = "\
SOURCE    DESTINATION              ATTEMPTS    BYTES     P99   LAST  VERDICTS
shop/web  shop/db:5432/TCP via db      1204  8.8 KiB  2.1 ms  1m30s  UNENFORCED 1, DENIED 3, allowed 1200
shop/web  [2001:db8::1]:443/TCP        1200  8.8 KiB       -  1m30s  allowed
node n1   shop/db ICMP                    3  8.8 KiB       -  1m30s  DENIED";
    assert_eq!(table::edges(&shop(), now(), Paint::Plain), expected);
    let mut revised = shop().remove(0);
    revised.revised = 2;
    let told = table::edges(&[revised], now(), Paint::Plain);
    assert!(told.ends_with("DENIED 3, allowed 1200 (2 revised)"), "{told}");
    let colourful = table::edges(&shop(), now(), Paint::Ansi);
    assert!(colourful.contains("\x1b[1;97;41mUNENFORCED\x1b[0m 1, \x1b[31mDENIED\x1b[0m 3"), "{colourful:?}");
}

#[test]
fn a_table_of_long_names_stays_within_120_columns_and_tells_workloads_of_one_name_apart() {
    let long = "a-namespace-with-a-long-name-of-its-own";
    let allowed = &[(Outcome::Established, Verdict::Allowed, 123_456_789)];
    let edges = [
        edge(workload(long, "Deployment", &"web-".repeat(12)), workload(long, "Job", "x"), allowed),
        edge(workload("shop", "Job", "web"), workload("shop", "Deployment", "web"), allowed),
    ];
    let table = table::edges(&edges, now(), Paint::Plain);
    assert!(table.lines().all(|line| line.chars().count() <= 120), "{table}");
    assert!(table.contains("shop/web (Job)") && table.contains("shop/web (Deployment):5432/TCP"), "{table}");
}

#[test]
fn json_is_the_documented_shape() {
    let mut edge = shop().remove(0);
    edge.outcomes.truncate(1);
    edge.decisions = vec![DecisionCount {
        direction: Direction::Ingress,
        decision: SideDecision {
            verdict: SideVerdict::Admitted,
            policies: vec![policy(Some(0))],
            reason: None,
        },
        attempts: 1200,
        first: edge.first,
        last: edge.last,
    }];
    let expected = r#"{"source":{"kind":"workload","namespace":"shop","workload":{"kind":"Deployment","name":"web"}},"destination":{"kind":"workload","namespace":"shop","workload":{"kind":"StatefulSet","name":"db"}},"service":{"namespace":"shop","name":"db"},"port":5432,"protocol":"TCP","attempts":1204,"revised":0,"verdicts":{"allowed":1200,"denied":3,"unenforced":1},"outcomes":[{"outcome":"established","verdict":"allowed","drop_reason":null,"attempts":1200}],"packets":40,"bytes":9000,"retransmits":0,"first":"2026-01-02T11:00:00Z","last":"2026-01-02T11:58:30Z","latency_us":{"count":1201,"min":80,"p50":95,"p90":150,"p99":2100,"max":9000},"decisions":[{"direction":"ingress","verdict":"admitted","policies":[{"kind":"NetworkPolicy","namespace":"shop","name":"db","rule":0}],"attempts":1200,"first":"2026-01-02T11:00:00Z","last":"2026-01-02T11:58:30Z"}]}"#;
    assert_eq!(serde_json::to_string(&edge).unwrap(), expected);
    let other = serde_json::to_string(&[Party::Other, Party::External { ip: "192.0.2.1".parse().unwrap() }]);
    assert_eq!(other.unwrap(), r#"[{"kind":"other"},{"kind":"external","ip":"192.0.2.1"}]"#);
    let hit = serde_json::to_string(&hit(None)).unwrap();
    assert_eq!(
        hit,
        r#"{"direction":"ingress","kind":"NetworkPolicy","namespace":"shop","name":"db","admitted":0,"denied":3,"edges":2,"first":"2026-01-02T11:00:00Z","last":"2026-01-02T11:59:00Z"}"#
    );
}

fn policy(rule: Option<u32>) -> PolicyRef {
    let namespace = Some("shop".to_owned());
    PolicyRef { kind: PolicyKind::NetworkPolicy, namespace, name: "db".to_owned(), rule }
}

fn hit(rule: Option<u32>) -> PolicyHit {
    let (admitted, denied) = if rule.is_some() { (1200, 0) } else { (0, 3) };
    let (first, last) = (at("2026-01-02T11:00:00Z"), at("2026-01-02T11:59:00Z"));
    PolicyHit { direction: Direction::Ingress, policy: policy(rule), admitted, denied, edges: 2, first, last }
}

#[test]
fn hits_are_told_by_policy_and_rule() {
    let expected = "\
POLICY   KIND           RULE                ADMITTED  DENIED  EDGES  FIRST  LAST
shop/db  NetworkPolicy  ingress (isolates)         0       3      2   1h0m  1m0s
shop/db  NetworkPolicy  ingress[0]              1200       0      2   1h0m  1m0s";
    let told = hits::table_of(&[hit(None), hit(Some(0))], now());
    assert_eq!(told, expected);
}

#[test]
fn graphviz_gets_namespaces_as_clusters_and_verdicts_as_colours() {
    let expected = r##"digraph portolan {
  graph [rankdir=LR, fontname="Helvetica"];
  node [shape=box, style=rounded, fontname="Helvetica", fontsize=11];
  edge [fontname="Helvetica", fontsize=9];
  n2 [label="n1\nnode", shape=ellipse];
  n3 [label="2001:db8::1", shape=ellipse];
  subgraph cluster_1 {
    label="shop";
    n0 [label="web\nDeployment"];
    n1 [label="db\nStatefulSet"];
  }
  n0 -> n1 [label="5432/TCP via db\n1204 attempts, p99 2.1 ms\nUNENFORCED 1, DENIED 3, allowed 1200", color="#d500f9", fontcolor="#d500f9", penwidth=3];
  n0 -> n3 [label="443/TCP\n1200 attempts", color="#2e7d32", fontcolor="#2e7d32"];
  n2 -> n1 [label="ICMP\n3 attempts\nDENIED", color="#c62828", fontcolor="#c62828", style=dashed];
}"##;
    assert_eq!(dot::draw(&shop()), expected);
}

#[test]
fn mermaid_gets_the_same() {
    let expected = r#"flowchart LR
  n2(["n1<br/>node"])
  n3(["2001:db8::1"])
  subgraph g1["shop"]
    n0["web<br/>Deployment"]
    n1["db<br/>StatefulSet"]
  end
  n0 -->|"5432/TCP via db<br/>1204 attempts, p99 2.1 ms<br/>UNENFORCED 1, DENIED 3, allowed 1200"| n1
  n0 -->|"443/TCP<br/>1200 attempts"| n3
  n2 -.->|"ICMP<br/>3 attempts<br/>DENIED"| n1
  linkStyle 1 stroke:#2e7d32
  linkStyle 2 stroke:#c62828
  linkStyle 0 stroke:#d500f9,stroke-width:4px"#;
    assert_eq!(mermaid::draw(&shop()), expected);
}

/// The drawing by the real program, or nothing where it is not there.
fn by_graphviz(drawing: &str) -> Option<String> {
    let mut command = Command::new("dot");
    command.arg("-Tplain").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    child.stdin.take().unwrap().write_all(drawing.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{drawing}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn graphviz_reads_hostile_names_and_a_thousand_edges() {
    let hostile = ["\"];}", "\\", "a\\\"b", "<b>&amp;&lt;", "\n\r\t", "\u{1b}[2J", "\\N\\G", "日本", ""];
    let hostile = hostile.map(|name| edge(workload(name, name, name), workload("x", "y", name), &[]));
    let Some(plain) = by_graphviz(&dot::draw(&hostile)) else {
        eprintln!("skipped: Graphviz is not installed (apt-get install graphviz)");
        return;
    };
    assert_eq!(plain.lines().filter(|line| line.starts_with("edge ")).count(), hostile.len());
    let party = |number: usize| workload(&format!("ns{}", number % 20), "Deployment", &format!("w{number}"));
    let many: Vec<_> =
        (0..1000).map(|number| edge(party(number % 50), party(number / 50 + 50), &[])).collect();
    let plain = by_graphviz(&dot::draw(&many)).unwrap();
    assert_eq!(plain.lines().filter(|line| line.starts_with("edge ")).count(), 1000);
}

/// The text without what stands in quotes, where the string ends at the first quote that no backslash is before.
fn outside_quotes(text: &str) -> Option<String> {
    let (mut outside, mut inside, mut escaped) = (String::new(), false, false);
    for letter in text.chars() {
        match (inside, letter) {
            (true, _) if escaped => escaped = false,
            (true, '\\') => escaped = true,
            (_, '"') => inside = !inside,
            (true, '\n') => return None,
            (true, _) => {}
            (false, letter) => outside.push(letter),
        }
    }
    (!inside).then_some(outside)
}

proptest! {
    #[test]
    fn no_name_breaks_out_of_its_quotes(names in vec((any::<String>(), any::<String>(), any::<String>()), 1..6)) {
        let edges = |names: &[(String, String, String)]| -> Vec<Edge> {
            let edge = |(namespace, kind, name): &(String, String, String)| {
                edge(workload(namespace, kind, name), Party::Other, &[])
            };
            names.iter().map(edge).collect()
        };
        // The same graph with plain names in the same order has the same skeleton.
        let mut sorted = names.clone();
        sorted.sort();
        sorted.dedup();
        let mut spaces: Vec<_> = sorted.iter().map(|(namespace, _, _)| namespace).collect();
        spaces.dedup();
        let plain: Vec<_> = sorted
            .iter()
            .enumerate()
            .map(|(number, (namespace, _, _))| {
                let space = spaces.iter().position(|space| *space == namespace).unwrap();
                (format!("ns{space}"), "Kind".to_owned(), format!("n{number}"))
            })
            .collect();
        for draw in [dot::draw, mermaid::draw] {
            let (drawn, skeleton) = (draw(&edges(&sorted)), draw(&edges(&plain)));
            prop_assert_eq!(outside_quotes(&drawn), outside_quotes(&skeleton), "{}", drawn);
            prop_assert!(!drawn.chars().any(|letter| letter.is_control() && letter != '\n'));
        }
        let mermaid = mermaid::draw(&edges(&names));
        let quoted = mermaid.replace("<br/>", "");
        prop_assert!(!quoted.replace("-->|", "").contains(['<', '`', '\\', '&']), "{}", mermaid);
    }

    #[test]
    fn no_name_breaks_the_table(names in vec((any::<String>(), any::<String>()), 1..6)) {
        let edges: Vec<_> = names
            .iter()
            .map(|(namespace, name)| edge(workload(namespace, "Kind", name), Party::Node { node: name.clone() }, &[]))
            .collect();
        let table = table::edges(&edges, now(), Paint::Plain);
        prop_assert_eq!(table.chars().filter(|letter| *letter == '\n').count(), names.len());
        prop_assert!(!table.chars().any(|letter| letter.is_control() && letter != '\n'));
    }
}
