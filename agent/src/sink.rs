//! Where observations go: lines of JSON, or the collector.

use crate::{capture::chain, stream::Item};
use portolan_policy::Loss;
use portolan_proto::Observation;
use std::io::{ErrorKind, Write};
use tokio::sync::mpsc::Sender;

/// Where observations go.
pub enum Sink {
    /// Flows as JSON lines.
    Lines(Lines),
    /// The queue of the stream to the collector.
    Stream(Sender<Item>),
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
    /// Passes on an observation.
    pub async fn put(&mut self, observation: Observation) -> Result<(), SinkError> {
        match self {
            Self::Lines(lines) => lines.put(observation),
            Self::Stream(queue) => {
                let item = Item::Observation(Box::new(observation));
                queue.send(item).await.map_err(|_closed| SinkError::Closed)
            }
        }
    }

    /// Passes on a loss; lines carry it in the next flow.
    pub async fn lose(&mut self, loss: Loss) -> Result<(), SinkError> {
        match self {
            Self::Lines(lines) => {
                loss.add_to(&mut lines.untold);
                Ok(())
            }
            Self::Stream(queue) => queue.send(Item::Loss(loss)).await.map_err(|_closed| SinkError::Closed),
        }
    }
}

/// Flows as JSON, one a line.
pub struct Lines {
    out: Box<dyn Write + Send>,
    /// Losses that no line has told of yet.
    untold: Vec<Loss>,
}

impl Lines {
    /// Lines that go there.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out, untold: Vec::new() }
    }

    fn put(&mut self, mut observation: Observation) -> Result<(), SinkError> {
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::BrokenPipe => SinkError::Closed,
            _ => SinkError::Write(error),
        };
        for loss in self.untold.drain(..) {
            observation.flow.lose(loss);
        }
        let mut line = match serde_json::to_vec(&observation.flow) {
            Ok(line) => line,
            Err(error) => {
                tracing::error!(error = %chain(&error), "A flow cannot be written as JSON.");
                return Ok(());
            }
        };
        line.push(b'\n');
        self.out.write_all(&line).and_then(|()| self.out.flush()).map_err(failed)
    }
}
