//! What nf_tables tells of a packet that it traces: bytes become steps, or nothing.

use super::{
    packet::Packet,
    wire::{Message, attributes, long_number, number, text},
};

/// One step of a traced packet through the ruleset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Which packet, for as long as it is on its way.
    pub(super) id: u32,
    /// Where it is.
    pub(super) place: Place,
    /// What became of it there.
    pub(super) fate: Fate,
    /// The packet itself: told once for each hook, at the first step.
    pub(super) packet: Option<Packet>,
}

/// A rule, or a chain that has come to its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// `NFPROTO_…`.
    pub(super) family: u8,
    /// The table.
    pub(super) table: String,
    /// The chain.
    pub(super) chain: String,
    /// The rule; none where the policy of the chain decides.
    pub(super) handle: Option<u64>,
}

/// What a rule or a chain's policy does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fate {
    /// It decides nothing: the packet goes on in the same hook.
    GoesOn,
    /// The chain is over for it.
    Accepted,
    /// It is over for good.
    Dropped,
    /// A program decides.
    Queued,
}

/// `NFT_MSG_TRACE`.
const TRACE: u16 = super::link::SUBSYSTEM << 8 | 0x11;
/// `NFTA_TRACE_…`.
const TABLE: u16 = 1;
const CHAIN: u16 = 2;
const HANDLE: u16 = 3;
const VERDICT: u16 = 5;
const ID: u16 = 6;
const NETWORK: u16 = 8;
const TRANSPORT: u16 = 9;
const POLICY: u16 = 16;

impl Step {
    /// Reads a message; `None` for one that tells of no step.
    pub(super) fn read(message: &Message<'_>) -> Option<Self> {
        if message.kind != TRACE {
            return None;
        }
        let find = |kind: u16| attributes(message.attributes).find(|(found, _)| *found == kind);
        let value = |kind: u16| find(kind).map(|(_, value)| value);
        let fate = match (value(VERDICT), value(POLICY)) {
            (Some(verdict), _) => Fate::of(attributes(verdict).find(|(kind, _)| *kind == 1)?.1)?,
            (None, policy) => Fate::of(policy?)?,
        };
        let headers = value(NETWORK).zip(value(TRANSPORT));
        let place = Place {
            family: message.family,
            table: text(value(TABLE)?),
            chain: text(value(CHAIN)?),
            handle: value(HANDLE).and_then(long_number),
        };
        let packet = headers.and_then(|(network, transport)| Packet::read(network, transport));
        Some(Self { id: number(value(ID)?)?, place, fate, packet })
    }
}

impl Fate {
    /// By the number of a verdict; what is above its lowest byte belongs to it alone.
    fn of(verdict: &[u8]) -> Option<Self> {
        let code = number(verdict)? as i32;
        Some(match code {
            ..0 => Self::GoesOn,
            _ => match code & 0xff {
                0 => Self::Dropped,
                1 => Self::Accepted,
                3 => Self::Queued,
                _ => Self::GoesOn,
            },
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::trace::wire::{Attributes, Head, message, messages};
    use proptest::prelude::*;

    /// The attributes of a step, as the kernel writes them.
    fn attributes_of(id: u32, place: &Place, code: i32) -> Attributes {
        let attributes = Attributes::new().u32(ID, id).text(CHAIN, &place.chain).text(TABLE, &place.table);
        match place.handle {
            Some(handle) => {
                let verdict = Attributes::new().u32(1, code as u32);
                attributes.u64(HANDLE, handle).nested(VERDICT, &verdict)
            }
            None => attributes.u32(POLICY, code as u32),
        }
    }

    fn message_of(place: &Place, attributes: &Attributes) -> Vec<u8> {
        let head = Head { kind: TRACE, flags: 0, sequence: 0, family: place.family, resource: 0 };
        message(head, attributes)
    }

    fn place(handle: Option<u64>) -> Place {
        Place { family: 1, table: "filter".to_owned(), chain: "forward".to_owned(), handle }
    }

    fn read(bytes: &[u8]) -> Vec<Step> {
        messages(bytes).filter_map(|message| Step::read(&message)).collect()
    }

    #[test]
    fn every_verdict_is_told_apart() {
        use Fate::{Accepted, Dropped, GoesOn, Queued};
        let fate =
            |code| read(&message_of(&place(Some(4)), &attributes_of(9, &place(Some(4)), code)))[0].fate;
        // Continue, break, jump, go to, return; then drop, accept, stolen, queue number 7.
        assert_eq!([-1, -2, -3, -4, -5].map(fate), [GoesOn; 5]);
        assert_eq!([0, 1, 2, 0x7_0003].map(fate), [Dropped, Accepted, GoesOn, Queued]);
    }

    #[test]
    fn a_message_of_another_kind_is_no_step() {
        let attributes = attributes_of(9, &place(None), 0);
        let head = Head { kind: TRACE - 1, flags: 0, sequence: 0, family: 1, resource: 0 };
        assert_eq!(read(&message(head, &attributes)), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_step_is_read_as_it_was_written(
            id: u32, family: u8, table in "[a-z_-]{1,40}", chain in "[a-z_-]{1,40}", handle: Option<u64>,
            dropped: bool, unknown in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let place = Place { family, table, chain, handle };
            let attributes = attributes_of(id, &place, i32::from(!dropped)).bytes(900, &unknown);
            let fate = if dropped { Fate::Dropped } else { Fate::Accepted };
            prop_assert_eq!(read(&message_of(&place, &attributes)), [Step { id, place, fate, packet: None }]);
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
            read(&bytes);
        }

        #[test]
        fn a_message_that_is_cut_or_changed_does_no_harm(cut in 0_usize..200, at in 0_usize..200, byte: u8) {
            let mut bytes = message_of(&place(Some(4)), &attributes_of(9, &place(Some(4)), 0));
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(cut);
            prop_assert!(read(&bytes).len() <= 1);
        }
    }
}
