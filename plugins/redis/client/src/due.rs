//! How long a mail in hand can wait.

use std::time::{Duration, Instant};

use guerrilla_plugin_api::Transaction;

/// When it has to be answered for, stored or not: somewhat before the daemon gives up on it, which counts an answer that comes too
/// late as a fault; and stages behind this one need time as well.
pub fn due(txn: &Transaction<'_>, now: Instant) -> Instant {
    let left = txn.deadline_ms().map_or(USUAL, Duration::from_millis);
    now + left.saturating_sub((left / 5).min(MARGIN))
}

const MARGIN: Duration = Duration::from_secs(1);
/// That of go-guerrilla (`gw_save_timeout`), for a host that tells none.
const USUAL: Duration = Duration::from_secs(30);
