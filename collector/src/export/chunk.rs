//! The columns of a row group while it grows, in memory and compressed.
//!
//! A file holds a row group column by column, while flows come row by row. Each column has its own pages
//! here until the group is whole, which take far less room than its flows would.

use bytes::Bytes;
use parquet::{
    column::{
        page::{CompressedPage, PageWriteSpec, PageWriter},
        writer::{ColumnWriter, get_column_writer},
    },
    errors::{ParquetError, Result},
    file::{
        properties::WriterPropertiesPtr,
        writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite},
    },
    schema::types::SchemaDescriptor,
};
use std::{
    io::Write,
    slice::IterMut,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A row group that grows.
pub(super) struct RowGroup(Vec<Chunk>);

/// Its columns, from left to right.
pub(super) struct Chunks<'group>(IterMut<'group, Chunk>);

struct Chunk {
    pages: Pages,
    writer: ColumnWriter<'static>,
}

impl RowGroup {
    /// Without rows.
    pub(super) fn new(schema: &SchemaDescriptor, properties: &WriterPropertiesPtr) -> Self {
        let chunk = |column: &Arc<_>| {
            let pages = Pages::default();
            let writer = Box::new(pages.clone());
            Chunk { pages, writer: get_column_writer(Arc::clone(column), Arc::clone(properties), writer) }
        };
        Self(schema.columns().iter().map(chunk).collect())
    }

    /// Its columns, to write into.
    pub(super) fn chunks(&mut self) -> Chunks<'_> {
        Chunks(self.0.iter_mut())
    }

    /// Puts it behind those that a file has.
    pub(super) fn append<W: Write + Send>(self, file: &mut SerializedFileWriter<W>) -> Result<()> {
        let mut group = file.next_row_group()?;
        for Chunk { pages, writer } in self.0 {
            let closed = writer.close()?;
            group.append_column(&Bytes::from(pages.take()), closed)?;
        }
        group.close().map(|_| ())
    }
}

impl Chunks<'_> {
    /// The next column.
    pub(super) fn next(&mut self) -> Result<&mut ColumnWriter<'static>> {
        let Self(chunks) = self;
        let missing = || ParquetError::General("more columns are written than the schema has".to_owned());
        chunks.next().map(|chunk| &mut chunk.writer).ok_or_else(missing)
    }
}

/// The pages of a column.
#[derive(Clone, Default)]
struct Pages(Arc<Mutex<Vec<u8>>>);

impl Pages {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.lock())
    }
}

impl PageWriter for Pages {
    fn write_page(&mut self, page: CompressedPage) -> Result<PageWriteSpec> {
        let mut pages = self.lock();
        let begin = pages.len() as u64;
        let mut sink = TrackedWrite::new(&mut *pages);
        let mut writer = SerializedPageWriter::new(&mut sink);
        let mut spec = writer.write_page(page)?;
        writer.close()?;
        spec.offset += begin;
        Ok(spec)
    }

    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}
