//! Agents and collector are killed, connections are cut, disks fill up: at the end the ledger holds what was told,
//! each once, and what it does not hold was counted.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod agent;
mod cut;
mod disk;
#[path = "../ledger/process.rs"]
mod process;
mod scene;
#[path = "../../../collector/tests/support/mod.rs"]
mod support;
mod told;
#[path = "../ledger/world.rs"]
mod world;

use scene::Scene;
use std::time::{SystemTime, UNIX_EPOCH};
use told::Told;
use world::Dice;

/// How many faults a usual run makes.
const FAULTS: u64 = 24;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// This program is also the agents that it kills.
const TEST: &str = "whatever_fails_the_ledger_holds_what_was_told_and_the_rest_was_counted";

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_the_ledger_holds_what_was_told_and_the_rest_was_counted() {
    if agent::is_child() {
        return agent::tell().await;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = from_environment("PORTOLAN_SEED", now % 1_000_000_007);
    let faults = from_environment("PORTOLAN_FAULTS", FAULTS);
    println!("PORTOLAN_SEED={seed} PORTOLAN_FAULTS={faults}");
    let mut dice = Dice::new(seed);
    let mut scene = Scene::start(seed).await;
    for number in 0..faults {
        scene.fault(&mut dice, number).await;
    }
    let (collector, count) = scene.calm_down().await;
    let told = Told::of(&collector.kept().await);
    println!("{count}\n{told}");
    told.check(&count);
    told.check_graph(&collector.edges().await);
    told.same_as_undisturbed(seed).await;
    collector.stop();
}
