//! Notes that stages leave for each other.
//!
//! *Trust*: plugins write them. *Limits*: bounded in number and size, since a session may last for hours.

/// A few named values; looked up by walking, for there are hardly ever more than five.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    notes: Vec<(String, Vec<u8>)>,
}

impl Notes {
    /// None yet.
    pub const fn new() -> Self {
        Self { notes: Vec::new() }
    }

    /// The value of a note.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.notes.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_slice())
    }

    /// Sets a note of at most so many bytes; an empty value removes it.
    ///
    /// # Errors
    /// When key, value or their number exceed the limits.
    pub fn set(&mut self, key: &str, value: &[u8], most: usize) -> Result<(), NoteRefused> {
        self.set_where_room(key, value, most, |_| true)
    }

    /// The same where there is room for all of them: told how many bytes they would be.
    pub(super) fn set_where_room(
        &mut self,
        key: &str,
        value: &[u8],
        most: usize,
        has_room: impl FnOnce(usize) -> bool,
    ) -> Result<(), NoteRefused> {
        let place = self.notes.iter().position(|(k, _)| k == key);
        let too_many = place.is_none() && !value.is_empty() && self.notes.len() >= MAX_NOTES;
        if key.is_empty() || key.len() > MAX_KEY || value.len() > most || too_many {
            return Err(NoteRefused);
        }
        let size = |value: &[u8]| if value.is_empty() { 0 } else { key.len() + value.len() };
        let before = place.map_or(0, |place| size(&self.notes[place].1));
        let bytes = self.bytes() - before + size(value);
        if !has_room(bytes) {
            return Err(NoteRefused);
        }
        match (place, value.is_empty()) {
            (Some(place), true) => {
                self.notes.swap_remove(place);
            }
            (Some(place), false) => self.notes[place].1 = value.to_vec(),
            (None, true) => {}
            (None, false) => self.notes.push((key.to_owned(), value.to_vec())),
        }
        Ok(())
    }

    /// Forgets the notes whose key is not among those to be kept.
    pub fn retain(&mut self, kept: impl Fn(&str) -> bool) {
        self.notes.retain(|(key, _)| kept(key));
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.notes.clear();
    }

    /// Of all keys and values. There are few, so nobody keeps count.
    fn bytes(&self) -> usize {
        self.notes.iter().map(|(key, value)| key.len() + value.len()).sum()
    }

    /// Bytes that stay when all is forgotten.
    pub(super) fn room(&self) -> usize {
        self.notes.capacity() * size_of::<(String, Vec<u8>)>()
    }
}

/// The note is too long, or there are too many, or no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoteRefused;

/// Longest key in bytes.
const MAX_KEY: usize = 255;
/// Longest value of a note of the message, in bytes: a compressed copy of the largest message fits.
pub const MAX_MAIL_NOTE: usize = 1 << 30;
/// Longest value of a note of the session, which may last for hours.
pub const MAX_SESSION_NOTE: usize = 64 * 1024;
/// Most notes of one scope.
const MAX_NOTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_replace_remove() {
        let mut notes = Notes::default();
        notes.set("a", b"1", 9).unwrap();
        notes.set("a", b"2", 9).unwrap();
        assert_eq!(notes.get("a"), Some(&b"2"[..]));
        notes.set("a", b"", 9).unwrap();
        assert_eq!(notes.get("a"), None);
    }

    #[test]
    fn bounded() {
        let mut notes = Notes::default();
        for i in 0..MAX_NOTES {
            notes.set(&i.to_string(), b"x", 9).unwrap();
        }
        assert_eq!(notes.set("one more", b"x", 9), Err(NoteRefused));
        assert_eq!(notes.set("", b"x", 9), Err(NoteRefused));
        assert_eq!(notes.set("0", &[0; 10], 9), Err(NoteRefused));
    }

    #[test]
    fn room_is_asked_for_what_all_of_them_take() {
        let mut notes = Notes::default();
        let asked = std::cell::Cell::new(None);
        let mut set = |key: &str, value: &[u8], fine: bool| {
            asked.set(None);
            let set = notes.set_where_room(key, value, 9, |bytes| {
                asked.set(Some(bytes));
                fine
            });
            (set.is_ok(), asked.get())
        };
        assert_eq!(set("ab", b"123", true), (true, Some(5)));
        assert_eq!(set("c", b"1", true), (true, Some(7)));
        assert_eq!(set("ab", b"123456789", false), (false, Some(13)));
        assert_eq!(set("ab", b"1234567890", true), (false, None));
        assert_eq!(set("ab", b"1", true), (true, Some(5)));
        assert_eq!(set("none", b"", true), (true, Some(5)));
        assert_eq!(set("ab", b"", true), (true, Some(2)));
        notes.retain(|_| true);
        assert_eq!((notes.bytes(), notes.get("c")), (2, Some(&b"1"[..])));
        notes.clear();
        assert_eq!(notes.bytes(), 0);
    }
}
