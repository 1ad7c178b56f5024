//! The texts of a batch as they are read, and the words of closed lists.

use super::{
    BatchError, Flaw,
    column::{Entry, offsets},
};
use crate::{convert::Word, v1};

/// Texts by their references.
#[derive(Debug)]
pub(super) struct Texts<'a> {
    text: &'a str,
    offsets: Vec<u32>,
}

impl<'a> Texts<'a> {
    pub(super) fn read(v1::Strings { text, lengths }: &'a v1::Strings) -> Result<Self, BatchError> {
        Ok(Self { text, offsets: offsets("strings.text", lengths, text.len())? })
    }

    fn get(&self, reference: u32) -> Option<&'a str> {
        let end = reference as usize;
        let (from, to) = (self.offsets.get(end.checked_sub(1)?)?, self.offsets.get(end)?);
        self.text.get(*from as usize..*to as usize)
    }

    /// How long a text is; one that is not there has no length.
    pub(super) fn length(&self, reference: u32) -> usize {
        self.get(reference).map_or(0, str::len)
    }

    /// A text that need not be there, as it stands in the batch.
    pub(super) fn borrowed(
        &self,
        entry: Entry,
        reference: u32,
        problem: &'static str,
    ) -> Result<Option<&'a str>, Flaw> {
        (reference != 0).then(|| self.get(reference).ok_or_else(|| entry.flaw(problem))).transpose()
    }

    /// A text that must be there, and may be empty.
    pub(super) fn any(&self, entry: Entry, reference: u32, problem: &'static str) -> Result<String, Flaw> {
        self.get(reference).map(str::to_owned).ok_or_else(|| entry.flaw(problem))
    }

    /// A text that must be there, and say something.
    pub(super) fn filled(&self, entry: Entry, reference: u32, problem: &'static str) -> Result<String, Flaw> {
        let text = self.get(reference).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| entry.flaw(problem))
    }

    /// A text that need not be there.
    pub(super) fn some(
        &self,
        entry: Entry,
        reference: u32,
        problem: &'static str,
    ) -> Result<Option<String>, Flaw> {
        Ok(self.borrowed(entry, reference, problem)?.map(str::to_owned))
    }
}

/// Reads a word of a closed list that need not be there.
pub(super) fn some_word<W: Word>(
    entry: Entry,
    number: i32,
    problem: &'static str,
) -> Result<Option<W>, Flaw> {
    (number != 0).then(|| word(entry, number, problem)).transpose()
}

/// Reads a word of a closed list.
pub(super) fn word<W: Word>(entry: Entry, number: i32, problem: &'static str) -> Result<W, Flaw> {
    W::from_wire(number, "").map_err(|_| entry.flaw(problem))
}
