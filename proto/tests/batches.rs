//! What is put into a batch comes out of it, and nothing that comes over the wire can do harm.
#![expect(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod strategies;

use jiff::Timestamp;
use portolan_policy::{End, Latency, Loss};
use portolan_proto::{
    BatchError, Connection, Decoded, Header, Latencies, MAX_CONTENT, Observation, View, decode, encode, v1,
};
use proptest::{collection::vec, prelude::*, sample::Index};
use prost::Message as _;
use std::net::SocketAddr;

const HEADER: Header<'_> = Header { cluster: "test", node: "n1", boot: "b", sequence: 7 };

/// The record as a batch tells it: times in microseconds, its key where another node may tell of it.
fn as_told(mut observation: Observation) -> Observation {
    let second = View::from(&observation).may_have_a_second();
    let Observation { flow, latencies, connection, witness: _ } = &mut observation;
    for time in [&mut flow.time, &mut flow.end_time] {
        *time = Timestamp::from_microsecond(time.as_microsecond()).unwrap();
    }
    let single = flow.latency_us.map(|latency| Latency::single(latency.p50));
    flow.latency_us = latencies.as_ref().map_or(single, Latencies::latency);
    (flow.lost, flow.losses) = (0, Vec::new());
    let socket = |end: &End| SocketAddr::new(end.ip(), end.port().unwrap_or(0));
    let plain = [socket(&flow.source), socket(&flow.destination)];
    let [source, destination] = if second { [connection.source, connection.destination] } else { plain };
    let tcp_isn = if second { connection.tcp_isn } else { 0 };
    *connection = Connection { protocol: flow.protocol, source, destination, tcp_isn, start: flow.time };
    observation
}

fn batch(observations: &[Observation], losses: &[Loss]) -> v1::Batch {
    encode(HEADER, observations.iter().map(View::from), losses)
}

