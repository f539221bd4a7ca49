//! An allocator that knows its own: each block has a mark in front, which is looked at when it comes back.

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::abort;

/// Memory of the system's, with a mark in front of each block.
pub(crate) struct Jealous;

// SAFETY: what is given out lies behind a header in a block of the system's allocator, made with the layout that `block`
// computes; the same layout computes where the block began. No function unwinds.
unsafe impl GlobalAlloc for Jealous {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((block, offset)) = block(layout) else { return std::ptr::null_mut() };
        // SAFETY: the block is not empty: it has room for a header.
        let start = unsafe { System.alloc(block) };
        if start.is_null() {
            return start;
        }
        // SAFETY: `offset` is at least as long as the mark and lies within the block.
        unsafe {
            let given = start.add(offset);
            mark_of(given).write_unaligned(MARK);
            given
        }
    }

    unsafe fn dealloc(&self, given: *mut u8, layout: Layout) {
        let Some((block, offset)) = block(layout) else { abort() };
        // SAFETY: whoever asks has got `given` from an allocator. From ours there is a mark in front; in front of a block of
        // another's there are that one's own books, which may be read.
        if unsafe { mark_of(given).read_unaligned() } != MARK {
            let what = b"FATAL: memory was freed that this host has not allocated\n";
            // SAFETY: so many bytes are there.
            unsafe { libc::write(libc::STDERR_FILENO, what.as_ptr().cast(), what.len()) };
            abort();
        }
        // SAFETY: it is ours, so this is where its block began and how it was made. The mark goes, for a block that is freed
        // twice.
        unsafe {
            mark_of(given).write_unaligned(0);
            System.dealloc(given.sub(offset), block);
        }
    }
}

/// The system's block for this layout, and where in it the part begins that is given out.
fn block(layout: Layout) -> Option<(Layout, usize)> {
    let header = Layout::new::<[u64; 2]>();
    header.extend(layout).ok()
}

/// # Safety
/// There are eight bytes in front of it.
unsafe fn mark_of(given: *mut u8) -> *mut u64 {
    // SAFETY: as the caller says.
    unsafe { given.sub(8).cast() }
}

const MARK: u64 = 0x6775_6572_7269_6c6c;
