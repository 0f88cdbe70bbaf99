//! `MONITOR`: clients that are shown every command.
//!
//! A command is shown when it was executed, before its client gets the reply: with the time of that moment,
//! the database in which it left its client, and its client's address. What changes or reveals the server's own
//! settings (`ADMIN`) is not shown, and of arguments that a command has called secret only that they
//! are there.
//!
//! The line is made once and shared. Time is read and the line delivered under one lock, so that every monitor
//! gets the same lines in the order of their times. Commands of several clients that are executed at the same
//! moment may stand in either order, whatever their effects on a key; the log has that order.
//!
//! Who monitors is never waited for: lines wait in its inbox, and when it does not read them, its output limit
//! disconnects it.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::account::Executed;
use crate::base::bytes::Bytes;
use crate::base::clock::Clock;
use crate::base::sync::{Mutex, Rank};
use crate::base::words::write_quoted;
use crate::exec::table::spec::{ADMIN, SKIP_MONITOR};
use crate::resp::ArgList;
use crate::session::{Client, Endpoint, SECRET_ARGS_MAX};

/// See the module's description.
pub struct Monitors {
    clients: Mutex<Vec<Arc<Client>>>,
    is_used: AtomicBool,
}

impl Default for Monitors {
    fn default() -> Monitors {
        Monitors {
            clients: Mutex::new(Rank::Delivery, Vec::new()),
            is_used: AtomicBool::new(false),
        }
    }
}

impl Monitors {
    /// From now on a client is shown what is executed. False if it was already.
    pub fn add(&self, client: &Arc<Client>) -> bool {
        if client.monitors.swap(true, Ordering::Relaxed) {
            return false;
        }
        self.clients.lock().push(Arc::clone(client));
        self.is_used.store(true, Ordering::Relaxed);
        true
    }

    /// A client is shown nothing more.
    pub fn remove(&self, client: &Client) {
        if client.monitors.swap(false, Ordering::Relaxed) {
            let mut clients = self.clients.lock();
            clients.retain(|other| other.id != client.id);
            self.is_used.store(!clients.is_empty(), Ordering::Relaxed);
        }
    }

    /// Whether anybody is shown anything.
    #[inline]
    pub fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Relaxed)
    }

    /// Shows a command that a client has had executed.
    pub(in crate::exec) fn show(&self, executed: &Executed<'_>, client: &Client, clock: &Clock) {
        if executed.call.spec().has(ADMIN | SKIP_MONITOR) {
            return;
        }
        let words = words(&client.address, executed.db, executed.call.args, executed.secret_args);
        let clients = self.clients.lock();
        let line = Bytes::new(line(clock.unix_micros(), &words));
        for client in clients.iter().filter(|client| !client.is_silent.load(Ordering::Relaxed)) {
            client.push(&line);
        }
    }
}

/// All of a line but its time: where the command came from, and its words.
fn words(address: &Endpoint, db: usize, args: ArgList<'_>, secret_args: u64) -> Vec<u8> {
    let mut words = Vec::new();
    let written = match address {
        Endpoint::Unix(path) => write!(words, "[{db} unix:{}]", path.display()),
        _ => write!(words, "[{db} {address}]"),
    };
    written.expect("a vector takes everything");
    for (position, arg) in args.iter().enumerate() {
        words.push(b' ');
        let is_secret = secret_args >> position.min(SECRET_ARGS_MAX - 1) & 1 == 1;
        write_quoted(&mut words, if is_secret { b"(redacted)" } else { arg });
    }
    words
}

fn line(unix_micros: i64, words: &[u8]) -> Vec<u8> {
    let (seconds, micros) = (unix_micros / 1_000_000, unix_micros % 1_000_000);
    let mut line = format!("+{seconds}.{micros:06} ").into_bytes();
    line.extend_from_slice(words);
    line.extend_from_slice(b"\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_and_secrets_hidden() {
        let data = b"SETpwa \"\n\xff";
        let args = ArgList::new(data, &[0..3, 3..5, 5..10]);
        let line = line(1_790_000_000_000_042, &words(&Endpoint::Internal, 3, args, 0b10));
        let expected = r#"+1790000000.000042 [3 ] "SET" "(redacted)" "a \"\n\xff""#;
        assert_eq!(String::from_utf8(line).unwrap(), format!("{expected}\r\n"));
    }
}
