//! `bench`: what a call of a processor costs. The calls are real: a processor that stores, stores.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use guerrilla_plugin_abi::{Phase, Status};

use super::settings::Settings;
use crate::cli::{CONFIG, USAGE, complain, say};
use crate::mail::{BodyError, Client, Storage, Transaction};
use crate::plugins::ffi::{Called, Instance};
use crate::plugins::{LoadedFile, Processor, load_file};

/// Measures the processors of a file, or the one that is named, in each phase they take part in.
pub(super) fn run(file: &Path, processor: Option<&str>, config: Option<&Path>) -> ExitCode {
    let settings = match config.map(Settings::load).transpose() {
        Ok(settings) => settings,
        Err(error) => {
            complain(error);
            return ExitCode::from(CONFIG);
        }
    };
    let loaded = match load_file(file) {
        Ok(loaded) => loaded,
        Err(error) => {
            complain(error);
            return ExitCode::FAILURE;
        }
    };
    let all = loaded.manifest.processors.iter();
    let chosen = all.filter(|p| processor.is_none_or(|name| p.answers_to(name)));
    let chosen: Vec<&Processor> = chosen.collect();
    if chosen.is_empty() {
        let names: Vec<_> = loaded.manifest.processors.iter().map(|p| p.name.as_str()).collect();
        complain(format_args!("{} offers only {}", loaded.manifest.name, names.join(", ")));
        return ExitCode::from(USAGE);
    }
    if cfg!(debug_assertions) {
        complain("this guerrillad is a debug build: it is slower than what it measures");
    }
    let (mut code, has_settings) = (ExitCode::SUCCESS, settings.is_some());
    for processor in chosen {
        let settings = settings.as_ref().map_or_else(|| "{}".to_owned(), |all| all.flat(processor));
        if let Err(why) = measure_all(&loaded, processor, &settings) {
            let hint = if has_settings { "" } else { "; give its settings with -c CONFIG" };
            complain(format_args!("processor {}: {why}{hint}", processor.name));
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn measure_all(loaded: &LoadedFile, processor: &Processor, settings: &str) -> Result<(), String> {
    let instance = Instance::create(&loaded.constructor(), &processor.name, settings)
        .map_err(|why| why.to_string())?;
    instance.start().map_err(|why| format!("cannot start: {why}"))?;
    for (phase, name) in processor.phases.iter().zip(processor.phase_names()) {
        match measure(&instance, *phase) {
            Ok(found) => say(format_args!("{:<20} {name:<8} {found}", processor.name)),
            Err(why) => complain(format_args!("processor {}: {name}: {why}", processor.name)),
        }
    }
    instance.drain(DRAIN_MS);
    instance.stop();
    Ok(())
}

/// What was measured.
struct Found {
    least: Duration,
    median: Duration,
    calls: usize,
    /// The last answer; a call that fails costs something else than one that succeeds.
    answer: Status,
}

fn measure(instance: &Instance, phase: Phase) -> Result<Found, BodyError> {
    let typical = typical(phase)?;
    // The first call pays for what is made once; it also says how many calls fit into a run.
    let (first, _) = run_once(instance, phase, &typical, 1);
    let fitting = RUN.as_nanos() / first.as_nanos().max(1);
    let calls = usize::try_from(fitting).unwrap_or(usize::MAX).clamp(1, MOST_CALLS);
    let mut answer = Status::CONTINUE;
    let mut runs: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let (took, last) = run_once(instance, phase, &typical, calls);
            answer = last;
            took
        })
        .collect();
    runs.sort();
    let each = |run: Duration| run / u32::try_from(calls).unwrap_or(u32::MAX);
    Ok(Found { least: each(runs[0]), median: each(runs[RUNS / 2]), calls, answer })
}

/// Asks so many times, each time about a message of its own, made beforehand.
fn run_once(
    instance: &Instance,
    phase: Phase,
    typical: &Transaction,
    calls: usize,
) -> (Duration, Status) {
    let messages: Vec<Box<Transaction>> =
        (0..calls).map(|_| typical.spare_with_message()).collect();
    let mut answered = Vec::with_capacity(calls);
    let mut answer = Status::CONTINUE;
    let start = Instant::now();
    for txn in messages {
        answer = match instance.process(phase, txn) {
            Called::Answered(txn, status) => {
                answered.push(txn);
                status
            }
            Called::Held(waiting, _) => match waiting.blocking_recv() {
                Ok((_, status)) => status,
                Err(_) => Status::INTERNAL,
            },
        };
    }
    (start.elapsed(), answer)
}

/// A message as most are: one recipient, a few header fields, 8 KB.
fn typical(phase: Phase) -> Result<Transaction, BodyError> {
    let address = |host, port| Some(SocketAddr::from((Ipv4Addr::from(host), port)));
    let (remote, local) = (address([192, 0, 2, 1], 40000), address([198, 51, 100, 1], 25));
    let mut client = Client::new("0.0.0.0:25".into(), "mail.example.com".into(), remote, local);
    client.helo = Some("client.example.org".to_owned());
    client.esmtp = true;
    client.protocol = "ESMTP";
    let mut txn = Transaction::new(client);
    txn.phase = phase;
    if matches!(phase, Phase::CONNECT | Phase::HELO) {
        return Ok(txn);
    }
    let envelope = &mut txn.envelope;
    envelope.begin("sender@example.org", "sender", "example.org", "SIZE=8192");
    if phase != Phase::MAIL {
        envelope.push_recipient("test@example.com", "test", "example.com", "");
    }
    if phase == Phase::SAVE {
        let storage = Storage::default();
        envelope.body.append(HEADER.as_bytes(), &storage)?;
        envelope.body.append(LINE.repeat(100).as_bytes(), &storage)?;
        envelope.body.complete()?;
    }
    Ok(txn)
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (least, median) = (self.least.as_nanos(), self.median.as_nanos());
        let answer = match self.answer {
            Status::CONTINUE => "continue",
            Status::ACCEPT => "accept",
            Status::DEFER => "defer",
            Status::REJECT => "reject",
            Status::DISCARD => "discard",
            Status::DISCONNECT => "disconnect",
            _ => "a fault",
        };
        write!(
            f,
            "{least:>10} ns per call (median {median}; least of {RUNS} runs of {}); answers {answer}",
            self.calls
        )
    }
}

const HEADER: &str = "Received: from client.example.org\r\n\tby mail.example.com; Mon, 2 Nov 2026 10:00:00 +0000\r\n\
    From: Sender <sender@example.org>\r\nTo: Test <test@example.com>\r\nSubject: A message as most are\r\n\
    Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\r\n";

const LINE: &str =
    "A line of text, as long as the lines of most messages are, and not one letter more.\r\n";

const RUNS: usize = 15;

/// How long a run is to take.
const RUN: Duration = Duration::from_millis(50);

/// Most calls of a run: each needs a message of its own.
const MOST_CALLS: usize = 1000;

/// How long a processor may take to finish what it has in hand.
const DRAIN_MS: u64 = 5000;
