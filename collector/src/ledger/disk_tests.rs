//! The engine on disk: what it must do for retention.

use super::{
    disk::DiskStore,
    store::{Change, Space, Store as _},
};
use std::{fs, path::Path};

const MIB: usize = 1 << 20;

fn size(folder: &Path) -> u64 {
    let sizes = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            size(&entry.path())
        } else {
            entry.metadata().unwrap().len()
        }
    });
    sizes.sum()
}

/// Bytes that nothing makes smaller.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).take(length / 8).flatten().collect()
}

#[test]
fn a_dropped_segment_gives_its_space_back() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("ledger");
    let store = DiskStore::open(&folder).unwrap();
    let (segments, kept, bytes) = (12, 2, 16 * MIB as u64);
    let blocks: Vec<Vec<u8>> = (0..16).map(|seed| noise(seed, MIB)).collect();
    for segment in 0..segments {
        let number = |place: usize| (place as u64).to_be_bytes().to_vec();
        let put = |(place, block): (usize, &Vec<u8>)| {
            Change::Put(Space::Segment(segment), number(place), block.clone())
        };
        store.commit(blocks.iter().enumerate().map(put).collect()).unwrap();
        if segment >= kept {
            store.drop_segment(segment - kept).unwrap();
        }
    }
    assert_eq!(store.segments(), [10, 11]);
    drop(store);
    // What is left, and journals that were not written to files yet: those are at most two.
    let most = kept * bytes + 2 * 64 * MIB as u64 + bytes;
    assert!(size(&folder) <= most, "{} MiB for {} MiB", size(&folder) >> 20, (kept * bytes) >> 20);
    let store = DiskStore::open(&folder).unwrap();
    assert_eq!(store.segments(), [10, 11]);
    assert!(store.get(Space::Segment(11), &15_u64.to_be_bytes()).unwrap().is_some());
}
