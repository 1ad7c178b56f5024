//! What the evaluator decides, rule by rule: each module holds the tests of a few rules.

mod addresses;
mod combination;
mod defaults;
mod invalid;
mod missing;
mod nodes;
mod peers;
mod ports;
mod properties;
mod services;
mod state;
mod world;
