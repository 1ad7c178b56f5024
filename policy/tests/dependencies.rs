//! The crate alone: whoever depends on it gets no runtime, no client and no transport.
#![expect(clippy::unwrap_used, reason = "what a test takes for granted should end it when it fails")]

use std::{collections::BTreeSet, env, process::Command};

const UNWANTED: [&str; 12] = [
    "async-std",
    "axum",
    "h2",
    "hyper",
    "kube",
    "kube-client",
    "prost",
    "reqwest",
    "rustls",
    "tokio",
    "tonic",
    "tower",
];

/// The names of all packages that the library is built from, here.
fn packages() -> BTreeSet<String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let words = ["tree", "--package", "portolan-policy", "--edges", "normal,build", "--prefix", "none"];
    let output = Command::new(cargo)
        .args(words)
        .args(["--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn the_crate_needs_no_runtime_no_client_and_no_transport() {
    let packages = packages();
    assert!(packages.contains("k8s-openapi"), "what is needed is listed: {packages:?}");
    let found: Vec<_> = UNWANTED.iter().filter(|name| packages.contains(**name)).collect();
    assert!(found.is_empty(), "{found:?} came in; see `cargo tree -p portolan-policy -i NAME`");
}
