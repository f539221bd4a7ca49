//! The servers that are listened on, and those that are coming to their end.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::prepare::PreparedServer;
use super::shards::Shards;
use crate::config::{self, Config};
use crate::mail::Storage;
use crate::net::{Policy, Server, Sockets};
use crate::observe::Log;

/// All of a daemon's servers.
#[derive(Default)]
pub(super) struct Listeners {
    open: Vec<Listener>,
    /// No longer listened on, but with connections.
    ending: Vec<Arc<Server>>,
}

/// What all servers share.
pub(super) struct Shared {
    pub(super) policy: Arc<ArcSwap<Policy>>,
    pub(super) storage: Storage,
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
}

impl Listeners {
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
                (Some(sockets), _) => {
                    let policy = Arc::clone(&shared.policy);
                    let new = Server::new(server, policy, &pipeline, storage, tls, route);
                    open(&server.listen, new, sockets, shards)
                }
                // What was prepared says that it is listened on already, so it is.
                (None, None) => continue,
            };
            self.open.push(listener);
        }
        self.end(before);
    }

    /// Waits until the sockets of the ending servers are closed: whoever connects from then on finds others, or nobody.
    pub(super) async fn closed(&self) {
        for server in &self.ending {
            server.closed().await;
        }
    }

    fn end(&mut self, listeners: Vec<Listener>) {
        for Listener { listen, current, .. } in listeners {
            tracing::info!("no longer listening on {listen}");
            let server = current.load_full();
            server.begin_stop();
            self.ending.push(server);
        }
    }

    /// Lets no new client in anywhere and asks those that are there to end.
    pub(super) fn end_all(&mut self) {
        let open = std::mem::take(&mut self.open);
        self.end(open);
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

fn open(listen: &config::Listen, server: Server, sockets: Sockets, shards: &Shards) -> Listener {
    let host_name = Arc::clone(&server.host_name);
    let current = Arc::new(ArcSwap::from_pointee(server));
    let address = match sockets {
        Sockets::Tcp(address, sockets) => {
            tracing::info!("listening on {address} as {host_name}");
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
    Listener { listen: listen.clone(), address, current }
}
