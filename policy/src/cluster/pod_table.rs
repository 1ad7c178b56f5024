//! Addresses that one pod holds and nobody else: nearly all of a cluster, so packed close together.

use super::{slots::SlotId, tree::Tree};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::{hash::BuildHasher, net::IpAddr, sync::Arc};

/// How many addresses a page holds on average when the table grows: one change copies one page.
const PAGE: usize = 64;

/// A live pod of the pod network, and the plan of its template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PodHolder {
    pub(super) pod: SlotId,
    pub(super) plan: SlotId,
}

/// An address in one form: IPv4 and IPv4-mapped IPv6 are one (M4).
pub(super) type Key = [u64; 2];

/// The form in which an address is looked up.
pub(super) fn key(ip: IpAddr) -> Key {
    let bits = match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    [(bits >> 64) as u64, bits as u64]
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    holder: PodHolder,
}

/// Addresses with the one pod that holds them; versions share all pages until they change.
#[derive(Clone, Debug)]
pub(super) struct PodTable {
    pages: Tree<Arc<HashTable<Entry>>>,
    /// How many pages are in use, a power of two.
    in_use: usize,
    len: usize,
    hasher: RandomState,
}

impl Default for PodTable {
    fn default() -> Self {
        let mut pages = Tree::default();
        pages.make_room(0);
        Self { pages, in_use: 1, len: 0, hasher: RandomState::default() }
    }
}

impl PodTable {
    pub(super) fn get(&self, key: Key) -> Option<PodHolder> {
        let hash = self.hasher.hash_one(key);
        let page = self.pages.get(self.page(hash))?;
        page.find(hash, |entry| entry.key == key).map(|entry| entry.holder)
    }

    /// Adds an address that is not there.
    pub(super) fn insert(&mut self, key: Key, holder: PodHolder) {
        self.len += 1;
        if self.len > self.in_use * PAGE {
            self.grow();
        }
        let hasher = self.hasher.clone();
        let hash = hasher.hash_one(key);
        if let Some(page) = self.page_mut(hash) {
            page.insert_unique(hash, Entry { key, holder }, |entry| hasher.hash_one(entry.key));
        }
    }

    /// Takes an address out, if it is there.
    pub(super) fn remove(&mut self, key: Key) -> Option<PodHolder> {
        self.get(key)?;
        let hash = self.hasher.hash_one(key);
        let found = self.page_mut(hash)?.find_entry(hash, |entry| entry.key == key).ok()?;
        let holder = found.remove().0.holder;
        self.len -= 1;
        Some(holder)
    }

    /// The upper bits choose the page, the lower ones the place in it.
    fn page(&self, hash: u64) -> usize {
        (hash >> 40) as usize & (self.in_use - 1)
    }

    fn page_mut(&mut self, hash: u64) -> Option<&mut HashTable<Entry>> {
        let at = self.page(hash);
        self.pages.get_mut(at).map(Arc::make_mut)
    }

    fn grow(&mut self) {
        let pages = std::mem::take(&mut self.pages);
        self.in_use *= 2;
        self.pages.make_room(self.in_use - 1);
        let hasher = self.hasher.clone();
        for entry in pages.iter().flat_map(|page| page.iter()) {
            let hash = hasher.hash_one(entry.key);
            if let Some(page) = self.page_mut(hash) {
                page.insert_unique(hash, *entry, |entry| hasher.hash_one(entry.key));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn ip(number: u32) -> Key {
        key(Ipv4Addr::from_bits(0x0a00_0000 + number).into())
    }

    #[test]
    fn every_address_is_found_while_the_table_grows_and_shrinks() {
        let mut slots = super::super::slots::Slots::default();
        let holders: Vec<PodHolder> = (0..5000)
            .map(|number| PodHolder { pod: slots.insert(number), plan: slots.insert(number) })
            .collect();
        let mut table = PodTable::default();
        for (number, holder) in (0..).zip(&holders) {
            table.insert(ip(number), *holder);
        }
        let full = table.clone();
        for (number, holder) in (0..).zip(&holders) {
            assert_eq!(table.get(ip(number)), Some(*holder));
            assert_eq!(table.remove(ip(number)), Some(*holder));
            assert_eq!(table.get(ip(number)), None);
            assert_eq!(table.remove(ip(number)), None);
            assert_eq!(full.get(ip(number)), Some(*holder));
        }
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_one() {
        assert_eq!(key("::ffff:10.0.0.1".parse().unwrap()), key("10.0.0.1".parse().unwrap()));
        assert_ne!(key("::10.0.0.1".parse().unwrap()), key("10.0.0.1".parse().unwrap()));
    }
}
