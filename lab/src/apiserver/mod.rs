//! A small Kubernetes API server over real HTTP, for tests and the demo.
//!
//! It keeps objects in memory, speaks the API well enough for kube clients and for kubectl, and breaks on
//! purpose when a test asks for it. It runs no controllers and knows no users: whoever connects may do all.
//!
//! ```text
//! kubectl, agents ──HTTP──► routes ─► faults ─► read, write ─► Store ─► store (pure core)
//!                                                                ▲          │ history
//! test code ─────────────────────────────────────────────────────┘          ▼
//!                                                   watch ◄───────── changes since a position
//! ```
//!
//! | module | owns |
//! |---|---|
//! | `kinds` | the table of kinds; everything else asks it |
//! | `store`, `history`, `namespaces` | objects, revisions, the bounded log of changes; pure |
//! | `admission`, `strict`, `defaults`, `validate`, `meta` | what a write must pass |
//! | `patch`, `managed`, `fields`, `shape` | merge patches and server-side apply |
//! | `handle` | [`Store`]: the locks and the clock |
//! | `faults` | what a test can make the server do wrong |
//! | `routes`, `request`, `read`, `write`, `watch`, `view`, `table` | HTTP |
//! | `discovery`, `openapi` | what kubectl reads before it does anything |
//! | `server` | listeners, threads, kubeconfig |
//!
//! # Example
//!
//! ```
//! use portolan_lab::apiserver::{Store, spawn};
//! use serde_json::json;
//!
//! let store = Store::new();
//! store.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}))?;
//! let server = spawn(std::net::TcpListener::bind("127.0.0.1:0")?, store.clone())?;
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! # server.stop()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod admission;
mod defaults;
mod discovery;
mod error;
mod faults;
mod fields;
mod handle;
mod history;
mod kinds;
mod managed;
mod meta;
mod namespaces;
mod openapi;
mod patch;
mod read;
mod request;
mod routes;
mod selectors;
mod server;
mod shape;
mod store;
mod strict;
mod table;
mod validate;
mod validate_policy;
mod view;
mod watch;
mod write;

pub use error::{ApiError, FieldError};
pub use faults::{Failure, Faults, Target, Verb};
pub use handle::{Store, StoreOptions};
pub use kinds::{Kind, KindRef};
pub use server::{Running, ServeError, kubeconfig, serve, spawn};
