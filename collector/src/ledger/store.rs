//! The one narrow interface between the ledger and the engine that keeps its bytes.

use std::{fmt, ops::ControlFlow, sync::Arc};

/// Where a key lives. A space is ordered by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Space {
    /// What the collector must know to go on: small rows that come and go.
    State,
    /// Flows, in the order they were made; only ever dropped as a whole.
    Segment(u64),
    /// What the graph knows beside its minutes.
    Graph,
    /// The minutes of a day of the graph; only ever dropped as a whole.
    Minutes(u32),
}

/// One change. A transaction applies all of its changes or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Sets a value.
    Put(Space, Vec<u8>, Vec<u8>),
    /// Takes a key away, if it is there.
    Delete(Space, Vec<u8>),
}

/// Why the engine cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{operation}")]
pub(crate) struct StoreError {
    /// What was tried, on what.
    pub(crate) operation: String,
    /// Whether the bytes on disk are not what was written.
    pub(crate) damaged: bool,
    /// The engine's own word.
    pub(crate) source: Box<dyn std::error::Error + Send + Sync>,
}

/// A key and its value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// An engine. Readers never wait for a commit.
pub(crate) trait Store: Send + Sync + fmt::Debug {
    /// Whether what was committed outlives the process. Where it does not, only flows are kept.
    fn durable(&self) -> bool;

    /// Applies all changes in one transaction; when this returns they are durable.
    fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError>;

    /// The value of a key.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The first `most` rows whose key begins with this, in order. A row that cannot be read is an
    /// error in its place, and the last one.
    fn scan(&self, space: Space, prefix: &[u8], most: usize) -> Vec<Result<Row, StoreError>>;

    /// Shows the keys that begin with this, in order, until no more are taken. Where rows are many, the engine must not
    /// have all of them in memory.
    fn visit(
        &self,
        space: Space,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        for row in self.scan(space, prefix, usize::MAX) {
            if visit(&row?.0).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The segments that are there, oldest first.
    fn segments(&self) -> Vec<u64>;

    /// Gives a segment's space back.
    fn drop_segment(&self, segment: u64) -> Result<(), StoreError>;

    /// The days whose minutes are there.
    fn minutes(&self) -> Vec<u32>;

    /// Gives the space of a day's minutes back.
    fn drop_minutes(&self, day: u32) -> Result<(), StoreError>;

    /// Gives the space of the graph back.
    fn drop_graph(&self) -> Result<(), StoreError>;

    /// The bytes that everything takes.
    fn bytes(&self) -> u64;
}

/// An engine that many share.
pub(crate) type SharedStore = Arc<dyn Store>;
