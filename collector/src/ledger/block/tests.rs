//! What goes into a block comes out of it; what is no block costs an error.

use super::{decode, encode};
use crate::build::{FlowExt as _, at, web_to_db};
use proptest::{prelude::*, sample::Index};

#[path = "../../../../proto/tests/strategies/mod.rs"]
mod strategies;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn flows_come_out_as_they_went_in(flows in prop::collection::vec(strategies::flow(), 0..20)) {
        prop_assert_eq!(decode(&encode(&flows)).unwrap(), flows);
    }

    #[test]
    fn arbitrary_bytes_are_no_block(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes).is_err());
        let mut framed = vec![1, bytes.len() as u8, 0, 0, 0];
        framed.extend(zstd::bulk::compress(&bytes, 1).unwrap());
        decode(&framed).map(drop).unwrap_or_default();
    }

    #[test]
    fn a_damaged_block_is_read_or_refused(
        flows in prop::collection::vec(strategies::flow(), 1..6),
        flips in prop::collection::vec((any::<Index>(), 0_u8..8), 1..4),
        cut in any::<Index>(),
    ) {
        let block = encode(&flows);
        let mut flipped = block.clone();
        for (place, bit) in flips {
            let place = place.index(flipped.len());
            flipped[place] ^= 1 << bit;
        }
        decode(&flipped).map(drop).unwrap_or_default();
        prop_assert!(decode(&block[..cut.index(block.len())]).is_err());
    }
}

#[test]
fn a_flow_among_its_like_costs_few_bytes() {
    let flow = |number: i64| {
        web_to_db().source_port(30_000 + (number * 7919 % 30_000) as u16).started(at(number * 17))
    };
    let flows: Vec<_> = (0..2048).map(flow).collect();
    let each = encode(&flows).len() / flows.len();
    assert!(each <= 8, "{each} bytes for each flow");
}
