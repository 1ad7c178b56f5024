//! The connections that were heard of, found again by their key.

use super::side::Side;
use foldhash::quality::RandomState;
use jiff::Timestamp;
use portolan_policy::{Outcome, Protocol};
use portolan_proto::{Connection, Observation};
use smallvec::SmallVec;
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// Which of the tellings of an attempt a view is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Telling {
    /// The first.
    First,
    /// What revises the first: the attempt got through after all.
    Again,
}

impl Telling {
    /// Which one a view is.
    pub(super) const fn of(view: &Observation) -> Self {
        if view.flow.revises.is_some() { Self::Again } else { Self::First }
    }
}

/// The part of the key that both nodes tell exactly alike. Many attempts may share it.
///
/// The peers of a cluster choose these values, so the map must hash with a random seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Tuple {
    /// Addresses in bits: few words are quickly hashed.
    source: u128,
    destination: u128,
    /// Which of them are of IPv6.
    long: [bool; 2],
    /// Their ports and the initial sequence number.
    numbers: u64,
    protocol: Protocol,
    /// Where no initial sequence number tells attempts apart: about when it began. Very many may follow one another
    /// between the same ports, and only those of about the same time are looked at.
    slot: i128,
    /// Views that revise earlier ones are known apart from these.
    telling: Telling,
}

impl Tuple {
    fn of(connection: &Connection, telling: Telling, skew: Duration) -> Self {
        let Connection { protocol, source, destination, tcp_isn, start } = *connection;
        let slot = if tcp_isn == 0 { start.as_nanosecond().div_euclid(width(skew)) } else { 0 };
        let ports = [source, destination].map(|end| u64::from(end.port()));
        let numbers = ports[0] << 48 | ports[1] << 32 | u64::from(tcp_isn);
        let long = [source.is_ipv6(), destination.is_ipv6()];
        Self { source: bits(source), destination: bits(destination), long, numbers, protocol, slot, telling }
    }

    /// Where the connection is if its other view, or a former one, is no further away than the skew.
    fn near(self) -> impl Iterator<Item = Self> {
        let aside = i128::from(self.numbers as u32 == 0);
        (self.slot - aside..=self.slot + aside).map(move |slot| Self { slot, ..self })
    }
}

fn bits(end: SocketAddr) -> u128 {
    match end.ip() {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn width(skew: Duration) -> i128 {
    (skew.as_nanos() as i128).max(1)
}

/// Names one connection in the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    tuple: Tuple,
    /// The same for no two connections; grows with every one.
    pub(crate) number: u64,
}

/// A view that waits for the other side's.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The view.
    pub(crate) view: Arc<Observation>,
    /// Whose it is.
    pub(crate) side: Side,
    /// When it goes alone.
    pub(crate) deadline: Duration,
}

/// What is known of one connection.
#[derive(Debug)]
pub(crate) struct Entry {
    number: u64,
    source_start: Option<Timestamp>,
    destination_start: Option<Timestamp>,
    /// What was told of it, once it was.
    pub(crate) told: Option<Outcome>,
    /// The one view that waits for the other.
    pub(crate) waiting: Option<Waiting>,
    /// A view that revises that one, and waits until it is told.
    pub(crate) behind: Option<Id>,
}

impl Entry {
    /// A connection heard of from one side.
    pub(crate) fn heard(side: Side, connection: &Connection) -> Self {
        let mut entry = Self {
            number: 0,
            source_start: None,
            destination_start: None,
            told: None,
            waiting: None,
            behind: None,
        };
        entry.hear(side, connection.start);
        entry
    }

    /// Notes that a side has spoken.
    pub(crate) fn hear(&mut self, side: Side, start: Timestamp) {
        if matches!(side, Side::Source | Side::Both) {
            self.source_start.get_or_insert(start);
        }
        if matches!(side, Side::Destination | Side::Both) {
            self.destination_start.get_or_insert(start);
        }
    }

    /// The side or sides that have spoken.
    pub(crate) fn side(&self) -> Side {
        match (self.source_start, self.destination_start) {
            (Some(_), Some(_)) => Side::Both,
            (_, Some(_)) => Side::Destination,
            (_, None) => Side::Source,
        }
    }

    /// The later of the times at which the sides say that it began.
    pub(crate) fn start(&self) -> Option<Timestamp> {
        self.source_start.max(self.destination_start)
    }

    /// Whether this very view was heard before.
    ///
    /// An initial sequence number says so for sure. Without one only the same start does: a second
    /// conversation between the same ports may follow at once.
    pub(crate) fn repeats(&self, side: Side, connection: &Connection) -> bool {
        let same = |heard: Option<Timestamp>| {
            heard.is_some_and(|start| connection.tcp_isn != 0 || start == connection.start)
        };
        match side {
            Side::Source => same(self.source_start),
            Side::Destination => same(self.destination_start),
            Side::Both => same(self.source_start) || same(self.destination_start),
        }
    }

