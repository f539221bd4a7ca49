//! Commands for a daemon that is running. They ask its admin interface.
//!
//! - [`mod@status`], [`mod@top`]: how it does, once or again and again.
//! - [`mod@reload`]: has it read its configuration anew.
//! - [`mod@trace`]: what clients of one address say.
//! - [`http`]: the asking.
//! - [`rates`]: from two reports to what happens in a second.
//! - [`amount`]: numbers for people.

mod amount;
mod http;
mod rates;
mod reload;
mod status;
mod top;
mod trace;

use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, Listen, default_path};

pub(super) use reload::{ReloadArgs, reload};
pub(super) use status::{StatusArgs, status};
pub(super) use top::{TopArgs, top};
pub(super) use trace::{TraceArgs, trace};

/// Which daemon.
#[derive(Debug, Args)]
struct Which {
    /// Its config file, for admin_listen [default: goguerrilla.conf, goguerrilla.conf.json]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Its admin interface, whatever the config says: unix:/path or 127.0.0.1:port.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<Listen>,
}

impl Which {
    /// Where its admin interface is.
    fn admin(&self) -> Result<Listen, String> {
        if let Some(listen) = &self.admin {
            return Ok(listen.clone());
        }
        self.settings()?.admin.ok_or_else(|| {
            "the config has no admin_listen; give it one (unix:/run/guerrillad/admin.sock) and restart, or give --admin"
                .to_owned()
        })
    }

    /// The config.
    fn settings(&self) -> Result<Config, String> {
        let path = self.config.clone().or_else(|| default_path().map(|found| found.path));
        let path = path.ok_or("no config file (goguerrilla.conf.json) here: give -c or --admin")?;
        Config::load(&path).map(|loaded| loaded.config).map_err(|error| error.to_string())
    }
}
