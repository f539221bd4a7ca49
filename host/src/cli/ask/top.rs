//! `guerrillad top`: the running daemon, live in a terminal.
//!
//! - here: asking every so often, and keys.
//! - [`view`]: what is drawn, a plain function of what is known.

mod view;

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use super::status::report;
use super::{Which, rates::Between};
use crate::admin::Status;
use crate::cli::complain;
use crate::config::Listen;

#[derive(Debug, Args)]
pub(in crate::cli) struct TopArgs {
    #[command(flatten)]
    which: Which,
    /// Seconds between two looks.
    #[arg(short, long, value_name = "SECONDS", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..=60))]
    interval: u64,
}

/// What is known, newest last.
#[derive(Debug, Default)]
struct Seen {
    before: Option<Status>,
    now: Status,
    /// Messages a second at each look.
    rates: VecDeque<u64>,
    /// Why the last look has shown nothing.
    trouble: Option<String>,
}

impl Seen {
    fn take(&mut self, status: Status) {
        let before = std::mem::replace(&mut self.now, status);
        // Another process counts from 0.
        self.before = (before.pid == self.now.pid).then_some(before);
        self.trouble = None;
        let between = Between { before: self.before.as_ref(), now: &self.now };
        let rate = between.of_servers(|server| server.messages.values().sum());
        if self.rates.len() == MOST_RATES {
            self.rates.pop_front();
        }
        self.rates.push_back(rate.round() as u64);
    }
}

/// Draws until q, Escape or Ctrl-C is pressed.
pub(in crate::cli) fn top(args: &TopArgs) -> ExitCode {
    let begun = args.which.admin().and_then(|listen| Ok((report(&listen)?, listen)));
    let (first, listen) = match begun {
        Ok(begun) => begun,
        Err(why) => {
            complain(why);
            return ExitCode::FAILURE;
        }
    };
    if !io::stdout().is_terminal() {
        complain(
            "top needs a terminal; `guerrillad status` prints one screen, --json for programs",
        );
        return ExitCode::FAILURE;
    }
    // Gives the terminal back as it was also after a panic.
    let mut terminal = ratatui::init();
    let outcome = live(&mut terminal, first, &listen, Duration::from_secs(args.interval));
    ratatui::restore();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("the terminal: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn live(
    terminal: &mut ratatui::DefaultTerminal,
    first: Status,
    listen: &Listen,
    interval: Duration,
) -> io::Result<()> {
    let mut seen = Seen::default();
    seen.take(first);
    loop {
        terminal.draw(|frame| view::draw(frame, &seen))?;
        let next = Instant::now() + interval;
        while let Some(left) = next.checked_duration_since(Instant::now()) {
            if !event::poll(left)? {
                break;
            }
            match event::read()? {
                Event::Key(key) if key.kind == KeyEventKind::Press => match key.code {
                    KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                        return Ok(());
                    }
                    _ => {}
                },
                Event::Resize(..) => {
                    terminal.draw(|frame| view::draw(frame, &seen))?;
                }
                _ => {}
            }
        }
        match report(listen) {
            Ok(status) => seen.take(status),
            Err(why) => seen.trouble = Some(why),
        }
    }
}

/// Looks whose rates are drawn.
const MOST_RATES: usize = 240;
