//! BTF as the kernel gives it: bytes, where each type begins, and which have a name. Nothing is copied out of it: the types of
//! a kernel, as a tree of objects, take more memory than all else that an agent does.

use std::{cmp::Ordering, ops::Range};

/// The bytes are no BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// They begin otherwise, or end in the middle of the header.
    #[error("it has no header of BTF in the byte order of this machine")]
    Header,
    /// The types go beyond their section, or are of a kind that is unknown here.
    #[error("type {0} is cut off or of an unknown kind")]
    Type(u32),
}

/// What sort of type it is, as far as anybody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Pointer,
    /// A structure or a union.
    Composite,
    Enumeration,
    /// A name for another type.
    Alias,
    /// `const`, `volatile`, `restrict`, or a tag.
    Qualifier,
    Prototype,
    Other,
}

/// A type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type<'a> {
    pub(super) kind: Kind,
    /// Its size, or the number of the type that it refers to.
    pub(super) size_or_target: u32,
    name: u32,
    /// Members, enumerators or parameters.
    parts: &'a [u8],
    /// Places of members are given with the width of bit fields.
    has_widths: bool,
}

/// A member of a structure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) name: u32,
    pub(super) kind: u32,
    pub(super) bits: u32,
}

const MAGIC: u16 = 0xeb9f;
const HEADER: usize = 24;
const TYPE: usize = 12;
const MEMBER: usize = 12;
const ENUMERATOR: usize = 8;
const PARAMETER: usize = 8;

/// All types of a kernel, or those that a module has beside them.
#[derive(Debug)]
pub(super) struct Blob {
    bytes: Vec<u8>,
    strings: Range<usize>,
    /// Where each type begins.
    starts: Vec<u32>,
    /// Hash of the name and number of each type that has one, in this order.
    named: Vec<(u32, u32)>,
    /// The number of its first type, and the place of its first string: a module's follow the kernel's.
    first: (u32, u32),
}

impl Blob {
    /// Finds the types in the bytes of a kernel's file, or of a module's beside the kernel.
    pub(super) fn read(bytes: Vec<u8>, kernel: Option<&Self>) -> Result<Self, Malformed> {
        let first = kernel.map_or((1, 0), |kernel| (kernel.len(), kernel.strings.len() as u32));
        let (types, strings) = sections(&bytes).ok_or(Malformed::Header)?;
        let mut blob = Self { bytes, strings, starts: Vec::new(), named: Vec::new(), first };
        blob.index(types)?;
        Ok(blob)
    }

    /// The number after that of the last type.
    pub(super) fn len(&self) -> u32 {
        self.first.0 + self.starts.len() as u32
    }

    fn index(&mut self, types: Range<usize>) -> Result<(), Malformed> {
        let mut at = types.start;
        while at < types.end {
            let number = self.len();
            let length = length(&self.bytes, at).filter(|length| at + length <= types.end);
            self.starts.push(at as u32);
            let name = self.word(at).unwrap_or(0);
            if name != 0
                && let Some(name) = self.string(name)
            {
                self.named.push((hash(name), number));
            }
            at += length.ok_or(Malformed::Type(number))?;
        }
        self.starts.shrink_to_fit();
        self.named.sort_unstable();
        self.named.shrink_to_fit();
        Ok(())
    }

    fn word(&self, at: usize) -> Option<u32> {
        word(&self.bytes, at)
    }

    /// The string at a place, where it is one of these.
    pub(super) fn string(&self, place: u32) -> Option<&[u8]> {
        let offset = place.checked_sub(self.first.1)? as usize;
        let rest = self.bytes.get(self.strings.clone())?.get(offset..)?;
        rest.split(|byte| *byte == 0).next()
    }

    /// The type of a number, where it is one of these.
    pub(super) fn get(&self, number: u32) -> Option<Type<'_>> {
        let at = *self.starts.get(number.checked_sub(self.first.0)? as usize)? as usize;
        let (info, size_or_target) = (self.word(at + 4)?, self.word(at + 8)?);
        let (kind, length) = describe(info)?;
        let parts = self.bytes.get(at + TYPE..at + TYPE + length)?;
        Some(Type { kind, size_or_target, name: self.word(at)?, parts, has_widths: info >> 31 == 1 })
    }

    /// The numbers of the types with a name.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = u32> {
        let wanted = hash(name.as_bytes());
        let from = self.named.partition_point(|(hash, _)| hash.cmp(&wanted) == Ordering::Less);
        let alike = self.named[from..].iter().take_while(move |(hash, _)| *hash == wanted);
        let is_it = move |number: &u32| {
            self.get(*number).is_some_and(|found| self.string(found.name) == Some(name.as_bytes()))
        };
        alike.map(|(_, number)| *number).filter(is_it)
    }
}

impl Type<'_> {
    /// The members of a structure.
    pub(super) fn members(&self) -> impl Iterator<Item = Member> {
        let place = if self.has_widths { 0xff_ffff } else { u32::MAX };
        let parts = self.parts_of(Kind::Composite, MEMBER);
        parts.filter_map(move |part| {
            Some(Member { name: word(part, 0)?, kind: word(part, 4)?, bits: word(part, 8)? & place })
        })
    }

    /// Names and values of an enumeration.
    pub(super) fn enumerators(&self) -> impl Iterator<Item = (u32, u32)> {
        self.parts_of(Kind::Enumeration, ENUMERATOR).filter_map(|part| Some((word(part, 0)?, word(part, 4)?)))
    }

    /// How many parameters a prototype has.
    pub(super) fn parameters(&self) -> usize {
        self.parts_of(Kind::Prototype, PARAMETER).count()
    }

    fn parts_of(&self, kind: Kind, size: usize) -> impl Iterator<Item = &[u8]> {
        let parts = if self.kind == kind { self.parts } else { &[] };
        parts.chunks_exact(size)
    }
}

/// Where types and strings are.
fn sections(bytes: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
    if bytes.len() < HEADER || u16::from_ne_bytes([bytes[0], bytes[1]]) != MAGIC {
        return None;
    }
    let header = word(bytes, 4)? as usize;
    let section = |place| {
        let start = header.checked_add(word(bytes, place)? as usize)?;
        let end = start.checked_add(word(bytes, place + 4)? as usize)?;
        (end <= bytes.len()).then_some(start..end)
    };
    Some((section(8)?, section(16)?))
}

/// The kind of a type, and the bytes of its parts.
fn describe(info: u32) -> Option<(Kind, usize)> {
    let count = (info & 0xffff) as usize;
    Some(match info >> 24 & 0x1f {
        2 => (Kind::Pointer, 0),
        4 | 5 => (Kind::Composite, count * MEMBER),
        6 => (Kind::Enumeration, count * ENUMERATOR),
        8 => (Kind::Alias, 0),
        9 | 10 | 11 | 18 => (Kind::Qualifier, 0),
        13 => (Kind::Prototype, count * PARAMETER),
        // Integers, variables and tags of declarations; arrays; sections and wide enumerations.
        1 | 14 | 17 => (Kind::Other, 4),
        3 => (Kind::Other, 12),
        15 | 19 => (Kind::Other, count * 12),
        // Forward declarations, functions, floating point.
        7 | 12 | 16 => (Kind::Other, 0),
        _ => return None,
    })
}

fn length(bytes: &[u8], at: usize) -> Option<usize> {
    describe(word(bytes, at + 4)?).map(|(_, parts)| TYPE + parts)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(word.try_into().ok()?))
}

/// FNV-1a: names are short, and nobody chooses them to collide.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
