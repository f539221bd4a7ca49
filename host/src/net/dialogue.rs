//! What the session asks, answered by policy and pipeline.
//!
//! The session knows the protocol, the pipeline knows the processors; here a question of the one becomes a
//! phase of the other. The transaction belongs to the connection and is passed along.

use std::sync::Arc;
use std::time::Instant;

use guerrilla_plugin_abi::{Event, Phase, Status};
use guerrilla_smtp::{Answer, ForwardPath, HelloVerb, Mailbox, Question, Reply, ReversePath};

use super::account::{self, Refused};
use super::decided::{
    Decided, client_rejected, message_rejected, no_room, policy_rejected, queued,
    recipient_rejected, relay_denied,
};
use super::policy::InForce;
use super::server::Server;
use super::tally;
use crate::mail::{BodyError, Client, Envelope, Recipient, Transaction};
use crate::pipeline::{Decision, Kind};

mod spoken_for;

use spoken_for::{believe, remember};

/// Our side of the conversation.
pub(super) struct Dialogue {
    server: Arc<Server>,
    /// What the open transaction goes by, so that a reload never mixes two generations in one. None between
    /// transactions: chains that were replaced end when the last transaction of theirs does.
    policy: Option<Arc<InForce>>,
    /// Number of the client, for the greeting.
    number: u64,
    /// What holds again if the HELO that is being asked about is refused: then it changes nothing (RFC 5321 section 4.1.4).
    before: Option<Box<Introduction>>,
    opened: bool,
    /// Why the body of the open transaction cannot be kept; the client hears it at the end.
    spoilt: Option<BodyError>,
}

/// A question, with what it brought already noted down.
pub(super) enum Asking {
    /// The pipeline is to be asked.
    Phase(Phase),
    /// The answer is known.
    Known(Decided),
    /// The client is another one: whether it may come in.
    Another,
}

/// How a client has introduced itself.
struct Introduction {
    name: Option<String>,
    esmtp: bool,
}

/// The answer to a question.
pub(super) enum Told {
    Greeting(String),
    One(Decided),
    /// One for each recipient (LMTP, PRDR).
    Each(Vec<Reply<'static>>),
}

impl Told {
    /// As the session wants it.
    pub(super) fn answer(&self) -> Answer<'_> {
        match self {
            Self::Greeting(text) => Answer::Greeting(text),
            Self::One(decided) => decided.answer(),
            Self::Each(replies) => Answer::Each(replies),
        }
    }
}

impl Dialogue {
    pub(super) fn new(server: Arc<Server>, number: u64) -> Self {
        Self { server, policy: None, number, before: None, opened: false, spoilt: None }
    }

    /// There is no transaction.
    pub(super) fn idle(&mut self) {
        self.policy = None;
    }

    /// Notes down what a question brings, while it still borrows from the input.
    pub(super) fn note(&mut self, question: Question<'_>, txn: &mut Transaction) -> Asking {
        match question {
            Question::Connect => Asking::Phase(Phase::CONNECT),
            Question::Helo { verb, name } => {
                #[cfg(test)]
                super::panics::trip(name);
                let client = &mut txn.client;
                let before = client.helo.replace(name.to_owned());
                let before = Introduction { name: before, esmtp: client.esmtp };
                self.before = Some(Box::new(before));
                client.esmtp = verb != HelloVerb::Helo;
                Asking::Phase(Phase::HELO)
            }
            Question::Mail { path, parameters } => {
                self.policy = Some(InForce::now(&self.server.policy));
                self.spoilt = None;
                begin(&mut txn.envelope, &path, parameters.all.as_str());
                txn.envelope.body.expect(parameters.size.unwrap_or(0));
                txn.envelope.each_answered = txn.client.lmtp || parameters.prdr;
                Asking::Phase(Phase::MAIL)
            }
            Question::Rcpt { path, parameters } => {
                self.recipient(txn, &path, parameters.all.as_str())
            }
            Question::Data => Asking::Known(self.room()),
            Question::Message => {
                if let Err(error) = self.complete(txn) {
                    let session = txn.client.session;
                    tracing::error!(%session, "message not kept: {error}: deferred");
                    txn.envelope.clear();
                    return Asking::Known(Decided::Reply(no_room()));
                }
                txn.client.received += 1;
                let number = txn.client.received.to_string();
                let id = [txn.client.session.as_str(), "-", &number].concat();
                txn.envelope.set_queued_id(&id);
                Asking::Phase(Phase::SAVE)
            }
            Question::Xclient(told) => {
                believe(&mut txn.client, &told);
                match told.addr {
                    Some(_) => Asking::Another,
                    None => Asking::Known(Decided::Accept),
                }
            }
            Question::Xforward(told) => {
                remember(&mut txn.client, &told);
                Asking::Known(Decided::Accept)
            }
        }
    }

