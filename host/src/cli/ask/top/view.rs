//! What `top` draws.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Sparkline, Table};

use super::super::amount;
use super::super::rates::{Between, Latency};
use super::super::status::{origin, words};
use super::Seen;
use crate::admin::{Counts, Server, Stage};

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, seen: &Seen) {
    let between = Between { before: seen.before.as_ref(), now: &seen.now };
    let servers = u16::try_from(seen.now.servers.len()).unwrap_or(u16::MAX);
    let [head, chart, table, stages, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(6),
        Constraint::Length(servers.saturating_add(2).min(8)),
        Constraint::Min(4),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(head_of(&between), head);
    rate_chart(frame, chart, &between, seen);
    frame.render_widget(server_table(&between), table);
    frame.render_widget(stage_table(&between), stages);
    frame.render_widget(foot_of(seen), foot);
}

fn head_of(between: &Between<'_>) -> Paragraph<'static> {
    let now = between.now;
    let state = match &now.unready {
        None => Span::styled(" ready ", Style::new().fg(Color::Black).bg(Color::Green)),
        Some(why) => Span::styled(format!(" {why} "), Style::new().fg(Color::White).bg(Color::Red)),
    };
    let name =
        format!("guerrillad {}  pid {}  up {}  ", now.version, now.pid, amount::span(now.uptime));
    let open: u32 = now.servers.iter().map(|server| server.connections).sum();
    let figures = format!(
        "connections {open} (+{}/s)  cpu {:.0}%  memory {} ({} of it messages)  files {}/{}  reloads {}/{} refused",
        amount::number(between.of_servers(|server| server.connections_total)),
        between.cpu() * 100.0,
        amount::bytes(now.memory.resident as f64),
        amount::bytes(now.memory.messages as f64),
        now.files.open,
        now.files.limit,
        now.reloads.done,
        now.reloads.refused,
    );
    let name = Span::styled(name, Style::new().add_modifier(Modifier::BOLD));
    Paragraph::new(vec![Line::from(vec![name, state]), Line::from(figures)])
}

fn rate_chart(frame: &mut Frame<'_>, area: Rect, between: &Between<'_>, seen: &Seen) {
    let title = format!(
        " messages {}/s   {}/s   most {} ",
        amount::number(between.of_servers(|server| total(&server.messages))),
        amount::bytes(between.of_servers(|server| server.bytes)),
        seen.rates.iter().max().copied().unwrap_or_default(),
    );
    let width = usize::from(area.width.saturating_sub(2));
    let begin = seen.rates.len().saturating_sub(width);
    let rates: Vec<u64> = seen.rates.iter().skip(begin).copied().collect();
    let chart = Sparkline::default()
        .block(Block::new().borders(Borders::ALL).title(title))
        .style(Style::new().fg(Color::Cyan))
        .data(&rates);
    frame.render_widget(chart, area);
}

fn server_table(between: &Between<'_>) -> Table<'static> {
    let columns = [
        "SERVER",
        "OPEN",
        "MSG/S",
        "ACCEPTED",
        "DEFERRED",
        "REJECTED",
        "MEAN",
        "P99",
        "TLS",
        "LIMITS MET",
    ];
    let row = |server: &Server| {
        let verdict = |name: &str| {
            amount::number(server.messages.get(name).copied().unwrap_or_default() as f64)
        };
        let rate = between.of_server(server, |server| total(&server.messages));
        let latency = between.message_latency(server);
        Row::new(vec![
            server.listener.clone(),
            server.connections.to_string(),
            amount::number(rate),
            verdict("accepted"),
            verdict("deferred"),
            verdict("rejected"),
            mean(latency),
            p99(latency),
            amount::number(total(&server.tls) as f64),
            words(&server.limits),
        ])
    };
    let widths = [
        Constraint::Length(21),
        Constraint::Length(6),
        Constraint::Length(7),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(6),
        Constraint::Fill(1),
    ];
    Table::new(between.now.servers.iter().map(row), widths).header(header(&columns))
}

fn stage_table(between: &Between<'_>) -> Table<'static> {
    let columns = ["STAGE", "FROM", "CALLS/S", "MEAN", "P50", "P99", "FLIGHT", "WAIT", "FAULTS"];
    let row = |stage: &Stage| {
        let latency = between.stage_latency(stage);
        let ill = stage.faults > 0 || stage.lost_workers > 0;
        let style = if ill { Style::new().fg(Color::Red) } else { Style::new() };
        Row::new(
            [
                stage.stage.clone(),
                origin(stage),
                amount::number(between.of_stage(stage, |stage| stage.calls)),
                mean(latency),
                latency.p50.map_or_else(none, amount::seconds),
                p99(latency),
                stage.in_flight.to_string(),
                stage.waiting.to_string(),
                stage.faults.to_string(),
            ]
            .map(Cell::from),
        )
        .style(style)
    };
    let widths = [
        Constraint::Length(21),
        Constraint::Length(26),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(6),
        Constraint::Length(5),
        Constraint::Length(6),
    ];
    Table::new(between.now.stages.iter().map(row), widths).header(header(&columns))
}

fn foot_of(seen: &Seen) -> Paragraph<'static> {
    match &seen.trouble {
        None => Paragraph::new("q: end").style(Style::new().add_modifier(Modifier::DIM)),
        Some(why) => Paragraph::new(why.clone()).style(Style::new().fg(Color::Red)),
    }
}

fn header(columns: &[&'static str]) -> Row<'static> {
    Row::new(columns.to_vec()).style(Style::new().add_modifier(Modifier::REVERSED))
}

fn mean(latency: Latency) -> String {
    if latency.count == 0 { none() } else { amount::seconds(latency.mean) }
}

fn p99(latency: Latency) -> String {
    latency.p99.map_or_else(none, amount::seconds)
}

fn none() -> String {
    "-".to_owned()
}

fn total(counts: &Counts) -> u64 {
    counts.values().sum()
}

#[cfg(test)]
mod tests;
