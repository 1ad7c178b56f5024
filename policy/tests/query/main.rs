//! Questions as lines of JSON: how ends are found, and what a bad line is told.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod answers;
mod cluster_ip_unknown;
mod headless;
mod host_network;
mod lines;
mod properties;
mod resolving;
mod services;

use portolan_policy::{Cluster, answer_line, parse_manifest};

/// Two namespaces, pods of every kind, and one policy.
const MANIFESTS: &str = include_str!("cluster.yaml");

fn cluster() -> Cluster {
    cluster_of(MANIFESTS)
}

fn cluster_of(manifests: &str) -> Cluster {
    let manifest = parse_manifest(manifests);
    assert!(manifest.errors.is_empty(), "{:?}", manifest.errors);
    let mut cluster = Cluster::default();
    for object in manifest.objects {
        cluster.apply(object).unwrap();
    }
    cluster
}

/// The line that answers a line.
fn ask(line: &str) -> String {
    serde_json::to_string(&answer_line(&cluster(), line.as_bytes())).unwrap()
}

/// What a line is told that has no answer.
fn error(line: &str) -> String {
    let reply = answer_line(&cluster(), line.as_bytes()).answer;
    reply.map(|answer| format!("answered: {answer}")).unwrap_err().to_string()
}