/// Records of which many have something in common.
fn records() -> impl Strategy<Value = Vec<Observation>> {
    let again = vec((any::<Index>(), strategies::observation()), 0..20);
    (vec(strategies::observation(), 1..6), again).prop_map(|(mut records, again)| {
        for (index, mut record) in again {
            let known = records[index.index(records.len())].clone();
            record.flow.source = known.flow.source;
            record.flow.destination = known.flow.destination;
            record.flow.egress = known.flow.egress;
            record.witness = known.witness;
            records.push(record);
        }
        records
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_put_in_comes_out(records in records(), losses in vec(strategies::loss(), 0..3)) {
        let sent = batch(&records, &losses);
        let wire = v1::Batch::decode(sent.encode_to_vec().as_slice()).unwrap();
        prop_assert_eq!(wire.records as usize, records.len());
        prop_assert_eq!(wire.attempts, records.iter().fold(0, |sum, record| record.flow.attempts.saturating_add(sum)));
        let told: Vec<Loss> = wire.losses.iter().cloned().map(|loss| loss.try_into().unwrap()).collect();
        prop_assert_eq!(told, losses);
        let observations = records.into_iter().map(as_told).collect();
        prop_assert_eq!(decode(&wire), Ok(Decoded { observations, malformed: 0, flaw: None }));
    }

    #[test]
    fn handshakes_of_several_attempts_come_out_as_they_were_told(
        records in records(),
        micros in vec(vec(any::<u64>(), 2..20), 1..4),
    ) {
        let several: Vec<_> = micros.into_iter().map(Latencies::of).collect();
        let views = records.iter().enumerate().map(|(index, record)| View {
            latency_us: None,
            latencies: several.get(index / 2).filter(|_| index % 2 == 1),
            ..View::from(record)
        });
        let told = decode(&encode(HEADER, views, &[])).unwrap().observations;
        for (index, told) in told.iter().enumerate() {
            let latencies = several.get(index / 2).filter(|_| index % 2 == 1);
            prop_assert_eq!(told.flow.latency_us, latencies.and_then(Latencies::latency));
            prop_assert_eq!(told.latencies.as_ref(), latencies);
        }
    }

    #[test]
    fn the_same_records_make_the_same_bytes(records in records()) {
        prop_assert_eq!(batch(&records, &[]), batch(&records, &[]));
    }

    #[test]
    fn arbitrary_bytes_are_refused(content in vec(any::<u8>(), 1..512), content_length in any::<u32>()) {
        let wire = v1::Batch { content, content_length, ..v1::Batch::default() };
        prop_assert!(decode(&wire).is_err());
    }

    #[test]
    fn a_frame_that_is_damaged_or_torn_does_no_harm(
        records in records(),
        damage in vec((any::<Index>(), any::<u8>()), 0..4),
        length in any::<Index>(),
    ) {
        let mut wire = batch(&records, &[]);
        for (at, value) in damage {
            let at = at.index(wire.content.len());
            wire.content[at] = value;
        }
        decode(&wire).ok();
        wire.content.truncate(1 + length.index(wire.content.len() - 1));
        prop_assert!(decode(&wire).is_err() || wire.content.len() == batch(&records, &[]).content.len());
    }

    /// The frame is whole, what is in it is not: each row is told or counted, or the batch is refused.
    #[test]
    fn content_that_is_damaged_costs_rows_or_the_batch(
        records in records(),
        damage in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut wire = batch(&records, &[]);
        let mut bytes = unpacked(&wire);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        wire.content = zstd::bulk::compress(&bytes, 1).unwrap();
        if let Ok(Decoded { observations, malformed, flaw }) = decode(&wire) {
            prop_assert_eq!(observations.len() + malformed as usize, records.len());
            prop_assert_eq!(flaw.is_some(), malformed > 0);
        }
    }
}

fn unpacked(wire: &v1::Batch) -> Vec<u8> {
    zstd::bulk::decompress(&wire.content, wire.content_length as usize).unwrap()
}

/// Some records with all sorts of ends, in a batch whose content a test may change.
fn changed(change: impl FnOnce(&mut v1::BatchContent)) -> v1::Batch {
    let mut wire = batch(&some(), &[]);
    let mut content = v1::BatchContent::decode(unpacked(&wire).as_slice()).unwrap();
    change(&mut content);
    let bytes = content.encode_to_vec();
    wire.content_length = bytes.len() as u32;
    wire.content = zstd::bulk::compress(&bytes, 1).unwrap();
    wire
}

fn some() -> Vec<Observation> {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    vec(strategies::observation(), 12).new_tree(&mut runner).unwrap().current()
}

#[test]
fn a_bad_entry_costs_the_rows_that_use_it_and_names_itself() {
    type Spoil = fn(&mut v1::BatchContent);
    let cases: [(&str, Spoil); 9] = [
        ("entry 2 of `ends`: its kind is unknown", |content| content.ends.as_mut().unwrap().kinds[1] = 9),
        ("entry 3 of `sides`: its verdict is unknown", |content| {
            content.sides.as_mut().unwrap().verdicts[2] = 0;
        }),
        ("entry 1 of `relations`: its protocol is unknown", |content| {
            content.relations.as_mut().unwrap().protocols[0] = 7;
        }),
        ("entry 5 of `relations`: its source is not in the batch", |content| {
            content.relations.as_mut().unwrap().sources[4] = 999;
        }),
        ("entry 5 of `relations`: its destination is not in the batch", |content| {
            content.relations.as_mut().unwrap().destinations[4] = 0;
        }),
        ("entry 2 of `kinds`: its outcome is unknown", |content| {
            content.kinds.as_mut().unwrap().outcomes[1] = 77;
        }),
        ("entry 4 of `kinds`: its drop reason is no text of the batch", |content| {
            content.kinds.as_mut().unwrap().drop_reasons[3] = u32::MAX;
        }),
        ("entry 7 of `rows`: its relation is not in the batch", |content| {
            content.rows.as_mut().unwrap().relations[6] = 1000;
        }),
        ("entry 12 of `rows`: its time is out of range", |content| {
            content.rows.as_mut().unwrap().ends[11] = i64::MAX / 2;
        }),
    ];
    for (flaw, spoil) in cases {
        let decoded = decode(&changed(spoil)).unwrap();
        assert_eq!(decoded.malformed, 1, "{flaw}");
        assert_eq!(decoded.observations.len(), 11, "{flaw}");
        assert_eq!(decoded.flaw.unwrap().to_string(), flaw);
    }
}

#[test]
fn a_batch_that_cannot_be_taken_apart_is_refused_with_what_is_wrong() {
    type Spoil = fn(&mut v1::BatchContent);
    let cases: [(&str, Spoil); 9] = [
        ("strings.text", |content| content.strings.as_mut().unwrap().text.push('x')),
        ("ends.addresses", |content| {
            content.ends.as_mut().unwrap().addresses.as_mut().unwrap().octets.push(1);
        }),
        ("sides.policies", |content| content.sides.as_mut().unwrap().sizes[0] += 1),
        ("relations.sources", |content| content.relations.as_mut().unwrap().sources.push(1)),
        ("rows.packets", |content| {
            content.rows.as_mut().unwrap().packets.pop();
        }),
        ("rows.spread_steps", |content| content.rows.as_mut().unwrap().spread_steps.push(1)),
        ("rows.spread_sizes", |content| content.rows.as_mut().unwrap().spread.push(1)),
        ("rows.tcp_isns", |content| content.rows.as_mut().unwrap().tcp_isns.push(1)),
        ("rows.source_ports", |content| content.rows.as_mut().unwrap().source_ports.push(1)),
    ];
    for (named, spoil) in cases {
        match decode(&changed(spoil)) {
            Err(BatchError::Column { column, found, wanted }) => {
                assert_eq!(column, named);
                assert_ne!(found, wanted, "{named}");
            }
            other => panic!("{named}: {other:?}"),
        }
    }
    let sound = batch(&some(), &[]);
    let more = v1::Batch { records: 13, ..sound.clone() };
    assert_eq!(decode(&more), Err(BatchError::Records { said: 13, found: 12 }));
    let shorter = v1::Batch { content_length: sound.content_length - 1, ..sound.clone() };
    assert!(matches!(decode(&shorter), Err(BatchError::Frame(_))));
    let longer = v1::Batch { content_length: sound.content_length + 1, ..sound.clone() };
    let found = sound.content_length as usize;
    assert_eq!(decode(&longer), Err(BatchError::Length { said: found as u32 + 1, found }));
    let endless = v1::Batch { content_length: u32::MAX, ..sound };
    assert_eq!(decode(&endless), Err(BatchError::TooLong { length: u32::MAX }));
}

#[test]
fn a_value_for_a_row_that_is_not_there_is_never_dropped_in_silence() {
    type Spoil<'a> = &'a dyn Fn(&mut v1::Rows);
    let of_socket = || Some(v1::Addresses { octets: vec![10, 0, 0, 1], ..v1::Addresses::default() });
    // There are 12 rows.
    for (distance, is_there) in [(0, false), (1, true), (12, true), (13, false), (u32::MAX, false)] {
        let numbered = |rows: &mut v1::Rows| (rows.numbered, rows.tcp_isns) = (vec![distance], vec![7]);
        let translated = |rows: &mut v1::Rows| {
            rows.translated = vec![distance];
            (rows.translated_sources, rows.translated_destinations) = (of_socket(), of_socket());
            (rows.translated_source_ports, rows.translated_destination_ports) = (vec![1], vec![2]);
        };
        let spread = |rows: &mut v1::Rows| {
            (rows.spread, rows.spread_sizes) = (vec![distance], vec![1]);
            (rows.spread_steps, rows.spread_counts) = (vec![5], vec![2]);
        };
        let cases: [(&str, Spoil<'_>); 3] =
            [("rows.numbered", &numbered), ("rows.translated", &translated), ("rows.spread", &spread)];
        for (column, spoil) in cases {
            let answer = decode(&changed(|content| spoil(content.rows.as_mut().unwrap())));
            if is_there {
                assert_eq!(answer.unwrap().malformed, 0, "{column}, {distance}");
            } else {
                assert_eq!(answer, Err(BatchError::Distance { column, rows: 12 }), "{distance}");
            }
        }
    }
    let beyond = changed(|content| {
        let rows = content.rows.as_mut().unwrap();
        (rows.numbered, rows.tcp_isns) = (vec![6, 7], vec![1, 2]);
    });
    assert_eq!(decode(&beyond), Err(BatchError::Distance { column: "rows.numbered", rows: 12 }));
}

#[test]
fn a_few_bytes_that_stand_for_very_much_are_not_followed() {
    let long = "l".repeat(MAX_CONTENT / 4);
    let wire = changed(|content| {
        let strings = content.strings.as_mut().unwrap();
        strings.text.push_str(&long);
        strings.lengths.push(long.len() as u32);
        let reference = strings.lengths.len() as u32;
        content.kinds.as_mut().unwrap().drop_reasons[0] = reference;
        let rows = content.rows.as_mut().unwrap();
        *rows = v1::Rows { relations: vec![1; 100_000], kinds: vec![1; 100_000], ..v1::Rows::default() };
    });
    let decoded = decode(&v1::Batch { records: 100_000, ..wire }).unwrap();
    assert!(decoded.observations.len() < 200, "{}", decoded.observations.len());
    assert_eq!(decoded.observations.len() as u64 + decoded.malformed, 100_000);
    assert_eq!(decoded.flaw.unwrap().problem, "it takes too much memory");
    let many = changed(|content| {
        let protocols = vec![6; MAX_CONTENT / 4 * 3];
        content.relations = Some(v1::Relations { protocols, ..v1::Relations::default() });
    });
    assert_eq!(decode(&many), Err(BatchError::TooMuch));
}

#[test]
fn a_batch_of_losses_alone_has_no_content() {
    let loss = Loss {
        cause: "ring-full".to_owned(),
        count: 3,
        from: Timestamp::UNIX_EPOCH,
        to: Timestamp::UNIX_EPOCH,
    };
    let wire = batch(&[], std::slice::from_ref(&loss));
    assert!(wire.content.is_empty());
    assert_eq!((wire.losses.len(), wire.records), (1, 0));
    assert_eq!(decode(&wire), Ok(Decoded::default()));
}
