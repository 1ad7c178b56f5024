//! Where records go: lines of JSON, or the collector.

use crate::{attribute::Record, line::LineWriter, stream::Item};
use portolan_policy::Loss;
use std::io::{ErrorKind, Write};
use tokio::sync::mpsc::Sender;

/// Where records go.
pub enum Sink {
    /// Flows as JSON lines.
    Lines(Lines),
    /// The stream to the collector.
    Stream(Stream),
}

/// The sink takes nothing more.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The reader of the lines went away, which is how a pipe ends.
    #[error("the reader of the flows is gone")]
    Closed,
    /// Lines cannot be written.
    #[error("cannot write flows")]
    Write(#[source] std::io::Error),
}

impl Sink {
    /// Passes on a record, with the next [`Self::flush`] at the latest.
    pub async fn put(&mut self, record: Record) -> Result<(), SinkError> {
        match self {
            Self::Lines(lines) => lines.put(&record),
            Self::Stream(stream) => stream.put(record).await,
        }
    }

    /// Passes on a loss; lines carry it in the next flow.
    pub async fn lose(&mut self, loss: Loss) -> Result<(), SinkError> {
        match self {
            Self::Lines(lines) => {
                loss.add_to(&mut lines.untold);
                Ok(())
            }
            Self::Stream(stream) => stream.send(Item::Loss(loss)).await,
        }
    }

    /// Passes on what was put and held back.
    pub async fn flush(&mut self) -> Result<(), SinkError> {
        match self {
            Self::Lines(lines) => lines.flush(),
            Self::Stream(stream) => stream.flush().await,
        }
    }
}

/// Flows as JSON, one a line, many in one writing.
pub struct Lines {
    out: Box<dyn Write + Send>,
    writer: LineWriter,
    buffer: Vec<u8>,
    /// Losses that no line has told of yet.
    untold: Vec<Loss>,
}

/// What is written at once at the most.
const BUFFER: usize = 64 * 1024;

impl Lines {
    /// Lines that go there.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out, writer: LineWriter::default(), buffer: Vec::new(), untold: Vec::new() }
    }

    fn put(&mut self, record: &Record) -> Result<(), SinkError> {
        self.writer.write(record, &self.untold, &mut self.buffer);
        self.untold.clear();
        if self.buffer.len() < BUFFER { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self.out.write_all(&self.buffer).and_then(|()| self.out.flush());
        self.buffer.clear();
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => SinkError::Closed,
            _ => SinkError::Write(error),
        })
    }
}

/// Records for the collector, many in one item.
pub struct Stream {
    queue: Sender<Item>,
    held: Vec<Record>,
}

/// Records in one item at the most.
const HELD: usize = 512;

impl Stream {
    /// A stream that takes its items from the other end of this queue.
    pub const fn new(queue: Sender<Item>) -> Self {
        Self { queue, held: Vec::new() }
    }

    async fn put(&mut self, record: Record) -> Result<(), SinkError> {
        self.held.push(record);
        if self.held.len() < HELD { Ok(()) } else { self.flush().await }
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        if self.held.is_empty() {
            return Ok(());
        }
        let records = std::mem::take(&mut self.held);
        self.send(Item::Records(records)).await
    }

    async fn send(&self, item: Item) -> Result<(), SinkError> {
        self.queue.send(item).await.map_err(|_closed| SinkError::Closed)
    }
}
