//! Memory: what the program asked its allocator for, and what the kernel says it holds.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fs, io,
};

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting for each thread by itself: no locked instruction slows what is measured.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "an allocator is unsafe; each call goes to the system's as it came")]
// SAFETY: every method hands its arguments unchanged to `System`, whose contract is the same, and the counters
// neither allocate nor have a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize, 1);
        // SAFETY: the caller keeps to the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as isize), 0);
        // SAFETY: the caller keeps to the contract of `dealloc`, and `System` gave the block.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize, 1);
        // SAFETY: the caller keeps to the contract of `realloc`, and `System` gave the block.
        unsafe { System.realloc(block, layout, size) }
    }
}

fn count(bytes: isize, allocations: u64) {
    LIVE.set(LIVE.get() + bytes);
    ALLOCATIONS.set(ALLOCATIONS.get() + allocations);
}

/// The bytes that this thread asked for less those it gave back.
pub(crate) fn live() -> isize {
    LIVE.get()
}

/// How often this thread asked.
pub(crate) fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// The bytes of this process that are in memory now.
pub(crate) fn resident() -> io::Result<isize> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<isize>().ok());
    Ok(kilobytes.ok_or_else(|| io::Error::other("/proc/self/status has no VmRSS"))? * 1024)
}
