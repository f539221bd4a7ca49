//! The admin interface: what an operator's tools ask a running daemon, over HTTP on a Unix socket or on loopback.
//!
//! - `/metrics`: figures for Prometheus ([`mod@metrics`]).
//! - `/healthz`: 200 while the process answers.
//! - `/readyz`: 200 while mail is taken and kept; 503 with the reason while it is not.
//! - `/`: the page for people, and `/messages`, the last messages as JSON ([`mod@page`]).
//! - `/status`: servers, chains and plugins as JSON ([`mod@status`]).
//!
//! - `POST /reload`: reads the configuration anew and answers what has changed ([`mod@reload`]).
//! - `POST /trace?ip=ADDR`: what the clients of one address say, while they do ([`mod@trace`]).
//!
//! *Trust*: whoever reaches it may read it. The Unix socket is for the daemon's user alone; a TCP address must be one of
//! loopback, where any user of the machine gets, and any page in a browser that runs there: see [`guard`].

mod connections;
mod guard;
mod metrics;
mod page;
mod process;
mod reload;
mod state;
mod status;
mod trace;

use std::io;
use std::thread;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::oneshot;

use crate::net::Sockets;
pub(crate) use guard::FIELD;
pub(crate) use reload::{Reloaded, Request};
pub(crate) use state::{Daemon, since_1970};
pub(crate) use status::{Buckets, Counts, Server, Stage, Status};

/// The admin interface while it is served. Dropped, it ends.
pub(crate) struct Admin {
    _running: oneshot::Sender<()>,
}

impl Admin {
    /// Serves it on a thread of its own: a scrape is not to keep mail waiting.
    pub(crate) fn serve(sockets: Sockets, daemon: Daemon) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (running, ended) = oneshot::channel::<()>();
        thread::Builder::new().name("admin".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    served = listen(sockets, daemon) => {
                        if let Err(error) = served {
                            tracing::error!("admin_listen: {error}");
                        }
                    }
                    // The sender is never used, only dropped.
                    _ = ended => {}
                }
            });
        })?;
        Ok(Self { _running: running })
    }
}

async fn listen(sockets: Sockets, daemon: Daemon) -> io::Result<()> {
    match sockets {
        Sockets::Tcp(_, mut sockets) => {
            if let Some(socket) = sockets.pop() {
                let routes = guard::against_other_pages(routes(daemon));
                connections::serve(TcpListener::from_std(socket)?, routes).await;
            }
        }
        // No browser gets there.
        Sockets::Unix(socket) => {
            connections::serve(UnixListener::from_std(socket)?, routes(daemon)).await;
        }
    }
    Ok(())
}

fn routes(daemon: Daemon) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readiness))
        .route("/status", get(status))
        .route("/reload", post(reload::reload))
        .route("/trace", post(trace::trace))
        .merge(page::routes())
        .with_state(daemon)
}

async fn metrics(State(daemon): State<Daemon>) -> Response {
    match metrics::text(&daemon) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn readiness(State(daemon): State<Daemon>) -> Response {
    match daemon.unready() {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn status(State(daemon): State<Daemon>) -> Response {
    match serde_json::to_string(&status::of(&daemon)) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
