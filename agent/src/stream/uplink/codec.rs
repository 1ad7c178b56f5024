//! gRPC's form of `portolan.v1.Ingest/Stream` for batches that are encoded already.

use portolan_proto::v1;
use prost::bytes::{BufMut as _, Bytes};
use tonic::{
    Status,
    codec::{BufferSettings, Codec, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
};
use tonic_prost::ProstDecoder;

/// The method that takes batches.
pub const METHOD: PathAndQuery = PathAndQuery::from_static("/portolan.v1.Ingest/Stream");

/// Batches as they are, acknowledgements decoded.
#[derive(Clone, Copy, Debug, Default)]
pub struct BatchCodec;

impl Codec for BatchCodec {
    type Encode = Bytes;
    type Decode = v1::Ack;
    type Encoder = Self;
    type Decoder = ProstDecoder<v1::Ack>;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> ProstDecoder<v1::Ack> {
        ProstDecoder::new(BufferSettings::default())
    }
}

impl Encoder for BatchCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, batch: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(batch.len());
        buffer.put(batch);
        Ok(())
    }
}