    /// The next piece of the body.
    pub(super) fn body(&mut self, bytes: &[u8], txn: &mut Transaction) {
        if self.spoilt.is_none() {
            let body = &mut txn.envelope.body;
            if let Err(error) = body.append(bytes, &self.server.storage) {
                body.clear();
                self.spoilt = Some(error);
            }
        }
    }

    /// Asks the pipeline.
    pub(super) async fn ask(
        &mut self,
        phase: Phase,
        mut txn: Box<Transaction>,
    ) -> (Box<Transaction>, Told) {
        let current;
        let policy = match &self.policy {
            Some(policy) => policy,
            None => {
                current = InForce::now(&self.server.policy);
                &current
            }
        };
        if phase == Phase::CONNECT && !self.opened {
            self.opened = true;
            txn = policy.pipeline.tell(Event::OPENED, txn);
        }
        let size = txn.envelope.body.len();
        let asking = (phase == Phase::SAVE).then(Instant::now);
        let asked = policy.pipeline.ask(phase, txn).await;
        txn = asked.txn;
        if let Some(asking) = asking {
            let (kind, took) = (asked.decision.kind, asking.elapsed());
            self.server.tally().message(kind, size, took);
            self.server.shown.recent.note(tally::verdict(kind), &txn, size, took);
            account::of_message(&asked.decision, &txn, size);
            for recipient in txn.envelope.recipients() {
                if let Some(reply) = verdict_on(recipient).reply().filter(|r| !r.is_positive()) {
                    account::of_refusal(Refused::Recipient(recipient), &txn, reply);
                }
            }
        }
        let before = self.before.take().filter(|_| !asked.decision.is_yes());
        let told = self.told(phase, asked.decision, &mut txn);
        if let Some(before) = before {
            before.restore(&mut txn.client);
        }
        (txn, told)
    }

    /// What the decision of a chain means for the transaction and the client.
    fn told(&self, phase: Phase, decision: Decision, txn: &mut Transaction) -> Told {
        let accepted = decision.is_yes();
        let bare = decision.reply.is_none();
        let rejected = match phase {
            Phase::CONNECT if accepted && bare => {
                return Told::Greeting(self.server.greeting(self.number));
            }
            Phase::SAVE => return saved(decision, txn),
            Phase::CONNECT => client_rejected,
            Phase::RCPT => recipient_rejected,
            _ => policy_rejected,
        };
        let decided = Decided::from_decision(decision, rejected);
        if !accepted {
            if let Some(reply) = decided.reply() {
                of_refusal_in(phase, txn, reply);
            }
            if phase == Phase::RCPT {
                txn.envelope.pop_recipient();
            }
        }
        Told::One(decided)
    }

    /// The connection has ended.
    pub(super) fn closed(&self, txn: Box<Transaction>) {
        if self.opened {
            self.server.policy.load().pipeline.tell(Event::CLOSED, txn);
        }
    }

    /// Whether there is room for one more body, before the client sends it.
    fn room(&self) -> Decided {
        if self.server.storage.budget.has_room(SMALLEST_ROOM) {
            return Decided::Accept;
        }
        tracing::warn!("{}: max_memory is used up: a message was deferred", self.server.listener);
        Decided::Reply(no_room())
    }

    fn complete(&mut self, txn: &mut Transaction) -> Result<(), BodyError> {
        match self.spoilt.take() {
            Some(error) => Err(error),
            None => txn.envelope.body.complete(),
        }
    }

