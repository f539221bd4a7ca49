//! The command line, checked and made a plan.

use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use rustls::pki_types::ServerName;

use crate::letters;
use crate::load::{Address, Plan, Tls};
use crate::script::{Parts, Script};
use crate::tls;

/// Sends mail to a server as fast as it takes it, or at a fixed rate, and says how long it took.
#[derive(Debug, Parser)]
#[command(name = "guerrilla-bench", version, about, after_help = EXAMPLES)]
pub struct Options {
    /// Where the server listens: host:port, [ipv6]:port, or unix:/path
    pub address: String,
    /// Connections at the same time
    #[arg(short = 'c', long, default_value_t = 10)]
    pub connections: usize,
    /// Messages on each connection before QUIT; 0: only hello (and handshake) and QUIT
    #[arg(short = 'k', long, default_value_t = 100)]
    pub messages_per_connection: u64,
    /// For how long messages are begun
    #[arg(short = 'd', long, default_value_t = 10.0)]
    pub seconds: f64,
    /// End after so many messages (sessions with -k 0), if that comes before the time is over
    #[arg(short = 'n', long)]
    pub messages: Option<u64>,
    /// Sizes of the messages and their shares: 10k, or 2k:20,6k:30,1m:1
    #[arg(short = 's', long, default_value = "10k", conflicts_with = "mails")]
    pub size: String,
    /// Send the files of this directory, one after the other
    #[arg(long)]
    pub mails: Option<PathBuf>,
    /// Recipients of each message
    #[arg(short = 'r', long, default_value_t = 1)]
    pub recipients: usize,
    /// Send commands in groups where the server offers PIPELINING
    #[arg(short = 'p', long)]
    pub pipelining: bool,
    /// Send by BDAT where the server offers CHUNKING, in chunks of this size
    #[arg(long, value_name = "SIZE", num_args = 0..=1, default_missing_value = "1m")]
    pub chunking: Option<String>,
    /// Speak LMTP
    #[arg(long)]
    pub lmtp: bool,
    /// Encrypt; any certificate is taken
    #[arg(long, value_enum)]
    pub tls: Option<TlsMode>,
    /// A full handshake on every connection
    #[arg(long, requires = "tls")]
    pub no_resumption: bool,
    /// TLS 1.2 and not 1.3
    #[arg(long, requires = "tls")]
    pub tls12: bool,
    /// The name that the client asks for under TLS
    #[arg(long, default_value = "localhost")]
    pub server_name: String,
    /// Open loop: so many messages a second are due, and latency counts from when they were
    #[arg(long, value_name = "MESSAGES/S")]
    pub rate: Option<f64>,
    /// Hold so many more connections open, idle, and begin the load when they all are
    #[arg(long, default_value_t = 0)]
    pub idle: usize,
    /// Threads
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// On loopback, take turns with so many source addresses (needed above 28,000 connections)
    #[arg(long, default_value_t = 1)]
    pub sources: u8,
    /// Reverse-path
    #[arg(long, default_value = "sender@client.example")]
    pub from: String,
    /// Forward-path; with several recipients a number is put before the @
    #[arg(long, default_value = "receiver@example.com")]
    pub to: String,
    /// What the client calls itself
    #[arg(long, default_value = "client.example")]
    pub helo: String,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// No progress on standard error
    #[arg(short = 'q', long)]
    pub quiet: bool,
}

/// How TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TlsMode {
    /// By STARTTLS
    Starttls,
    /// From the first byte
    Implicit,
}

impl Options {
    /// The plan, or in one line what is wrong.
    pub fn plan(&self) -> Result<Plan, String> {
        self.check()?;
        let chunk = self.chunking.as_deref().map(letters::parse_size).transpose()?;
        let parts = Parts {
            hello_name: &self.helo,
            from: &self.from,
            to: &self.to,
            recipients: self.recipients,
            lmtp: self.lmtp,
            pipelining: self.pipelining,
            starttls: self.tls == Some(TlsMode::Starttls),
            chunk,
        };
        Ok(Plan {
            address: address(&self.address)?,
            script: self.script(&parts)?,
            threads: self.threads,
            connections: self.connections,
            messages_each: self.messages_per_connection,
            time: Duration::from_secs_f64(self.seconds),
            budget: self.messages.map(AtomicU64::new),
            rate: self.rate,
            idle: self.idle,
            sources: self.sources,
            tls: self.tls()?,
        })
    }

