//! SCTP as far as an attempt needs it: one chunk in one packet. Pure; the kernel need not know the protocol.

/// The protocol's number in an IP header.
pub(crate) const PROTOCOL: i32 = 132;
/// What a packet of this module is at most; longer ones are read in part.
pub(crate) const LARGEST: usize = 512;

const HEADER: usize = 12;
const INIT_LENGTH: u16 = 20;

/// What a packet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// Opens an association.
    Init,
    /// Agrees.
    InitAck,
    /// Refuses.
    Abort,
}

impl Chunk {
    fn number(self) -> u8 {
        match self {
            Self::Init => 1,
            Self::InitAck => 2,
            Self::Abort => 6,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        [Self::Init, Self::InitAck, Self::Abort].into_iter().find(|chunk| chunk.number() == number)
    }
}

/// A packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) source: u16,
    pub(crate) destination: u16,
    /// What the receiver asked to be addressed with; 0 in an INIT.
    pub(crate) verification: u32,
    /// What the sender wants to be addressed with; nothing in an ABORT.
    pub(crate) tag: u32,
    pub(crate) chunk: Chunk,
}

impl Packet {
    /// The packet as bytes, without an IP header.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + usize::from(INIT_LENGTH));
        bytes.extend(self.source.to_be_bytes());
        bytes.extend(self.destination.to_be_bytes());
        bytes.extend(self.verification.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend([self.chunk.number(), 0]);
        if self.chunk == Chunk::Abort {
            bytes.extend(4_u16.to_be_bytes());
        } else {
            bytes.extend(INIT_LENGTH.to_be_bytes());
            bytes.extend(self.tag.to_be_bytes());
            // Window, streams out and in, first sequence number.
            bytes.extend(0x1_0000_u32.to_be_bytes());
            bytes.extend([0, 1, 0, 1]);
            bytes.extend(1_u32.to_be_bytes());
        }
        let checksum = crc32c(&bytes);
        bytes[8..HEADER].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a packet; none for what is no packet of this module.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let half = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let chunk = Chunk::from_number(*bytes.get(HEADER)?)?;
        let tag = if chunk == Chunk::Abort { 0 } else { word(HEADER + 4)? };
        Some(Self { source: half(0)?, destination: half(2)?, verification: word(4)?, tag, chunk })
    }
}

/// What a raw socket of a family read, without the IP header that IPv4 leaves on.
pub(crate) fn payload(read: &[u8], v4: bool) -> &[u8] {
    let header = if v4 { read.first().map_or(0, |first| usize::from(first & 0x0f) * 4) } else { 0 };
    read.get(header..).unwrap_or_default()
}

/// The checksum of Castagnoli.
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INIT: Packet =
        Packet { source: 20_001, destination: 7000, verification: 0, tag: 0xfeed, chunk: Chunk::Init };

    #[test]
    fn a_packet_survives_its_bytes() {
        for chunk in [Chunk::Init, Chunk::InitAck] {
            let packet = Packet { chunk, ..INIT };
            assert_eq!(Packet::from_bytes(&packet.to_bytes()), Some(packet));
        }
        let abort = Packet { chunk: Chunk::Abort, verification: 7, tag: 0, ..INIT };
        assert_eq!(Packet::from_bytes(&abort.to_bytes()), Some(abort));
        assert_eq!(Packet::from_bytes(&INIT.to_bytes()[..15]), None);
    }

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn only_ipv4_leaves_its_header_on() {
        let mut read = vec![0x45; 20];
        read.push(9);
        assert_eq!(payload(&read, true), [9]);
        assert_eq!(payload(&read, false).len(), 21);
        assert_eq!(payload(&[0x4f], true), [0_u8; 0]);
    }
}
