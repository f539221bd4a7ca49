//! What stands in the column `mail`, written straight into the buffer that is sent.

use guerrilla_plugin_api::Transaction;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::mysql::MySql;
use sqlx::postgres::{PgArgumentBuffer, Postgres};
use sqlx::sqlite::{Sqlite, SqliteArgumentsBuffer};
use sqlx::{Database, Encode, Type};

/// The bytes of a message. They are copied once for each row, from where the host has them to what is sent.
#[derive(Clone, Copy)]
pub(crate) enum Content<'t> {
    /// Another processor has stored it.
    Elsewhere,
    /// A processor has left it in this form.
    Note(&'t [u8]),
    /// As the host would store it.
    Message(&'t Transaction<'t>),
}

impl<'t> Content<'t> {
    /// How many bytes there are.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Elsewhere => 0,
            Self::Note(bytes) => bytes.len(),
            Self::Message(txn) => txn.message().map(<[u8]>::len).sum(),
        }
    }

    fn append_to(self, buffer: &mut Vec<u8>) {
        match self {
            Self::Elsewhere => {}
            Self::Note(bytes) => buffer.extend_from_slice(bytes),
            Self::Message(txn) => txn.message().for_each(|piece| buffer.extend_from_slice(piece)),
        }
    }
}

impl<DB: Database> Type<DB> for Content<'_>
where
    [u8]: Type<DB>,
{
    fn type_info() -> DB::TypeInfo {
        <[u8] as Type<DB>>::type_info()
    }
}

/// The protocol has the length in front, in one to nine bytes.
impl Encode<'_, MySql> for Content<'_> {
    fn encode_by_ref(&self, buffer: &mut Vec<u8>) -> Result<IsNull, BoxDynError> {
        let length = self.len() as u64;
        let bytes = length.to_le_bytes();
        match length {
            0..=250 => buffer.push(bytes[0]),
            251..=0xffff => {
                buffer.push(0xfc);
                buffer.extend_from_slice(&bytes[..2]);
            }
            0x1_0000..=0xff_ffff => {
                buffer.push(0xfd);
                buffer.extend_from_slice(&bytes[..3]);
            }
            _ => {
                buffer.push(0xfe);
                buffer.extend_from_slice(&bytes);
            }
        }
        self.append_to(buffer);
        Ok(IsNull::No)
    }
}

impl Encode<'_, Postgres> for Content<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        self.append_to(buffer);
        Ok(IsNull::No)
    }
}

/// SQLite's thread has to own what it gets.
impl Encode<'_, Sqlite> for Content<'_> {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        let mut bytes = Vec::with_capacity(self.len());
        self.append_to(&mut bytes);
        <Vec<u8> as Encode<'_, Sqlite>>::encode(bytes, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_the_driver_does() {
        for length in [0, 1, 250, 251, 0xffff, 0x1_0000, 0xff_ffff, 0x100_0000] {
            let bytes = vec![b'x'; length];
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            let _ = Encode::<MySql>::encode_by_ref(&Content::Note(&bytes), &mut ours).unwrap();
            let _ = Encode::<MySql>::encode_by_ref(&bytes.as_slice(), &mut theirs).unwrap();
            assert!(ours == theirs, "{length}");
        }
    }
}
