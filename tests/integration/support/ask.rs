//! Questions and answers on a connection, for tests that are not transcripts.

use super::patience::eventually;
use super::peer::Connection;
use super::resp::{self, Reply};
use super::words;

/// Commands with their replies, one after the other. A connection that breaks fails the test.
pub trait Ask {
    /// Sends one command and returns its reply.
    fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Reply;

    /// The same with a line as people type it; the reply is rendered as transcripts show it.
    fn say(&mut self, line: &str) -> String;

    /// The line `name:value` of `INFO`.
    fn info(&mut self, name: &str) -> String;

    /// Repeats a line until its reply is as wanted. It is a defect when that never happens.
    #[track_caller]
    fn say_until(&mut self, line: &str, wanted: impl Fn(&str) -> bool) -> String;

    /// Waits until the server has so many clients, this one included.
    #[track_caller]
    fn await_clients(&mut self, count: usize);

    /// The server must have closed, with nothing more to say.
    fn expect_end(&mut self);
}

impl<C: Connection + ?Sized> Ask for C {
    fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Reply {
        self.send(&resp::encode(words)).expect("the server takes the command");
        self.receive().expect("a reply comes").expect("the connection is open")
    }

    fn say(&mut self, line: &str) -> String {
        let words = words::split(line).expect("the line is well formed");
        resp::render(&self.ask(&words))
    }

    fn info(&mut self, name: &str) -> String {
        let Reply::Bulk(text) = self.ask(&["INFO", "everything"]) else {
            panic!("INFO replies with a bulk string");
        };
        let text = String::from_utf8(text).expect("INFO is UTF-8");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("INFO has no line {name}")).to_owned()
    }

    fn say_until(&mut self, line: &str, wanted: impl Fn(&str) -> bool) -> String {
        let mut reply = String::new();
        eventually(&format!("{line} has the wanted reply"), || {
            reply = self.say(line);
            wanted(&reply)
        });
        reply
    }

    fn await_clients(&mut self, count: usize) {
        self.say_until("CLIENT LIST", |list| list.matches(" addr=").count() == count);
    }

    fn expect_end(&mut self) {
        let last = self.receive().expect("the connection ends in order");
        assert_eq!(last, None, "nothing more was expected");
    }
}
