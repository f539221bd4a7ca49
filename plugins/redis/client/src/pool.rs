//! The connections of a plugin.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use redis::{Cmd, Value};
use tokio_rustls::rustls::crypto::aws_lc_rs;

use crate::keys::RedisKeys;
use crate::link::Link;
use crate::target::Target;
use crate::trouble::Trouble;

/// Connections to one Redis, made when they are needed and kept. As many are open at a time as there are callers.
///
/// `Display` names the place without passwords.
pub struct RedisPool {
    target: Target,
    expire_seconds: u32,
    idle: Mutex<Vec<Link>>,
}

impl RedisPool {
    /// Checks the keys and reads the files they name. Nothing is connected.
    ///
    /// # Errors
    /// One line that begins with the key.
    pub fn new(keys: &RedisKeys) -> Result<Self, String> {
        // Two libraries may be linked in, so rustls has to be told. An error says that it has been told already.
        let _ = aws_lc_rs::default_provider().install_default();
        let expire_seconds = keys.redis_expire_seconds.get();
        Ok(Self { target: Target::new(keys)?, expire_seconds, idle: Mutex::default() })
    }

    /// The command that keeps something under a key for as long as the operator wants: what, is its argument to come.
    pub fn setex(&self, key: &str) -> Cmd {
        let mut command = Cmd::new();
        command.arg("SETEX").arg(key).arg(self.expire_seconds);
        command
    }

    /// Sends commands, all before the first answer is read, and waits for one answer each until then at most, or for the
    /// time that one attempt may take.
    ///
    /// # Errors
    /// Of the connection: nobody knows which commands were carried out.
    pub fn send(
        &self,
        commands: Vec<Cmd>,
        until: Instant,
    ) -> Result<Vec<Result<Value, Trouble>>, Trouble> {
        let mut link = match self.idle().pop() {
            Some(link) => link,
            None => Link::new().map_err(|error| Trouble::Passing(error.to_string()))?,
        };
        let answers = link.send(&self.target, commands, until);
        if link.is_connected() {
            self.idle().push(link);
        } else {
            link.close();
            // The others lead to the same server and are as dead; the next attempt is not to find that out one by one.
            self.close();
        }
        answers
    }

    /// Connects and says PING.
    ///
    /// # Errors
    /// What is in the way.
    pub fn probe(&self) -> Result<(), Trouble> {
        let answers = self.send(vec![redis::cmd("PING")], Instant::now() + self.target.timeout)?;
        answers.into_iter().try_for_each(|answer| answer.map(drop))
    }

    /// Closes what nobody uses.
    pub fn close(&self) {
        let idle = std::mem::take(&mut *self.idle());
        idle.into_iter().for_each(Link::close);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Link>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for RedisPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}
