//! The INSERT: go-guerrilla's by default, or the operator's, for any number of rows.
//!
//! `sql_insert` is everything up to and including VALUES, `sql_values` the values of one row in parentheses. The values
//! may be followed by what is to stand behind all rows, such as `ON CONFLICT DO NOTHING`. The arguments of a row have a
//! fixed order (that of go-guerrilla), so there must be a marker for each: `?`, or with PostgreSQL also `$1` to `$14` in any order.
//!
//! *Trust*: the operator's text; it becomes SQL as it is.

use crate::driver::Driver;

/// An INSERT for rows to be counted later.
#[derive(Clone, Debug)]
pub(crate) struct Insert {
    driver: Driver,
    /// Up to and including VALUES and a blank.
    head: String,
    /// The values of one row: texts with an argument between each two.
    group: Vec<Piece>,
    /// What follows the last row.
    tail: String,
}

/// A part of the values of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// An argument, counted from 0.
    Argument(usize),
}

impl Insert {
    /// The statement as configured; empty texts stand for the default.
    pub(crate) fn new(
        driver: Driver,
        table: &str,
        insert: &str,
        values: &str,
    ) -> Result<Self, BadStatement> {
        let head = match insert.trim() {
            "" => default_head(driver, table),
            own => format!("{own} "),
        };
        let default = default_values(driver);
        let values = if values.trim().is_empty() { &default } else { values };
        let (group, tail) = split(values)?;
        let group = pieces(driver, group)?;
        Ok(Self { driver, head, group, tail: tail.trim().to_owned() })
    }

    /// The statement for that many rows.
    pub(crate) fn text(&self, rows: usize) -> String {
        let mut sql = String::with_capacity(self.head.len() + rows * 64 + self.tail.len());
        sql.push_str(&self.head);
        for row in 0..rows {
            if row > 0 {
                sql.push(',');
            }
            for piece in &self.group {
                match piece {
                    Piece::Text(text) => sql.push_str(text),
                    Piece::Argument(_) if self.driver != Driver::Postgres => sql.push('?'),
                    Piece::Argument(index) => {
                        sql.push('$');
                        sql.push_str(&(row * ARGUMENTS + index + 1).to_string());
                    }
                }
            }
        }
        if !self.tail.is_empty() {
            sql.push(' ');
            sql.push_str(&self.tail);
        }
        sql
    }
}

/// Why a statement cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadStatement {
    #[error("sql_values: must be the values of one row in parentheses, as in (NOW(), ?, ?, ...)")]
    NoGroup,
    #[error("sql_values: has {0} markers; there must be {ARGUMENTS}, in the order of the README")]
    Markers(usize),
    #[error("sql_values: the marker ${0} stands for no argument: there are $1 to ${ARGUMENTS}")]
    NoArgument(usize),
    #[error(
        "sql_values: has a ? with a number, which would mean the same for each row: write ? alone"
    )]
    Numbered,
    #[error("sql_values: markers are ? or $1 to ${ARGUMENTS}, not both")]
    Mixed,
}

fn default_head(driver: Driver, table: &str) -> String {
    let columns = DEFAULT.map(|(column, _)| driver.quote(column));
    format!("INSERT INTO {} ({}) VALUES ", driver.quote(table), columns.join(", "))
}

fn default_values(driver: Driver) -> String {
    let values = DEFAULT.map(|(_, value)| match value {
        Value::Now => driver.now(),
        Value::Zero => "0",
        Value::Argument => "?",
    });
    format!("({})", values.join(", "))
}

/// The group in parentheses at the beginning, and what follows it.
fn split(values: &str) -> Result<(&str, &str), BadStatement> {
    let values = values.trim();
    let mut depth = 0;
    for (at, byte, quoted) in Scan::new(values) {
        match byte {
            b'(' if !quoted => depth += 1,
            b')' if !quoted && depth == 1 => return Ok(values.split_at(at + 1)),
            b')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth < 1 {
            break;
        }
    }
    Err(BadStatement::NoGroup)
}

fn pieces(driver: Driver, group: &str) -> Result<Vec<Piece>, BadStatement> {
    let mut pieces = Vec::new();
    let (mut plain, mut numbered) = (0, Vec::new());
    let mut text_from = 0;
    for (at, byte, quoted) in Scan::new(group) {
        if quoted || at < text_from {
            continue;
        }
        let digits = group[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
        let (index, end) = match byte {
            b'?' if digits > 0 => return Err(BadStatement::Numbered),
            b'?' => {
                plain += 1;
                (plain - 1, at + 1)
            }
            b'$' if driver == Driver::Postgres && digits > 0 => {
                let number = group[at + 1..at + 1 + digits].parse().unwrap_or(usize::MAX);
                if !(1..=ARGUMENTS).contains(&number) {
                    return Err(BadStatement::NoArgument(number));
                }
                numbered.push(number);
                (number - 1, at + 1 + digits)
            }
            _ => continue,
        };
        pieces.push(Piece::Text(group[text_from..at].to_owned()));
        pieces.push(Piece::Argument(index));
        text_from = end;
    }
    pieces.push(Piece::Text(group[text_from..].to_owned()));
    numbered.sort_unstable();
    numbered.dedup();
    match (plain, numbered.len()) {
        (ARGUMENTS, 0) | (0, ARGUMENTS) => Ok(pieces),
        (1.., 1..) => Err(BadStatement::Mixed),
        (plain, numbered) => Err(BadStatement::Markers(plain + numbered)),
    }
}

/// The bytes of SQL text that are ASCII, each with its place and whether it stands in a quoted text or name.
struct Scan<'t> {
    bytes: std::iter::Enumerate<std::str::Bytes<'t>>,
    quote: Option<u8>,
}

