//! Writing a header field in lines of decent length (RFC 5322 section 2.2.3).
//!
//! *Limits*: a line has at most [`LINE`] bytes unless a single word is longer; words are kept far below the 998
//! bytes of section 2.1.1 by those who make them.

/// A field that is being written.
pub(super) struct Field<'a> {
    out: &'a mut String,
    /// Bytes in the line so far.
    column: usize,
    /// Nothing but the name stands there: folding here would leave its line empty.
    is_empty: bool,
}

impl<'a> Field<'a> {
    /// Begins a field.
    pub(super) fn new(out: &'a mut String, name: &str) -> Self {
        out.push_str(name);
        out.push(':');
        Self { out, column: name.len() + 1, is_empty: true }
    }

    /// Adds a word that must not be broken, on a new line if this one is full.
    pub(super) fn word(self, word: &str) -> Self {
        self.joined(&[word])
    }

    /// Adds a word that is made of several pieces.
    pub(super) fn joined(self, pieces: &[&str]) -> Self {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        // Room for one more, since punctuation may be attached.
        let fits = self.column + 1 + length < LINE;
        if fits || self.is_empty { self.put(" ", pieces) } else { self.clause(pieces) }
    }

    /// Adds a word on a new line, in pieces.
    pub(super) fn clause(mut self, pieces: &[&str]) -> Self {
        self.out.push_str("\r\n");
        self.column = 0;
        self.put("\t", pieces)
    }

    /// Adds punctuation to the last word.
    pub(super) fn attach(self, punctuation: &str) -> Self {
        self.put("", &[punctuation])
    }

    /// Ends the field.
    pub(super) fn end(self) {
        self.out.push_str("\r\n");
    }

    fn put(mut self, before: &str, pieces: &[&str]) -> Self {
        let start = self.out.len();
        self.out.push_str(before);
        self.out.extend(pieces.iter().copied());
        self.column += self.out.len() - start;
        self.is_empty = false;
        self
    }
}

/// Longest line that is made of more than one word, without its end: RFC 5322 allows 78.
const LINE: usize = 77;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fill_lines() {
        let mut out = String::new();
        let mut field = Field::new(&mut out, "X");
        for _ in 0..200 {
            field = field.word("seven77");
        }
        field.attach(";").end();
        assert!(out.ends_with(";\r\n"));
        assert_eq!(out.matches("seven77").count(), 200);
        let lines: Vec<&str> = out.split_terminator("\r\n").collect();
        assert!(lines.iter().all(|line| (70..=LINE).contains(&line.len()) || line.ends_with(';')));
        assert!(lines[1..].iter().all(|line| line.starts_with("\tseven77 ")));
    }

    #[test]
    fn a_long_word_is_not_broken_and_leaves_no_empty_line() {
        let long = "x".repeat(300);
        let mut out = String::new();
        Field::new(&mut out, "Name").word(&long).word("b").word(&long).end();
        assert_eq!(out, format!("Name: {long}\r\n\tb\r\n\t{long}\r\n"));
    }

    #[test]
    fn clauses_begin_lines() {
        let mut out = String::new();
        Field::new(&mut out, "A").word("b").clause(&["c"]).word("d").attach(";").word("e").end();
        assert_eq!(out, "A: b\r\n\tc d; e\r\n");
    }
}
