//! From a message in hand to an answer of the endpoint: attempts and their deadline.
//!
//! A request may be repeated, as the endpoint knows it by its idempotency key. It is, where the failure may pass: no connection, no
//! answer, or a status that says so. Any other status is an answer.

use std::error::Error as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use guerrilla_plugin_api::Host;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Request, Response, Url};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::config::Config;
use crate::payload::Payload;
use crate::signature::Signer;

/// Posts to one endpoint.
pub(crate) struct Posting {
    host: Host,
    client: Client,
    url: Url,
    /// For the log: without what may be secret.
    name: String,
    signer: Option<Signer>,
    authorization: Option<HeaderValue>,
    each: Duration,
    places: Semaphore,
    /// Whether the log says that the endpoint is away.
    away: AtomicBool,
}

/// What the endpoint has said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The start of its body, for the log.
    pub(crate) text: String,
}

impl Posting {
    /// # Errors
    /// One line that names the key, what is wrong with it and what would be right.
    pub(crate) fn new(host: Host, config: &Config) -> Result<Self, String> {
        let url = config.url()?;
        let signer =
            config.webhook_secret.as_ref().map(|key| Signer::new(key.reveal())).transpose()?;
        let authorization = config.webhook_authorization.as_ref().map(|text| {
            let mut value = HeaderValue::from_str(text.reveal())
                .map_err(|_| "webhook_authorization: holds what no header field may".to_owned())?;
            value.set_sensitive(true);
            Ok::<_, String>(value)
        });
        Ok(Self {
            host,
            client: config.client()?,
            name: url.host_str().unwrap_or_default().to_owned(),
            url,
            signer,
            authorization: authorization.transpose()?,
            each: Duration::from_secs(config.webhook_timeout_seconds.get().into()),
            places: Semaphore::new(config.webhook_in_flight.get().into()),
            away: AtomicBool::new(false),
        })
    }

    /// The endpoint, as the log may name it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Posts the message, and again until there is an answer to it.
    ///
    /// # Errors
    /// Why there was none by then.
    pub(crate) async fn post(&self, mail: Payload, until: Instant) -> Result<Answer, String> {
        let mut last = Err("all places are taken (webhook_in_flight)".to_owned());
        let attempts = async {
            // Closed never.
            let _place = self.places.acquire().await;
            let request = self.request(mail);
            let mut pause = SHORTEST;
            loop {
                // Its body is shared and not copied.
                let Some(again) = request.try_clone() else { return };
                let (answer, wish) = self.attempt(again).await;
                last = answer;
                // There is an answer to the message, or no time for another attempt.
                let Some(wish) = wish else { return };
                pause = pause.max(wish);
                if Instant::now() + pause >= until {
                    return;
                }
                self.host.count("retried", 1);
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
        };
        // Either way the last word is the one that counts.
        let _ = timeout_at(until, attempts).await;
        last
    }

    fn request(&self, mail: Payload) -> Request {
        let mut request = Request::new(Method::POST, self.url.clone());
        let seconds = self.host.now_ms() / 1000;
        let mut fields = vec![
            ("idempotency-key", mail.id.clone()),
            ("webhook-id", mail.id.clone()),
            ("webhook-timestamp", seconds.to_string()),
        ];
        if let Some(signer) = &self.signer {
            fields.push(("webhook-signature", signer.sign(&mail.id, seconds, &mail.body)));
        }
        *request.headers_mut() = mail.headers;
        for (name, value) in fields {
            // Of our own making: hexadecimal, decimal, base64, or a queued id, which is printable ASCII.
            if let Ok(value) = HeaderValue::from_str(&value) {
                request.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        if let Some(value) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        *request.body_mut() = Some(mail.body.into());
        request
    }

    /// One attempt, and how long to wait where another may fare better.
    async fn attempt(&self, request: Request) -> (Result<Answer, String>, Option<Duration>) {
        let begun = Instant::now();
        let attempt = async {
            let mut response = self.client.execute(request).await.map_err(cause)?;
            let status = response.status().as_u16();
            let wish = may_pass(status).then(|| wish(&response));
            Ok((Answer { status, text: start_of(&mut response).await }, wish))
        };
        let answer = timeout(self.each, attempt).await;
        self.host.observe("request_seconds", begun.elapsed().as_secs_f64());
        match answer.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
            Ok((answer, wish)) => {
                match wish {
                    None => self.is_back(),
                    Some(_) => self.is_away(&format!("status {}", answer.status)),
                }
                (Ok(answer), wish)
            }
            Err(why) => {
                self.is_away(&why);
                (Err(why), Some(Duration::ZERO))
            }
        }
    }

    fn is_back(&self) {
        if self.away.swap(false, Ordering::Relaxed) {
            self.host.info(format_args!("{}: is back", self.name));
        }
    }

    /// One line in the log when it goes, however many wait for it.
    fn is_away(&self, why: &str) {
        if !self.away.swap(true, Ordering::Relaxed) {
            self.host
                .error(format_args!("{}: {why}; mail is deferred until it is there", self.name));
        }
    }
}

/// Whether the same request may fare better in a moment (RFC 9110 section 15, RFC 6585 section 4, RFC 8470).
fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// How long the endpoint wants to be left alone, in seconds (RFC 9110 section 10.2.3).
fn wish(response: &Response) -> Duration {
    let value = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds = value.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    // A date is not worth a clock here.
    Duration::from_secs(std::cmp::min(seconds, 3600))
}

/// Reads the answer, so that its connection can be used again, and keeps what fits into a line of the log.
async fn start_of(response: &mut Response) -> String {
    let (mut kept, mut read) = (Vec::new(), 0);
    // An answer that breaks off has had its status, which is what counts.
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        kept.extend(chunk.iter().take(LINE - kept.len().min(LINE)));
        if read > MOST {
            break;
        }
    }
    let text = String::from_utf8_lossy(&kept);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What lies at the ground of an error, without the URL.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(one) = cause {
        text = one.to_string();
        cause = one.source();
    }
    text.replace(['\r', '\n'], " ")
}

const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);
/// Octets of an answer that are in the log.
const LINE: usize = 200;
/// Octets that are read of it; a longer one costs its connection.
const MOST: usize = 16 * 1024;
