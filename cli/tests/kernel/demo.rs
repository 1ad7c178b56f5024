//! The demo compares every flow with what its clients saw; here that comparison is a test.

use portolan_lab::demo::{self, Options};
use std::path::PathBuf;

#[test]
fn the_demo_tells_every_connection_exactly_once() {
    let options =
        Options { portolan: PathBuf::from(env!("CARGO_BIN_EXE_portolan")), jsonl: None, keep: false };
    let mut table = Vec::new();
    let agrees = demo::run(&options, &mut table).unwrap();
    let table = String::from_utf8(table).unwrap();
    assert!(agrees, "{table}");
    for verdict in ["allowed", "denied", "unenforced", "blocked", "failed"] {
        assert!(table.contains(verdict), "no {verdict} in\n{table}");
    }
}
