//! What a file says of itself in its footer: whose flows it has, and which.

use jiff::Timestamp;
use parquet::{
    errors::{ParquetError, Result},
    file::{
        metadata::{KeyValue, ParquetMetaDataReader},
        reader::ChunkReader,
    },
};
use std::io;

const STORE: &str = "portolan.store";
const FIRST: &str = "portolan.first_ordinal";
const LAST: &str = "portolan.last_ordinal";
const MISSING: &str = "portolan.missing_ordinals";
const NEWEST: &str = "portolan.newest_time";

/// The ordinals that a file answers for: each has a row or is said to be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Covers {
    /// The store that gave the ordinals.
    pub(super) store: String,
    /// The first one.
    pub(super) first: u64,
    /// The last one.
    pub(super) last: u64,
    /// Those that no row has: of each pair, from the first to the last.
    pub(super) missing: Vec<(u64, u64)>,
    /// When the flow began that began last.
    pub(super) newest: Option<Timestamp>,
}

impl Covers {
    /// As the notes of a file.
    pub(super) fn notes(&self) -> Vec<KeyValue> {
        let Self { store, first, last, missing, newest } = self;
        let ranges: Vec<_> = missing.iter().map(|(first, last)| format!("{first}-{last}")).collect();
        let missing = (!ranges.is_empty()).then(|| note(MISSING, ranges.join(",")));
        let notes =
            [note(STORE, store.clone()), note(FIRST, first.to_string()), note(LAST, last.to_string())];
        let newest = newest.map(|newest| note(NEWEST, newest.to_string()));
        notes.into_iter().chain(missing).chain(newest).collect()
    }

    /// Reads the notes of a file; none where it is no file of an export.
    pub(super) fn read(file: &impl ChunkReader) -> Result<Option<Self>> {
        let metadata = ParquetMetaDataReader::new().parse_and_finish(file)?;
        let Some(notes) = metadata.file_metadata().key_value_metadata() else { return Ok(None) };
        let Some(store) = find(notes, STORE) else { return Ok(None) };
        let covers = Self::of(store, notes);
        let covers =
            covers.filter(|covers| covers.rows() == Some(metadata.file_metadata().num_rows() as u64));
        let wrong = || ParquetError::General("its footer contradicts its rows".to_owned());
        covers.map(Some).ok_or_else(wrong)
    }

    fn of(store: &str, notes: &[KeyValue]) -> Option<Self> {
        let number = |key| find(notes, key)?.parse().ok();
        let range = |range: &str| {
            let (first, last) = range.split_once('-')?;
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        let missing = find(notes, MISSING).map(|ranges| ranges.split(',').map(range).collect());
        let missing = missing.unwrap_or_else(|| Some(Vec::new()))?;
        let newest = find(notes, NEWEST).map(str::parse).transpose().ok()?;
        Some(Self { store: store.to_owned(), first: number(FIRST)?, last: number(LAST)?, missing, newest })
    }

    /// How many rows there must be.
    fn rows(&self) -> Option<u64> {
        let len = |first: u64, last: u64| last.checked_sub(first)?.checked_add(1);
        let all = len(self.first, self.last)?;
        self.missing.iter().try_fold(all, |rows, (first, last)| rows.checked_sub(len(*first, *last)?))
    }
}

fn find<'notes>(notes: &'notes [KeyValue], key: &str) -> Option<&'notes str> {
    notes.iter().find(|note| note.key == key)?.value.as_deref()
}

/// Whether the bytes of a file are wrong, and not only out of reach.
pub(super) fn is_damage(error: &ParquetError) -> bool {
    match error {
        ParquetError::External(source) => !source.is::<io::Error>(),
        _ => true,
    }
}

fn note(key: &str, value: String) -> KeyValue {
    KeyValue::new(key.to_owned(), value)
}

#[cfg(test)]
mod tests {
    use super::{super::FlowFile, *};
    use crate::{
        build::{at, web_to_db},
        export::Row,
    };
    use bytes::Bytes;
    use proptest::{prelude::*, sample::Index};
    use std::sync::LazyLock;

    static FILE: LazyLock<Bytes> = LazyLock::new(|| file(covers().notes()));

    /// Of two rows.
    fn covers() -> Covers {
        Covers {
            store: "a-store".to_owned(),
            first: 3,
            last: 8,
            missing: vec![(3, 5), (7, 7)],
            newest: Some(at(7)),
        }
    }

    fn file(notes: Vec<KeyValue>) -> Bytes {
        let mut file = FlowFile::new(Vec::new()).unwrap();
        for ordinal in [6, 8] {
            file.push(Row { ordinal: Some(ordinal), flow: web_to_db() }).unwrap();
        }
        file.finish(notes).unwrap().into()
    }

    #[test]
    fn a_file_says_what_it_covers() {
        assert_eq!(Covers::read(&*FILE).unwrap(), Some(covers()));
    }

    #[test]
    fn a_file_that_was_made_by_hand_covers_nothing() {
        assert_eq!(Covers::read(&file(Vec::new())).unwrap(), None);
    }

    #[test]
    fn a_file_that_contradicts_itself_is_damaged() {
        for (last, missing) in [(9, vec![(3, 5), (7, 7)]), (2, vec![]), (8, vec![(3, 5)]), (8, vec![(8, 3)])]
        {
            let covers = Covers { last, missing, ..covers() };
            let error = Covers::read(&file(covers.notes())).unwrap_err();
            assert!(is_damage(&error) && error.to_string().contains("contradicts"), "{covers:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn wrong_bytes_are_refused_or_read(flips in prop::collection::vec(any::<(Index, u8)>(), 1..4)) {
            let mut bytes = FILE.to_vec();
            for (place, bits) in flips {
                let place = place.index(bytes.len());
                bytes[place] ^= bits;
            }
            if let Err(error) = Covers::read(&Bytes::from(bytes)) {
                prop_assert!(is_damage(&error), "{}", error);
            }
        }

        #[test]
        fn a_file_cut_short_is_damaged(end: Index) {
            let cut = FILE.slice(..end.index(FILE.len()));
            prop_assert!(is_damage(&Covers::read(&cut).unwrap_err()));
        }
    }
}
