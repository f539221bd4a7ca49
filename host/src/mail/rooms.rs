//! Memory for bodies, which each thread keeps between messages, whoever sends the next: kept by its connection it would
//! be there for as long as the client stays, and fresh pages cost as much as to copy a mail into them.
//!
//! *Limits*: 128 buffers of up to 32 KiB, 16 of up to 256 KiB and 8 of up to 1 MiB for each thread. While mails are being
//! stored there are as many small ones as clients.

use std::cell::RefCell;

/// An empty buffer with room for so many bytes, perhaps more.
pub(super) fn take(bytes: usize) -> Vec<u8> {
    let kept = on_shelf(bytes, |shelf| shelf.take(bytes)).flatten();
    kept.unwrap_or_else(|| Vec::with_capacity(bytes))
}

/// Takes a buffer back, if there is a place for it.
pub(super) fn keep(memory: Vec<u8>) {
    let bytes = memory.capacity();
    if bytes > 0 {
        on_shelf(bytes, |shelf| shelf.keep(memory));
    }
}

/// The shelf for buffers of this size; none for giants.
fn on_shelf<T>(bytes: usize, work: impl FnOnce(&mut Shelf) -> T) -> Option<T> {
    STORE.with_borrow_mut(|shelves| {
        shelves.iter_mut().find(|shelf| bytes <= shelf.largest).map(work)
    })
}

/// Buffers of one kind. A small mail is never given a large one: the daemon's budget is charged with the room.
struct Shelf {
    kept: Vec<Vec<u8>>,
    /// How many.
    most: usize,
    /// How large each, in bytes.
    largest: usize,
}

impl Shelf {
    fn take(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let at = self.kept.iter().rposition(|memory| memory.capacity() >= bytes)?;
        Some(self.kept.swap_remove(at))
    }

    fn keep(&mut self, mut memory: Vec<u8>) {
        if self.kept.len() < self.most {
            memory.clear();
            self.kept.push(memory);
        }
    }
}

thread_local! {
    /// The smallest first.
    static STORE: RefCell<[Shelf; 3]> = const {
        RefCell::new([
            Shelf { kept: Vec::new(), most: 128, largest: 32 * 1024 },
            Shelf { kept: Vec::new(), most: 16, largest: 256 * 1024 },
            Shelf { kept: Vec::new(), most: 8, largest: LARGE },
        ])
    };
}

/// Bytes of the largest room that is kept: beyond this a message goes to a file, unless `spool_threshold` says otherwise.
const LARGE: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_given_out_to_who_needs_as_much() {
        let mut large = take(700_000);
        large.extend_from_slice(b"of another");
        let (at, room) = (large.as_ptr(), large.capacity());
        keep(large);
        assert!(take(10_000).capacity() < room, "a small one gets no large one");
        assert!(take(room + 1).capacity() > room, "nobody gets less than he asked for");
        let again = take(600_000);
        assert_eq!((again.as_ptr(), again.len()), (at, 0));
        keep(Vec::new());
        keep(Vec::with_capacity(LARGE + 1));
        assert!(take(LARGE + 1).capacity() > LARGE, "a new one: giants are not kept");
    }
}
