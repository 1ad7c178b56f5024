//! Files of flows in the hands of readers that are not ours: DuckDB, pandas and ClickHouse.
//!
//! Each counts for itself; the numbers must be those of the flows that were written. A reader that this
//! machine has not is skipped: `pip install duckdb pandas pyarrow chdb`, and `PORTOLAN_PYTHON` names the python.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

#[path = "support/build.rs"]
mod build;

use build::{FlowExt as _, admitted, at, denied, external, flow, pod, web_to_db};
use portolan_collector::{FlowFile, Row};
use portolan_policy::{Flow, Loss, Outcome};
use serde_json::{Value, json};
use std::{fs::File, path::Path, process::Command};

const FLOWS: u64 = 3_000;

/// Flows of several kinds: with and without lists, nulls, numbers beyond what a signed one holds.
fn flows() -> impl Iterator<Item = Flow> {
    (0..FLOWS).map(|number| {
        let told = match number % 3 {
            0 => web_to_db().ingress(admitted("shop/db")),
            1 => web_to_db()
                .ingress(denied(&["shop/a", "shop/b"]))
                .ended(Outcome::Dropped)
                .because("NETFILTER_DROP"),
            _ => flow(pod("shop/web-1", "10.0.1.1", "n1"), external("2001:db8::1")).destination_port(443),
        };
        let mut told = told.started(at(number as i64 * 1000));
        told.bytes = u64::MAX - number;
        if number % 10 == 0 {
            told.lose(Loss { cause: "kernel-ring-full".to_owned(), count: number, from: at(0), to: at(1) });
        }
        told
    })
}

/// What every reader must find.
fn expected() -> Value {
    let flows: Vec<_> = flows().collect();
    let micros = |flow: &Flow| flow.time.as_microsecond();
    json!({
        "rows": FLOWS,
        "first": flows.iter().map(micros).min(),
        "last": flows.iter().map(micros).max(),
        "since": flows.iter().filter(|flow| flow.time >= at(1_000_000)).count(),
        "dropped": flows.iter().filter(|flow| flow.drop_reason.is_some()).count(),
        "policies": flows.iter().map(|flow| flow.ingress.policies.len()).sum::<usize>(),
        "rules": flows.iter().flat_map(|flow| &flow.ingress.policies).filter(|policy| policy.rule.is_some()).count(),
        "lost": flows.iter().flat_map(|flow| &flow.losses).map(|loss| loss.count).sum::<u64>(),
        "most_bytes": flows.iter().map(|flow| flow.bytes).max().unwrap().to_string(),
        "outward": flows.iter().filter(|flow| flow.destination.ip().to_string() == "2001:db8::1").count(),
    })
}

fn write(path: &Path) {
    let mut file = FlowFile::new(File::create(path).unwrap()).unwrap();
    for (ordinal, flow) in (0..).zip(flows()) {
        file.push(Row { ordinal: Some(ordinal), flow }).unwrap();
    }
    file.finish(Vec::new()).unwrap();
}

/// Has a script read a file, if its reader is there.
#[expect(clippy::print_stdout, reason = "a test that was left out says so")]
fn check(module: &str, script: &str) {
    let python = std::env::var("PORTOLAN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = Command::new(&python).args(["-c", &format!("import {module}")]).output();
    if !there.is_ok_and(|there| there.status.success()) {
        println!("skipped: {python} has no {module}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flows.parquet");
    write(&path);
    let answer =
        Command::new(&python).args(["-c", script]).arg(&path).arg(at(1_000_000).to_string()).output();
    let answer = answer.unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let found: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(found, expected());
}

#[test]
fn duckdb_reads_what_was_written() {
    check("duckdb", include_str!("readers/duckdb.py"));
}

#[test]
fn pandas_reads_what_was_written() {
    check("pandas, pyarrow", include_str!("readers/pandas.py"));
}

#[test]
fn clickhouse_reads_what_was_written() {
    check("chdb", include_str!("readers/clickhouse.py"));
}
