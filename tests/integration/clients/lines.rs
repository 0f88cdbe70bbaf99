//! People with nothing but a terminal: whole sessions of plain lines, as telnet or netcat send them.

use super::super::support::peer::{Connection, SocketConnection};
use super::super::support::resp;
use super::{Ask, Server, with_each_server};
use std::net::TcpStream;

/// Somebody who types.
struct Typist(SocketConnection<TcpStream>);

impl Typist {
    fn sit_down(server: &Server) -> Typist {
        Typist(server.client())
    }

    /// Types as it is, without the end of a line.
    fn types(&mut self, text: &str) {
        self.0.send(text.as_bytes()).unwrap();
    }

    /// The next reply as transcripts show it.
    fn sees(&mut self) -> String {
        resp::render(&self.0.receive().unwrap().expect("the connection is open"))
    }

    /// Types a line, which has one reply.
    fn line(&mut self, line: &str) -> String {
        self.types(&format!("{line}\r\n"));
        self.sees()
    }
}

#[test]
fn one_types_subscribe_and_another_types_publish() {
    with_each_server(|server| {
        let (mut listener, mut speaker) = (Typist::sit_down(server), Typist::sit_down(server));
        assert_eq!(listener.line("subscribe news sport"), r#"[ "subscribe", "news", :1 ]"#);
        assert_eq!(listener.sees(), r#"[ "subscribe", "sport", :2 ]"#);
        assert_eq!(speaker.line("publish news 'single quotes'"), ":1");
        assert_eq!(speaker.line(r#"publish sport "tab\tand \x41""#), ":1");
        assert_eq!(speaker.line("publish weather rain"), ":0");
        assert_eq!(listener.sees(), r#"[ "message", "news", "single quotes" ]"#);
        assert_eq!(listener.sees(), r#"[ "message", "sport", "tab\tand A" ]"#);
        let refused = listener.line("get k");
        let allowed = "only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed";
        assert_eq!(refused, format!("-ERR Can't execute 'get': {allowed} in this context"));
        // A half line waits for its end; messages come nevertheless.
        listener.types("pi");
        assert_eq!(speaker.line("publish news meanwhile"), ":1");
        assert_eq!(listener.sees(), r#"[ "message", "news", "meanwhile" ]"#);
        assert_eq!(listener.line("ng"), r#"[ "pong", "" ]"#);
        assert_eq!(listener.line("unsubscribe sport"), r#"[ "unsubscribe", "sport", :1 ]"#);
        assert_eq!(listener.line("psubscribe n*"), r#"[ "psubscribe", "n*", :2 ]"#);
        assert_eq!(speaker.line("publish news twice"), ":2");
        assert_eq!(listener.sees(), r#"[ "message", "news", "twice" ]"#);
        assert_eq!(listener.sees(), r#"[ "pmessage", "n*", "news", "twice" ]"#);
        assert_eq!(listener.line("quit"), "+OK");
        listener.0.expect_end();
        speaker.0.say_until("PUBSUB NUMPAT", |reply| reply == ":0");
        assert_eq!(speaker.line("publish news nobody"), ":0");
    });
}

#[test]
fn a_transaction_is_typed() {
    with_each_server(|server| {
        let (mut one, mut other) = (Typist::sit_down(server), Typist::sit_down(server));
        one.types("mul");
        assert_eq!(one.line("ti"), "+OK");
        // Empty lines are no commands, and the end of a line may lack its first half.
        one.types("\r\n\n");
        one.types("set k \"a b\"\n");
        assert_eq!(one.sees(), "+QUEUED");
        assert_eq!(one.line("append k '!'"), "+QUEUED");
        assert_eq!(other.line("get k"), "nil");
        assert_eq!(one.line("exec"), "[ +OK, :4 ]");
        assert_eq!(other.line("get k"), r#""a b!""#);
        assert_eq!(one.line("watch k"), "+OK");
        assert_eq!(other.line("del k"), ":1");
        assert_eq!(one.line("multi"), "+OK");
        assert_eq!(one.line("set k mine"), "+QUEUED");
        assert_eq!(one.line("exec"), "*nil");
        assert_eq!(one.line("exec"), "-ERR EXEC without MULTI");
    });
}

#[test]
fn a_transaction_ends_with_a_line_that_cannot_be_read() {
    with_each_server(|server| {
        let (mut one, mut other) = (Typist::sit_down(server), Typist::sit_down(server));
        assert_eq!(one.line("multi"), "+OK");
        assert_eq!(one.line("set k v"), "+QUEUED");
        assert_eq!(one.line("set l \"v"), "-ERR Protocol error: unbalanced quotes in request");
        one.0.expect_end();
        assert_eq!(other.line("exists k l"), ":0");
    });
}

#[test]
fn all_that_was_sent_is_answered_when_only_the_senders_half_is_closed() {
    with_each_server(|server| {
        let mut netcat = Typist::sit_down(server);
        netcat.types("multi\r\nincr n\r\nincr n\r\nexec\r\nmulti\r\nincr n\r\n");
        netcat.0.close_sending().unwrap();
        let replies: [String; 6] = std::array::from_fn(|_| netcat.sees());
        assert_eq!(replies, ["+OK", "+QUEUED", "+QUEUED", "[ :1, :2 ]", "+OK", "+QUEUED"]);
        netcat.0.expect_end();
        assert_eq!(Typist::sit_down(server).line("get n"), "\"2\"");
    });
}
