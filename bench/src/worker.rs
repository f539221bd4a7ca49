//! One thread of load: its connections, its epoll, its tally.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::conversation::Conversation;
use crate::load::Plan;
use crate::outbox::Outbox;
use crate::pace::Pace;
use crate::progress::Progress;
use crate::replies::ReplyLines;
use crate::tally::Tally;
use crate::transport::Transport;

mod connect;
mod serve;

use connect::{client_tls, connect};

/// A thread's part of the load.
#[derive(Debug)]
pub struct Worker<'a> {
    plan: &'a Plan,
    progress: &'a Progress,
    part: Part,
    poll: Poll,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// Connections that wait for a message to be due.
    ready: Vec<usize>,
    pace: Option<Pace>,
    tally: Tally,
    buffer: Vec<u8>,
    opening: usize,
    load: usize,
    idle: usize,
    turn: usize,
    /// When no new message is begun any more; `None` until the load begins.
    end: Option<Instant>,
    ending: bool,
    /// Connections in a row that came to nothing.
    failures: u32,
}

/// How much of the plan is this thread's.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Which thread, from 0.
    pub number: usize,
    /// Connections that carry load.
    pub connections: usize,
    /// Connections that are held idle.
    pub idle: usize,
    /// Messages a second.
    pub rate: Option<f64>,
}

#[derive(Debug)]
struct Connection {
    transport: Transport,
    lines: ReplyLines,
    conversation: Conversation,
    out: Outbox,
    begun: Instant,
    messages: u64,
    connected: bool,
    greeted: bool,
    handshaking: bool,
    bye: bool,
    idle: bool,
}

/// How a connection is after it has been served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closed,
}

impl<'a> Worker<'a> {
    /// Nothing is opened yet.
    pub fn new(plan: &'a Plan, progress: &'a Progress, part: Part) -> io::Result<Self> {
        Ok(Self {
            plan,
            progress,
            part,
            poll: Poll::new()?,
            connections: Vec::new(),
            free: Vec::new(),
            ready: Vec::new(),
            pace: None,
            tally: Tally::default(),
            buffer: vec![0; 64 << 10],
            opening: 0,
            load: 0,
            idle: 0,
            turn: part.number,
            end: None,
            ending: false,
            failures: 0,
        })
    }

    /// Runs the load to its end.
    pub fn run(mut self) -> io::Result<Tally> {
        let mut events = Events::with_capacity(1024);
        loop {
            let now = Instant::now();
            self.begin_load(now)?;
            self.open_more()?;
            self.hand_out(now)?;
            if self.is_over(now) {
                self.close_books();
                return Ok(self.tally);
            }
            match self.poll.poll(&mut events, Some(TICK)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                if event.token().0 != TIMER {
                    self.serve(event.token().0)?;
                }
            }
        }
    }

    /// The clock starts when all idle connections are there.
    fn begin_load(&mut self, now: Instant) -> io::Result<()> {
        if self.end.is_some() || self.idle < self.part.idle {
            return Ok(());
        }
        self.end = Some(now + self.plan.time);
        if let Some(rate) = self.part.rate {
            // The threads take turns.
            let offset = self.part.number as f64 / self.plan.threads as f64 / rate;
            let pace = Pace::new(rate, now + Duration::from_secs_f64(offset))?;
            pace.register(self.poll.registry(), TIMER)?;
            self.pace = Some(pace);
        }
        Ok(())
    }

    /// Few at a time: a full backlog drops them, and a second passes before they are tried again.
    fn open_more(&mut self) -> io::Result<()> {
        while self.opening < AT_ONCE && !self.ending {
            let idle = self.idle + self.opening < self.part.idle && self.end.is_none();
            if !idle && (self.end.is_none() || self.load >= self.part.connections) {
                break;
            }
            if !idle && self.plan.messages_each == 0 && !self.plan.take_one() {
                self.ending = true;
                break;
            }
            self.open(idle)?;
        }
        Ok(())
    }

