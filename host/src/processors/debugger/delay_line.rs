//! Things that wait for a fixed time, and one thread that hands them on in the order they came.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The line. Nothing put into it is lost: when it is stopped, all that waits is handed on at once.
pub(super) struct DelayLine<T: Send + 'static> {
    shared: Arc<Shared<T>>,
    delay: Duration,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<T: Send + 'static> DelayLine<T> {
    /// A line that has no thread yet; `hand_on` is called on it, and must not panic.
    pub(super) fn new(delay: Duration, hand_on: fn(T)) -> Self {
        let state = State { waiting: VecDeque::new(), pace: Pace::Idle };
        let shared = Shared { state: Mutex::new(state), changed: Condvar::new(), hand_on };
        Self { shared: Arc::new(shared), delay, thread: Mutex::new(None) }
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// The system has none to give.
    pub(super) fn start(&self) -> io::Result<()> {
        self.shared.set_pace(Pace::Steady);
        let shared = Arc::clone(&self.shared);
        let started =
            thread::Builder::new().name("delay-line".to_owned()).spawn(move || shared.run());
        match started {
            Ok(thread) => {
                *locked(&self.thread) = Some(thread);
                Ok(())
            }
            Err(e) => {
                self.shared.set_pace(Pace::Idle);
                Err(e)
            }
        }
    }

    /// Puts one more into the line; without a thread it is handed on at once.
    pub(super) fn put(&self, item: T) {
        let mut state = locked(&self.shared.state);
        if matches!(state.pace, Pace::Idle | Pace::End) {
            drop(state);
            return (self.shared.hand_on)(item);
        }
        state.waiting.push_back((Instant::now() + self.delay, item));
        drop(state);
        self.shared.changed.notify_one();
    }

    /// From now on nothing waits.
    pub(super) fn hurry(&self) {
        let mut state = locked(&self.shared.state);
        if state.pace == Pace::Steady {
            state.pace = Pace::Hurry;
            self.shared.changed.notify_one();
        }
    }

    /// Hands on what waits and ends the thread.
    pub(super) fn stop(&self) {
        self.shared.set_pace(Pace::End);
        if let Some(thread) = locked(&self.thread).take() {
            // Had `hand_on` panicked, the panic hook would have reported it.
            let _ = thread.join();
        }
    }
}

impl<T: Send + 'static> Drop for DelayLine<T> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the thread shares with those who put.
struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    hand_on: fn(T),
}

struct State<T> {
    /// With the time to hand each on; all wait equally long, so the first is the first due.
    waiting: VecDeque<(Instant, T)>,
    pace: Pace,
}

#[derive(Clone, Copy, PartialEq)]
enum Pace {
    /// There is no thread yet.
    Idle,
    Steady,
    Hurry,
    /// The thread ends when nothing waits any more.
    End,
}

impl<T> Shared<T> {
    fn set_pace(&self, pace: Pace) {
        locked(&self.state).pace = pace;
        self.changed.notify_one();
    }

    fn run(&self) {
        while let Some(item) = self.next() {
            (self.hand_on)(item);
        }
    }

    /// Waits until one is due; `None` at the end.
    fn next(&self) -> Option<T> {
        let mut state = locked(&self.state);
        loop {
            let left = match state.waiting.front() {
                None if state.pace == Pace::End => return None,
                None => Duration::MAX,
                Some(_) if state.pace != Pace::Steady => Duration::ZERO,
                Some((due, _)) => due.saturating_duration_since(Instant::now()),
            };
            if left.is_zero() {
                return state.waiting.pop_front().map(|(_, item)| item);
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Nothing here is left half done when a thread panics.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    type Item = (u32, Sender<(u32, Instant)>);

    fn line(delay: Duration) -> DelayLine<Item> {
        DelayLine::new(delay, |(number, out)| {
            let _ = out.send((number, Instant::now()));
        })
    }

    fn next(out: &Receiver<(u32, Instant)>) -> (u32, Instant) {
        out.recv_timeout(Duration::from_secs(60)).expect("handed on")
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn waits_and_keeps_the_order() {
        let delay = Duration::from_millis(20);
        let line = line(delay);
        line.start().unwrap();
        let (to, out) = channel();
        let begin = Instant::now();
        for number in 0..100 {
            line.put((number, to.clone()));
        }
        for number in 0..100 {
            let (handed, at) = next(&out);
            assert_eq!(handed, number);
            assert!(at - begin >= delay);
        }
    }

    #[test]
    fn hurries() {
        let line = line(HOUR);
        line.start().unwrap();
        let (to, out) = channel();
        line.put((1, to.clone()));
        line.hurry();
        line.put((2, to));
        assert_eq!((next(&out).0, next(&out).0), (1, 2));
    }

    #[test]
    fn hands_all_on_when_stopped_or_dropped() {
        for stop in [true, false] {
            let line = line(HOUR);
            line.start().unwrap();
            let (to, out) = channel();
            line.put((1, to.clone()));
            line.put((2, to.clone()));
            if stop {
                line.stop();
                line.put((3, to));
            } else {
                drop(line);
                drop(to);
            }
            // The thread has ended: nothing more can come.
            let all: Vec<u32> = out.try_iter().map(|(number, _)| number).collect();
            assert_eq!(all, if stop { vec![1, 2, 3] } else { vec![1, 2] });
        }
    }

    #[test]
    fn without_a_thread_nothing_waits() {
        let line = line(HOUR);
        let (to, out) = channel();
        line.put((1, to));
        assert_eq!(out.try_recv().unwrap().0, 1);
        line.stop();
        line.stop();
    }
}
