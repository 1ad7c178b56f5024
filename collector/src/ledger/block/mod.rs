//! Blocks: many flows in few bytes, each block complete in itself.
//!
//! ```text
//! version │ length │ zstd( tables: names, ends, decisions … │ columns: a number for each flow )
//! ```

mod decode;
mod encode;
mod make;
mod names;
#[cfg(test)]
mod pick_tests;
mod tables;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use decode::{BlockError, decode, pick};
pub(crate) use encode::encode;

use crate::made::Made;
use names::{EndRow, Index, KindRow, RelationRow, ServiceRow, SideRow};
use portolan_policy::{Flow, Loss};
use portolan_proto::Latencies;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// The form of a block; a block of another form is refused.
const VERSION: u8 = 3;

/// The most that a block may be before compression.
const MOST: usize = 64 * 1024 * 1024;

/// How hard to compress.
const LEVEL: i32 = 3;

/// Version and length.
const HEAD: usize = 5;

/// A flow as it goes into a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    /// Its place among all flows.
    pub(crate) ordinal: u64,
    /// The flow.
    pub(crate) flow: &'a Flow,
    /// How long its handshakes took, where it stands for several.
    pub(crate) latencies: Option<&'a Latencies>,
}

impl<'a> From<&'a Arc<Made>> for Row<'a> {
    fn from(made: &'a Arc<Made>) -> Self {
        let Made { ordinal, flow, latencies } = &**made;
        Self { ordinal: *ordinal, flow, latencies: latencies.as_ref() }
    }
}

/// A block before compression, with names that it owns or that it borrows: what flows share comes first, and may be all
/// that is read.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Content<Name> {
    shared: Shared<Name>,
    flows: Flows,
}

/// What flows share, each thing once.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Shared<Name = String> {
    names: Vec<Name>,
    ends: Vec<EndRow>,
    services: Vec<ServiceRow>,
    sides: Vec<SideRow>,
    relations: Vec<RelationRow>,
    kinds: Vec<KindRow>,
}

/// What each has of its own.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Flows {
    columns: Columns,
    rare: Rare,
}

/// A number for each flow.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Columns {
    /// More than the ordinal before; flows are ordered by time, so it may be less.
    ordinal: Vec<i64>,
    relation: Vec<Index>,
    kind: Vec<Index>,
    /// How many nanoseconds the numbers of the next two columns stand for.
    unit: u32,
    /// Since the flow before.
    time: Vec<i128>,
    duration: Vec<i128>,
    /// The source port and one, or 0 where it has none.
    port: Vec<u32>,
    attempts: Vec<u64>,
    tries: Vec<u64>,
    packets: Vec<u64>,
    bytes: Vec<u64>,
    /// The shortest handshake, where one is known.
    latency: Vec<Option<u64>>,
}

/// What few flows have, with the flow's place.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Rare {
    /// Median, 99th percentile and longest handshake, where they are not all the shortest.
    latency: Vec<(Index, u64, u64, u64)>,
    /// Of several handshakes, each figure more than the one before, with its count.
    latencies: Vec<(Index, Vec<(u64, u64)>)>,
    retransmits: Vec<(Index, u64)>,
    srtt: Vec<(Index, u64)>,
    lost: Vec<(Index, u64, Vec<Loss>)>,
}

/// Packs anything in the form of a block.
pub(crate) fn pack(content: &impl Serialize) -> Vec<u8> {
    let plain = postcard::to_stdvec(content).expect("plain data always has a form");
    debug_assert!(plain.len() <= MOST, "a block of {} bytes could not be unpacked", plain.len());
    let packed = zstd::bulk::compress(&plain, LEVEL).expect("zstd compresses any bytes in memory");
    let mut block = Vec::with_capacity(HEAD + packed.len());
    block.push(VERSION);
    block.extend((plain.len() as u32).to_le_bytes());
    block.extend(packed);
    block
}

/// Unpacks what [`pack`] packed. Bytes that are not that cost an error, and no more memory than a block may.
pub(crate) fn unpack<T: DeserializeOwned>(block: &[u8]) -> Result<T, BlockError> {
    postcard::from_bytes(&unpack_bytes(block)?).map_err(BlockError::Content)
}

/// The same for who reads the bytes by itself.
pub(crate) fn unpack_bytes(block: &[u8]) -> Result<Vec<u8>, BlockError> {
    let Some((head, packed)) = block.split_first_chunk::<HEAD>() else { return Err(BlockError::Short) };
    let [version, length @ ..] = *head;
    if version != VERSION {
        return Err(BlockError::Version(version));
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MOST {
        return Err(BlockError::Large(length));
    }
    let plain = zstd::bulk::decompress(packed, length).map_err(BlockError::Frame)?;
    if plain.len() != length {
        return Err(BlockError::Short);
    }
    Ok(plain)
}
