//! A positive witness: a program before netfilter's forwarding rules, and one after the last rule of all.
//!
//! ```text
//! forward, first ──► the plugin's rules ──► postrouting, last
//!      │ Before                                  │ After
//!      └──────────────► ring ──► Notes ◄─────────┘      came and left: passed; came only: stopped in netfilter
//! ```
//!
//! Optional, and off unless asked for. It says what no drop needs to say: that netfilter let an attempt pass.

mod notes;
mod program;
mod syscall;

use crate::{
    capture::{Ledger, LossCause, chain},
    clock::monotonic,
    connections::Attempt,
    event::Nanos,
    kernel::KernelTypes,
};
use aya::maps::{Array, Map, MapData, MapError, RingBuf};
use notes::{Note, Notes, Point};
use program::Maps;
use std::{
    ffi::CStr,
    io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    time::Duration,
};
use syscall::{Hook, Shape};
use tracing::{info, warn};

pub use program::Offsets;

const RING: Shape = Shape { kind: 27, key: 0, value: 0, entries: 1 << 20 };
const COUNTER: Shape = Shape { kind: 2, key: 4, value: 8, entries: 1 };
/// How often the ring is read when nobody asks for anything.
const DRAIN_EVERY: Duration = Duration::from_millis(50);
/// The next to the first and the last, which belong to the kernel.
const FIRST: i32 = i32::MIN + 1;
const LAST: i32 = i32::MAX - 1;
const FAMILIES: [u32; 2] = [2, 10];
const FORWARD: u32 = 2;
const POSTROUTING: u32 = 4;

/// Why there is no witness.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// A member that the programs read is missing.
    #[error("the kernel's types lack {0}: is nf_conntrack loaded, and does it show its types?")]
    Missing(&'static str),
    /// No map.
    #[error("cannot make a map for netfilter programs")]
    CreateMap(#[source] io::Error),
    /// A map that cannot be used.
    #[error("cannot use a map of netfilter programs")]
    Map(#[from] MapError),
    /// No program.
    #[error("cannot load a netfilter program, which needs Linux 6.4 with CONFIG_NETFILTER_BPF_LINK")]
    Load(#[source] io::Error),
    /// No link.
    #[error("cannot hang a program on netfilter's hooks")]
    Link(#[source] io::Error),
}

impl Offsets {
    /// Where the running kernel keeps what the programs read.
    pub fn resolve(types: &KernelTypes) -> Result<Self, WitnessError> {
        let find = |structure, path, name| types.offset(structure, path).ok_or(WitnessError::Missing(name));
        let hashes = find("nf_conn", "tuplehash", "nf_conn.tuplehash")?;
        Ok(Self {
            packet_entry: find("sk_buff", "_nfct", "sk_buff._nfct")?,
            status: find("nf_conn", "status", "nf_conn.status")?,
            original: hashes + find("nf_conntrack_tuple_hash", "tuple", "nf_conntrack_tuple_hash.tuple")?,
        })
    }
}

/// Whether this kernel takes programs of the kind that a witness needs.
pub fn is_possible() -> io::Result<()> {
    syscall::load(c"empty", &program::empty()).map(drop)
}

/// A witness, if one was asked for and the node allows it.
pub struct Witness(Option<Links>);

impl Witness {
    /// Hangs the programs on the hooks of this network namespace. What stands in the way is told, and the
    /// rest goes on.
    pub fn start(offsets: Option<Result<Offsets, WitnessError>>, ledger: &Ledger) -> Self {
        let failed = |error: WitnessError| {
            warn!(error = %chain(&error), "There is no witness in netfilter: no flow says that it passed.");
        };
        Self(offsets.and_then(|offsets| {
            offsets.and_then(|offsets| Links::open(offsets, ledger.clone())).map_err(failed).ok()
        }))
    }

    /// Reads what the programs note; never comes back.
    pub async fn follow(&mut self) {
        let Some(links) = &mut self.0 else { return std::future::pending().await };
        loop {
            links.drain();
            links.note_losses();
            tokio::time::sleep(DRAIN_EVERY).await;
        }
    }

    /// Notes what was lost so far.
    pub fn note_losses(&mut self) {
        if let Some(links) = &mut self.0 {
            links.note_losses();
        }
    }

    /// Whether netfilter let an attempt pass; nothing where it did not come to its forwarding hooks, or where the
    /// note that says so may be lost.
    pub fn passed(&mut self, attempt: &Attempt) -> Option<bool> {
        let links = self.0.as_mut()?;
        links.drain();
        let word = links.notes.passed(attempt);
        if word != Some(false) {
            return word;
        }
        links.note_losses();
        links.notes.passed(attempt)
    }
}

/// The programs at their hooks: they go when this goes, whatever ends it.
struct Links {
    ring: RingBuf<MapData>,
    lost: Array<MapData, u64>,
    told: u64,
    /// When it was last asked what was lost.
    looked: Nanos,
    notes: Notes,
    ledger: Ledger,
    /// The links, and the programs: whoever looks at the agent's descriptors sees what they cost.
    _held: Vec<OwnedFd>,
}

impl Links {
    fn open(offsets: Offsets, ledger: Ledger) -> Result<Self, WitnessError> {
        let looked = monotonic();
        let make = |shape| syscall::create_map(shape).map_err(WitnessError::CreateMap);
        let (ring, lost) = (make(RING)?, make(COUNTER)?);
        let maps = Maps { ring: ring.as_raw_fd(), lost: lost.as_raw_fd() };
        let mut held = Vec::new();
        let points: [(&CStr, Point, u32, i32); 2] = [
            (c"before_netfil", Point::Before, FORWARD, FIRST),
            (c"after_netfilt", Point::After, POSTROUTING, LAST),
        ];
        // The last first: what is seen to come must be seen to leave.
        for (name, point, number, priority) in points.into_iter().rev() {
            let program = syscall::load(name, &program::program(offsets, maps, point as i32));
            let program = program.map_err(WitnessError::Load)?;
            for family in FAMILIES {
                let hook = Hook { family, number, priority };
                held.push(syscall::link(program.as_fd(), hook).map_err(WitnessError::Link)?);
            }
            held.push(program);
        }
        let ring = RingBuf::try_from(Map::RingBuf(MapData::from_fd(ring)?))?;
        let lost = Array::try_from(Map::Array(MapData::from_fd(lost)?))?;
        info!("A witness stands before and after netfilter's forwarding rules.");
        Ok(Self { ring, lost, told: 0, looked, notes: Notes::new(), ledger, _held: held })
    }

    fn drain(&mut self) {
        while let Some(item) = self.ring.next() {
            if let Some(note) = Note::read(&item) {
                self.notes.take(note);
            }
        }
    }

    fn note_losses(&mut self) {
        let counted = self.lost.get(&0, 0).unwrap_or(self.told);
        let unwritten = counted.saturating_sub(std::mem::replace(&mut self.told, counted));
        let before = std::mem::replace(&mut self.looked, monotonic());
        if unwritten > 0 {
            self.notes.lose(before, self.looked);
        }
        self.ledger.look(LossCause::WitnessRing, unwritten);
        self.ledger.look(LossCause::WitnessNotes, self.notes.take_forgotten());
    }
}
