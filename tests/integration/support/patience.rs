//! Waiting for what must happen, and giving up together: a test that has found a defect fails instead of hanging.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything is waited for. Generous, since machines that run tests can be slow: only a defect uses it up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until it is so. When that never happens, `what` says what should have been.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < give_up, "it never happens that {what}");
        thread::yield_now();
    }
}

/// Tells others to stop when it goes, be it because a test fails.
pub struct Finally<'a>(pub &'a AtomicBool);

impl Drop for Finally<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Where so many threads wait for each other. When one of them fails, the others do as well, instead of waiting for it
/// for ever.
pub struct MeetingPoint {
    threads: usize,
    state: Mutex<Meetings>,
    changed: Condvar,
}

#[derive(Default)]
struct Meetings {
    /// Who has come to the next one.
    here: usize,
    /// How many there have been.
    over: usize,
    is_broken: bool,
}

/// Held by each of the threads while it works.
pub struct Participant<'a>(&'a MeetingPoint);

impl MeetingPoint {
    pub fn new(threads: usize) -> MeetingPoint {
        MeetingPoint { threads, state: Mutex::default(), changed: Condvar::new() }
    }

    pub fn join(&self) -> Participant<'_> {
        Participant(self)
    }
}

impl Participant<'_> {
    /// Returns when all are here.
    pub fn meet(&self) {
        let mut state = self.0.state.lock().unwrap();
        let next = state.over + 1;
        state.here += 1;
        if state.here == self.0.threads {
            (state.here, state.over) = (0, next);
            self.0.changed.notify_all();
        }
        let is_awaited = |state: &mut Meetings| state.over < next && !state.is_broken;
        let state = self.0.changed.wait_while(state, is_awaited).unwrap();
        let is_alone = state.over < next;
        drop(state);
        assert!(!is_alone, "another thread has failed");
    }

    /// Nobody who is waited for has failed.
    pub fn check(&self) {
        let is_broken = self.0.state.lock().unwrap().is_broken;
        assert!(!is_broken, "another thread has failed");
    }
}

impl Drop for Participant<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.state.lock().unwrap().is_broken = true;
            self.0.changed.notify_all();
        }
    }
}
