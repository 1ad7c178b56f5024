//! A cluster made of network namespaces, with a small Kubernetes API server: for tests, benchmarks and the demo.
//!
//! Nodes, pods and a host outside are namespaces of this machine's kernel; packets, address translation and drops
//! are real. The firewall is written by the test, so it is a witness independent of Portolan's own policy decisions;
//! nothing here knows what a policy means.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use portolan_lab::{Lab, PodSpec, ServiceSpec};
//!
//! # fn main() -> Result<(), portolan_lab::LabError> {
//! let mut lab = Lab::new("shop")?;
//! lab.node("n1")?;
//! lab.node("n2")?;
//! lab.pod(PodSpec::new("shop/web").node("n1").label("app", "web").port("http", 8080, "TCP"))?;
//! lab.pod(PodSpec::new("shop/client").node("n2"))?;
//! let web = lab.service(ServiceSpec::new("shop/web").port(80, 8080, "TCP").selects([("app", "web")]))?;
//! let _server = lab.serve_tcp("shop/web", 8080)?;
//! let attempt = lab.connect_tcp("shop/client", web.v4(), 80, Duration::from_secs(1))?;
//! assert!(attempt.result.succeeded());
//! # Ok(())
//! # }
//! ```
//!
//! A lab needs root, iproute2 and nftables; to enforce by iptables, that too. It is removed when dropped, on SIGINT and
//! SIGTERM, and, should its process be killed, when the next lab starts.

pub mod apiserver;
pub mod attempts;
pub mod bench;
mod bpf;
mod client;
mod cluster;
pub mod demo;
pub mod dns;
pub mod enforce;
pub mod error;
pub mod lab;
pub mod net;
mod objects;
pub mod place;
mod preflight;
pub mod process;
mod sctp;
pub mod server;
pub mod spec;

pub use attempts::{Attempted, Seen};
pub use enforce::{Direction, Mechanism, Traffic};
pub use error::LabError;
pub use lab::{Lab, NodeInfo, PodInfo, ServiceInfo};
pub use place::Place;
pub use process::{Output, Process};
pub use server::Server;
pub use server::sctp::SctpAnswer;
pub use spec::{PodSpec, Protocol, ServiceSpec, Target};
