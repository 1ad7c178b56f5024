//! Flows as Parquet files, for DuckDB, pandas, ClickHouse and whatever else reads them.
//!
//! ```text
//! ledger ── by ordinal ──► exporter ──► a hidden file: rows ► columns ► row groups ──► whole: its name
//!                             ▲                                                           │
//!                             └──────────────── at start: what do the files hold? ────────┘
//! ```

mod chunk;
mod column;
mod exporter;
mod file;
mod folder;
mod name;
mod notes;
mod part;
mod schema;
mod source;
mod thread;

#[cfg(test)]
mod file_tests;

pub(crate) use exporter::Counters;
pub(crate) use thread::Export;

pub use exporter::ExportConfig;
pub use file::FlowFile;
pub use schema::Row;
