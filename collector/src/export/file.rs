//! A Parquet file of flows while it is written.

use super::{
    chunk::RowGroup,
    part::Part,
    schema::{self, Row},
};
use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    errors::Result,
    file::{
        metadata::KeyValue,
        properties::{WriterProperties, WriterPropertiesPtr},
        writer::SerializedFileWriter,
    },
    schema::types::ColumnPath,
};
use std::{fmt, io::Write, sync::Arc};

/// Rows of a row group.
pub(super) const GROUP: usize = 131_072;

/// Rows that wait before they become columns.
const SLICE: usize = 2_048;

/// How hard to compress.
const LEVEL: i32 = 3;

/// Columns in which hardly a value is there twice, and which grow slowly: as differences they are small.
const GROWING: [&str; 3] = ["ordinal", "time", "end_time"];

/// A Parquet file of flows.
pub struct FlowFile<W: Write + Send> {
    parts: Vec<Box<dyn Part>>,
    writer: SerializedFileWriter<W>,
    group: RowGroup,
    /// How many rows a group may have.
    most: usize,
    /// Rows of the group.
    rows: usize,
    waiting: Vec<Row>,
}

impl<W: Write + Send> fmt::Debug for FlowFile<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowFile").field("writer", &self.writer).finish_non_exhaustive()
    }
}

impl<W: Write + Send> FlowFile<W> {
    /// A file without flows.
    pub fn new(sink: W) -> Result<Self> {
        Self::with_groups(sink, GROUP)
    }

    /// The same with row groups of so many rows.
    pub(super) fn with_groups(sink: W, most: usize) -> Result<Self> {
        let parts = schema::parts();
        let writer = SerializedFileWriter::new(sink, schema::schema(&parts)?, properties()?)?;
        let group = RowGroup::new(writer.schema_descr(), writer.properties());
        Ok(Self { parts, writer, group, most, rows: 0, waiting: Vec::new() })
    }

    /// Adds a flow.
    pub fn push(&mut self, row: Row) -> Result<()> {
        self.waiting.push(row);
        if self.waiting.len() >= SLICE {
            self.write_slice()?;
        }
        if self.rows + self.waiting.len() >= self.most { self.end_group() } else { Ok(()) }
    }

    /// The bytes written so far, without the row group that grows in memory.
    pub fn bytes(&self) -> u64 {
        self.writer.bytes_written() as u64
    }

    /// Ends the file with what it says of itself, and gives back what it was written to.
    pub fn finish(mut self, notes: Vec<KeyValue>) -> Result<W> {
        self.end_group()?;
        let version = KeyValue::new("portolan.schema".to_owned(), schema::VERSION.to_owned());
        for note in [version].into_iter().chain(notes) {
            self.writer.append_key_value_metadata(note);
        }
        self.writer.into_inner()
    }

    /// Has the rows that wait written into the columns.
    fn write_slice(&mut self) -> Result<()> {
        let mut chunks = self.group.chunks();
        for part in &self.parts {
            part.write(&self.waiting, &mut chunks)?;
        }
        self.rows += self.waiting.len();
        self.waiting.clear();
        Ok(())
    }

    /// Writes the row group, and begins another.
    fn end_group(&mut self) -> Result<()> {
        self.write_slice()?;
        if self.rows == 0 {
            return Ok(());
        }
        let next = RowGroup::new(self.writer.schema_descr(), self.writer.properties());
        self.rows = 0;
        std::mem::replace(&mut self.group, next).append(&mut self.writer)
    }
}

fn properties() -> Result<WriterPropertiesPtr> {
    let properties = WriterProperties::builder()
        .set_created_by(concat!("portolan version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL)?));
    let growing = GROWING.iter().fold(properties, |properties, name| {
        let column = ColumnPath::from(*name);
        properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED)
    });
    Ok(Arc::new(growing.build()))
}
