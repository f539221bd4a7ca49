//! Entry points for microbenchmarks. Not part of the interface.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use guerrilla_plugin_abi::Phase;

use crate::config::Config;
use crate::daemon::builtins;
use crate::mail::{BodyError, Client, Storage, Transaction};
use crate::pipeline::{Kind, Pipeline, assemble};

/// A save chain of built-in processors, as it is asked on a connection's thread.
pub struct BuiltInChain(Arc<Pipeline>);

/// A message to ask it about.
pub struct Message(Box<Transaction>);

impl BuiltInChain {
    /// The chain with names as in `save_process`.
    ///
    /// # Errors
    /// What is wrong with it, in a line for each fault.
    pub fn new(names: &str) -> Result<Self, String> {
        let config = serde_json::json!({ "backend_config": { "save_process": names } }).to_string();
        let loaded = Config::from_json(&config, "benchmark").map_err(|why| why.to_string())?;
        let pipeline = assemble(&loaded.config.gateway, &builtins(), None);
        pipeline.map(|all| Self(Arc::new(all))).map_err(|why| why.0.join("\n"))
    }

    /// Asks about a message; whether it was accepted, and at once.
    pub fn save(&self, message: Message) -> bool {
        let asking = pin!(self.0.ask(Phase::SAVE, message.0));
        let asked = asking.poll(&mut Context::from_waker(Waker::noop()));
        matches!(asked, Poll::Ready(asked) if asked.decision.kind == Kind::Accept)
    }
}

impl Message {
    /// One with these header fields and this body, from one sender to one recipient.
    ///
    /// # Errors
    /// As it is kept in memory, none.
    pub fn new(content: &[u8]) -> Result<Self, BodyError> {
        let address = |host, port| Some(SocketAddr::from((Ipv4Addr::from(host), port)));
        let (remote, local) = (address([192, 0, 2, 1], 40000), address([198, 51, 100, 1], 25));
        let mut client = Client::new("0.0.0.0:25".into(), "mail.example.com".into(), remote, local);
        client.helo = Some("client.example.org".to_owned());
        let mut txn = Transaction::new(client);
        let envelope = &mut txn.envelope;
        envelope.begin("sender@example.org", "sender", "example.org", "");
        envelope.push_recipient("test@example.com", "test", "example.com", "");
        envelope.body.append(content, &Storage::default())?;
        envelope.body.complete()?;
        Ok(Self(Box::new(txn)))
    }

    /// The same again: a message can be asked about once.
    pub fn again(&self) -> Self {
        Self(self.0.spare_with_message())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_built_ins_answers_at_once() {
        let message = Message::new(b"Subject: x\r\n\r\nbody\r\n").unwrap();
        let chain = BuiltInChain::new("HeadersParser|Header|Hasher").unwrap();
        assert!(chain.save(message.again()) && chain.save(message));
        assert!(BuiltInChain::new("NoSuchProcessor").is_err());
    }
}
