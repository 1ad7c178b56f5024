//! Records begin as zeros, written by the word. The compiler would call a loop over bytes for them.

use core::mem::{MaybeUninit, size_of};

/// Fills a place with zeros. `T` is one of the shared records: plain integers, in whole words.
#[inline(always)]
pub fn zeroed<T: Copy>(place: &mut MaybeUninit<T>) -> &mut T {
    const { assert!(size_of::<T>() % 8 == 0, "records are whole words") };
    let words = place.as_mut_ptr().cast::<u64>();
    for index in 0..size_of::<T>() / 8 {
        // SAFETY: the index is within the place.
        unsafe { words.add(index).write_volatile(0) };
    }
    // SAFETY: all bytes are zero, which is a valid record.
    unsafe { place.assume_init_mut() }
}
