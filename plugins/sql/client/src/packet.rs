//! How much a MySQL server takes at once.

use sqlx::mysql::MySqlConnection;
use sqlx::{Error, Executor, Row};

/// Most bytes of a statement with its arguments, by `max_allowed_packet`, with room for the rest of the packet. A server that is
/// sent more may say so, close the connection, or stop reading and leave the client to wait.
///
/// # Errors
/// When the server does not answer.
pub async fn largest_statement(connection: &mut MySqlConnection) -> Result<usize, Error> {
    let asked = "SELECT CAST(@@max_allowed_packet AS SIGNED)";
    let packet: i64 = connection.fetch_one(asked).await?.try_get(0)?;
    let packet = usize::try_from(packet).unwrap_or(SMALLEST_PACKET).max(SMALLEST_PACKET);
    Ok(packet - packet / 16)
}

/// MySQL's least `max_allowed_packet` is 1024; below this no mail has room.
const SMALLEST_PACKET: usize = 16 * 1024;
