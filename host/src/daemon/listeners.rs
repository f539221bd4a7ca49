//! The servers that are listened on, and those that are coming to their end.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::keeper::SocketKeeper;
use super::prepare::PreparedServer;
use super::shards::Shards;
use super::spread::Group;
use crate::config::{self, Config};
use crate::mail::Storage;
use crate::net::passed::kept_name;
use crate::net::shown::Shown;
use crate::net::{Claimed, Policy, Server, Sockets};
use crate::observe::Log;

/// All of a daemon's servers.
#[derive(Default)]
pub(super) struct Listeners {
    open: Vec<Listener>,
    /// No longer listened on, but with connections.
    ending: Vec<Arc<Server>>,
    keeper: Option<Arc<dyn SocketKeeper>>,
}

/// What all servers share.
pub(super) struct Shared {
    pub(super) policy: Arc<ArcSwap<Policy>>,
    pub(super) storage: Storage,
    pub(super) shown: Arc<Shown>,
    /// None: the log is somebody else's.
    pub(super) log: Option<Log>,
}

/// A server that is listened on.
struct Listener {
    listen: config::Listen,
    /// None on a Unix socket.
    address: Option<SocketAddr>,
    /// Who serves the next client.
    current: Arc<ArcSwap<Server>>,
    /// The service manager goes on listening on its sockets.
    lasting: bool,
    /// Where its threads are chosen for new connections.
    steered: Option<Group>,
}

impl Listeners {
    /// None yet; the sockets of those that come are kept.
    pub(super) fn kept_by(keeper: Option<Arc<dyn SocketKeeper>>) -> Self {
        Self { keeper, ..Self::default() }
    }

    /// Puts the enabled servers of a configuration in the place of those there are. Where the listener stays the same,
    /// so do its sockets; connections keep the settings they began with.
    pub(super) fn put(
        &mut self,
        config: &Config,
        prepared: Vec<PreparedServer>,
        shared: &Shared,
        shards: &Shards,
    ) {
        self.ending.retain(|server| !server.is_empty());
        let pipeline = Arc::clone(&shared.policy.load().pipeline);
        self.let_go(config, &prepared);
        let mut before = std::mem::take(&mut self.open);
        for PreparedServer { index, tls, sockets } in prepared {
            let server = &config.servers[index];
            let route = shared.log.as_ref().map(|log| log.route(&server.log)).unwrap_or_default();
            let storage = shared.storage.clone();
            let listener = match (sockets, before.iter().position(|b| b.listen == server.listen)) {
                (None, Some(at)) => {
                    let listener = before.swap_remove(at);
                    let old = listener.current.load();
                    let successor = old.successor(server, &pipeline, storage, tls, route);
                    successor.limit(server);
                    listener.current.store(Arc::new(successor));
                    listener
                }
                (Some(claimed), _) => {
                    self.keep(&server.listen, &claimed);
                    let policy = Arc::clone(&shared.policy);
                    let shown = Arc::clone(&shared.shown);
                    let new = Server::new(server, policy, &pipeline, storage, tls, route, shown);
                    open(&server.listen, new, claimed, shards)
                }
                // What was prepared says that it is listened on already, so it is.
                (None, None) => continue,
            };
            self.open.push(listener);
        }
        self.end(before, false);
    }

    /// Takes the sockets of those that go out of keeping. Before others are given: they may have the same name. And before
    /// ours are closed: whoever closes them last answers those who are in the queue.
    fn let_go(&self, config: &Config, prepared: &[PreparedServer]) {
        let stays = |listen: &config::Listen| {
            let mut ours = prepared.iter().filter(|server| server.sockets.is_none());
            ours.any(|server| config.servers[server.index].listen == *listen)
        };
        for gone in self.open.iter().filter(|listener| !stays(&listener.listen)) {
            if gone.lasting {
                tracing::warn!(
                    "the service manager goes on listening on {}: nobody answers there; stop that socket",
                    gone.listen
                );
            } else if let Some(keeper) = &self.keeper {
                keeper.release(&kept_name(&gone.listen));
            }
        }
    }

    fn keep(&self, listen: &config::Listen, claimed: &Claimed) {
        let Some(keeper) = self.keeper.as_ref().filter(|_| !claimed.lasting) else { return };
        let sockets: Vec<_> = match &claimed.sockets {
            Sockets::Tcp(_, sockets) => sockets.iter().map(AsFd::as_fd).collect(),
            Sockets::Unix(socket) => vec![socket.as_fd()],
        };
        keeper.keep(&kept_name(listen), &sockets);
    }

    /// Waits until the sockets of the ending servers are closed: whoever connects from then on finds others, or nobody.
    pub(super) async fn closed(&self) {
        for server in &self.ending {
            server.closed().await;
        }
    }

    /// `handover`: another process may come that listens on the same sockets.
    fn end(&mut self, listeners: Vec<Listener>, handover: bool) {
        let is_kept = self.keeper.as_ref().is_some_and(|keeper| keeper.is_sure());
        for Listener { listen, current, lasting, steered, .. } in listeners {
            tracing::info!("no longer listening on {listen}");
            if let Some(group) = steered {
                group.let_go();
            }
            let server = current.load_full();
            if handover && (lasting || is_kept) {
                server.begin_handover();
            } else {
                server.begin_stop();
            }
            self.ending.push(server);
        }
    }

    /// Lets no new client in anywhere and asks those that are there to end.
    pub(super) fn end_all(&mut self) {
        let open = std::mem::take(&mut self.open);
        self.end(open, true);
    }

    /// Waits until all connections of the ending servers have ended.
    pub(super) async fn ended(&self) {
        for server in &self.ending {
            server.ended().await;
        }
    }

    /// Connections that have not ended.
    pub(super) fn active(&self) -> u32 {
        let open = self.open.iter().map(|listener| listener.current.load().active());
        open.chain(self.ending.iter().map(|server| server.active())).sum()
    }

    /// The TCP addresses listened on, in the order of the configuration.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.open.iter().filter_map(|listener| listener.address).collect()
    }

    /// Who serves the next client, by listener.
    pub(super) fn servers(&self) -> Vec<(config::Listen, Arc<Server>)> {
        let open = self.open.iter();
        open.map(|listener| (listener.listen.clone(), listener.current.load_full())).collect()
    }
}

fn open(listen: &config::Listen, server: Server, claimed: Claimed, shards: &Shards) -> Listener {
    let Claimed { sockets, lasting } = claimed;
    let host_name = Arc::clone(&server.host_name);
    let current = Arc::new(ArcSwap::from_pointee(server));
    let mut steered = None;
    let address = match sockets {
        Sockets::Tcp(address, sockets) => {
            tracing::info!("listening on {address} as {host_name}");
            if !lasting {
                steered = shards.steer(&sockets);
            }
            for (shard, socket) in sockets.into_iter().enumerate() {
                shards.listen(shard, Arc::clone(&current), socket.into());
            }
            Some(address)
        }
        Sockets::Unix(socket) => {
            tracing::info!("listening on {listen} as {host_name}");
            shards.listen(0, Arc::clone(&current), socket.into());
            None
        }
    };
    Listener { listen: listen.clone(), address, current, lasting, steered }
}
