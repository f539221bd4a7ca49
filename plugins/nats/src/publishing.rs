//! From a message in hand to the stream: attempts, their deadline, and where a message goes by its size.
//!
//! A publication may be repeated without harm, as the stream knows it by its id (`Nats-Msg-Id`) for as long as its window for
//! duplicates lasts, two minutes unless the operator says otherwise.

use std::time::Duration;

use async_nats::jetstream::context::{Context, PublishAckFuture};
use async_nats::jetstream::object_store::ObjectStore;
use async_nats::jetstream::{self, object_store, stream};
use async_nats::{Client, HeaderMap};
use guerrilla_plugin_api::Host;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};

use crate::config::Config;
use crate::link::Link;
use crate::objects;
use crate::outgoing::{Outgoing, point_to};
use crate::trouble::Trouble;

/// Publishes messages.
pub(crate) struct Publishing {
    host: Host,
    config: Config,
    link: Link,
    places: Semaphore,
    /// Set when the stream was looked after.
    stream: OnceCell<()>,
    bucket: OnceCell<ObjectStore>,
}

impl Publishing {
    pub(crate) fn new(host: Host, config: Config) -> Self {
        let places = Semaphore::new(config.nats_in_flight.get().into());
        let (stream, bucket) = (OnceCell::new(), OnceCell::new());
        let link = Link::new(host, &config.nats_url);
        Self { host, config, link, places, stream, bucket }
    }

    pub(crate) async fn begin(&self) -> Result<(), String> {
        self.link.begin(&self.config).await
    }

    pub(crate) async fn end(&self) {
        self.link.end().await;
    }

    /// What lines of the log begin with.
    pub(crate) fn place(&self) -> &str {
        self.link.place()
    }

    pub(crate) fn stream_name(&self) -> Option<&str> {
        self.config.nats_stream.as_deref()
    }

