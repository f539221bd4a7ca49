//! Who is let in: so many clients at a time, so many of one network, so many a minute.
//!
//! A network is an IPv4 address or an IPv6 /64, which is what one customer has.
//!
//! *Trust*: the addresses are strangers'; the table is bounded by the connections there are, and by the networks seen within
//! a minute.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The door of one server.
#[derive(Debug)]
pub(super) struct Admission {
    max_clients: AtomicU32,
    /// 0: no limit.
    max_per_network: AtomicU32,
    /// 0: no limit.
    max_per_minute: AtomicU32,
    active: AtomicU32,
    networks: Mutex<Networks>,
}

/// What is known of each network.
#[derive(Debug)]
struct Networks {
    visits: HashMap<IpAddr, Visits>,
    /// So many of them are swept. Twice as many as a sweep has left: were it a fixed number, then each client of a flood from
    /// more networks would have all of them walked over, while all others wait.
    sweep_at: usize,
    #[cfg(test)]
    sweeps: usize,
}

/// What is known of a network.
#[derive(Debug)]
struct Visits {
    active: u32,
    /// Connections since the minute began.
    recent: u32,
    since: Instant,
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TurnedAway {
    /// `max_clients`.
    Full,
    /// `max_clients_per_ip`.
    NetworkFull,
    /// `max_connects_per_minute`.
    TooOften,
    /// The server is to end.
    Ending,
}

impl fmt::Display for TurnedAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "max_clients are in",
            Self::NetworkFull => "max_clients_per_ip of its network are in",
            Self::TooOften => "max_connects_per_minute of its network have come",
            Self::Ending => "the server is ending",
        })
    }
}

/// A place; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Arc<Admission>,
    network: Option<IpAddr>,
}

impl Admission {
    pub(super) fn new(max_clients: u32, max_per_network: u32, max_per_minute: u32) -> Self {
        Self {
            max_clients: max_clients.into(),
            max_per_network: max_per_network.into(),
            max_per_minute: max_per_minute.into(),
            active: AtomicU32::new(0),
            networks: Mutex::default(),
        }
    }

    /// Sets the limits for those who come from now on; nobody is turned out.
    pub(super) fn limit(&self, max_clients: u32, max_per_network: u32, max_per_minute: u32) {
        self.max_clients.store(max_clients, Ordering::Relaxed);
        self.max_per_network.store(max_per_network, Ordering::Relaxed);
        self.max_per_minute.store(max_per_minute, Ordering::Relaxed);
    }

    /// Clients that are in.
    pub(super) fn active(&self) -> u32 {
        self.active.load(Ordering::Relaxed)
    }

    /// Lets a connection in, or says why not.
    pub(super) fn admit(self: &Arc<Self>) -> Result<Permit, TurnedAway> {
        let max_clients = self.max_clients.load(Ordering::Relaxed);
        let taken = self.active.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |active| {
            (active < max_clients).then_some(active + 1)
        });
        match taken {
            Ok(_) => Ok(Permit { admission: Arc::clone(self), network: None }),
            Err(_) => Err(TurnedAway::Full),
        }
    }

    fn visit(&self, network: IpAddr, now: Instant) -> Result<(), TurnedAway> {
        let mut networks = self.networks();
        networks.sweep(now);
        let visits =
            networks.visits.entry(network).or_insert(Visits { active: 0, recent: 0, since: now });
        if visits.is_over(now) {
            visits.recent = 0;
            visits.since = now;
        }
        visits.recent = visits.recent.saturating_add(1);
        let (per_network, per_minute) = self.network_limits();
        if per_minute > 0 && visits.recent > per_minute {
            return Err(TurnedAway::TooOften);
        }
        if per_network > 0 && visits.active >= per_network {
            return Err(TurnedAway::NetworkFull);
        }
        visits.active += 1;
        Ok(())
    }

    fn network_limits(&self) -> (u32, u32) {
        let load = |limit: &AtomicU32| limit.load(Ordering::Relaxed);
        (load(&self.max_per_network), load(&self.max_per_minute))
    }

    fn networks(&self) -> MutexGuard<'_, Networks> {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Networks {
    fn default() -> Self {
        Self {
            visits: HashMap::new(),
            sweep_at: SWEEP_AT,
            #[cfg(test)]
            sweeps: 0,
        }
    }
}

impl Networks {
    /// Drops those that are of no use any more, when there are many.
    fn sweep(&mut self, now: Instant) {
        if self.visits.len() < self.sweep_at {
            return;
        }
        self.visits.retain(|_, visits| visits.active > 0 || !visits.is_over(now));
        self.sweep_at = SWEEP_AT.max(self.visits.len() * 2);
        #[cfg(test)]
        {
            self.sweeps += 1;
        }
    }
}

impl Visits {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= MINUTE
    }
}

impl Permit {
    /// Says who it is, once that is known (a proxy may speak for others, one after the other), or that this one may not stay.
    pub(super) fn is_for(&mut self, client: IpAddr, now: Instant) -> Result<(), TurnedAway> {
        self.leave_network();
        let admission = &self.admission;
        if admission.network_limits() != (0, 0) {
            let network = network(client);
            admission.visit(network, now)?;
            self.network = Some(network);
        }
        Ok(())
    }

