//! The connections of the admin interface.
//!
//! *Trust*: on loopback any user of the machine opens them. *Limits*: so many at a time, so long for a request, so large a header:
//! none of them takes descriptors or memory from mail.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;

/// Serves these pages to all who come, until it is dropped.
pub(super) async fn serve(mut socket: impl Listener, routes: Router) {
    let places = Arc::new(Semaphore::new(MOST));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_buf_size(MOST_HEADER);
    loop {
        // Whoever finds no place waits in the queue of the socket, without a descriptor of ours. Nobody closes the semaphore.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (wire, _) = socket.accept().await;
        let pages = TowerToHyperService::new(routes.clone());
        let connection = http.serve_connection(TokioIo::new(wire), pages);
        tokio::spawn(async move {
            // An error is the client's: it has left, said nothing in time, or something that is no HTTP.
            let _ = connection.await;
            drop(place);
        });
    }
}

/// Connections at a time: a browser has six, and `top`, Prometheus and eight traces one each.
const MOST: usize = 64;

/// How long a client may take for the header of a request, also for that of the next one.
const HEADER_TIME: Duration = Duration::from_secs(10);

/// Bytes of a header, and of what waits to be written.
const MOST_HEADER: usize = 16 * 1024;
