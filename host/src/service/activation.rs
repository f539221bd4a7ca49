//! Sockets that the service manager hands over (`sd_listen_fds(3)`): those of socket units, and those that an earlier
//! process has given it to keep.

use std::env;

use listenfd::ListenFd;
use socket2::SockRef;

use crate::net::passed::{Handed, PassedSocket};

/// What was handed over cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ActivationError {
    /// A descriptor that no client can connect to.
    #[error(
        "LISTEN_FDS: descriptor {descriptor} ({name:?}) is no listening stream socket; let its socket unit have ListenStream= and Accept=no"
    )]
    NotListening {
        /// Its number.
        descriptor: usize,
        /// Its name.
        name: String,
    },
    /// The environment contradicts itself.
    #[error("LISTEN_FDNAMES has {names} names for {descriptors} descriptors of LISTEN_FDS")]
    Names {
        /// So many names.
        names: usize,
        /// So many descriptors.
        descriptors: usize,
    },
}

/// All of them. To be called once, before there are threads: it takes them out of the environment.
pub(crate) fn handed_over() -> Result<Vec<PassedSocket>, ActivationError> {
    // They are for one process, and not for its children.
    if env::var("LISTEN_PID").ok() != Some(std::process::id().to_string()) {
        return Ok(Vec::new());
    }
    let names = env::var("LISTEN_FDNAMES").ok();
    let mut descriptors = ListenFd::from_env();
    let number = descriptors.len();
    let names: Vec<&str> = match &names {
        Some(names) => names.split(':').collect(),
        None => vec!["unknown"; number],
    };
    if number > 0 && names.len() != number {
        return Err(ActivationError::Names { names: names.len(), descriptors: number });
    }
    let taken = names.iter().take(number).enumerate().map(|(index, name)| {
        let socket = take(&mut descriptors, index);
        socket.map(|socket| PassedSocket::new(name, socket)).ok_or_else(|| {
            ActivationError::NotListening { descriptor: FIRST + index, name: (*name).to_owned() }
        })
    });
    taken.collect()
}

fn take(descriptors: &mut ListenFd, index: usize) -> Option<Handed> {
    if let Ok(Some(socket)) = descriptors.take_tcp_listener(index) {
        let listens = SockRef::from(&socket).is_listener().unwrap_or(false);
        return Some(Handed::Tcp(socket)).filter(|_| listens);
    }
    let socket = descriptors.take_unix_listener(index).ok().flatten()?;
    let listens = SockRef::from(&socket).is_listener().unwrap_or(false);
    Some(Handed::Unix(socket)).filter(|_| listens)
}

/// The number of the first descriptor (SD_LISTEN_FDS_START).
const FIRST: usize = 3;
