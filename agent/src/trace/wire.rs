//! Messages of nf_tables as bytes: written attribute by attribute, and taken apart.
//!
//! Whatever is not as long as it says ends the reading; what was read before it stays.

use netlink_packet_core::NLMSG_ERROR;

/// The header of a netlink message, and that of nfnetlink behind it.
const HEADER: usize = 16;
const NETFILTER_HEADER: usize = 4;
/// The flags in the type of an attribute.
const KIND_MASK: u16 = 0x3fff;
const NESTED: u16 = 0x8000;

/// Attributes that are being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    /// None yet.
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds bytes as they are.
    pub(super) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len() + 4).expect("attributes of ours are short");
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Adds a string and its end.
    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        self.bytes(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// Adds a number in network order.
    pub(super) fn u32(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Adds a long number in network order.
    pub(super) fn u64(self, kind: u16, value: u64) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Adds attributes as one.
    pub(super) fn nested(self, kind: u16, value: &Self) -> Self {
        self.bytes(kind | NESTED, &value.0)
    }
}

/// What a message is about, apart from its attributes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Subsystem and message.
    pub(super) kind: u16,
    /// `NLM_F_…`.
    pub(super) flags: u16,
    /// What an answer repeats.
    pub(super) sequence: u32,
    /// `NFPROTO_…`.
    pub(super) family: u8,
    /// The subsystem, in the frame of a batch.
    pub(super) resource: u16,
}

/// A whole message.
pub(super) fn message(head: Head, attributes: &Attributes) -> Vec<u8> {
    let Head { kind, flags, sequence, family, resource } = head;
    let length = (HEADER + NETFILTER_HEADER + attributes.0.len()) as u32;
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend([family, 0]);
    bytes.extend(resource.to_be_bytes());
    bytes.extend(&attributes.0);
    bytes
}

/// A message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// Subsystem and message.
    pub(super) kind: u16,
    /// `NFPROTO_…`.
    pub(super) family: u8,
    /// Its attributes.
    pub(super) attributes: &'a [u8],
    /// The error number that it tells, where it tells of a request: 0 is success.
    pub(super) error: Option<i32>,
}

/// The messages in what was received at once.
pub(super) fn messages(bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*rest.first_chunk()?) as usize;
        let whole = rest.get(..length).filter(|whole| whole.len() >= HEADER)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(read(whole))
    })
}

fn read(whole: &[u8]) -> Message<'_> {
    let kind = u16::from_ne_bytes([whole[4], whole[5]]);
    let payload = &whole[HEADER..];
    let error =
        (kind == NLMSG_ERROR).then(|| payload.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code)));
    Message {
        kind,
        family: payload.first().copied().unwrap_or_default(),
        attributes: payload.get(NETFILTER_HEADER..).unwrap_or_default(),
        error: error.map(|code| -code),
    }
}

/// The attributes in these bytes: number and value.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let [length0, length1, kind0, kind1] = *rest.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([length0, length1]));
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([kind0, kind1]) & KIND_MASK, value))
    })
}

/// A number in network order.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// A long number in network order.
pub(super) fn long_number(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

/// A string, up to its end.
pub(super) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}