impl<'t> Scan<'t> {
    fn new(text: &'t str) -> Self {
        Self { bytes: text.bytes().enumerate(), quote: None }
    }
}

impl Iterator for Scan<'_> {
    type Item = (usize, u8, bool);

    fn next(&mut self) -> Option<Self::Item> {
        let (at, byte) = self.bytes.find(|(_, byte)| byte.is_ascii())?;
        let within = self.quote.is_some();
        match (self.quote, byte) {
            // A doubled mark closes and opens again, which comes to the same.
            (Some(mark), _) if mark == byte => self.quote = None,
            (None, b'\'' | b'"' | b'`') => self.quote = Some(byte),
            _ => {}
        }
        Some((at, byte, within))
    }
}

/// Where the value of a column comes from.
#[derive(Clone, Copy)]
enum Value {
    Now,
    Zero,
    Argument,
}

/// The default statement's columns, in go-guerrilla's order. The arguments are bound in this order, too.
const DEFAULT: [(&str, Value); 17] = [
    ("date", Value::Now),
    ("to", Value::Argument),
    ("from", Value::Argument),
    ("subject", Value::Argument),
    ("body", Value::Argument),
    ("mail", Value::Argument),
    ("spam_score", Value::Zero),
    ("hash", Value::Argument),
    ("content_type", Value::Argument),
    ("recipient", Value::Argument),
    ("has_attach", Value::Zero),
    ("ip_addr", Value::Argument),
    ("return_path", Value::Argument),
    ("is_tls", Value::Argument),
    ("message_id", Value::Argument),
    ("reply_to", Value::Argument),
    ("sender", Value::Argument),
];

/// Arguments of one row.
pub(crate) const ARGUMENTS: usize = 14;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn insert(driver: Driver, insert: &str, values: &str) -> Result<Insert, BadStatement> {
        Insert::new(driver, "new_mail", insert, values)
    }

    #[test]
    fn the_default_is_go_guerrillas() {
        let sql = insert(Driver::MySql, "", "").unwrap().text(1);
        assert_eq!(
            sql,
            "INSERT INTO `new_mail` (`date`, `to`, `from`, `subject`, `body`, `mail`, `spam_score`, `hash`, \
             `content_type`, `recipient`, `has_attach`, `ip_addr`, `return_path`, `is_tls`, `message_id`, \
             `reply_to`, `sender`) VALUES (NOW(), ?, ?, ?, ?, ?, 0, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)"
        );
        assert_eq!(sql.matches('?').count(), ARGUMENTS);
        let sqlite = insert(Driver::Sqlite, "", "").unwrap().text(2);
        assert_eq!(sqlite.matches("(CURRENT_TIMESTAMP, ?").count(), 2);
    }

    #[test]
    fn rows_are_numbered_on_for_postgres() {
        let sql = insert(Driver::Postgres, "", "").unwrap().text(2);
        assert!(sql.contains("(NOW(), $1, $2, $3, $4, $5, 0, $6,"), "{sql}");
        assert!(sql.ends_with(
            ",(NOW(), $15, $16, $17, $18, $19, 0, $20, $21, $22, 0, $23, $24, $25, $26, $27, $28)"
        ));
    }

    #[test]
    fn the_operators_words_are_kept() {
        let marks = "?,".repeat(ARGUMENTS);
        let values =
            format!("({marks} '?)''?', \"a?\", f(1)) ON DUPLICATE KEY UPDATE mail_id = mail_id");
        let sql = insert(Driver::MySql, "REPLACE INTO t VALUES", &values).unwrap().text(2);
        let group = format!("({marks} '?)''?', \"a?\", f(1))");
        assert_eq!(
            sql,
            format!(
                "REPLACE INTO t VALUES {group},{group} ON DUPLICATE KEY UPDATE mail_id = mail_id"
            )
        );
        let numbered = "(lower($14),$13,$12,$11,$10,$9,$8,$7,$6,$5,$4,$3,$2,$1,$1)";
        let sql = insert(Driver::Postgres, "INSERT INTO t VALUES ", numbered).unwrap().text(2);
        assert!(
            sql.ends_with(",(lower($28),$27,$26,$25,$24,$23,$22,$21,$20,$19,$18,$17,$16,$15,$15)"),
            "{sql}"
        );
    }

    #[test]
    fn a_wrong_number_of_markers_is_an_error() {
        let with = |count| format!("(NOW(){})", ", ?".repeat(count));
        assert_eq!(insert(Driver::MySql, "", &with(13)).unwrap_err(), BadStatement::Markers(13));
        assert_eq!(insert(Driver::MySql, "", &with(15)).unwrap_err(), BadStatement::Markers(15));
        for text in ["?", "?, ?", "(?", ")(", "x (?)"] {
            assert_eq!(
                insert(Driver::MySql, "", text).unwrap_err(),
                BadStatement::NoGroup,
                "{text}"
            );
        }
        assert_eq!(
            insert(Driver::Postgres, "", "($1, $15)").unwrap_err(),
            BadStatement::NoArgument(15)
        );
        assert_eq!(insert(Driver::Postgres, "", "($1, ?)").unwrap_err(), BadStatement::Mixed);
        assert_eq!(insert(Driver::Sqlite, "", "(?1)").unwrap_err(), BadStatement::Numbered);
        assert_eq!(insert(Driver::Postgres, "", "($1, $1)").unwrap_err(), BadStatement::Markers(1));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(values in any::<String>(), marks in "[(?$1'\"` )é]{0,60}") {
            for driver in [Driver::MySql, Driver::Postgres, Driver::Sqlite] {
                let _ = insert(driver, "", &values);
                let _ = insert(driver, "", &marks);
            }
        }
    }
}