    /// Says that nobody knows who it is any more.
    pub(super) fn leave_network(&mut self) {
        let Some(network) = self.network.take() else { return };
        let mut networks = self.admission.networks();
        if let Some(visits) = networks.visits.get_mut(&network) {
            visits.active -= 1;
            if visits.active == 0 && self.admission.network_limits().1 == 0 {
                networks.visits.remove(&network);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.active.fetch_sub(1, Ordering::Relaxed);
        self.leave_network();
    }
}

fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let s = ip.segments();
            Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0).into()
        }
        ip => ip,
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// Networks in the table at the least when those that are of no use any more are dropped from it.
const SWEEP_AT: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(door: &Arc<Admission>, ip: &str, now: Instant) -> Result<Permit, TurnedAway> {
        let mut permit = door.admit()?;
        permit.is_for(ip.parse().unwrap(), now)?;
        Ok(permit)
    }

    #[test]
    fn places_are_given_back() {
        let door = Arc::new(Admission::new(1, 0, 0));
        let first = door.admit().unwrap();
        assert_eq!(door.admit().unwrap_err(), TurnedAway::Full);
        drop(first);
        assert!(door.admit().is_ok());
        assert_eq!(door.active(), 0);
    }

    #[test]
    fn limits_change_for_those_who_come() {
        let door = Arc::new(Admission::new(2, 0, 0));
        let places = [door.admit().unwrap(), door.admit().unwrap()];
        door.limit(1, 1, 0);
        assert_eq!(door.admit().unwrap_err(), TurnedAway::Full);
        drop(places);
        let now = Instant::now();
        let first = visit(&door, "192.0.2.1", now).unwrap();
        door.limit(2, 1, 0);
        assert_eq!(visit(&door, "192.0.2.1", now).unwrap_err(), TurnedAway::NetworkFull);
        door.limit(2, 0, 0);
        assert!(visit(&door, "192.0.2.1", now).is_ok());
        drop(first);
        assert_eq!(door.active(), 0);
    }

    #[test]
    fn one_network_cannot_take_all_places() {
        let door = Arc::new(Admission::new(10, 2, 0));
        let now = Instant::now();
        let one = visit(&door, "2001:db8::1", now).unwrap();
        let _two = visit(&door, "2001:db8::2", now).unwrap();
        assert_eq!(visit(&door, "2001:db8::3", now).unwrap_err(), TurnedAway::NetworkFull);
        assert_eq!(door.active(), 2);
        let _other = visit(&door, "2001:db8:0:1::1", now).unwrap();
        let _four = visit(&door, "::ffff:192.0.2.1", now).unwrap();
        drop(one);
        assert!(visit(&door, "2001:db8::3", now).is_ok());
    }

    #[test]
    fn a_proxy_speaks_for_one_after_the_other() {
        let door = Arc::new(Admission::new(10, 1, 0));
        let now = Instant::now();
        let first = visit(&door, "192.0.2.1", now).unwrap();
        let mut proxy = visit(&door, "192.0.2.2", now).unwrap();
        assert_eq!(proxy.is_for("192.0.2.1".parse().unwrap(), now), Err(TurnedAway::NetworkFull));
        drop(first);
        proxy.is_for("192.0.2.1".parse().unwrap(), now).unwrap();
        assert!(visit(&door, "192.0.2.2", now).is_ok(), "its place is free");
        assert!(visit(&door, "192.0.2.1", now).is_err());
        drop(proxy);
        assert!(door.networks().visits.is_empty());
    }

    #[test]
    fn a_minute_is_a_minute() {
        let door = Arc::new(Admission::new(10, 0, 2));
        let now = Instant::now();
        for _ in 0..2 {
            drop(visit(&door, "192.0.2.1", now).unwrap());
        }
        assert_eq!(visit(&door, "192.0.2.1", now).unwrap_err(), TurnedAway::TooOften);
        assert!(visit(&door, "192.0.2.2", now).is_ok());
        assert!(visit(&door, "192.0.2.1", now + MINUTE).is_ok());
    }

    #[test]
    fn the_table_does_not_grow_for_ever() {
        let door = Arc::new(Admission::new(10, 0, 5));
        let now = Instant::now();
        for i in 0..SWEEP_AT as u32 {
            let mut permit = door.admit().unwrap();
            permit.is_for(std::net::Ipv4Addr::from(i).into(), now).unwrap();
        }
        drop(visit(&door, "203.0.113.1", now + MINUTE).unwrap());
        assert_eq!(door.networks().visits.len(), 1);
        assert_eq!(door.networks().sweep_at, SWEEP_AT);
    }

    /// A flood from more networks than are swept: the table is walked over a few times in all, and not for each of them.
    #[test]
    fn a_flood_is_not_walked_over_for_each_client() {
        let door = Arc::new(Admission::new(10, 0, 5));
        let now = Instant::now();
        for i in 0..8 * SWEEP_AT as u32 {
            let mut permit = door.admit().unwrap();
            permit.is_for(std::net::Ipv4Addr::from(i).into(), now).unwrap();
        }
        assert_eq!(door.networks().visits.len(), 8 * SWEEP_AT);
        assert_eq!(door.networks().sweeps, 3, "at one, two and four times as many");
    }
}
