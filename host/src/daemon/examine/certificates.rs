//! The files of `servers[].tls`.

use std::time::SystemTime;

use super::Examination;
use crate::config::{Config, KeyPair, Problem, Tls};
use crate::net::TlsError;
use crate::net::tls::Acceptor;

impl Examination {
    /// Files of a disabled server need not be there.
    pub(super) fn certificates(&mut self, config: &Config, known_wrong: &impl Fn(&str) -> bool) {
        for (index, server) in
            config.servers.iter().enumerate().filter(|(_, server)| server.enabled)
        {
            let at = format!("servers[{index}].tls");
            if known_wrong(&at) {
                continue;
            }
            match Acceptor::open(&server.tls, &server.listen.to_string()) {
                Ok(None) => {}
                Ok(Some(acceptor)) => {
                    for (path, complaint) in acceptor.complaints_of_dates(SystemTime::now()) {
                        let at = format!(
                            "{at}.{}public_key_file",
                            place(&server.tls, |pair| pair.certificate_chain == path)
                        );
                        let message = format!("{}: the certificate of {complaint}", path.display());
                        self.warnings.push(Problem::new(at, message));
                    }
                }
                Err(error) => {
                    let place = place_of(&server.tls, &error);
                    self.problems.push(tls_problem(&at, &place, &error));
                }
            }
        }
    }
}

/// Which of a server's pairs an error is about, as it stands in front of the key: nothing for the main one.
pub(in crate::daemon) fn place_of(tls: &Tls, error: &TlsError) -> String {
    match error {
        TlsError::Read { key, path, .. } | TlsError::Content { key, path, .. }
            if *key != "root_cas_file" =>
        {
            place(tls, |pair| pair.certificate_chain == *path || pair.private_key == *path)
        }
        TlsError::Mismatch { certificate, key } => {
            place(tls, |pair| pair.certificate_chain == *certificate && pair.private_key == *key)
        }
        _ => String::new(),
    }
}

/// Pairs are read in this order, so the first that names the file is the one that an error is about.
fn place(tls: &Tls, names: impl Fn(&KeyPair) -> bool) -> String {
    let names = &names;
    let is_main = tls.mode.pair().is_some_and(names);
    match tls.certificates.iter().position(names).filter(|_| !is_main) {
        Some(index) => format!("certificates[{index}]."),
        None => String::new(),
    }
}

/// An error about TLS begins with the key, unless it is about several.
fn tls_problem(at: &str, place: &str, error: &TlsError) -> Problem {
    let text = error.to_string();
    match text.split_once([' ', ':']) {
        Some((key, message)) if !matches!(error, TlsError::Settings(_)) => {
            Problem::new(format!("{at}.{place}{key}"), message.trim_start())
        }
        _ => Problem::new(at, text),
    }
}
