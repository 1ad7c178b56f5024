//! Addresses that one pod holds and nobody else: nearly all of a cluster, so packed close together.

use super::{slots::SlotId, tree::Tree};
use foldhash::fast::RandomState;
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

/// An address with its holder.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    holder: PodHolder,
}

/// Entries by hash, each at its place or the next free one behind it; a power of two of places, some
/// of them free. One look reaches the entry: nothing lies between page and entries.
type Page = Arc<[Option<Entry>]>;

/// Addresses with the one pod that holds them; versions share all pages until they change.
#[derive(Clone, Debug)]
pub(super) struct PodTable {
    pages: Tree<Page>,
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
        probe(page, hash).map_while(|at| page[at]).find(|entry| entry.key == key).map(|entry| entry.holder)
    }

    /// Adds an address that is not there.
    pub(super) fn insert(&mut self, key: Key, holder: PodHolder) {
        self.len += 1;
        if self.len > self.in_use * PAGE {
            self.grow();
        }
        self.put(Entry { key, holder });
    }

    /// Takes an address out, if it is there.
    pub(super) fn remove(&mut self, key: Key) -> Option<PodHolder> {
        let holder = self.get(key)?;
        let at = self.page(self.hasher.hash_one(key));
        let page = self.pages.get_mut(at)?;
        let rest = page.iter().flatten().filter(|entry| entry.key != key).copied();
        *page = packed(rest.collect(), &self.hasher);
        self.len -= 1;
        Some(holder)
    }

    /// The upper bits choose the page, the lower ones the place in it.
    fn page(&self, hash: u64) -> usize {
        (hash >> 40) as usize & (self.in_use - 1)
    }

    fn put(&mut self, entry: Entry) {
        let hash = self.hasher.hash_one(entry.key);
        let at = self.page(hash);
        let Some(page) = self.pages.get_mut(at) else { return };
        if has_room(page) {
            place(Arc::make_mut(page), hash, entry);
        } else {
            let entries = page.iter().flatten().copied().chain([entry]);
            *page = packed(entries.collect(), &self.hasher);
        }
    }

    fn grow(&mut self) {
        let pages = std::mem::take(&mut self.pages);
        self.in_use *= 2;
        self.pages.make_room(self.in_use - 1);
        for entry in pages.iter().flat_map(|page| page.iter().flatten()) {
            self.put(*entry);
        }
    }
}

/// The places where an entry with this hash may be, in order.
fn probe(page: &[Option<Entry>], hash: u64) -> impl Iterator<Item = usize> + use<> {
    let places = page.len();
    (0..places).map(move |step| (hash as usize + step) & (places - 1))
}

/// Whether one more leaves a fifth of the places free.
fn has_room(page: &[Option<Entry>]) -> bool {
    let taken = page.iter().flatten().count();
    (taken + 1) * 5 <= page.len() * 4
}

/// Puts an entry into a page that has room.
fn place(page: &mut [Option<Entry>], hash: u64, entry: Entry) {
    if let Some(at) = probe(page, hash).find(|at| page[*at].is_none()) {
        page[at] = Some(entry);
    }
}

/// A page of these entries, with room for more.
fn packed(entries: Vec<Entry>, hasher: &RandomState) -> Page {
    let places = ((entries.len() + 1) * 5 / 4 + 1).next_power_of_two();
    let mut page = vec![None; if entries.is_empty() { 0 } else { places }];
    for entry in entries {
        place(&mut page, hasher.hash_one(entry.key), entry);
    }
    page.into()
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
