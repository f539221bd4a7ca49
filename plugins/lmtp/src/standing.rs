//! How the store stands with us: it is there, it is away, or something is set up in a way that no further attempt mends.
//!
//! One that is away is tried again while a message waits, for it may be back at any moment. A certificate that is not in order stays so
//! until somebody puts it right, here or there: a message has one attempt at most then, and all messages together have
//! fewer and fewer, for each costs both sides a handshake.
//!
//! What is asked here answers whether the log says it already: it has one line for each change, however many messages wait.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_rustls::rustls::{self, AlertDescription};

use crate::exchange::Lost;

/// What the last attempts have shown.
#[derive(Default)]
pub(crate) struct Standing(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    There,
    Away,
    Unfit {
        why: String,
        /// When the next attempt is due.
        next: Instant,
        pause: Duration,
    },
}

impl Standing {
    /// Whether a connection may be tried now.
    ///
    /// # Errors
    /// Why it would be in vain.
    pub(crate) fn attempt(&self, now: Instant) -> Result<(), String> {
        if let State::Unfit { why, next, pause } = &mut *self.state() {
            if now < *next {
                return Err(why.clone());
            }
            // The others wait for what comes of this one.
            *pause = (*pause * 2).min(LONGEST);
            *next = now + *pause;
        }
        Ok(())
    }

    /// A connection has been made: whether that is news.
    pub(crate) fn is_there(&self) -> bool {
        !matches!(std::mem::take(&mut *self.state()), State::There)
    }

    /// The store could not be reached: whether that is news.
    pub(crate) fn is_away(&self) -> bool {
        !matches!(std::mem::replace(&mut *self.state(), State::Away), State::Away)
    }

    /// It was reached and cannot be used, as it is set up: whether that is news.
    pub(crate) fn is_unfit(&self, because: &str, now: Instant) -> bool {
        let mut state = self.state();
        if let State::Unfit { why, .. } = &mut *state {
            let is_news = why != because;
            because.clone_into(why);
            return is_news;
        }
        *state = State::Unfit { why: because.to_owned(), next: now + SHORTEST, pause: SHORTEST };
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the same will come of every attempt until somebody changes a setting or a certificate.
pub(crate) fn is_lasting(lost: &Lost) -> bool {
    use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage, PeerIncompatible};
    let tls = match lost {
        Lost::NoTls => return true,
        Lost::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    };
    match tls {
        Some(AlertReceived(alert)) => *alert != AlertDescription::InternalError,
        // The first octets of what is no TLS are an invalid message.
        Some(InvalidCertificate(_) | InvalidMessage(_) | PeerIncompatible(_)) => true,
        _ => false,
    }
}

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_is_unfit_is_tried_less_and_less_often() {
        let (standing, begun) = (Standing::default(), Instant::now());
        assert!(standing.attempt(begun).is_ok());
        // Several were under way at a time.
        assert!(standing.is_unfit("the certificate", begun));
        assert!(!standing.is_unfit("the certificate", begun));
        let mut attempts = Vec::new();
        for tenth in 0..1200_u64 {
            let now = begun + Duration::from_millis(tenth * 100);
            match standing.attempt(now) {
                Ok(()) => {
                    attempts.push(tenth / 10);
                    assert!(!standing.is_unfit("the certificate", now));
                }
                Err(why) => assert_eq!(why, "the certificate"),
            }
        }
        assert_eq!(attempts, [1, 3, 7, 15, 31, 61, 91]);
    }

    #[test]
    fn each_change_is_news_once() {
        let (standing, now) = (Standing::default(), Instant::now());
        assert!(!standing.is_there());
        assert!(standing.is_away() && !standing.is_away());
        assert!(standing.is_unfit("a", now) && !standing.is_unfit("a", now));
        assert!(standing.is_unfit("b", now));
        assert!(standing.is_away(), "it is away now");
        assert!(standing.attempt(now).is_ok());
        assert!(standing.is_unfit("b", now));
        assert!(standing.is_there() && !standing.is_there());
        assert!(standing.attempt(now).is_ok());
    }

    #[test]
    fn trouble_on_the_way_does_not_last() {
        let tls = |error| Lost::Io(io::Error::new(io::ErrorKind::InvalidData, error));
        assert!(is_lasting(&Lost::NoTls));
        assert!(is_lasting(&tls(rustls::CertificateError::Expired.into())));
        assert!(is_lasting(&tls(rustls::Error::AlertReceived(AlertDescription::UnknownCA))));
        for passing in [
            tls(rustls::Error::AlertReceived(AlertDescription::InternalError)),
            Lost::Io(io::ErrorKind::ConnectionRefused.into()),
            Lost::Closed,
            Lost::Refused(421, String::new()),
        ] {
            assert!(!is_lasting(&passing), "{passing}");
        }
    }
}
