//! What the policies of a Kubernetes cluster say about a connection, as pure functions.
//!
//! Owns the words of Portolan ([`Flow`], [`Outcome`], [`Verdict`], [`SideDecision`]), the cluster
//! state ([`Cluster`]), what builds it ([`Object`], [`parse_manifest`]) and the one policy
//! evaluator ([`Cluster::decide`]). Does no I/O, reads no clock and knows no transport.
//!
//! ```
//! use portolan_policy::{Cluster, Connection, Protocol, parse_manifest};
//!
//! let manifest = parse_manifest(
//!     "
//! apiVersion: v1
//! kind: Pod
//! metadata: {namespace: shop, name: db, labels: {app: db}}
//! status: {podIPs: [{ip: 10.0.0.2}]}
//! ---
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {namespace: shop, name: deny-all}
//! spec: {podSelector: {}}
//! ",
//! );
//! assert!(manifest.errors.is_empty());
//! let mut cluster = Cluster::default();
//! for object in manifest.objects {
//!     cluster.apply(object)?;
//! }
//! let evaluation = cluster.evaluate(&Connection {
//!     source: [198, 51, 100, 7].into(),
//!     destination: [10, 0, 0, 2].into(),
//!     port: Some(5432),
//!     protocol: Protocol::Tcp,
//! });
//! assert_eq!(evaluation.admits(), Some(false));
//! for hit in &evaluation.ingress.hits {
//!     println!("denied by {}", hit.policy); // denied by NetworkPolicy shop/deny-all
//! }
//! # Ok::<(), portolan_policy::InvalidObject>(())
//! ```
//!
//! Why it is denied, and what would admit it, says [`explain()`].

mod address;
pub mod api;
mod cluster;
mod connection;
mod decision;
mod domain_name;
mod endings;
mod evaluation;
pub mod explain;
mod fingerprint;
mod flow;
mod history;
mod ip_block;
mod labels;
mod lint;
mod manifest;
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
mod template;
mod tier_policy;
mod tiers;
mod truth;
mod validate;
mod verdict;

pub use cluster::{Cluster, Owner};
pub use connection::Connection;
pub use decision::{Decision, PolicyKind, PolicyRef, SideDecision, SideVerdict};
pub use evaluation::{Evaluation, Hit, Hits, Side};
pub use explain::{Explanation, explain, explain_between};
pub use flow::{End, Flow, Latency, Outcome, PodEnd, Reporter, ServiceRef, Verdict, Workload};
pub use history::{Change, History};
pub use lint::{Code, Finding, Severity, lint};
pub use manifest::{IgnoredKind, Manifest, ManifestError, parse_manifest};
pub use object::{InvalidObject, Object, ObjectKey, ObjectKind};
pub use pod::Pod;
pub use policy_id::{PolicyId, Tier};
pub use protocol::{Protocol, UnknownProtocol};
pub use query::{Answer, Family, Place, Query, QueryError, Reply, Resolved, answer_line};
pub use service::Service;
pub use tiers::BaselineReading;
pub use validate::{InvalidField, validate};
pub use verdict::{Evidence, Judgement, judge};
