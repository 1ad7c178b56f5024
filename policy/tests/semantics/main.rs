//! What the evaluator decides, rule by rule: each module holds the tests of a few rules.
#![expect(clippy::unwrap_used, reason = "what a test takes for granted should end it when it fails")]
#![expect(clippy::needless_pass_by_value, reason = "`policy(json!(..))` reads better than a reference to it")]

mod addresses;
mod admin_policies;
mod cluster_policies;
mod combination;
mod defaults;
mod domain_names;
mod fail_closed;
mod hidden;
mod history;
mod invalid;
mod missing;
mod nodes;
mod peers;
mod ports;
mod properties;
mod services;
mod state;
mod tiers;
mod ties;
mod world;
