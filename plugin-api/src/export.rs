//! The glue between the author's trait and the border. Every entry is guarded here: a panic in a plugin
//! becomes a status and a log line, for one that reached an `extern "C"` function would end the daemon.

use std::sync::atomic::{AtomicBool, Ordering};

use abi_stable::std_types::{ROption, RStr};
use abi_stable::type_level::downcasting::TD_Opaque;
use guerrilla_plugin_abi as abi;
use guerrilla_plugin_abi::{Instance_TO, InstanceBox, Status};
use serde::de::DeserializeOwned;

use crate::current;
use crate::host::Host;
use crate::panics::{guard, install_hook, one_line};
use crate::plugin::Plugin;
use crate::transaction::Transaction;
use crate::verdict::Verdict;

/// Signature of a processor's constructor behind the border.
pub type Create = fn(&abi::Host, &str, &mut ROption<InstanceBox>) -> Status;

/// Makes an instance of `P` and puts it into `out`.
pub fn create<P: Plugin>(host: &abi::Host, config: &str, out: &mut ROption<InstanceBox>) -> Status {
    create_by(P::create, host, config, out)
}

/// The same, by a function other than `P`'s own: a program with the host inside may capture what is its own.
pub fn create_by<P: Plugin>(
    make: impl FnOnce(Host, P::Config) -> Result<P, String>,
    host: &abi::Host,
    config: &str,
    out: &mut ROption<InstanceBox>,
) -> Status {
    let host = Host::new(*host);
    let made = guard(host, || make(host, parse(config)?));
    match made {
        Ok(Ok(plugin)) => {
            current::made(host);
            let guarded = Guarded { plugin: Some(plugin), host };
            *out = ROption::RSome(Instance_TO::from_value(guarded, TD_Opaque));
            Status::CONTINUE
        }
        Ok(Err(why)) => {
            host.explain(&one_line(&why));
            Status::BAD_CONFIG
        }
        Err(what) => {
            host.explain(&format!("panicked in create: {what}"));
            Status::PANICKED
        }
    }
}

/// Reads the configuration; the error names the key. Line and column are those of a text that nobody has written, so
/// they are left out.
fn parse<C: DeserializeOwned>(config: &str) -> Result<C, String> {
    let mut json = serde_json::Deserializer::from_str(config);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let text = error.into_inner().to_string();
        let what = text.split_once(" at line ").map_or(text.as_str(), |(what, _)| what);
        if path == "." { what.to_owned() } else { format!("{path}: {what}") }
    })
}

/// Calls the constructor of the named processor.
pub fn create_named(
    processors: &[(&str, Create)],
    host: &abi::Host,
    name: &str,
    config: &str,
    out: &mut ROption<InstanceBox>,
) -> Status {
    install_hook();
    #[cfg(feature = "tracing")]
    crate::tracing_bridge::install();
    match processors.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((_, create)) => create(host, config, out),
        None => Status::NO_SUCH_PROCESSOR,
    }
}

/// A plugin behind its guards.
struct Guarded<P> {
    /// Taken only by `drop`.
    plugin: Option<P>,
    host: Host,
}

impl<P: Plugin> Guarded<P> {
    #[inline]
    fn guard(&self, entry: &str, call: impl FnOnce(&P) -> Status) -> Status {
        let Some(plugin) = &self.plugin else { return Status::INTERNAL };
        match guard(self.host, || call(plugin)) {
            Ok(status) => status,
            Err(what) => self.panicked(entry, &what),
        }
    }

    /// Sets the reply of a verdict and answers its status. After a hold the transaction is no longer ours to touch, whatever the
    /// verdict: another thread may be about to give it one.
    #[inline]
    fn answer(
        &self,
        entry: &str,
        raw: abi::Txn<'_>,
        held: &AtomicBool,
        verdict: &Verdict,
    ) -> Status {
        if held.load(Ordering::Relaxed) {
            if verdict.status != Status::PENDING {
                self.host.error(format_args!(
                    "answered {:#x} in {entry} about a transaction that it holds, which counts for nothing: return \
                     Verdict::PENDING",
                    verdict.status.0
                ));
            }
            return Status::PENDING;
        }
        if let Some(reply) = &verdict.reply {
            Transaction::new(raw, self.host).set_reply(reply);
        }
        verdict.status
    }

    #[cold]
    fn panicked(&self, entry: &str, what: &str) -> Status {
        let text = format!("panicked in {entry}: {what}");
        self.host.explain(&text);
        self.host.error(format_args!("{text}"));
        Status::PANICKED
    }

    fn failed(&self, why: &str) -> Status {
        self.host.explain(&one_line(why));
        Status::INTERNAL
    }
}

impl<P: Plugin> abi::Instance for Guarded<P> {
    fn start(&self) -> Status {
        self.guard("start", |plugin| match plugin.start() {
            Ok(()) => Status::CONTINUE,
            Err(why) => self.failed(&why),
        })
    }

    #[inline]
    fn process(&self, phase: abi::Phase, raw: abi::Txn<'_>) -> Status {
        let held = AtomicBool::new(false);
        self.guard(phase_name(phase), |plugin| {
            let txn = Transaction::lent(raw, self.host, &held);
            let verdict = match phase {
                abi::Phase::CONNECT => plugin.connect(txn),
                abi::Phase::HELO => plugin.helo(txn),
                abi::Phase::MAIL => plugin.mail(txn),
                abi::Phase::RCPT => plugin.rcpt(txn),
                abi::Phase::SAVE => plugin.save(txn),
                _ => Verdict::CONTINUE,
            };
            self.answer(phase_name(phase), raw, &held, &verdict)
        })
    }

