//! What a file says of itself in its footer: whose flows it has, and which.

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

/// The ordinals that a file answers for: each has a row or is said to be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Covers {
    /// The store that gave the ordinals.
    pub(super) store: String,
    /// The first one.
    pub(super) first: u64,
    /// The last one.
    pub(super) last: u64,
}

impl Covers {
    /// The notes of a file in which these ordinals, from the first to the last of each pair, are missing.
    pub(super) fn notes(&self, missing: &[(u64, u64)]) -> Vec<KeyValue> {
        let Self { store, first, last } = self;
        let ranges: Vec<_> = missing.iter().map(|(first, last)| format!("{first}-{last}")).collect();
        let missing = (!ranges.is_empty()).then(|| note(MISSING, ranges.join(",")));
        let notes =
            [note(STORE, store.clone()), note(FIRST, first.to_string()), note(LAST, last.to_string())];
        notes.into_iter().chain(missing).collect()
    }

    /// Reads the notes of a file; none where it is no file of an export.
    pub(super) fn read(file: &impl ChunkReader) -> Result<Option<Self>> {
        let metadata = ParquetMetaDataReader::new().parse_and_finish(file)?;
        let notes = metadata.file_metadata().key_value_metadata();
        Ok(notes.and_then(|notes| Self::of(notes)))
    }

    fn of(notes: &[KeyValue]) -> Option<Self> {
        let find = |key: &str| notes.iter().find(|note| note.key == key)?.value.as_deref();
        let number = |key: &str| find(key)?.parse().ok();
        Some(Self { store: find(STORE)?.to_owned(), first: number(FIRST)?, last: number(LAST)? })
    }
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
    use bytes::Bytes;
    use proptest::prelude::*;

    fn covers() -> Covers {
        Covers { store: "a-store".to_owned(), first: 3, last: 99 }
    }

    fn file(notes: Vec<KeyValue>) -> Vec<u8> {
        FlowFile::new(Vec::new()).unwrap().finish(notes).unwrap()
    }

    #[test]
    fn a_file_says_what_it_covers() {
        let bytes = file(covers().notes(&[(3, 5), (7, 7)]));
        assert_eq!(Covers::read(&Bytes::from(bytes)).unwrap(), Some(covers()));
    }

    #[test]
    fn a_file_that_was_made_by_hand_covers_nothing() {
        assert_eq!(Covers::read(&Bytes::from(file(Vec::new()))).unwrap(), None);
    }

    proptest! {
        #[test]
        fn wrong_bytes_are_refused_or_read(flips in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..4)) {
            let mut bytes = file(covers().notes(&[]));
            for (place, bits) in flips {
                let place = place.index(bytes.len());
                bytes[place] ^= bits;
            }
            if let Err(error) = Covers::read(&Bytes::from(bytes)) {
                prop_assert!(is_damage(&error), "{}", error);
            }
        }

        #[test]
        fn a_file_cut_short_is_damaged(end: prop::sample::Index) {
            let bytes = file(covers().notes(&[]));
            let cut = Bytes::from(bytes).slice(..end.index(bytes_len()));
            prop_assert!(is_damage(&Covers::read(&cut).unwrap_err()));
        }
    }

    fn bytes_len() -> usize {
        file(covers().notes(&[])).len()
    }
}
