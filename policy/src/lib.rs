//! What the policies of a Kubernetes cluster say about a connection, as pure functions.
//!
//! Owns the words of Portolan ([`Flow`], [`Outcome`], [`Verdict`], [`SideDecision`]), the cluster
//! state and the one policy evaluator. Does no I/O, reads no clock and knows no transport.

mod decision;
mod flow;
mod protocol;
mod verdict;

pub use decision::{Decision, PolicyKind, PolicyRef, SideDecision, SideVerdict};
pub use flow::{End, Flow, Latency, Outcome, PodEnd, Reporter, ServiceRef, Verdict, Workload};
pub use protocol::{Protocol, UnknownProtocol};
pub use verdict::{Evidence, Judgement, judge};
