//! Answers that plugins give on threads of their own, on their way to the network threads that wait for them.
//!
//! To wake a task of another thread is a system call each time, and often the end of a sleep that had just begun. A plugin that saves in
//! batches completes dozens at once: they are put down here, only the first wakes the thread, which takes what has come by then.

use std::cell::RefCell;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use guerrilla_plugin_abi::Status;
use tokio::sync::{Notify, oneshot};

use crate::mail::Transaction;

/// What a plugin gives back.
pub(super) type Answer = (Box<Transaction>, Status);

/// To whoever waits for an answer.
pub(super) struct Way {
    waiting: oneshot::Sender<Answer>,
    /// The tray of their thread, if it has one.
    tray: Option<Arc<Tray>>,
}

/// Where a thread finds the answers to what it has asked.
#[derive(Default)]
struct Tray {
    content: Mutex<Content>,
    arrived: Notify,
}

#[derive(Default)]
struct Content {
    answers: Vec<(oneshot::Sender<Answer>, Answer)>,
    /// Nobody comes to take them any more.
    closed: bool,
}

thread_local! {
    static TRAY: RefCell<Option<Arc<Tray>>> = const { RefCell::new(None) };
}

impl Way {
    /// To this thread, and the receiver of what goes there.
    pub(super) fn here() -> (Self, oneshot::Receiver<Answer>) {
        let (waiting, receiver) = oneshot::channel();
        let tray = TRAY.with_borrow(Option::clone);
        (Self { waiting, tray }, receiver)
    }

    /// Sends the answer. Nobody waits any more only when the daemon has ended.
    pub(super) fn send(self, answer: Answer) {
        match self.tray {
            Some(tray) => tray.put(self.waiting, answer),
            None => drop(self.waiting.send(answer)),
        }
    }
}

impl Tray {
    fn put(&self, waiting: oneshot::Sender<Answer>, answer: Answer) {
        let mut content = self.lock();
        if content.closed {
            drop(content);
            drop(waiting.send(answer));
            return;
        }
        let is_first = content.answers.is_empty();
        content.answers.push((waiting, answer));
        drop(content);
        if is_first {
            self.arrived.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings the answers to what is asked on this thread, as long as it is polled, which has to be on this thread.
pub(crate) async fn bring_answers() {
    let tray = Arc::new(Tray::default());
    TRAY.set(Some(Arc::clone(&tray)));
    let _closing = Closing(&tray);
    let mut answers = Vec::new();
    loop {
        tray.arrived.notified().await;
        mem::swap(&mut tray.lock().answers, &mut answers);
        for (waiting, answer) in answers.drain(..) {
            drop(waiting.send(answer));
        }
    }
}

/// Sends what is left, and all that comes later by itself.
struct Closing<'a>(&'a Tray);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let mut content = self.0.lock();
        content.closed = true;
        let answers = mem::take(&mut content.answers);
        drop(content);
        for (waiting, answer) in answers {
            drop(waiting.send(answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake, Waker};
    use std::thread;

    use super::*;
    use crate::mail::Client;

    /// How often a task has been woken.
    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn answer() -> Answer {
        let client = Client::new("127.0.0.1:25".into(), "mail.example".into(), None, None);
        (Box::new(Transaction::new(client)), Status::ACCEPT)
    }

    /// Asks so often, and has another thread answer it all.
    fn asked(times: usize) -> Vec<oneshot::Receiver<Answer>> {
        let (ways, receivers): (Vec<_>, Vec<_>) = (0..times).map(|_| Way::here()).unzip();
        let answering = thread::spawn(|| ways.into_iter().for_each(|way| way.send(answer())));
        answering.join().unwrap();
        receivers
    }

    fn have_come(receivers: Vec<oneshot::Receiver<Answer>>) -> bool {
        let mut answers = receivers.into_iter().map(|mut receiver| receiver.try_recv());
        answers.all(|answer| answer.is_ok_and(|(_, status)| status == Status::ACCEPT))
    }

    #[test]
    fn only_the_first_of_many_wakes_the_thread() {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut context = Context::from_waker(&waker);
        let mut bringing = pin!(bring_answers());
        assert!(bringing.as_mut().poll(&mut context).is_pending());
        for round in 1..3 {
            let receivers = asked(5);
            assert_eq!(wakes.0.load(Ordering::Relaxed), round);
            assert!(bringing.as_mut().poll(&mut context).is_pending());
            assert!(have_come(receivers), "round {round}");
        }
    }

    #[test]
    fn none_is_lost_when_nobody_brings_them() {
        assert!(have_come(asked(2)), "a thread without a tray");
        let mut left = Vec::new();
        {
            let mut bringing = pin!(bring_answers());
            let mut context = Context::from_waker(Waker::noop());
            assert!(bringing.as_mut().poll(&mut context).is_pending());
            left.extend(asked(2));
        }
        assert!(have_come(left), "put down and not taken");
        assert!(have_come(asked(2)), "after the end");
    }
}
