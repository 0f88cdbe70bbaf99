//! Stopping.
//!
//! A shutdown is asked for by a command or a signal and carried out by the main thread: hold everything
//! back, save if that is wanted, and if it worked, stop. If saving failed (and nobody insists) the server
//! goes on as if nothing had happened, since stopping would lose data.

use std::sync::Arc;

use crate::base::sync::{Condvar, Mutex, Rank};
use crate::exec::Shutdown;
use crate::session::Client;

/// A wish to stop.
pub(super) struct Request {
    pub how: Shutdown,
    /// Who asked, if it was a client.
    pub client: Option<Arc<Client>>,
}

#[derive(Default)]
struct State {
    request: Option<Request>,
    in_progress: bool,
    aborted: bool,
}

/// Where wishes to stop arrive.
pub(super) struct ShutdownDesk {
    state: Mutex<State>,
    changed: Condvar,
}

impl Default for ShutdownDesk {
    fn default() -> ShutdownDesk {
        ShutdownDesk { state: Mutex::new(Rank::Leaf, State::default()), changed: Condvar::new() }
    }
}

impl ShutdownDesk {
    pub(super) fn ask(&self, request: Request) {
        self.state.lock().request = Some(request);
        self.changed.notify_all();
    }

    /// Waits for a wish.
    pub(super) fn wait(&self) -> Request {
        let mut state = self.state.lock();
        loop {
            if let Some(request) = state.request.take() {
                state.in_progress = true;
                state.aborted = false;
                return request;
            }
            self.changed.wait(&mut state);
        }
    }

    /// The attempt failed; the server goes on.
    pub(super) fn give_up(&self) {
        self.state.lock().in_progress = false;
    }

    /// `SHUTDOWN ABORT`: false if nothing is in progress.
    pub(super) fn abort(&self) -> bool {
        let mut state = self.state.lock();
        let pending = state.request.take().is_some() || state.in_progress;
        state.aborted = pending;
        pending
    }

    /// Whether the attempt in progress was called off.
    pub(super) fn is_aborted(&self) -> bool {
        self.state.lock().aborted
    }
}