    /// A recipient is taken down if its host is ours. Mail for postmaster without a domain is always ours (RFC 5321
    /// section 4.5.1).
    fn recipient(&self, txn: &mut Transaction, path: &ForwardPath<'_>, parameters: &str) -> Asking {
        let envelope = &mut txn.envelope;
        match path {
            ForwardPath::Postmaster(name) => {
                let address = format!("{name}@{}", self.server.host_name);
                envelope.push_recipient(&address, name, &self.server.host_name, parameters);
            }
            ForwardPath::Mailbox(mailbox) => {
                let domain = mailbox.domain();
                let ours = self.policy.as_ref().is_some_and(|policy| match domain.ip() {
                    Some(ip) => policy.allowed_hosts.allows_ip(ip),
                    None => policy.allowed_hosts.allows(domain.as_str()),
                });
                let local_part = mailbox.local().unquoted();
                envelope.push_recipient(mailbox.as_str(), &local_part, domain.as_str(), parameters);
                if !ours {
                    let reply = relay_denied();
                    of_last_recipient(txn, &reply);
                    txn.envelope.pop_recipient();
                    return Asking::Known(Decided::Reply(reply));
                }
            }
        }
        Asking::Phase(Phase::RCPT)
    }
}

impl Introduction {
    fn restore(self, client: &mut Client) {
        client.helo = self.name;
        client.esmtp = self.esmtp;
    }
}

/// Bytes that must be left for a message to be let in: the first step of its share.
const SMALLEST_ROOM: u64 = 64 * 1024;

/// A new transaction.
fn begin(envelope: &mut Envelope, path: &ReversePath<'_>, parameters: &str) {
    match path {
        ReversePath::Null => envelope.begin("", "", "", parameters),
        ReversePath::Mailbox(mailbox) => {
            let (address, local_part, domain) = parts(mailbox);
            envelope.begin(address, &local_part, domain, parameters);
        }
    }
}

fn parts<'a>(mailbox: &Mailbox<'a>) -> (&'a str, std::borrow::Cow<'a, str>, &'a str) {
    (mailbox.as_str(), mailbox.local().unquoted(), mailbox.domain().as_str())
}

fn saved(decision: Decision, txn: &mut Transaction) -> Told {
    let accepted = decision.is_yes();
    if accepted {
        txn.client.messages += 1;
    }
    let each =
        txn.envelope.each_answered && txn.envelope.recipients().iter().any(|r| r.verdict.is_some());
    // A verdict on the message is one for all.
    let told = if each && (accepted || decision.of_recipients) {
        Told::Each(each_recipient(&txn.envelope))
    } else if accepted && decision.reply.is_none() {
        Told::One(Decided::Reply(queued(txn.envelope.queued_id())))
    } else {
        Told::One(Decided::from_decision(decision, message_rejected))
    };
    txn.envelope.clear();
    told
}

fn of_refusal_in(phase: Phase, txn: &Transaction, reply: &Reply<'_>) {
    match phase {
        Phase::CONNECT => account::of_refusal(Refused::Client, txn, reply),
        Phase::HELO => account::of_refusal(Refused::Helo, txn, reply),
        Phase::RCPT => of_last_recipient(txn, reply),
        _ => account::of_refusal(Refused::Sender, txn, reply),
    }
}

fn of_last_recipient(txn: &Transaction, reply: &Reply<'_>) {
    if let Some(last) = txn.envelope.recipients().last() {
        account::of_refusal(Refused::Recipient(last), txn, reply);
    }
}

/// RFC 2033 section 4.2 and draft-hall-prdr: one reply for each recipient, in order.
fn each_recipient(envelope: &Envelope) -> Vec<Reply<'static>> {
    let reply = |recipient| match verdict_on(recipient) {
        Decided::Accept => queued(envelope.queued_id()),
        Decided::Reply(reply) | Decided::Disconnect(reply) => reply,
    };
    envelope.recipients().iter().map(reply).collect()
}

/// What a stage has said of this recipient alone.
fn verdict_on(recipient: &Recipient) -> Decided {
    let (kind, reply) = match &recipient.verdict {
        Some((Status::DEFER, reply)) => (Kind::Defer, reply.clone()),
        Some((Status::REJECT, reply)) => (Kind::Reject, reply.clone()),
        Some((_, reply)) => (Kind::Accept, reply.clone()),
        None => return Decided::Accept,
    };
    Decided::from_decision(Decision { reply, ..Decision::bare(kind) }, recipient_rejected)
}
