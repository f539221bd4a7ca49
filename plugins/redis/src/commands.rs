//! What is sent to Redis for a message.

use std::io::Write;

use guerrilla_plugin_api::{Recipient, Transaction};
use guerrilla_redis_client::RedisPool;
use guerrilla_redis_client::redis::{Cmd, RedisWrite, ToRedisArgs, Value};

use crate::config::Config;
use crate::waiting::value;

/// Stores the message under its key.
pub(crate) fn set(txn: &Transaction<'_>, key: &str, pool: &RedisPool) -> Cmd {
    let mut command = pool.setex(key);
    command.arg(Message(txn));
    command
}

/// Tells the consumers of a stream where it is and what is known of it.
pub(crate) fn announce(
    txn: &Transaction<'_>,
    key: &str,
    size: usize,
    stream: &str,
    config: &Config,
) -> Cmd {
    let remaining = txn.recipients().filter(|recipient| !recipient.is_refused());
    let recipients: Vec<&str> = remaining.map(Recipient::address).collect();
    let mut command = Cmd::new();
    command.arg("XADD").arg(stream);
    if let Some(most) = config.redis_stream_max_length {
        command.arg("MAXLEN").arg("~").arg(most.get());
    }
    command.arg("*").arg("key").arg(key).arg("size").arg(size);
    command.arg("from").arg(txn.sender().unwrap_or_default());
    // An address may hold any character when it is quoted, so a list needs a form of its own.
    command.arg("to").arg(serde_json::json!(recipients).to_string());
    command.arg("subject").arg(txn.subject().unwrap_or_default());
    command.arg("remote_ip").arg(txn.remote_ip()).arg("helo").arg(txn.helo().unwrap_or_default());
    command.arg("tls").arg(u8::from(txn.is_tls()));
    command.arg("arrived_ms").arg(txn.arrived_ms().unwrap_or_default());
    command
}

/// Waits until so many replicas have what was written before on the same connection.
pub(crate) fn wait(replicas: u8, most_ms: u128) -> Cmd {
    let mut command = Cmd::new();
    // Zero would wait without end.
    command.arg("WAIT").arg(replicas).arg(u64::try_from(most_ms).unwrap_or(u64::MAX).max(1));
    command
}

/// How many replicas the answer to WAIT speaks of.
pub(crate) fn replicas(answer: &Value) -> i64 {
    match answer {
        Value::Int(number) => *number,
        _ => 0,
    }
}

/// The value as one argument, without putting its pieces together first.
struct Message<'m, 'h>(&'m Transaction<'h>);

impl ToRedisArgs for Message<'_, '_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let mut argument = out.writer_for_next_arg();
        for piece in value(self.0) {
            // It writes to memory, which cannot fail.
            let _ = argument.write_all(piece);
        }
    }
}
