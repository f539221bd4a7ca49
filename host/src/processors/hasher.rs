//! `Hasher`: a name for the message that no other message has, one for each recipient, for stores that file by
//! it (`Redis`, `SQL`). It does not set the queued id.
//!
//! go-guerrilla takes the MD5 of sender, subject, clock and recipients: whoever sends may hope for a collision,
//! and two equal mails in one tick of the clock are one. That formula is kept as `"hasher": "md5"` for its users.
//! The default is SHA-256 over the same facts and ones that cannot repeat: a random seed of the instance, a
//! count, session and queued id. It is cut to 128 bits, which is plenty for a name, so that it fits the
//! `hash char(32)` column of go-guerrilla's tables.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use guerrilla_plugin_api::{Blocking, Host, Phase, Plugin, Transaction, Verdict};
use md5::Md5;
use sha2::{Digest, Sha256};

use super::settings::Settings;

/// The processor.
pub(super) struct Hasher {
    host: Host,
    formula: Formula,
    /// Differs between instances, processes and machines.
    seed: [u64; 2],
    /// Messages so far.
    count: AtomicU64,
}

/// What is hashed, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Formula {
    Md5,
    Sha256,
}

impl Plugin for Hasher {
    const NAME: &'static str = "Hasher";
    const DESCRIPTION: &'static str = "Makes a unique hash for each recipient";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const BLOCKING: Blocking = Blocking::Never;
    const CONFIG_SCHEMA: &'static str = r#"{
        "type": "object",
        "properties": {
            "hasher": {
                "type": "string",
                "pattern": "^([Ss][Hh][Aa]256|[Mm][Dd]5)$",
                "examples": ["sha256", "md5"],
                "default": "sha256",
                "description": "How hashes are made: sha256 (128 bits of it), or md5 as in go-guerrilla"
            }
        }
    }"#;
    type Config = Settings;

    fn create(host: Host, config: Settings) -> Result<Self, String> {
        let formula = Formula::read(&config)?;
        let seed = [(); 2].map(|()| RandomState::new().build_hasher().finish());
        Ok(Self { host, formula, seed, count: AtomicU64::new(0) })
    }

    fn save(&self, mut txn: Transaction<'_>) -> Verdict {
        for hash in self.hashes(&txn) {
            if let Err(why) = txn.push_hash(&hash) {
                self.host.error(format_args!("{} hash not set: {why}", txn.session_id()));
                return Verdict::DEFER;
            }
        }
        Verdict::CONTINUE
    }
}

impl Hasher {
    fn hashes(&self, txn: &Transaction<'_>) -> Vec<String> {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        let sender = go_text(
            txn.sender().unwrap_or_default(),
            txn.sender_local_part().unwrap_or_default(),
            txn.sender_domain().unwrap_or_default(),
        );
        let subject = txn.subject().unwrap_or_default();
        let recipients = txn.recipients().map(|r| go_text(r.address(), r.local_part(), r.domain()));
        match self.formula {
            Formula::Md5 => {
                let nanos = nanos.to_string();
                cumulative::<Md5>(
                    &[sender.as_bytes(), subject.as_bytes(), nanos.as_bytes()],
                    recipients,
                )
            }
            Formula::Sha256 => {
                let count = self.count.fetch_add(1, Ordering::Relaxed);
                let [high, low] = self.seed;
                let numbers = [high.into(), low.into(), count.into(), nanos];
                let texts = [txn.session_id(), txn.queued_id(), &sender, subject];
                let facts = unambiguous(numbers, &texts);
                cumulative::<Sha256>(&[&facts], recipients)
            }
        }
    }
}

impl Formula {
    fn read(config: &Settings) -> Result<Self, String> {
        match config.text("hasher")? {
            None => Ok(Self::Sha256),
            Some(name) if name.eq_ignore_ascii_case("sha256") => Ok(Self::Sha256),
            Some(name) if name.eq_ignore_ascii_case("md5") => Ok(Self::Md5),
            Some(_) => Err("hasher: expected \"sha256\" or \"md5\"".to_owned()),
        }
    }
}

/// One hash for each recipient, over the facts and all recipients up to it; 32 lower-case hexadecimal digits.
fn cumulative<'a, D: Digest + Clone>(
    facts: &[&[u8]],
    recipients: impl Iterator<Item = Cow<'a, str>>,
) -> Vec<String> {
    let mut state = D::new();
    for fact in facts {
        state.update(fact);
    }
    recipients
        .map(|recipient| {
            state.update(recipient.as_bytes());
            hex(&state.clone().finalize()[..16])
        })
        .collect()
}

/// Facts one after the other, each with its length, so that no two lists of them are the same bytes.
fn unambiguous(numbers: [u128; 4], texts: &[&str]) -> Vec<u8> {
    let mut facts = Vec::with_capacity(256);
    for number in numbers {
        facts.extend_from_slice(&number.to_be_bytes());
    }
    for text in texts {
        facts.extend_from_slice(&(text.len() as u64).to_be_bytes());
        facts.extend_from_slice(text.as_bytes());
    }
    facts
}

/// An address as go-guerrilla writes it: quotes only where they were given, `[IPv6:...]` without its tag.
fn go_text<'a>(address: &'a str, local_part: &str, domain: &str) -> Cow<'a, str> {
    if domain.is_empty() {
        let is_postmaster = local_part.eq_ignore_ascii_case("postmaster");
        return if is_postmaster { "postmaster".into() } else { address.into() };
    }
    match ip_literal(domain) {
        Some(ip) => {
            let before = address.strip_suffix(domain).unwrap_or_default();
            format!("{before}[{ip}]").into()
        }
        None if address.starts_with('"') => {
            let escaped = local_part.replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{escaped}\"@{domain}").into()
        }
        None => address.into(),
    }
}

fn ip_literal(domain: &str) -> Option<IpAddr> {
    let inner = domain.strip_prefix('[')?.strip_suffix(']')?;
    let tagged = inner.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    let text = if tagged { &inner[5..] } else { inner };
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests;
