//! The maps, and the only two ways out of them: a record, or a counter of what could not be kept.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use portolan_ebpf_types::{Busy, Conversation, ConversationKey, Dialled, Turn, lost, turn};

/// Never wake the reader: it comes by itself, on a timer.
const NO_WAKEUP: u64 = 1;

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(4 << 20, 0);

#[map]
static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(lost::COUNT, 0);

/// Which of the two programs of each tracepoint is at work.
#[map]
pub static TURNS: PerCpuArray<Turn> = PerCpuArray::with_max_entries(turn::COUNT, 0);

/// UDP, SCTP and ICMP conversations; the agent takes them out, so that a full map is counted, not evicted.
#[map]
pub static CONVERSATIONS: HashMap<ConversationKey, Conversation> = HashMap::with_max_entries(65_536, 0);

/// What each CPU has counted of busy conversations and not yet added to them.
#[map]
pub static BUSY: PerCpuArray<Busy> = PerCpuArray::with_max_entries(Busy::SLOTS, 0);

/// The device on this node of a pod, by its network namespace: learned from the sockets behind packets.
#[map]
pub static POD_NETNS: LruHashMap<u32, u32> = LruHashMap::with_max_entries(4096, 0);

/// The same the other way: pods whose sockets are this kernel's, by their device.
#[map]
pub static POD_DEVICES: LruHashMap<u32, u32> = LruHashMap::with_max_entries(4096, 0);

/// What programs dialled, by the socket, where the socket was led elsewhere before it connected.
#[map]
pub static DIALLED: LruHashMap<u64, Dialled> = LruHashMap::with_max_entries(16_384, 0);

/// 1 when there ever was such a socket: until then nobody need look.
#[map]
pub static ANY_DIALLED: Array<u32> = Array::with_max_entries(1, 0);

/// Counts one thing that could not be kept.
#[inline(always)]
pub fn count_lost(index: u32) {
    if let Some(counter) = LOST.get_ptr_mut(index) {
        // SAFETY: the slot is this CPU's own.
        unsafe { *counter += 1 };
    }
}

/// Sends a finished record; a full ring is counted, by what the record was.
#[inline(always)]
pub fn emit<T: 'static>(record: &T, lost: u32) -> Option<()> {
    if EVENTS.output::<T>(record, NO_WAKEUP).is_err() {
        count_lost(lost);
        return None;
    }
    Some(())
}

/// Writes a record in its place in the ring; a full ring is counted, by what the record was.
#[inline(always)]
pub fn write<T: 'static>(lost: u32, fill: impl FnOnce(&mut T)) -> Option<()> {
    let Some(mut entry) = EVENTS.reserve::<T>(0) else {
        count_lost(lost);
        return None;
    };
    // SAFETY: records are plain integers, and `fill` writes all of them: what the ring held before was ours.
    fill(unsafe { entry.assume_init_mut() });
    entry.submit(NO_WAKEUP);
    Some(())
}
