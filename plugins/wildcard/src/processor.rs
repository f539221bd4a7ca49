//! The processor as the daemon sees it.

use guerrilla_plugin_api::{Blocking, Host, Phase, Plugin, Recipient, Reply, Transaction, Verdict};

use crate::config::Config;
use crate::host_list::HostList;

/// Refuses recipients whose host matches no pattern.
pub struct Wildcard {
    host: Host,
    hosts: HostList,
}

impl Plugin for Wildcard {
    const NAME: &'static str = "Wildcard";
    const DESCRIPTION: &'static str = "takes mail for hosts that match a pattern";
    const PHASES: &'static [Phase] = &[Phase::Rcpt];
    const BLOCKING: Blocking = Blocking::Never;
    const CONFIG_SCHEMA: &'static str = CONFIG_SCHEMA;
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, String> {
        let hosts = HostList::parse(&config.wildcard_hosts).map_err(|error| error.to_string())?;
        Ok(Self { host, hosts })
    }

    fn rcpt(&self, txn: Transaction<'_>) -> Verdict {
        // Earlier recipients have been asked about already.
        let Some(recipient) = txn.recipients().next_back() else { return Verdict::CONTINUE };
        if is_own_postmaster(&txn, recipient) || self.hosts.accepts(recipient.domain()) {
            return Verdict::CONTINUE;
        }
        self.host.count("refused", 1);
        Verdict::reject(Reply::new(550, "5.1.2", "No mail is taken for that host"))
    }
}

/// A bare `<postmaster>` must be taken (RFC 5321 section 4.5.1). The daemon gives it the server's own name.
fn is_own_postmaster(txn: &Transaction<'_>, recipient: Recipient<'_>) -> bool {
    recipient.local_part().eq_ignore_ascii_case("postmaster")
        && recipient.domain().eq_ignore_ascii_case(txn.server_name())
}

pub(crate) const CONFIG_SCHEMA: &str = include_str!("config.schema.json");
