//! `SLOWLOG`: the last commands that took long.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::sync::{Mutex, Rank};
use crate::resp::ArgList;
use crate::session::SECRET_ARGS_MAX;

/// Arguments kept of one command ...
const ARGS_MAX: usize = 32;
const _: () = assert!(ARGS_MAX <= SECRET_ARGS_MAX);
/// ... and bytes of each.
const ARG_BYTES_MAX: usize = 128;

/// One slow command.
#[derive(Clone, Debug)]
pub struct SlowCommand {
    pub id: u64,
    /// Unix time in seconds at which it ended.
    pub unix_s: i64,
    pub micros: u64,
    pub args: Vec<Vec<u8>>,
    pub address: String,
    pub client_name: String,
}

/// See the module's description. Locked only when a command was slow or the log is read.
pub struct SlowLog {
    entries: Mutex<VecDeque<SlowCommand>>,
    next_id: AtomicU64,
}

impl Default for SlowLog {
    fn default() -> SlowLog {
        SlowLog { entries: Mutex::new(Rank::Leaf, VecDeque::new()), next_id: AtomicU64::new(0) }
    }
}

impl SlowLog {
    /// Adds a command and drops the oldest beyond `len_max`. The entry's `id` and `args` are filled here;
    /// `secret_args` says which to hide, as in [`crate::session::Session`].
    pub fn add(&self, mut entry: SlowCommand, args: ArgList<'_>, secret_args: u64, len_max: usize) {
        entry.id = self.next_id.fetch_add(1, Ordering::Relaxed);
        entry.args = shorten(args, secret_args);
        let mut entries = self.entries.lock();
        entries.push_front(entry);
        entries.truncate(len_max);
    }

    /// The newest entries, newest first.
    pub fn newest(&self, count: usize) -> Vec<SlowCommand> {
        self.entries.lock().iter().take(count).cloned().collect()
    }

    pub fn len(&self) -> usize {
        self.entries.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn clear(&self) {
        self.entries.lock().clear();
    }
}

/// What is kept of the arguments: long ones and long lists end in a note on what was left out.
fn shorten(args: ArgList<'_>, secret_args: u64) -> Vec<Vec<u8>> {
    let kept = if args.len() > ARGS_MAX { ARGS_MAX - 1 } else { args.len() };
    let show = |(position, arg): (usize, &[u8])| match secret_args >> position & 1 {
        0 => shorten_arg(arg),
        _ => b"(redacted)".to_vec(),
    };
    let mut short: Vec<Vec<u8>> = args.iter().take(kept).enumerate().map(show).collect();
    if kept < args.len() {
        short.push(format!("... ({} more arguments)", args.len() - kept).into_bytes());
    }
    short
}

fn shorten_arg(arg: &[u8]) -> Vec<u8> {
    if arg.len() <= ARG_BYTES_MAX {
        return arg.to_vec();
    }
    let note = format!("... ({} more bytes)", arg.len() - ARG_BYTES_MAX);
    [&arg[..ARG_BYTES_MAX], note.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_commands_are_shortened() {
        let data = vec![b'x'; 40 * 200];
        let spans: Vec<_> = (0..40).map(|n| n * 200..(n + 1) * 200).collect();
        let short = shorten(ArgList::new(&data, &spans), 1 << 2);
        assert_eq!(short.len(), ARGS_MAX);
        assert!(short[0].ends_with(b"... (72 more bytes)"));
        assert_eq!(short[2], b"(redacted)");
        assert_eq!(short[31], b"... (9 more arguments)");
    }
}
