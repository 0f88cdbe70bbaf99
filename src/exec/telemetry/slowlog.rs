//! `SLOWLOG`: the last commands that took long.

use std::collections::VecDeque;

use crate::base::sync::{Mutex, Rank};
use crate::resp::ArgList;
use crate::session::{Client, SECRET_ARGS_MAX};

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

/// One that is to be added.
pub(in crate::exec) struct SlowCall<'a> {
    pub unix_s: i64,
    pub micros: u64,
    pub args: ArgList<'a>,
    /// Which of them to hide, as in [`crate::session::Session`].
    pub secret_args: u64,
    pub client: &'a Client,
}

#[derive(Default)]
struct Entries {
    /// Newest first.
    commands: VecDeque<SlowCommand>,
    next_id: u64,
}

/// See the module's description. Locked only when a command was slow or the log is read.
pub struct SlowLog(Mutex<Entries>);

impl Default for SlowLog {
    fn default() -> SlowLog {
        SlowLog(Mutex::new(Rank::Leaf, Entries::default()))
    }
}

impl SlowLog {
    /// Adds a command and drops the oldest beyond `len_max`.
    pub(in crate::exec) fn add(&self, call: SlowCall<'_>, len_max: usize) {
        let mut command = SlowCommand {
            id: 0,
            unix_s: call.unix_s,
            micros: call.micros,
            args: shorten(call.args, call.secret_args),
            address: call.client.address.to_string(),
            client_name: call.client.with_texts(|texts| texts.name.clone()),
        };
        let mut entries = self.0.lock();
        // Given while nobody else adds, so that numbers stand in their order.
        command.id = entries.next_id;
        entries.next_id += 1;
        entries.commands.push_front(command);
        entries.commands.truncate(len_max);
    }

    /// The newest entries, newest first.
    pub fn newest(&self, count: usize) -> Vec<SlowCommand> {
        self.0.lock().commands.iter().take(count).cloned().collect()
    }

    pub fn len(&self) -> usize {
        self.0.lock().commands.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn clear(&self) {
        self.0.lock().commands.clear();
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
