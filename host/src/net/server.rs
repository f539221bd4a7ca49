//! What the connections of one listener share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use guerrilla_smtp::{self as smtp, Settings};
use tokio_util::task::TaskTracker;

use super::admission::{Admission, Permit, TurnedAway};
use super::patience;
use super::policy::Policy;
use super::shown::Shown;
use super::stop::Stop;
use super::tally::Tally;
use super::tls::Acceptor;
use crate::config::{self, Network, ProxyProtocol};
use crate::mail::Storage;
use crate::observe::Route;
use crate::pipeline::Pipeline;

/// One configured server at work. A connection keeps the settings it began with: a reload makes a successor
/// for those who come later.
pub(crate) struct Server {
    /// `listen_interface`, as configured.
    pub(crate) listener: Arc<str>,
    /// `host_name`.
    pub(crate) host_name: Arc<str>,
    /// Settings of the protocol.
    pub(super) settings: Arc<Settings>,
    /// Whether it speaks LMTP.
    pub(super) lmtp: bool,
    /// Present when it speaks TLS, from the first byte or after STARTTLS.
    pub(super) tls: Option<Arc<Acceptor>>,
    /// How long a client may take.
    pub(super) patience: patience::Limits,
    /// How long the greeting is held back.
    pub(super) greet_delay: Option<Duration>,
    /// Hosts and chains; a connection takes the current ones for each transaction.
    pub(super) policy: Arc<ArcSwap<Policy>>,
    /// Where bodies are while they are on their way.
    pub(super) storage: Storage,
    /// Where it is written what its clients do.
    pub(super) route: Route,
    /// Begins when the server is to end.
    pub(super) stop: Stop,
    /// Its connections.
    pub(super) connections: TaskTracker,
    /// What takes them in, one task for each socket.
    accepting: TaskTracker,
    /// Whether clients that nobody has accepted are left to whoever listens on the sockets next.
    leaves_queue: Arc<AtomicBool>,
    /// Whether connections of trusted proxies begin with a PROXY header.
    pub(super) proxy_protocol: ProxyProtocol,
    takes_proxy_commands: bool,
    trusted_proxies: Vec<Network>,
    admission: Arc<Admission>,
    tally: Arc<Tally>,
    /// What operators may look at.
    pub(super) shown: Arc<Shown>,
    served: Arc<AtomicU64>,
}

impl Server {
    /// A server of this configuration, in whose place there was none.
    pub(crate) fn new(
        config: &config::Server,
        policy: Arc<ArcSwap<Policy>>,
        pipeline: &Pipeline,
        storage: Storage,
        tls: Option<Arc<Acceptor>>,
        route: Route,
        shown: Arc<Shown>,
    ) -> Self {
        Self {
            listener: config.listen.to_string().into(),
            host_name: config.host_name.as_str().into(),
            settings: Arc::new(protocol_settings(config, pipeline)),
            lmtp: config.protocol == config::Protocol::Lmtp,
            tls,
            patience: patience::Limits::of(config),
            greet_delay: config.greet_delay,
            policy,
            storage,
            route,
            stop: Stop::default(),
            connections: TaskTracker::new(),
            accepting: TaskTracker::new(),
            leaves_queue: Arc::default(),
            proxy_protocol: config.proxy_protocol,
            takes_proxy_commands: config.xclient || config.xforward,
            trusted_proxies: config.trusted_proxies.clone(),
            admission: Arc::new(Admission::new(
                config.max_clients,
                config.limits.max_clients_per_ip,
                config.limits.max_connects_per_minute,
            )),
            tally: Arc::default(),
            shown,
            served: Arc::default(),
        }
    }

    /// The same server with other settings. Its clients, their number and its end are one with the old one's.
    pub(crate) fn successor(
        &self,
        config: &config::Server,
        pipeline: &Pipeline,
        storage: Storage,
        tls: Option<Arc<Acceptor>>,
        route: Route,
    ) -> Self {
        Self {
            stop: self.stop.clone(),
            connections: self.connections.clone(),
            accepting: self.accepting.clone(),
            leaves_queue: Arc::clone(&self.leaves_queue),
            admission: Arc::clone(&self.admission),
            tally: Arc::clone(&self.tally),
            served: Arc::clone(&self.served),
            ..Self::new(
                config,
                Arc::clone(&self.policy),
                pipeline,
                storage,
                tls,
                route,
                Arc::clone(&self.shown),
            )
        }
    }

    /// Its certificates, if it has any.
    pub(crate) fn tls(&self) -> Option<&Arc<Acceptor>> {
        self.tls.as_ref()
    }

