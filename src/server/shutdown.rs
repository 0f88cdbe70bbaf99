//! Stopping.
//!
//! A shutdown is asked for by a command or a signal and carried out by the main thread: hold everything
//! back, save if that is wanted, and if it worked, stop. If saving failed (and nobody insists) the server
//! goes on as if nothing had happened, since stopping would lose data.

use std::sync::Arc;

use super::control::send_reply;
use crate::base::sync::{Condvar, Mutex, Rank};
use crate::exec::{CommandError, Shutdown};
use crate::session::Client;

/// A wish to stop.
pub(super) struct Request {
    pub how: Shutdown,
    /// Who asked, if it was a client.
    pub client: Option<Arc<Client>>,
    /// A thread has panicked, without which the server cannot go on: nobody can call this off.
    pub is_broken: bool,
}

/// What the main thread is to try: everything that was asked for.
pub(super) struct Attempt {
    pub how: Shutdown,
    pub is_broken: bool,
    clients: Vec<Arc<Client>>,
}

impl Attempt {
    /// What several requests come to: insistence counts, and data that somebody wants to have saved is saved.
    fn of(requests: Vec<Request>) -> Attempt {
        let any = |is_so: fn(&Request) -> bool| requests.iter().any(is_so);
        let saves = requests.iter().map(|request| request.how.save);
        let how = Shutdown {
            // `Some(true)` comes before `None` before `Some(false)`.
            save: saves
                .min_by_key(|save| [Some(true), None, Some(false)].iter().position(|s| s == save))
                .flatten(),
            now: any(|request| request.how.now),
            force: any(|request| request.how.force),
        };
        let is_broken = any(|request| request.is_broken);
        let clients = requests.into_iter().filter_map(|request| request.client).collect();
        Attempt { how, is_broken, clients }
    }
}

/// What has become of the attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// There is none.
    #[default]
    None,
    /// It can be called off.
    Open,
    CalledOff,
    /// It cannot be called off, or not any more.
    Final,
}

#[derive(Default)]
struct State {
    /// Those that no attempt was made for yet.
    requests: Vec<Request>,
    stage: Stage,
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
        self.state.lock().requests.push(request);
        self.changed.notify_all();
    }

    /// Waits for a wish, and takes all that there are.
    pub(super) fn wait(&self) -> Attempt {
        let mut state = self.state.lock();
        while state.requests.is_empty() {
            self.changed.wait(&mut state);
        }
        let attempt = Attempt::of(std::mem::take(&mut state.requests));
        state.stage = if attempt.is_broken { Stage::Final } else { Stage::Open };
        attempt
    }

    /// The attempt failed; the server goes on. Everybody who asked for it is told.
    pub(super) fn give_up(&self, attempt: &Attempt, error: &CommandError) {
        self.state.lock().stage = Stage::None;
        for client in &attempt.clients {
            send_reply(client, Err(error.clone()));
        }
    }

    /// `SHUTDOWN ABORT`: false if there is nothing that can be called off.
    pub(super) fn abort(&self) -> bool {
        let mut state = self.state.lock();
        let (staying, going): (Vec<_>, Vec<_>) =
            state.requests.drain(..).partition(|request| request.is_broken);
        state.requests = staying;
        let is_open = matches!(state.stage, Stage::Open | Stage::CalledOff);
        if is_open {
            state.stage = Stage::CalledOff;
        }
        drop(state);
        for client in going.iter().filter_map(|request| request.client.as_ref()) {
            send_reply(client, Err(refusal()));
        }
        is_open || !going.is_empty()
    }

    /// From here on the attempt is not called off any more; false if it was.
    pub(super) fn try_commit(&self) -> bool {
        let mut state = self.state.lock();
        let may_go_on = state.stage != Stage::CalledOff;
        if may_go_on {
            state.stage = Stage::Final;
        }
        may_go_on
    }
}

/// What clients hear of a shutdown that came to nothing.
pub(super) fn refusal() -> CommandError {
    CommandError::text("ERR Errors trying to SHUTDOWN. Check logs.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Clients;

    fn request(save: Option<bool>, force: bool) -> Request {
        let how = Shutdown { save, now: false, force };
        Request { how, client: Some(Clients::default().internal(0)), is_broken: false }
    }

    /// A request took the place of one that nobody had looked at yet, whose client then waited for ever.
    #[test]
    fn all_that_was_asked_is_one_attempt() {
        let desk = ShutdownDesk::default();
        desk.ask(request(Some(false), true));
        desk.ask(request(None, false));
        desk.ask(request(Some(true), false));
        let attempt = desk.wait();
        assert_eq!(attempt.clients.len(), 3);
        assert_eq!(attempt.how, Shutdown { save: Some(true), now: false, force: true });
        desk.ask(request(Some(false), false));
        desk.ask(request(None, false));
        assert_eq!(desk.wait().how.save, None);
    }

    #[test]
    fn an_attempt_is_called_off_in_time_or_not_at_all() {
        let desk = ShutdownDesk::default();
        assert!(!desk.abort(), "there is none");
        desk.ask(request(None, false));
        assert!(desk.abort());
        desk.ask(request(None, false));
        let attempt = desk.wait();
        assert!(desk.abort() && desk.abort());
        assert!(!desk.try_commit());
        desk.give_up(&attempt, &refusal());
        assert!(!desk.abort());
        desk.ask(request(None, false));
        desk.wait();
        assert!(desk.try_commit());
        assert!(!desk.abort(), "it is too late");
    }

    #[test]
    fn nobody_keeps_a_broken_server_running() {
        let desk = ShutdownDesk::default();
        desk.ask(Request { is_broken: true, client: None, ..request(None, true) });
        assert!(!desk.abort());
        assert!(desk.wait().is_broken);
        assert!(!desk.abort() && desk.try_commit());
    }
}
