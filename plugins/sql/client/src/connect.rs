//! A connection to a MySQL or MariaDB as both plugins need it: one that cuts nothing, and that knows how much it takes at once.

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions, Error, Executor, Row};

/// Connects, makes the session strict, and asks for the most bytes of a statement with its arguments: `max_allowed_packet`, with room
/// for the rest of the packet. A server that is sent more may say so, close the connection, or stop reading and leave the client to wait.
///
/// # Errors
/// When the server is away, refuses us, or does not answer.
pub async fn connect(options: &MySqlConnectOptions) -> Result<(MySqlConnection, usize), Error> {
    let mut connection = options.connect().await?;
    connection.execute(STRICT).await?;
    let asked = "SELECT CAST(@@max_allowed_packet AS SIGNED)";
    let packet: i64 = connection.fetch_one(asked).await?.try_get(0)?;
    let packet = usize::try_from(packet).unwrap_or(SMALLEST_PACKET).max(SMALLEST_PACKET);
    Ok((connection, packet - packet / 16))
}

/// Without it a server whose `sql_mode` has no strictness cuts a mail to what its column holds, with a warning that nobody reads, and we
/// would acknowledge that. `STRICT_TRANS_TABLES`, the servers' default, is not enough: in a table without transactions (MyISAM, Aria) it
/// cuts what is in the second row of a statement and behind. The other modes stay what the operator has made them.
const STRICT: &str = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')";
/// MySQL's least `max_allowed_packet` is 1024; below this no mail has room.
const SMALLEST_PACKET: usize = 16 * 1024;