    /// Lets clients in by the limits of this configuration.
    pub(crate) fn limit(&self, config: &config::Server) {
        let limits = &config.limits;
        self.admission.limit(
            config.max_clients,
            limits.max_clients_per_ip,
            limits.max_connects_per_minute,
        );
    }

    /// Whether no connection is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Lets no new client in and asks those that are there to end.
    pub(crate) fn begin_stop(&self) {
        self.stop.begin();
        self.accepting.close();
        self.connections.close();
    }

    /// Lets no new client in, but leaves those whom nobody has accepted to another process that has the sockets, too.
    pub(crate) fn begin_handover(&self) {
        self.leaves_queue.store(true, Ordering::Release);
        self.begin_stop();
    }

    /// Whether it ends by [`begin_handover`](Self::begin_handover).
    pub(super) fn leaves_its_queue(&self) -> bool {
        self.leaves_queue.load(Ordering::Acquire)
    }

    /// A task that takes connections in.
    pub(crate) fn accepting<F: Future>(&self, task: F) -> impl Future<Output = F::Output> + use<F> {
        self.accepting.track_future(task)
    }

    /// Waits until its sockets are closed.
    pub(crate) async fn closed(&self) {
        self.accepting.wait().await;
    }

    /// Waits until all connections have ended.
    pub(crate) async fn ended(&self) {
        self.connections.wait().await;
    }

    /// Connections that have not ended.
    pub(crate) fn active(&self) -> u32 {
        self.admission.active()
    }

    /// What it has done.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Connections that have come.
    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// What does the handshake before the greeting, if one is to be done.
    pub(super) fn implicit_tls(&self) -> Option<&Arc<Acceptor>> {
        self.tls.as_ref().filter(|tls| tls.is_implicit())
    }

    /// Whether this client may use XCLIENT or XFORWARD.
    pub(super) fn takes_proxy_commands_from(&self, client: Option<SocketAddr>) -> bool {
        self.takes_proxy_commands && self.trusts(client)
    }

    /// Whether this peer may speak for others.
    pub(super) fn trusts(&self, peer: Option<SocketAddr>) -> bool {
        let Some(peer) = peer else { return false };
        self.trusted_proxies.iter().any(|network| network.contains(peer.ip().to_canonical()))
    }

    /// Lets a connection in, or says why not.
    pub(super) fn admit(&self) -> Result<Permit, TurnedAway> {
        if self.stop.has_begun() {
            return Err(TurnedAway::Ending);
        }
        self.admission.admit()
    }

    /// Number of the next client, from 1.
    pub(super) fn next_number(&self) -> u64 {
        self.served.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What a client is told first, in go-guerrilla's form: host, version, number of the client, clients there are, time.
    pub(super) fn greeting(&self, number: u64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let time = mail_parser::DateTime::from_timestamp(i64::try_from(now).unwrap_or(0));
        let (host, version, active) = (&self.host_name, env!("CARGO_PKG_VERSION"), self.active());
        let protocol = if self.lmtp { "LMTP" } else { "SMTP" };
        format!("{host} {protocol} Guerrilla({version}) #{number} ({active}) {}", time.to_rfc3339())
    }
}

fn protocol_settings(config: &config::Server, pipeline: &Pipeline) -> Settings {
    let offered = &config.extensions;
    Settings {
        host_name: config.host_name.as_str().to_owned(),
        protocol: match config.protocol {
            config::Protocol::Smtp => smtp::Protocol::Smtp,
            config::Protocol::Lmtp => smtp::Protocol::Lmtp,
        },
        max_size: config.max_size,
        max_rcpt: config.limits.max_rcpt,
        max_messages: config.limits.max_messages,
        require_helo: config.require_helo,
        bare_newline: match config.bare_newline {
            config::BareNewline::Reject => smtp::BareNewline::Reject,
            config::BareNewline::Normalize => smtp::BareNewline::Normalize,
        },
        start_tls: matches!(config.tls.mode, config::TlsMode::StartTls(_)),
        tls_required: config.tls.required,
        size: offered.size,
        enhanced_status_codes: offered.enhanced_status_codes,
        help: offered.help,
        pipelining: offered.pipelining,
        eight_bit_mime: offered.eight_bit_mime,
        smtputf8: offered.smtputf8,
        chunking: offered.chunking,
        binarymime: offered.binarymime && offered.chunking,
        dsn: offered.dsn && pipeline.honours("dsn"),
        requiretls: offered.requiretls && pipeline.honours("requiretls"),
        limits: offered.limits,
        prdr: offered.prdr,
        xclient: config.xclient,
        xforward: config.xforward,
        max_unrecognised: config.limits.max_unrecognised,
        max_errors: config.limits.max_errors,
        ..Settings::default()
    }
}