    /// Publishes the message, and again until the stream has said that it has it.
    ///
    /// # Errors
    /// Why it was not heard to say so by then.
    pub(crate) async fn publish(&self, mail: &Outgoing<'_>, until: Instant) -> Result<(), Trouble> {
        let mut last = Trouble::Passing("all places are taken (nats_in_flight)".to_owned());
        let attempts = async {
            // Closed never.
            let _place = self.places.acquire().await;
            let mut pause = SHORTEST;
            let mut progress = Progress::default();
            loop {
                match self.attempt(mail, &mut progress).await {
                    Err(trouble @ Trouble::Passing(_)) => last = trouble,
                    decided => return decided,
                }
                self.host.count("retried", 1);
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
        };
        match timeout_at(until, attempts).await {
            Ok(decided) => decided,
            Err(_) => Err(last),
        }
    }

    /// One attempt. It ends when the connection is lost: what was asked on it is not answered any more.
    async fn attempt(&self, mail: &Outgoing<'_>, progress: &mut Progress) -> Result<(), Trouble> {
        let mut losses = self.link.losses();
        let away = || Trouble::Passing("no server can be reached".to_owned());
        let client = self.link.client().ok_or_else(away)?;
        tokio::select! {
            done = self.ask(client, mail, progress) => done,
            _ = losses.changed() => Err(Trouble::Passing("the connection was lost".to_owned())),
        }
    }

    async fn ask(
        &self,
        client: &Client,
        mail: &Outgoing<'_>,
        progress: &mut Progress,
    ) -> Result<(), Trouble> {
        let mut context = jetstream::new(client.clone());
        context.set_timeout(Duration::from_secs(self.config.nats_timeout_seconds.get().into()));
        self.look_after_stream(&context).await?;
        let most = client.server_info().max_payload;
        let fits = mail.size + mail.header_size() <= most;
        let mut unnamed = None;
        let (headers, payload) = match &self.config.nats_bucket {
            Some(name) if !fits || mail.size > self.config.nats_object_above.get() as usize => {
                let bucket = self.bucket(&context, name).await?;
                let own = progress.own.get_or_insert_with(|| {
                    format!("{}.{}", mail.id, client.new_inbox().replace("_INBOX.", ""))
                });
                let object = objects::put(bucket, mail, own).await?;
                let mut headers = mail.headers.clone();
                point_to(&mut headers, name, object);
                // What was published before may have been stored without an answer, and names the same object.
                unnamed = (object == own && !progress.is_published).then_some((bucket, object));
                (headers, Vec::new())
            }
            None if !fits => {
                return Err(Trouble::TooLarge(format!(
                    "{} octets are more than the servers take (max_payload {most}); set nats_bucket",
                    mail.size
                )));
            }
            _ => (mail.headers.clone(), mail.pieces.concat()),
        };
        progress.is_published = true;
        let is_duplicate = self.publish_once(&context, headers, payload).await?;
        if is_duplicate {
            self.host.count("duplicates", 1);
            // The stream's message names another object.
            if let Some((bucket, object)) = unnamed {
                objects::clear(bucket, object, self.host);
            }
        }
        Ok(())
    }

    /// Whether the stream had the message already.
    async fn publish_once(
        &self,
        context: &Context,
        headers: HeaderMap,
        payload: Vec<u8>,
    ) -> Result<bool, Trouble> {
        let subject = self.config.nats_subject.clone();
        let sent = context.publish_with_headers(subject, headers, payload.into()).await;
        let answer: PublishAckFuture = sent.map_err(|error| Trouble::of_publish(&error))?;
        let ack = answer.await.map_err(|error| Trouble::of_publish(&error))?;
        // The leader has seen this id, but the nodes have not agreed on the message yet, and may never: servers up to 2.9
        // say so by a duplicate without a place in the stream. That is no promise.
        if ack.duplicate && ack.sequence == 0 {
            return Err(Trouble::Passing("the stream has not agreed on it yet".to_owned()));
        }
        Ok(ack.duplicate)
    }

    /// Makes the stream if it is missing and we are to.
    async fn look_after_stream(&self, context: &Context) -> Result<(), Trouble> {
        let (Some(replicas), Some(name)) = (self.config.nats_create_replicas, self.stream_name())
        else {
            return Ok(());
        };
        let wanted = stream::Config {
            name: name.to_owned(),
            subjects: vec![self.config.nats_subject.clone()],
            num_replicas: replicas.get().into(),
            storage: stream::StorageType::File,
            // A full stream is to refuse mail and not to forget some.
            discard: stream::DiscardPolicy::New,
            ..stream::Config::default()
        };
        let looked = self.stream.get_or_try_init(|| async {
            match context.get_stream(name).await {
                Ok(_) => Ok(()),
                Err(error) if is_missing(&error) => {
                    let made = context.create_stream(wanted).await;
                    made.map(|_| ()).map_err(|error| Trouble::of_any(&error))
                }
                Err(error) => Err(Trouble::of_any(&error)),
            }
        });
        looked.await.copied()
    }

    async fn bucket(&self, context: &Context, name: &str) -> Result<&ObjectStore, Trouble> {
        let bucket = self.bucket.get_or_try_init(|| async {
            match (context.get_object_store(name).await, self.config.nats_create_replicas) {
                (Ok(bucket), _) => Ok(bucket),
                (Err(error), Some(replicas)) if is_missing(&error) => {
                    let wanted = object_store::Config {
                        bucket: name.to_owned(),
                        num_replicas: replicas.get().into(),
                        ..object_store::Config::default()
                    };
                    let made = context.create_object_store(wanted).await;
                    made.map_err(|error| Trouble::of_any(&error))
                }
                (Err(error), _) => Err(Trouble::of_any(&error)),
            }
        });
        bucket.await
    }
}

/// What the attempts before have done for a message.
#[derive(Default)]
struct Progress {
    /// Something went out: the stream may have the message, whatever was heard.
    is_published: bool,
    /// A name for an object that no other transaction has.
    own: Option<String>,
}

/// Whether the servers have said that there is no such stream.
fn is_missing(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(one) = cause {
        if let Some(said) = one.downcast_ref::<jetstream::Error>() {
            return said.error_code() == jetstream::ErrorCode::STREAM_NOT_FOUND;
        }
        if let Some(error) = one.downcast_ref::<jetstream::context::GetStreamError>()
            && let jetstream::context::GetStreamErrorKind::JetStream(said) = error.kind()
        {
            return said.error_code() == jetstream::ErrorCode::STREAM_NOT_FOUND;
        }
        cause = one.source();
    }
    false
}

const SHORTEST: Duration = Duration::from_millis(25);
const LONGEST: Duration = Duration::from_millis(500);
