//! What the policies of a Kubernetes cluster say about a connection, as pure functions.
//!
//! Owns the words of Portolan ([`Flow`], [`Outcome`], [`Verdict`], [`SideDecision`]), the cluster
//! state ([`Cluster`]), what builds it ([`Object`], [`parse_manifest`]) and the one policy
//! evaluator ([`Cluster::decide`]). Does no I/O, reads no clock and knows no transport.
#![doc = include_str!("../README.md")]

mod address;
pub mod api;
mod cluster;
mod connection;
mod decision;
mod domain_name;
mod endings;
mod enforcer;
mod evaluation;
pub mod explain;
mod fingerprint;
mod flow;
mod gate;
mod history;
mod ip_block;
mod labels;
mod lint;
mod loss;
mod manifest;
mod marks;
mod nearest;
mod network_policy;
mod node;
mod object;
mod peer;
mod pod;
mod policy_id;
mod port;
mod protocol;
mod query;
mod rule;
mod selector;
mod service;
mod shown;
mod sides;
mod template;
mod tier_policy;
mod tiers;
mod truth;
mod validate;
mod verdict;

pub use cluster::{Cluster, Owner};
pub use connection::Connection;
pub use decision::{Decision, PolicyKind, PolicyRef, SideDecision, SideVerdict};
pub use enforcer::{Enforcer, RuleVerdict};
pub use evaluation::{Evaluation, Hit, Hits, Side};
pub use explain::{Explanation, explain, explain_between};
pub use flow::{End, Flow, Latency, Outcome, PodEnd, Reporter, ServiceRef, Verdict, Who, Workload};
pub use history::{Change, History, Version};
pub use lint::{Code, Finding, Severity, lint, lint_with, say_the_same};
pub use loss::Loss;
pub use manifest::{IgnoredKind, Manifest, ManifestError, WorkloadTemplate, parse_manifest};
pub use object::{InvalidObject, Object, ObjectKey, ObjectKind, Policy};
pub use pod::Pod;
pub use policy_id::{PolicyId, Tier};
pub use protocol::{Protocol, UnknownProtocol};
pub use query::{Answer, Family, Place, Query, QueryError, Reply, Resolved, answer_line};
pub use service::Service;
pub use tiers::BaselineReading;
pub use validate::{InvalidField, validate};
pub use verdict::{Evidence, Judgement, judge};
