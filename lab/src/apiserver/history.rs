//! The bounded log of changes that watches read.
//!
//! A reader holds a position and asks for what came after it; whoever falls off the old end is told so
//! and must list again, as with a real server.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use super::kinds::KindRef;
use super::store::Key;

/// One change, shared by all readers.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) revision: u64,
    pub(super) kind: KindRef,
    pub(super) key: Key,
    pub(super) change: Change,
}

/// What happened.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// The object before and after; `None` where it did not exist.
    Object { before: Option<Arc<Value>>, after: Option<Arc<Value>> },
    /// A fault: a line put on the wire as it is. Meant for the watches open at that moment.
    Line(Arc<str>),
    /// A fault: the watches open at that moment end.
    Cut(Cut),
}

/// How a fault ends a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// As after a timeout.
    Clean,
    /// The connection breaks.
    Abrupt,
    /// An ERROR event says that the version is too old.
    Expired,
}

/// The position is gone from the log; it begins after `oldest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forgotten {
    pub(super) oldest: u64,
}

/// The log itself.
#[derive(Debug)]
pub(super) struct History {
    entries: VecDeque<Entry>,
    /// Position of the first entry.
    first: u64,
    /// Revision of the newest forgotten entry.
    floor: u64,
    capacity: usize,
}

impl History {
    pub(super) fn new(capacity: usize, floor: u64) -> Self {
        Self { entries: VecDeque::new(), first: 0, floor, capacity: capacity.max(1) }
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
        while self.entries.len() > self.capacity {
            self.forget_one();
        }
    }

    /// Forgets everything, as etcd's compaction does.
    pub(super) fn forget(&mut self, revision: u64) {
        while !self.entries.is_empty() {
            self.forget_one();
        }
        self.floor = revision;
    }

    fn forget_one(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.floor = entry.revision;
            self.first += 1;
        }
    }

    /// Position behind the newest entry.
    pub(super) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Position of the first entry newer than a revision.
    pub(super) fn position_after(&self, revision: u64) -> Result<u64, Forgotten> {
        if revision < self.floor {
            return Err(Forgotten { oldest: self.floor });
        }
        Ok(self.first + self.entries.partition_point(|entry| entry.revision <= revision) as u64)
    }

    /// Entries from a position on, at most `limit`.
    pub(super) fn read(
        &self,
        position: u64,
        limit: usize,
    ) -> Result<impl Iterator<Item = &Entry>, Forgotten> {
        let skip = position.checked_sub(self.first).ok_or(Forgotten { oldest: self.floor })?;
        Ok(self.entries.iter().skip(skip as usize).take(limit))
    }

    /// Entries newer than a revision, newest first: what must be undone to see the past.
    pub(super) fn undo_to(&self, revision: u64) -> Result<impl Iterator<Item = &Entry>, Forgotten> {
        if revision < self.floor {
            return Err(Forgotten { oldest: self.floor });
        }
        Ok(self.entries.iter().rev().take_while(move |entry| entry.revision > revision))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(revision: u64) -> Entry {
        Entry {
            revision,
            kind: KindRef::by_name("pods").unwrap(),
            key: Key::new("shop", "web"),
            change: Change::Object { before: None, after: None },
        }
    }

    fn filled(capacity: usize, revisions: &[u64]) -> History {
        let mut history = History::new(capacity, 0);
        for revision in revisions {
            history.push(entry(*revision));
        }
        history
    }

    #[test]
    fn a_reader_gets_what_came_after_its_revision() {
        let history = filled(8, &[3, 5, 9]);
        let position = history.position_after(4).unwrap();
        let revisions: Vec<u64> = history.read(position, 10).unwrap().map(|entry| entry.revision).collect();
        assert_eq!(revisions, [5, 9]);
        assert_eq!(history.end(), 3);
    }

    #[test]
    fn old_entries_are_forgotten_and_readers_are_told() {
        let history = filled(2, &[3, 5, 9]);
        assert_eq!(history.position_after(2), Err(Forgotten { oldest: 3 }));
        assert_eq!(history.position_after(3), Ok(1));
        assert_eq!(history.read(0, 1).err(), Some(Forgotten { oldest: 3 }));
    }

    #[test]
    fn compaction_keeps_the_present_readable() {
        let mut history = filled(8, &[3, 5]);
        history.forget(7);
        assert_eq!(history.position_after(5), Err(Forgotten { oldest: 7 }));
        assert_eq!(history.position_after(7), Ok(2));
    }
}
