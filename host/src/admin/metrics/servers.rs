//! Figures of the daemon and its servers.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::family::{Label, counter, gauge, times};
use crate::admin::state::Daemon;
use crate::net::{Server, Totals};

/// What the daemon is and how it does.
pub(super) fn daemon(daemon: &Daemon, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let version = [("version", Cow::Borrowed(env!("CARGO_PKG_VERSION")))];
    gauge(out, "build", "The running program", &[(&version, 1)])?;
    let ready = i64::from(daemon.unready().is_none());
    gauge(out, "ready", "Whether mail is taken and kept", &[(&[], ready)])?;
    let reloads = daemon.reloads.read();
    let outcome = |name| [("outcome", Cow::Borrowed(name))];
    let counts = [(outcome("done"), reloads.done), (outcome("refused"), reloads.refused)];
    let rows = counts.iter().map(|(labels, count)| (&labels[..], *count));
    counter(out, "reloads", "Reloads by outcome", rows)?;
    if let Some(last) = &reloads.last {
        let help = "Whether the last reload was done";
        gauge(out, "last_reload_done", help, &[(&[], i64::from(last.done))])?;
        let help = "When the last reload ended, in seconds since 1970";
        gauge(out, "last_reload_timestamp_seconds", help, &[(&[], last.at)])?;
    }
    let used = i64::try_from(daemon.budget.used()).unwrap_or(i64::MAX);
    let help = "Bytes of messages on their way that are in memory (max_memory)";
    gauge(out, "message_memory_bytes", help, &[(&[], used)])
}

/// What each server has done.
pub(super) fn servers(daemon: &Daemon, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let servers = daemon.servers.load();
    let rows: Vec<Row<'_>> = servers.iter().map(|server| Row::of(server)).collect();
    let each = |figure: fn(&Row<'_>) -> u64| {
        rows.iter().map(move |row| (&row.label[..], figure(row))).collect::<Vec<_>>()
    };
    let active: Vec<(&[Label<'_>], i64)> =
        rows.iter().map(|row| (&row.label[..], row.server.active().into())).collect();
    gauge(out, "connections", "Connections that are open", &active)?;
    let opened = each(|row| row.server.served());
    counter(out, "connections_opened", "Connections that have come", opened)?;
    let away = each(|row| row.totals.turned_away);
    counter(out, "connections_turned_away", "Connections for which there was no place", away)?;
    let help = "Connections by how they have ended";
    by(out, "connections_closed", help, "reason", &rows, |totals| named(totals.closed()))?;
    let help = "Command lines by verb";
    by(out, "commands", help, "verb", &rows, |totals| named(totals.commands()))?;
    by(out, "replies", "Replies by code", "code", &rows, |totals| {
        totals.replies().map(|(code, count)| (Cow::Owned(code.to_string()), count)).collect()
    })?;
    let help = "How often clients have met a limit, by its key in the configuration";
    by(out, "limits", help, "limit", &rows, |totals| named(totals.limits()))?;
    let help = "TLS handshakes that were done, by version";
    by(out, "tls_handshakes", help, "version", &rows, |totals| named(totals.handshakes()))?;
    let help = "TLS handshakes that were not done, by cause";
    by(out, "tls_handshakes_failed", help, "cause", &rows, |totals| {
        named(totals.handshakes_failed())
    })?;
    let bytes = each(|row| row.totals.bytes);
    counter(out, "message_bytes", "Bytes of messages that were accepted", bytes)?;
    let help = "Messages by what became of them";
    by(out, "messages", help, "verdict", &rows, |totals| named(totals.messages()))?;
    let help = "From the end of a message to its answer";
    times(out, "message", help, rows.iter().map(|row| (&row.label[..], &row.totals.took)))
}

/// A server and its figures.
struct Row<'a> {
    server: &'a Server,
    totals: Totals,
    label: [Label<'a>; 1],
}

impl<'a> Row<'a> {
    fn of(server: &'a Server) -> Self {
        let label = [("listener", Cow::Borrowed(&*server.listener))];
        Self { server, totals: server.tally().read(), label }
    }
}

type Named = Vec<(Cow<'static, str>, u64)>;

fn named(figures: impl Iterator<Item = (&'static str, u64)>) -> Named {
    figures.map(|(name, count)| (Cow::Borrowed(name), count)).collect()
}

/// A counter that each server keeps by one more label.
fn by(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    rows: &[Row<'_>],
    figures: fn(&Totals) -> Named,
) -> fmt::Result {
    let mut all = Vec::new();
    for row in rows {
        let [listener] = &row.label;
        let figures = figures(&row.totals).into_iter();
        all.extend(figures.map(|(value, count)| ([listener.clone(), (label, value)], count)));
    }
    counter(out, name, help, all.iter().map(|(labels, count)| (&labels[..], *count)))
}
