//! Columns, checked before anything is read from them, and the memory that reading may take.

use super::{BatchError, Flaw, MAX_MEMORY};
use crate::v1;
use std::{net::IpAddr, sync::Arc};

/// A value for each entry of a table, or zeros.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column<'a, T>(&'a [T]);

impl<'a, T: Copy + Default> Column<'a, T> {
    pub(super) fn new(column: &'static str, values: &'a [T], wanted: usize) -> Result<Self, BatchError> {
        if values.is_empty() || values.len() == wanted {
            Ok(Self(values))
        } else {
            Err(BatchError::Column { column, found: values.len(), wanted })
        }
    }

    pub(super) fn at(self, index: usize) -> T {
        self.0.get(index).copied().unwrap_or_default()
    }
}

/// Lists of all entries in one column, taken apart by their sizes: where each begins, and where the last ends.
pub(super) fn offsets(column: &'static str, sizes: &[u32], found: usize) -> Result<Vec<u32>, BatchError> {
    let mut offsets = Vec::with_capacity(sizes.len() + 1);
    let mut end = 0_u64;
    offsets.push(0);
    for size in sizes {
        end += u64::from(*size);
        offsets.push(end as u32);
    }
    if end == found as u64 {
        Ok(offsets)
    } else {
        Err(BatchError::Column { column, found, wanted: usize::try_from(end).unwrap_or(usize::MAX) })
    }
}

/// The addresses of all entries.
pub(super) fn addresses(
    column: &'static str,
    wire: Option<&v1::Addresses>,
    wanted: usize,
) -> Result<Vec<IpAddr>, BatchError> {
    let (octets, long) = wire.map_or((&[][..], &[][..]), |wire| (&wire.octets, &wire.long));
    let long = Column::new(column, long, wanted)?;
    let mut rest = octets;
    let mut addresses = Vec::with_capacity(wanted.min(octets.len() / 4));
    while addresses.len() < wanted {
        let taken = if long.at(addresses.len()) { take::<16>(rest) } else { take::<4>(rest) };
        let Some((address, left)) = taken else { break };
        addresses.push(address);
        rest = left;
    }
    if addresses.len() == wanted && rest.is_empty() {
        Ok(addresses)
    } else {
        Err(BatchError::Column { column, found: addresses.len() + rest.len().div_ceil(4), wanted })
    }
}

fn take<const N: usize>(octets: &[u8]) -> Option<(IpAddr, &[u8])>
where
    IpAddr: From<[u8; N]>,
{
    octets.split_first_chunk::<N>().map(|(address, rest)| ((*address).into(), rest))
}

/// The memory that is left for what a batch stands for.
#[derive(Debug)]
pub(super) struct Memory {
    left: usize,
}

impl Memory {
    pub(super) const fn new() -> Self {
        Self { left: MAX_MEMORY }
    }

    /// How many of these there is room for.
    pub(super) const fn room_for<T>(&self) -> usize {
        self.left / size_of::<T>()
    }

    /// Takes so much of it, if there is as much.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

/// The entries of a table; one that is wrong says so to whoever asks for it.
pub(super) type Entries<T> = Vec<Result<T, Flaw>>;

/// Something that records share, and what it takes where a record is written out.
#[derive(Debug)]
pub(super) struct Shared<T> {
    pub(super) value: Arc<T>,
    pub(super) weight: usize,
}

/// What a thing takes that is shared, beside what it points at.
pub(super) const fn shared_size<T>() -> usize {
    size_of::<T>() + 2 * size_of::<usize>()
}

/// Which entry of which table is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    table: &'static str,
    pub(super) index: usize,
}

impl Entry {
    pub(super) const fn new(table: &'static str, index: usize) -> Self {
        Self { table, index }
    }

    pub(super) const fn flaw(self, problem: &'static str) -> Flaw {
        Flaw { table: self.table, number: self.index + 1, problem }
    }

    /// Takes what this entry takes, and says how much that is.
    pub(super) fn take(self, memory: &mut Memory, weight: usize) -> Result<usize, Flaw> {
        memory.take(weight).then_some(weight).ok_or_else(|| self.flaw("it takes too much memory"))
    }

    /// What this entry refers to; `problem` says that there is no such thing.
    pub(super) fn find<'a, T>(
        self,
        entries: &'a [Result<T, Flaw>],
        reference: u32,
        problem: &'static str,
    ) -> Result<&'a T, Flaw> {
        let index = (reference as usize).checked_sub(1);
        let entry = index.and_then(|index| entries.get(index)).ok_or_else(|| self.flaw(problem))?;
        entry.as_ref().map_err(|flaw| *flaw)
    }

    /// The same where there need be none.
    pub(super) fn find_some<'a, T>(
        self,
        entries: &'a [Result<T, Flaw>],
        reference: u32,
        problem: &'static str,
    ) -> Result<Option<&'a T>, Flaw> {
        (reference != 0).then(|| self.find(entries, reference, problem)).transpose()
    }
}

/// Reads every entry of a table.
pub(super) fn each<T>(
    table: &'static str,
    count: usize,
    memory: &mut Memory,
    mut read: impl FnMut(Entry, &mut Memory) -> Result<T, Flaw>,
) -> Result<Entries<T>, BatchError> {
    if !memory.take(count.saturating_mul(size_of::<Result<T, Flaw>>())) {
        return Err(BatchError::TooMuch);
    }
    Ok((0..count).map(|index| read(Entry::new(table, index), memory)).collect())
}
