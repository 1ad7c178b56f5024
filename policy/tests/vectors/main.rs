//! Public test vectors, where they are at hand: every case with the verdict that its authors state.
//!
//! Each question is put to the engine and to the naive evaluator.
#![expect(clippy::unwrap_used, reason = "a vector that cannot be read should end the test")]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

#[path = "../naive/mod.rs"]
mod naive;
mod probes;
mod state;
mod tables;
mod units;
mod units_of_tiers;

use serde::Deserialize;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Suite<C> {
    cases: Vec<C>,
}

/// The cases of a file of vectors; says so where it is not there.
fn read<C: for<'de> Deserialize<'de>>(file: &str) -> Option<Vec<C>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let path = folder.join(file);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    let text = std::fs::read_to_string(&path).unwrap();
    Some(serde_json::from_str::<Suite<C>>(&text).unwrap().cases)
}
