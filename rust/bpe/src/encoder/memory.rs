//! Tables that are read at random places: large pages, and reads that are announced.
//!
//! The tables of an encoder and its cache are some megabytes that no look-up can foresee. With
//! pages of 4 KiB the processor keeps too few of their addresses, and each miss walks the page
//! table; and a place that is known some hundred nanoseconds ahead can be on its way by then. Both
//! are hints: they change no result. Measured together on English with cl100k: 20 % faster.
#![allow(unsafe_code)]

/// Bytes of a large page.
const LARGE: usize = 2 << 20;

/// `len` times `value`, on large pages where the system has them.
#[must_use]
pub fn filled<T: Clone>(value: T, len: usize) -> Vec<T> {
    let mut items = Vec::with_capacity(len);
    // Before the memory is touched: it then comes in large pages at once.
    #[cfg(target_os = "linux")]
    if len * size_of::<T>() >= LARGE {
        let first = items.as_ptr() as usize;
        let last = first + items.capacity() * size_of::<T>();
        let (start, end) = (first & !(LARGE - 1), last.next_multiple_of(LARGE));
        // SAFETY: this advice changes no content and no mapping, whatever lies in the range. If the
        // system refuses it, for having no large pages or for a hole in the range, nothing is lost.
        unsafe {
            libc::madvise(start as *mut _, end - start, libc::MADV_HUGEPAGE);
        }
    }
    items.resize(len, value);
    items
}

/// Asks for the cache line at the start of an item, without waiting for it.
#[inline(always)]
pub fn prefetch<T>(item: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the instruction is in every processor of this kind, and reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(item).cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = item;
}
