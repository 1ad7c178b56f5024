//! The collector from outside: over real gRPC and HTTP, on free ports of this machine.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod around;
mod batches;
mod cursors;
mod graph;
mod observing;
#[path = "../support/mod.rs"]
mod support;

use portolan_proto::{Observation, v1};
use support::build::{FlowExt as _, at, by_source, external, flow, pod};

/// To the outside from this port, so that nobody waits for another view.
fn outward(port: u16) -> Observation {
    let flow = flow(pod("shop/web-1", "10.0.1.1", "n1"), external("1.1.1.1"));
    by_source(flow.source_port(port).started(at(i64::from(port))))
}

fn last(count: u64) -> v1::ObserveRequest {
    v1::ObserveRequest { last: Some(count), ..v1::ObserveRequest::default() }
}
