//! The `portolan.v1` protocol: generated code, and conversions to and from the domain types.
//!
//! Owns the wire: nothing outside this crate builds or takes apart a generated flow. A message
//! that cannot be understood is an error that names the field; an unknown enum value is never
//! read as a default. Does no I/O.
//!
//! ```text
//! portolan_policy::Flow  <-- convert/ -->  v1::Flow
//! graph::Edge            <-- convert/ -->  v1::Edge
//! View ----- batch/ ---->  v1::Batch  -- batch/ -->  Observation
//! ```

mod batch;
mod convert;
pub mod graph;
mod latencies;
mod observation;

pub use batch::{
    Apart, BatchError, Decoded, Flaw, Header, Labels, MAX_CONTENT, MAX_GIVEN_UP, MAX_MEMORY, Share, View,
    decode, decode_sharing, encode,
};
pub use convert::{ConvertError, Problem, duration, timestamp, timestamp_to_proto};
pub use latencies::Latencies;
pub use observation::{Connection, Observation, Witness};

/// The generated messages, clients and servers of package `portolan.v1`.
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    reason = "generated; documented in the .proto files"
)]
pub mod v1 {
    tonic::include_proto!("portolan.v1");
}

/// The encoded descriptors of `portolan.v1`, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
