//! How full the maps of a running agent are.

use crate::kernel::bpf::count_entries;
use aya::maps::{MapData, MapInfo, MapType, PerCpuArray};
use serde::Serialize;
use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd},
    sync::atomic::{AtomicU64, Ordering},
};

/// How full a map is.
#[derive(Clone, Debug, Serialize)]
pub struct Fill {
    /// The map.
    pub map: String,
    /// Its number in the kernel.
    pub id: u32,
    /// What is counted: entries, or bytes that nobody has read yet.
    pub unit: &'static str,
    /// How much of it is used.
    pub used: u64,
    /// How much there is.
    pub size: u64,
}

/// The fill of a map that can be full; `None` for others, and for one that is gone.
pub(super) fn fill(info: &MapInfo) -> Option<Fill> {
    let fd = info.fd().ok()?;
    let size = info.max_entries();
    let (unit, used) = match info.map_type().ok()? {
        MapType::Hash | MapType::LruHash => {
            ("entries", u64::from(count_entries(fd.as_fd(), info.key_size(), size).ok()?))
        }
        MapType::RingBuf => ("bytes unread", unread(fd.as_fd()).ok()?),
        _ => return None,
    };
    Some(Fill {
        map: String::from_utf8_lossy(info.name()).into_owned(),
        id: info.id(),
        unit,
        used,
        size: u64::from(size),
    })
}

/// The sums over all CPUs of a map of counters.
pub(super) fn counters(id: u32) -> Option<Vec<u64>> {
    let data = MapData::from_id(id).ok()?;
    let array = PerCpuArray::<_, u64>::try_from(aya::maps::Map::PerCpuArray(data)).ok()?;
    let sum = |index| array.get(&index, 0).ok().map(|values| values.iter().sum());
    (0..array.len()).map(sum).collect()
}

/// Bytes between what was written to a ring and what was read from it: its first page holds the
/// reader's position, its second the writer's.
fn unread(ring: BorrowedFd<'_>) -> io::Result<u64> {
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?.unwrap_or(4096);
    let read = first_word(ring, page as usize, 0)?;
    let written = first_word(ring, page as usize, page)?;
    Ok(written.saturating_sub(read))
}

#[expect(unsafe_code, reason = "the kernel shows these positions in shared memory only")]
fn first_word(ring: BorrowedFd<'_>, page: usize, offset: i64) -> io::Result<u64> {
    // SAFETY: a fresh mapping of one page, for reading, of an open descriptor; it is undone below, and what
    // others write there meanwhile is read as an atomic word.
    unsafe {
        let mapped = libc::mmap(
            std::ptr::null_mut(),
            page,
            libc::PROT_READ,
            libc::MAP_SHARED,
            ring.as_raw_fd(),
            offset,
        );
        if mapped == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let word = (*mapped.cast::<AtomicU64>()).load(Ordering::Acquire);
        libc::munmap(mapped, page);
        Ok(word)
    }
}
