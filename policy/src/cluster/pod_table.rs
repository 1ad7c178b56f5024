//! Addresses that one pod holds and nobody else: nearly all of a cluster, so packed close together.

use super::{slots::SlotId, tree::Tree};
use foldhash::fast::RandomState;
use std::{
    hash::{BuildHasher, Hash},
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

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

/// The form in which an address is looked up among those of both families.
pub(super) fn key(ip: IpAddr) -> Key {
    match ip {
        IpAddr::V4(v4) => halves(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => halves(v6),
    }
}

fn halves(v6: Ipv6Addr) -> Key {
    let bits = v6.to_bits();
    [(bits >> 64) as u64, bits as u64]
}

/// Addresses with the one pod that holds them, by family: an IPv4 address takes half the room.
#[derive(Clone, Debug, Default)]
pub(super) struct PodTable {
    v4: Family<u32>,
    v6: Family<Key>,
}

impl PodTable {
    pub(super) fn get(&self, ip: IpAddr) -> Option<PodHolder> {
        match ip.to_canonical() {
            IpAddr::V4(v4) => self.v4.get(v4.to_bits()),
            IpAddr::V6(v6) => self.v6.get(halves(v6)),
        }
    }

    /// Adds an address that is not there.
    pub(super) fn insert(&mut self, ip: IpAddr, holder: PodHolder) {
        match ip.to_canonical() {
            IpAddr::V4(v4) => self.v4.insert(v4.to_bits(), holder),
            IpAddr::V6(v6) => self.v6.insert(halves(v6), holder),
        }
    }

    /// Takes an address out, if it is there.
    pub(super) fn remove(&mut self, ip: IpAddr) -> Option<PodHolder> {
        match ip.to_canonical() {
            IpAddr::V4(v4) => self.v4.remove(v4.to_bits()),
            IpAddr::V6(v6) => self.v6.remove(halves(v6)),
        }
    }
}

/// An address with its holder.
#[derive(Clone, Copy, Debug)]
struct Entry<K> {
    key: K,
    holder: PodHolder,
}

/// Entries by hash, each at its place or the next free one behind it; a power of two of places, some
/// of them free. One look reaches the entry: nothing lies between page and entries.
type Page<K> = Arc<[Option<Entry<K>>]>;

/// The addresses of one family; versions share all pages until they change.
#[derive(Clone, Debug)]
struct Family<K> {
    pages: Tree<Page<K>>,
    /// How many pages are in use, a power of two.
    in_use: usize,
    len: usize,
    hasher: RandomState,
}

impl<K: Copy> Default for Family<K> {
    fn default() -> Self {
        let mut pages = Tree::default();
        pages.make_room(0);
        Self { pages, in_use: 1, len: 0, hasher: RandomState::default() }
    }
}

impl<K: Copy + Eq + Hash> Family<K> {
    fn get(&self, key: K) -> Option<PodHolder> {
        let hash = self.hasher.hash_one(key);
        let page = self.pages.get(self.page(hash))?;
        for at in probe(page, hash) {
            match page[at] {
                Some(entry) if entry.key == key => return Some(entry.holder),
                Some(_) => {}
                None => break,
            }
        }
        None
    }

    fn insert(&mut self, key: K, holder: PodHolder) {
        self.len += 1;
        if self.len > self.in_use * PAGE {
            self.grow();
        }
        self.put(Entry { key, holder });
    }

    fn remove(&mut self, key: K) -> Option<PodHolder> {
        let holder = self.get(key)?;
        let at = self.page(self.hasher.hash_one(key));
        let page = self.pages.get_mut(at)?;
        let rest = page.iter().flatten().filter(|entry| entry.key != key).copied();
        *page = packed(rest.collect(), &self.hasher);
        self.len -= 1;
        Some(holder)
    }

    /// The upper bits choose the page, the lower ones the place in it.
    const fn page(&self, hash: u64) -> usize {
        (hash >> 40) as usize & (self.in_use - 1)
    }

    fn put(&mut self, entry: Entry<K>) {
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
fn probe<K>(page: &[Option<Entry<K>>], hash: u64) -> impl Iterator<Item = usize> + use<K> {
    let places = page.len();
    (0..places).map(move |step| (hash as usize).wrapping_add(step) & (places - 1))
}

/// Whether one more leaves a fifth of the places free.
fn has_room<K>(page: &[Option<Entry<K>>]) -> bool {
    let taken = page.iter().flatten().count();
    (taken + 1) * 5 <= page.len() * 4
}

/// Puts an entry into a page that has room.
fn place<K>(page: &mut [Option<Entry<K>>], hash: u64, entry: Entry<K>) {
    if let Some(at) = probe(page, hash).find(|at| page[*at].is_none()) {
        page[at] = Some(entry);
    }
}

/// A page of these entries, with room for more.
fn packed<K: Copy + Hash>(entries: Vec<Entry<K>>, hasher: &RandomState) -> Page<K> {
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

    #[test]
    fn every_address_is_found_while_the_table_grows_and_shrinks() {
        let v4 = |number: u32| IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + number));
        let v6 = |number: u32| IpAddr::from(Ipv6Addr::from_bits((0xfd << 120) + u128::from(number)));
        for address in [v4, v6] {
            let mut slots = super::super::slots::Slots::default();
            let holders: Vec<PodHolder> = (0..5000)
                .map(|number| PodHolder { pod: slots.insert(number), plan: slots.insert(number) })
                .collect();
            let mut table = PodTable::default();
            for (number, holder) in (0..).zip(&holders) {
                table.insert(address(number), *holder);
            }
            let full = table.clone();
            for (number, holder) in (0..).zip(&holders) {
                let ip = address(number);
                assert_eq!(table.get(ip), Some(*holder));
                assert_eq!(table.remove(ip), Some(*holder));
                assert_eq!(table.get(ip), None);
                assert_eq!(table.remove(ip), None);
                assert_eq!(full.get(ip), Some(*holder));
            }
        }
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_one() {
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        let (bare, other): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "::10.0.0.1".parse().unwrap());
        assert_eq!(key(mapped), key(bare));
        assert_ne!(key(other), key(bare));
        let mut slots = super::super::slots::Slots::default();
        let holder = PodHolder { pod: slots.insert(()), plan: slots.insert(()) };
        let mut table = PodTable::default();
        table.insert(mapped, holder);
        assert_eq!((table.get(bare), table.get(other)), (Some(holder), None));
    }
}
