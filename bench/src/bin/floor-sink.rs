//! The least that a server can do: see `--help`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use guerrilla_bench::{floor, tls};

/// A mail server that answers and keeps nothing: the floor under every measurement.
///
/// It finds the ends of lines and of data, looks at the first letter of a command and says yes. One thread, epoll.
#[derive(Debug, Parser)]
#[command(name = "floor-sink", version)]
struct Options {
    /// Address and port; port 0 is chosen by the system. It is printed when connections can come
    #[arg(default_value = "127.0.0.1:0")]
    listen: std::net::SocketAddr,
    /// Certificate chain, PEM: STARTTLS is offered
    #[arg(long, requires = "key")]
    certificate: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, requires = "certificate")]
    key: Option<PathBuf>,
    /// TLS from the first byte
    #[arg(long, requires = "certificate")]
    implicit: bool,
    /// Threads, each with a listener of its own (SO_REUSEPORT)
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let tls = match (&options.certificate, &options.key) {
        (Some(certificate), Some(key)) => tls::server(certificate, key).map(Some),
        _ => Ok(None),
    };
    let settings = tls.map(|tls| floor::Settings { tls, implicit: options.implicit });
    let served = settings.and_then(|settings| {
        floor::serve(options.listen, options.threads.max(1), &settings, |address| {
            println!("listening on {address}")
        })
        .map_err(|error| format!("{}: {error}", options.listen))
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("floor-sink: {fault}");
            ExitCode::FAILURE
        }
    }
}