    fn event(&self, event: abi::Event, raw: abi::Txn<'_>) -> Status {
        let held = AtomicBool::new(false);
        self.guard(event_name(event), |plugin| {
            let txn = Transaction::lent(raw, self.host, &held);
            match event {
                abi::Event::OPENED => plugin.opened(txn),
                abi::Event::CLOSED => plugin.closed(txn),
                abi::Event::SETTLED => {
                    let verdict = plugin.settled(txn);
                    return self.answer(event_name(event), raw, &held, &verdict);
                }
                _ => {}
            }
            Status::CONTINUE
        })
    }

    fn drain(&self, deadline_ms: u64) -> Status {
        self.guard("drain", |plugin| {
            plugin.drain(deadline_ms);
            Status::CONTINUE
        })
    }

    fn stop(&self) -> Status {
        self.guard("stop", |plugin| {
            plugin.stop();
            Status::CONTINUE
        })
    }

    #[cfg(feature = "fake-1-1")]
    fn appended(&self) -> Status {
        Status::ACCEPT
    }
}

impl<P> Drop for Guarded<P> {
    fn drop(&mut self) {
        let plugin = self.plugin.take();
        if let Err(what) = guard(self.host, || drop(plugin)) {
            self.host.error(format_args!("panicked in drop: {what}"));
        }
        current::ended(self.host);
    }
}

fn phase_name(phase: abi::Phase) -> &'static str {
    match phase {
        abi::Phase::CONNECT => "connect",
        abi::Phase::HELO => "helo",
        abi::Phase::MAIL => "mail",
        abi::Phase::RCPT => "rcpt",
        abi::Phase::SAVE => "save",
        _ => "process",
    }
}

fn event_name(event: abi::Event) -> &'static str {
    match event {
        abi::Event::OPENED => "opened",
        abi::Event::CLOSED => "closed",
        abi::Event::SETTLED => "settled",
        _ => "event",
    }
}

/// Makes a shared library out of one or more processors.
///
/// ```
/// use guerrilla_plugin_api::{export_plugin, Host, NoConfig, Phase, Plugin, Transaction, Verdict};
///
/// struct Polite;
///
/// impl Plugin for Polite {
///     const NAME: &'static str = "Polite";
///     const PHASES: &'static [Phase] = &[Phase::Save];
///     type Config = NoConfig;
///
///     fn create(_host: Host, _config: NoConfig) -> Result<Self, String> {
///         Ok(Self)
///     }
///
///     fn save(&self, mut txn: Transaction<'_>) -> Verdict {
///         match txn.add_header("X-Polite", "thank you") {
///             Ok(()) => Verdict::CONTINUE,
///             Err(_) => Verdict::DEFER,
///         }
///     }
/// }
///
/// export_plugin!(Polite);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_plugin {
    ($($processor:ty),+ $(,)?) => {
        const _: () = {
            use $crate::__border as border;

            const FILE: border::FileInfo = border::FileInfo {
                name: ::core::env!("CARGO_PKG_NAME"),
                version: ::core::env!("CARGO_PKG_VERSION"),
                authors: ::core::env!("CARGO_PKG_AUTHORS"),
                license: ::core::env!("CARGO_PKG_LICENSE"),
                description: ::core::env!("CARGO_PKG_DESCRIPTION"),
                panic_abort: ::core::cfg!(panic = "abort"),
                processors: &[$(border::ProcessorInfo::of::<$processor>()),+],
            };
            const LEN: usize = FILE.json_len();

            #[used]
            #[unsafe(link_section = ".note.guerrilla.plugin")]
            static NOTE: border::Note<LEN> = border::Note::manifest(FILE.json::<LEN>());

            extern "C" fn create<'a, 'b>(
                host: &'b border::Host,
                name: border::RStr<'a>,
                config: border::RStr<'a>,
                out: &'b mut border::ROption<border::InstanceBox>,
            ) -> border::Status {
                border::create_named(
                    &[$((<$processor as $crate::Plugin>::NAME, border::create::<$processor>)),+],
                    host,
                    name.as_str(),
                    config.as_str(),
                    out,
                )
            }

            fn root() -> border::Root_Ref {
                border::root(NOTE.desc(), FILE.panic_abort, create)
            }

            extern "C" fn erased() -> border::RootModuleResult {
                border::call_root(root)
            }

            // SAFETY: the name is the one abi_stable's loaders look for, and the static is what they
            // expect behind it: a header made for the root type that `erased` returns.
            #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
            static HEADER: border::LibHeader = unsafe {
                border::LibHeader::from_constructor::<border::Root_Ref>(
                    erased,
                    border::CheckTypeLayout::Yes,
                )
            };
        };
    };
}

/// The root of a plugin file.
pub fn root(
    manifest: &'static [u8],
    panic_abort: bool,
    create: for<'a, 'b> extern "C" fn(
        &'b abi::Host,
        RStr<'a>,
        RStr<'a>,
        &'b mut ROption<InstanceBox>,
    ) -> Status,
) -> abi::Root_Ref {
    use abi_stable::prefix_type::PrefixTypeTrait;
    let manifest = std::str::from_utf8(manifest).unwrap_or_default();
    abi::Root {
        api_minor: abi::API_MINOR,
        panic_abort,
        manifest: manifest.into(),
        create,
        #[cfg(feature = "fake-1-1")]
        appended: 1,
    }
    .leak_into_prefix()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Config {
        #[allow(dead_code)] // only read by serde
        size: u32,
    }

    #[test]
    fn a_config_error_names_the_key() {
        for (json, error) in [
            (r#"{"size": "5"}"#, "size: invalid type: string \"5\", expected u32"),
            ("{}", "missing field `size`"),
        ] {
            assert_eq!(parse::<Config>(json).unwrap_err(), error);
        }
    }
}
