//! The content of a batch, compressed and bounded.

use super::{BatchError, MAX_CONTENT};
use crate::v1;
use prost::Message as _;
use std::io;

/// More costs time that no byte is worth.
const LEVEL: i32 = 3;

/// Packs a content; its length comes along.
pub(super) fn pack(content: &v1::BatchContent) -> (Vec<u8>, u32) {
    let bytes = content.encode_to_vec();
    let frame = zstd::bulk::compress(&bytes, LEVEL).expect("zstd has room for what it writes");
    (frame, bytes.len() as u32)
}

/// Unpacks a content that says how long it is.
pub(super) fn unpack(frame: &[u8], length: u32) -> Result<v1::BatchContent, BatchError> {
    if length as usize > MAX_CONTENT {
        return Err(BatchError::TooLong { length });
    }
    let broken = |error: io::Error| BatchError::Frame(error.to_string());
    let bytes = zstd::bulk::decompress(frame, length as usize).map_err(broken)?;
    if bytes.len() != length as usize {
        return Err(BatchError::Length { said: length, found: bytes.len() });
    }
    Ok(v1::BatchContent::decode(bytes.as_slice())?)
}