    fn open(&mut self, idle: bool) -> io::Result<()> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        self.turn += 1;
        let mut transport = match connect(&self.plan.address, self.plan.sources, self.turn) {
            Ok(socket) => Transport::new(socket),
            Err(error) => {
                self.free.push(index);
                return self.unreachable(&error);
            }
        };
        let implicit = match &self.plan.tls {
            Some(tls) if tls.implicit => {
                transport.begin_tls(client_tls(tls)?);
                true
            }
            _ => false,
        };
        transport.register(self.poll.registry(), index)?;
        self.opening += 1;
        self.load += usize::from(!idle);
        self.connections[index] = Some(Connection {
            transport,
            lines: ReplyLines::default(),
            conversation: Conversation::new(self.turn, implicit),
            out: Outbox::default(),
            begun: Instant::now(),
            messages: 0,
            connected: false,
            greeted: false,
            handshaking: implicit,
            bye: false,
            idle,
        });
        Ok(())
    }

    /// Begins the messages that are due, as far as connections are free.
    fn hand_out(&mut self, now: Instant) -> io::Result<()> {
        if self.end.is_some_and(|end| now >= end) && !self.ending {
            self.ending = true;
            self.tally.overdue = self.pace.as_ref().map_or(0, |pace| pace.overdue(now));
        }
        while let Some(index) = self.ready.pop() {
            let due = if self.ending {
                Some(now)
            } else {
                self.pace.as_mut().and_then(|pace| pace.due(now))
            };
            let Some(due) = due else {
                self.ready.push(index);
                if let Some(pace) = &self.pace {
                    pace.arm(now)?;
                }
                break;
            };
            self.begin_or_quit(index, due);
            if self.send(index) == State::Closed {
                self.closed(index)?;
            }
        }
        Ok(())
    }

    fn begin_or_quit(&mut self, index: usize, due: Instant) {
        let go_on = !self.ending && self.plan.take_one();
        self.ending |= !go_on;
        let Some(connection) = self.connections[index].as_mut() else { return };
        if go_on {
            connection.conversation.begin(due, &self.plan.script, &mut connection.out);
        } else {
            connection.conversation.quit(&mut connection.out);
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        let late = self.end.is_some_and(|end| now >= end + GRACE);
        let nothing_to_do = self.part.connections == 0 && self.end.is_some_and(|end| now >= end);
        late || nothing_to_do
            || (self.ending && self.load == 0 && self.part.connections > 0)
            || self.failures >= HOPELESS
    }

    fn close_books(&mut self) {
        let busy = self
            .connections
            .iter()
            .flatten()
            .filter(|connection| connection.conversation.is_busy());
        let lost = busy.count() as u64;
        self.tally.lost += lost;
        self.progress.failed.fetch_add(lost, Relaxed);
    }

    /// The connection is over, as it should be or not.
    fn closed(&mut self, index: usize) -> io::Result<()> {
        let Some(connection) = self.drop_connection(index) else { return Ok(()) };
        if connection.bye {
            return Ok(());
        }
        self.tally.broken += 1;
        self.tally.error(|| "the server closed a connection".to_owned());
        if connection.conversation.is_busy() {
            self.tally.lost += 1;
            self.progress.failed.fetch_add(1, Relaxed);
        }
        if connection.messages == 0 {
            self.failures += 1;
        }
        Ok(())
    }

    fn drop_connection(&mut self, index: usize) -> Option<Connection> {
        let connection = self.connections[index].take()?;
        self.free.push(index);
        self.ready.retain(|ready| *ready != index);
        self.opening -= usize::from(!connection.greeted);
        self.load -= usize::from(!connection.idle);
        if connection.greeted && connection.idle {
            self.idle -= 1;
            self.progress.idle.fetch_sub(1, Relaxed);
        } else if connection.greeted {
            self.progress.open.fetch_sub(1, Relaxed);
        }
        Some(connection)
    }

    fn unreachable(&mut self, error: &io::Error) -> io::Result<()> {
        self.tally.unreachable += 1;
        self.failures += 1;
        self.tally.error(|| format!("connecting to {}: {error}", self.plan.address));
        Ok(())
    }
}

const TIMER: usize = usize::MAX - 1;
const AT_ONCE: usize = 64;
const TICK: Duration = Duration::from_millis(20);
/// For messages that were under way when the time was over.
const GRACE: Duration = Duration::from_secs(15);
const HOPELESS: u32 = 1000;
