//! Each code has a case that fires and near misses that must not.
#![expect(clippy::unwrap_used, reason = "what a test takes for granted should end it when it fails")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "`policy(.., json!(..))` reads better than a reference to it"
)]

mod blocks;
mod documented;
mod fuzz;
mod golden;
mod isolation;
mod nobody;
mod objects;
mod ports;
mod reach;
mod redundant;
mod removal;
mod services;
mod speed;
mod tiers;
mod types;
mod workloads;
mod world;
