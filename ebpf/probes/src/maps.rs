//! The maps, and the only two ways out of them: an event, or a counter of what could not be kept.

use aya_ebpf::{
    macros::map,
    maps::{HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use portolan_ebpf_types::{Conversation, ConversationKey, Event, SocketEnd, lost};

/// Never wake the reader: it comes by itself, on a timer.
const NO_WAKEUP: u64 = 1;

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(8 << 20, 0);

#[map]
static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(lost::COUNT, 0);

/// UDP and ICMP conversations; the agent takes them out, so that a full map is counted, not evicted.
#[map]
pub static CONVERSATIONS: HashMap<ConversationKey, Conversation> = HashMap::with_max_entries(65_536, 0);

/// Network namespaces of pods on this node, learned from the sockets behind their packets.
#[map]
pub static POD_NETNS: LruHashMap<u32, u32> = LruHashMap::with_max_entries(4096, 0);

/// Records under construction: they are too large for the stack. One for each program that cannot
/// be interrupted by itself, so that nobody writes into another's.
#[map]
static DEVICE_SCRATCH: PerCpuArray<DeviceScratch> = PerCpuArray::with_max_entries(1, 0);
#[map]
static DROP_SCRATCH: PerCpuArray<Event> = PerCpuArray::with_max_entries(1, 0);
#[map]
static SOCKET_SCRATCH: PerCpuArray<SocketEnd> = PerCpuArray::with_max_entries(1, 0);

/// What a device program builds.
#[repr(C)]
pub struct DeviceScratch {
    pub event: Event,
    pub key: ConversationKey,
    pub value: Conversation,
}

macro_rules! scratch {
    ($name:ident, $map:ident, $type:ty) => {
        /// The zeroed record under construction on this CPU.
        #[inline(always)]
        pub fn $name() -> Option<&'static mut $type> {
            let record = $map.get_ptr_mut(0)?;
            // SAFETY: the slot is this CPU's own, the program cannot be interrupted by itself, and
            // all bytes zero is a valid record.
            unsafe {
                record.write_bytes(0, 1);
                Some(&mut *record)
            }
        }
    };
}

scratch!(device_scratch, DEVICE_SCRATCH, DeviceScratch);
scratch!(drop_scratch, DROP_SCRATCH, Event);
scratch!(socket_scratch, SOCKET_SCRATCH, SocketEnd);

/// Counts one thing that could not be kept.
#[inline(always)]
pub fn count_lost(index: u32) {
    if let Some(counter) = LOST.get_ptr_mut(index) {
        // SAFETY: the slot is this CPU's own.
        unsafe { *counter += 1 };
    }
}

/// Sends a finished record; a full ring is counted.
#[inline(always)]
pub fn emit<T: 'static>(record: &T) -> Option<()> {
    if EVENTS.output::<T>(record, NO_WAKEUP).is_err() {
        count_lost(lost::RING);
        return None;
    }
    Some(())
}
