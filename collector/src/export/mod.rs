//! Flows as Parquet files, for DuckDB, pandas, ClickHouse and whatever else reads them.
//!
//! ```text
//! ledger ── by ordinal ──► exporter ──► a hidden file: rows ► columns ► row groups ──► whole: its name
//!                             ▲                                                           │
//!                             └──────────────── at start: what do the files hold? ────────┘
//! ```

mod chunk;
mod column;
mod file;
#[cfg(test)]
mod file_tests;
mod part;
mod schema;

pub use file::FlowFile;
pub use schema::Row;