    fn check(&self) -> Result<(), String> {
        let faults = [
            (
                self.connections == 0 && self.idle == 0,
                "--connections or --idle must be more than 0",
            ),
            (self.recipients == 0, "--recipients must be more than 0"),
            (self.threads == 0 || self.threads > 1024, "--threads must be 1 to 1024"),
            (self.sources == 0 || self.sources > 250, "--sources must be 1 to 250"),
            (!(0.0..=1e6).contains(&self.seconds), "--seconds must be 0 to 1000000"),
            (
                self.rate.is_some_and(|rate| !(1e-3..=1e7).contains(&rate)),
                "--rate must be 0.001 to 10000000",
            ),
            (
                self.rate.is_some() && self.messages_per_connection == 0,
                "--rate needs messages: -k must be more than 0",
            ),
            (
                [&self.from, &self.to, &self.helo].iter().any(|text| text.contains(['\r', '\n'])),
                "--from, --to and --helo must be one line",
            ),
        ];
        match faults.iter().find(|(wrong, _)| *wrong) {
            Some((_, fault)) => Err((*fault).to_owned()),
            None => Ok(()),
        }
    }

    fn script(&self, parts: &Parts<'_>) -> Result<Script, String> {
        let Some(directory) = &self.mails else {
            return Ok(Script::with_sizes(parts, &letters::parse_sizes(&self.size)?));
        };
        let mails = letters::read(directory)
            .map_err(|error| format!("{}: {error}", directory.display()))?;
        if mails.is_empty() {
            return Err(format!("{}: no files there", directory.display()));
        }
        let order = (0..mails.len()).collect();
        Ok(Script::new(parts, &mails, order))
    }

    fn tls(&self) -> Result<Option<Tls>, String> {
        let Some(mode) = self.tls else { return Ok(None) };
        let name = ServerName::try_from(self.server_name.clone())
            .map_err(|_| format!("--server-name {}: not a host name", self.server_name))?;
        let config =
            tls::client(!self.no_resumption, self.tls12).map_err(|error| error.to_string())?;
        Ok(Some(Tls { implicit: mode == TlsMode::Implicit, config, name }))
    }
}

fn address(text: &str) -> Result<Address, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Address::Unix(path.into()));
    }
    let mut found =
        text.to_socket_addrs().map_err(|error| format!("{text}: {error} (write host:port)"))?;
    found.next().map(Address::Tcp).ok_or_else(|| format!("{text}: no address"))
}

const EXAMPLES: &str = "Examples:
  guerrilla-bench 127.0.0.1:2525 -c 100 -k 100 -s 10k -p
  guerrilla-bench localhost:2525 --rate 2000 -d 60 --tls starttls --json
  guerrilla-bench unix:/run/lmtp.sock --lmtp -r 10 --mails corpus/
  guerrilla-bench 127.0.0.1:2525 -c 0 --idle 10000 -d 60     connections and no mail

Exit status: 0 every message was taken, 1 some were not, 2 nothing could be done.";

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Result<Plan, String> {
        Options::try_parse_from(std::iter::once("b").chain(line.split(' ')))
            .map_err(|error| error.to_string())?
            .plan()
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }

    #[test]
    fn options_become_a_plan() {
        let plan =
            plan("127.0.0.1:25 -c 3 -k 1 -n 5 --tls starttls -p --chunking --idle 2").unwrap();
        assert_eq!((plan.connections, plan.messages_each, plan.idle), (3, 1, 2));
        assert!(plan.script.starttls && plan.script.pipelining && !plan.script.by_bdat.is_empty());
        assert!((0..5).all(|_| plan.take_one()) && !plan.take_one());
        assert_eq!(address("unix:/run/x"), Ok(Address::Unix("/run/x".into())));
    }

    #[test]
    fn nonsense_is_named() {
        for (line, word) in [
            ("127.0.0.1", "host:port"),
            ("127.0.0.1:25 -c 0", "--connections"),
            ("127.0.0.1:25 --rate 0", "--rate"),
            ("127.0.0.1:25 --rate 5 -k 0", "-k"),
            ("127.0.0.1:25 -s 10q", "10q"),
            ("127.0.0.1:25 --mails /nowhere/at/all", "/nowhere/at/all"),
            ("127.0.0.1:25 --no-resumption", "--tls"),
            ("127.0.0.1:25 -d -1", "-1"),
        ] {
            let fault = plan(line).unwrap_err();
            assert!(fault.contains(word), "{line}: {fault}");
        }
    }
}
