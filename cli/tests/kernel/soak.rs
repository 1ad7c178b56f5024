//! Very many connections past one agent, over the same ports again and again: the short form of `cargo xtask soak capture`.

use crate::support::portolan;
use portolan_lab::bench::soak::{self, Options};

#[test]
fn twenty_thousand_connections_come_out_even_and_memory_does_not_go_on_growing() {
    /// One attempt kept for each of the 15 000 connections that count is ten megabytes.
    const GROWTH: u64 = 8_000_000;
    let portolan = portolan().get_program().into();
    let options = Options { portolan, connections: 20_000, growth: GROWTH };
    let mut said = Vec::new();
    let even = soak::run(&options, &mut said).unwrap();
    assert!(even, "{}", String::from_utf8_lossy(&said));
}