    /// When the other side says that it began, where only that side has spoken.
    pub(crate) fn other_start(&self, side: Side) -> Option<Timestamp> {
        match (side, self.source_start, self.destination_start) {
            (Side::Source, None, start) | (Side::Destination, start, None) => start,
            _ => None,
        }
    }

    /// How far apart the starts are, when this is the other side's view.
    pub(crate) fn distance(&self, side: Side, connection: &Connection) -> Option<Duration> {
        Some(self.other_start(side)?.duration_since(connection.start).unsigned_abs())
    }

    /// How far apart the starts are, whichever side has told one.
    fn apart(&self, connection: &Connection) -> Option<Duration> {
        let starts = [self.source_start, self.destination_start].into_iter().flatten();
        starts.map(|start| start.duration_since(connection.start).unsigned_abs()).min()
    }

    /// Whether a view that is so far away may be the other side's.
    ///
    /// An initial sequence number is no coincidence, however many tries were lost on the way.
    pub(crate) fn is_near(distance: Duration, connection: &Connection, skew: Duration) -> bool {
        connection.tcp_isn != 0 || distance <= skew
    }
}

/// What the memory knows of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// This side has told it before.
    Repeat,
    /// The other side has told it.
    Partner(Id),
    /// Nobody has.
    New,
}

/// The connections that were heard of.
#[derive(Debug)]
pub(crate) struct Memory {
    skew: Duration,
    next: u64,
    /// Nearly always one of a tuple.
    entries: HashMap<Tuple, SmallVec<[Entry; 1]>, RandomState>,
}

impl Memory {
    /// An empty memory in which the two sides' starts may be `skew` apart.
    pub(crate) fn new(skew: Duration) -> Self {
        Self { skew, next: 0, entries: HashMap::default() }
    }

    /// Gives new connections numbers from here on.
    pub(crate) fn begin_at(&mut self, number: u64) {
        self.next = self.next.max(number);
    }

    /// What is known of such a view from this side.
    pub(crate) fn find(&self, side: Side, connection: &Connection, telling: Telling) -> Finding {
        if self.near(connection, telling).any(|(_, entry)| entry.repeats(side, connection)) {
            return Finding::Repeat;
        }
        let partner = self.nearest(connection, telling, |entry| entry.distance(side, connection));
        partner.map_or(Finding::New, Finding::Partner)
    }

    /// The connection of which a view revises what was told, whichever side that came from.
    pub(crate) fn revised(&self, connection: &Connection) -> Option<Id> {
        self.nearest(connection, Telling::First, |entry| entry.apart(connection))
    }

    fn near(&self, connection: &Connection, telling: Telling) -> impl Iterator<Item = (Tuple, &Entry)> {
        let tuples = Tuple::of(connection, telling, self.skew).near();
        let entries = |tuple| self.entries.get(&tuple).into_iter().flatten().map(move |entry| (tuple, entry));
        tuples.flat_map(entries)
    }

    /// The one that is the least far away, as `distance` has it.
    fn nearest(
        &self,
        connection: &Connection,
        telling: Telling,
        distance: impl Fn(&Entry) -> Option<Duration>,
    ) -> Option<Id> {
        let away = self.near(connection, telling).filter_map(|(tuple, entry)| {
            let distance = distance(entry)?;
            let near = Entry::is_near(distance, connection, self.skew);
            near.then_some((distance, Id { tuple, number: entry.number }))
        });
        away.min_by_key(|(distance, id)| (*distance, id.number)).map(|(_, id)| id)
    }

    /// Adds a connection.
    pub(crate) fn insert(&mut self, entry: Entry, connection: &Connection, telling: Telling) -> Id {
        self.insert_as(self.next, entry, connection, telling)
    }

    /// Adds a connection that has a number already.
    pub(crate) fn insert_as(
        &mut self,
        number: u64,
        entry: Entry,
        connection: &Connection,
        telling: Telling,
    ) -> Id {
        let id = Id { tuple: Tuple::of(connection, telling, self.skew), number };
        self.next = self.next.max(number + 1);
        self.entries.entry(id.tuple).or_default().push(Entry { number: id.number, ..entry });
        id
    }

    /// The connection of this name, unless it was removed.
    pub(crate) fn get(&mut self, id: Id) -> Option<&mut Entry> {
        self.entries.get_mut(&id.tuple)?.iter_mut().find(|entry| entry.number == id.number)
    }

    /// Forgets a connection.
    pub(crate) fn remove(&mut self, id: Id) -> Option<Entry> {
        let entries = self.entries.get_mut(&id.tuple)?;
        let place = entries.iter().position(|entry| entry.number == id.number)?;
        let entry = entries.swap_remove(place);
        if entries.is_empty() {
            self.entries.remove(&id.tuple);
        }
        Some(entry)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
