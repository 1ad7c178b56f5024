//! Two programs on one tracepoint: the kernel does not run a program inside itself, so what happens in a softirq
//! that interrupts the first is the second's to tell.
//!
//! ```text
//! drop in a process ──► first ─┬─ interrupted by a softirq, drop there ──► first: refused ──► second: takes it
//!                              └─► done ──► second: nothing to do
//! ```

use crate::maps::TURNS;
use portolan_ebpf_types::Turn;

/// Runs what the first program does, with a mark for the second. Below 6.1 the kernel refuses nothing: then the first leaves
/// by itself what the second takes.
#[inline(always)]
pub fn first(tracepoint: u32, observe: impl FnOnce() -> Option<()>) {
    let Some(turn) = TURNS.get_ptr_mut(tracepoint) else { return };
    if is_running(turn) {
        return;
    }
    mark(turn, 1);
    let _ = observe();
    mark(turn, 0);
}

/// Runs only where the first was refused.
#[inline(always)]
pub fn second(tracepoint: u32, observe: impl FnOnce() -> Option<()>) {
    let Some(turn) = TURNS.get_ptr_mut(tracepoint) else { return };
    if !is_running(turn) {
        return;
    }
    // SAFETY: the slot is this CPU's own, and nobody else counts in it.
    unsafe { (*turn).taken += 1 };
    let _ = observe();
}

#[inline(always)]
fn is_running(turn: *const Turn) -> bool {
    // SAFETY: the map keeps the slot alive, and it is this CPU's own.
    unsafe { (&raw const (*turn).running).read_volatile() != 0 }
}

/// Volatile, so that the mark stands before and after all that is done in between.
#[inline(always)]
fn mark(turn: *mut Turn, running: u64) {
    // SAFETY: as above.
    unsafe { (&raw mut (*turn).running).write_volatile(running) };
}
