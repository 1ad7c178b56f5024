//! A batch as the bytes of a file: a header by which a torn, damaged or renamed one is found, and the body.

use super::name::Name;
use prost::bytes::Bytes;

const MAGIC: [u8; 4] = *b"PTLB";
const VERSION: u32 = 1;
/// Magic, version, length of the body, checksum of name and body.
pub(super) const HEADER: usize = 16;

/// Why the bytes of a file are not the batch that its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("it is too short for a header")]
    Short,
    #[error("it does not begin as a batch does")]
    Magic,
    #[error("it is of version {0}, and this agent knows {VERSION}")]
    Version(u32),
    #[error("its body should have {expected} bytes and has {found}")]
    Length { expected: usize, found: usize },
    #[error("its checksum is wrong")]
    Checksum,
}

/// The file of a batch.
pub(super) fn encode(name: &Name, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(checksum(name, body).to_le_bytes());
    bytes.extend(body);
    bytes
}

/// The body in a file of this name.
pub(super) fn decode(name: &Name, file: &Bytes) -> Result<Bytes, FrameError> {
    let header = file.first_chunk::<HEADER>().ok_or(FrameError::Short)?;
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if header[..4] != MAGIC {
        return Err(FrameError::Magic);
    }
    if word(4) != VERSION {
        return Err(FrameError::Version(word(4)));
    }
    let (expected, sum) = (word(8) as usize, word(12));
    let body = file.slice(HEADER..);
    if body.len() != expected {
        return Err(FrameError::Length { expected, found: body.len() });
    }
    if checksum(name, &body) == sum { Ok(body) } else { Err(FrameError::Checksum) }
}

/// Over the name too, which says what the batch counts for.
fn checksum(name: &Name, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(name.to_string().as_bytes());
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::super::name::Id;
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;

    fn name(sequence: u64) -> Name {
        Name { id: Id { run: 1, sequence }, records: 3, from: Timestamp::UNIX_EPOCH, boot: "boot".into() }
    }

    proptest! {
        #[test]
        fn a_batch_comes_back_as_it_was(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let file = encode(&name(1), &body);
            prop_assert_eq!(decode(&name(1), &file.into()), Ok(Bytes::from(body)));
        }

        #[test]
        fn a_torn_file_is_found(body in prop::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>()) {
            let mut file = encode(&name(1), &body);
            file.truncate(at.index(file.len()));
            prop_assert!(decode(&name(1), &file.into()).is_err());
        }

        #[test]
        fn a_flipped_bit_is_found(
            body in prop::collection::vec(any::<u8>(), 0..300),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u32,
        ) {
            let mut file = encode(&name(1), &body);
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
            prop_assert!(decode(&name(1), &file.into()).is_err());
        }

        #[test]
        fn a_file_under_another_name_is_found(body in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(decode(&name(2), &encode(&name(1), &body).into()), Err(FrameError::Checksum));
        }

        #[test]
        fn any_bytes_are_refused_without_harm(file in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(decode(&name(1), &file.into()).is_err());
        }
    }
}
