//! Tables that are read at random places: large pages, and reads that are announced.
//!
//! The tables of an encoder and its cache are some megabytes that no look-up can foresee. With
//! pages of 4 KiB the processor keeps too few of their addresses, and each miss walks the page
//! table; and a place that is known some hundred nanoseconds ahead can be on its way by then. Both
//! are hints: they change no result.
//!
//! A large [`Table`] has a mapping of its own, since what an allocator hands out is seldom aligned
//! to a large page, and often used before, in small ones. Elsewhere than on Linux it is a box.
#![allow(unsafe_code)]

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Bytes of a large page.
const LARGE: usize = 2 << 20;

/// Items of a fixed number, on large pages where the system has them.
///
/// Invariant: `first` is the start of `len` items that are set, in a mapping or box of its own.
pub struct Table<T: Copy> {
    first: NonNull<T>,
    len: usize,
    /// The start and the bytes of the mapping, if there is one.
    mapping: Option<(NonNull<u8>, usize)>,
}

// SAFETY: it owns its items, as a box does.
unsafe impl<T: Copy + Send> Send for Table<T> {}
// SAFETY: as above.
unsafe impl<T: Copy + Sync> Sync for Table<T> {}

impl<T: Copy> Table<T> {
    /// `len` times `value`.
    #[must_use]
    pub fn new(value: T, len: usize) -> Self {
        #[cfg(target_os = "linux")]
        if len * size_of::<T>() >= LARGE
            && let Some(table) = Self::mapped(value, len)
        {
            return table;
        }
        let items = Box::leak(vec![value; len].into_boxed_slice());
        Self {
            first: NonNull::from(items).cast(),
            len,
            mapping: None,
        }
    }

    /// A table in a mapping, if the system gives one.
    #[cfg(target_os = "linux")]
    fn mapped(value: T, len: usize) -> Option<Self> {
        const { assert!(align_of::<T>() <= LARGE) };
        let used = (len * size_of::<T>()).next_multiple_of(LARGE);
        let bytes = used + LARGE;
        // SAFETY: a new mapping, which nothing else knows.
        let start = unsafe {
            let (access, kind) = (
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            );
            libc::mmap(std::ptr::null_mut(), bytes, access, kind, -1, 0)
        };
        if start == libc::MAP_FAILED {
            return None;
        }
        let start = NonNull::new(start.cast::<u8>())?;
        // SAFETY: the aligned place lies at most `LARGE` behind the start, so `used` bytes follow it
        // in the mapping: they hold `len` items, aligned, which are set here before they are read.
        // The advice changes no content, and if it is refused nothing is lost.
        let first = unsafe {
            let first = start.add(start.align_offset(LARGE)).cast::<T>();
            libc::madvise(first.as_ptr().cast(), used, libc::MADV_HUGEPAGE);
            for place in 0..len {
                first.add(place).write(value);
            }
            first
        };
        Some(Self {
            first,
            len,
            mapping: Some((start, bytes)),
        })
    }
}

impl<T: Copy> Deref for Table<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: by the invariant.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }
}

impl<T: Copy> DerefMut for Table<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: by the invariant.
        unsafe { std::slice::from_raw_parts_mut(self.first.as_ptr(), self.len) }
    }
}

impl<T: Copy> Drop for Table<T> {
    fn drop(&mut self) {
        // SAFETY: by the invariant, what is given back is what was taken, whole.
        unsafe {
            match self.mapping {
                #[cfg(target_os = "linux")]
                Some((start, bytes)) => {
                    libc::munmap(start.as_ptr().cast(), bytes);
                }
                _ => drop(Box::from_raw(std::ptr::from_mut::<[T]>(&mut **self))),
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_it_is_given() {
        // In a box, in a mapping, and around the border.
        let border = LARGE / 8;
        for len in [0, 1, 1000, border - 1, border, border + 1, 3 * border] {
            let mut table = Table::new(7_u64, len);
            assert_eq!(table.len(), len);
            assert_eq!(
                table.mapping.is_some(),
                cfg!(target_os = "linux") && len >= border
            );
            assert!(table.iter().all(|&item| item == 7));
            for (place, item) in table.iter_mut().enumerate() {
                *item = place as u64;
            }
            assert!(table.iter().copied().eq(0..len as u64));
        }
    }
}
