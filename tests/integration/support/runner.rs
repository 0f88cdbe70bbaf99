//! Runs transcripts against a peer and collects what does not hold.
//!
//! A wrong reply is recorded and the section goes on; a connection that breaks or stays silent ends
//! the section, because nothing after it means anything.

use super::patience::PATIENCE;
use super::peer::{Connection, Need, Peer, Protocol};
use super::resp::{self, Reply};
use super::transcript::{self, Action, Match, Section, Transcript};
use super::words::{self, Bindings};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fs, io};

/// How much of a command or a reply a failure shows.
const SHOWN_CHARS_MAX: usize = 2000;

/// Set to a part of a path, it limits a run to the transcripts that contain it.
const FILTER_VARIABLE: &str = "TRANSCRIPTS";

/// The connection on which a section begins.
const FIRST_CONNECTION: &str = "A";

/// What came of a run.
#[derive(Debug, Default)]
pub struct Report {
    pub files: usize,
    /// Replies that were checked, right or wrong.
    pub checks: usize,
    /// What was left out, with the place and the reason.
    pub skipped: Vec<String>,
    /// What did not hold, ready to be printed.
    pub failures: Vec<String>,
}

/// Runs every transcript, each against a peer of its own.
pub fn run_corpus<P: Peer>(
    protocol: Protocol,
    start_peer: impl FnMut() -> io::Result<P>,
) -> Report {
    run_files(corpus(), protocol, start_peer)
}

/// The same with those of some groups.
pub fn run_groups<P: Peer>(
    groups: &[&str],
    protocol: Protocol,
    start_peer: impl FnMut() -> io::Result<P>,
) -> Report {
    let group = |file: &PathBuf| Some(file.parent()?.file_name()?.to_str()?.to_owned());
    let is_wanted = |file: &PathBuf| group(file).is_some_and(|name| groups.contains(&&*name));
    run_files(corpus().into_iter().filter(is_wanted).collect(), protocol, start_peer)
}

fn run_files<P: Peer>(
    files: Vec<PathBuf>,
    protocol: Protocol,
    mut start_peer: impl FnMut() -> io::Result<P>,
) -> Report {
    let mut report = Report::default();
    for path in files {
        let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(&path);
        let text = fs::read_to_string(&path).expect("a transcript is UTF-8 text");
        match transcript::parse(&name.display().to_string(), &text) {
            Ok(transcript) => {
                let mut peer = start_peer().expect("the peer starts");
                run(&transcript, protocol, &mut peer, &mut report);
            }
            Err(problem) => report.failures.push(problem),
        }
    }
    report
}

/// The files of the corpus in a stable order.
pub fn corpus() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let filter = std::env::var(FILTER_VARIABLE).unwrap_or_default();
    let mut files = Vec::new();
    for group in fs::read_dir(root).expect("the corpus exists") {
        let group = group.expect("the corpus can be listed").path();
        for file in fs::read_dir(group).expect("a group is a folder") {
            files.push(file.expect("a group can be listed").path());
        }
    }
    files.retain(|file| file.to_string_lossy().contains(&filter));
    files.sort();
    files
}

/// Runs all sections of a transcript.
pub fn run(transcript: &Transcript, protocol: Protocol, peer: &mut dyn Peer, report: &mut Report) {
    report.files += 1;
    for section in &transcript.sections {
        if section.protocol.is_some_and(|only| only != protocol) {
            continue;
        }
        let place = format!("{}:{} ({})", transcript.name, section.line, section.title);
        if let Some(need) = section.needs.iter().find(|need| !peer.has(need)) {
            report.skipped.push(format!("{place}: needs {need}"));
            continue;
        }
        let file = &transcript.name;
        let mut run = SectionRun::new(file, protocol, peer, report);
        if let Err(problem) = run.play(section) {
            run.report.failures.push(format!("{place}: the section ends early: {problem}"));
        }
    }
}

/// A connection and what was last said on it.
struct Client {
    connection: Box<dyn Connection>,
    /// The last command as written, for messages.
    command: String,
    /// The last command as sent, to be repeated by `<?`.
    sent: Vec<u8>,
    reply: Option<Reply>,
    /// What `CLIENT ID` says, if it was asked.
    id: String,
    closed: bool,
}

/// The state of one section while it runs.
struct SectionRun<'a> {
    file: &'a str,
    protocol: Protocol,
    peer: &'a mut dyn Peer,
    report: &'a mut Report,
    clients: HashMap<String, Client>,
    current: String,
    bindings: Bindings,
    /// The next command presupposes something that the peer has not.
    lacking: Option<Need>,
    /// The last command was left out, so its replies are not expected.
    skipping: bool,
}

impl<'a> SectionRun<'a> {
    fn new(
        file: &'a str,
        protocol: Protocol,
        peer: &'a mut dyn Peer,
        report: &'a mut Report,
    ) -> Self {
        Self {
            file,
            protocol,
            peer,
            report,
            clients: HashMap::new(),
            current: FIRST_CONNECTION.to_owned(),
            bindings: Bindings::new(),
            lacking: None,
            skipping: false,
        }
    }

    /// Plays the section; an error means that the rest of it makes no sense.
    fn play(&mut self, section: &Section) -> Result<(), String> {
        self.empty_the_store()?;
        self.open(FIRST_CONNECTION)?;
        for (index, step) in section.steps.iter().enumerate() {
            if matches!(section.steps.get(index + 1), Some(next) if next.action == Action::ExpectWait)
            {
                self.learn_id()?;
            }
            let at = |problem| format!("line {}: {problem}", step.line);
            if let Action::Advance(by) = step.action
                && !self.peer.advance(by)
            {
                let place = format!("{}:{}", self.file, step.line);
                self.report.skipped.push(format!("{place}: needs a clock that can be moved"));
                // Replies that would have come later are nobody's mistake.
                return self.close_all().map(|_| ());
            }
            self.step(step.line, &step.action).map_err(at)?;
        }
        for (connection, reply) in self.close_all()? {
            let got = resp::render(&reply);
            self.report.failures.push(format!(
                "{}:{} ({}): unexpected on connection {connection}: {got}",
                self.file, section.line, section.title
            ));
        }
        Ok(())
    }

    /// On a connection of its own, so that the section's first one has done nothing yet.
    fn empty_the_store(&mut self) -> Result<(), String> {
        let mut connection = self.peer.connect(Protocol::Resp2).map_err(text)?;
        connection.send(&resp::encode(&["FLUSHALL"])).map_err(text)?;
        match connection.receive().map_err(text)? {
            Some(Reply::Simple(_)) => connection.finish().map_err(text).map(|_| ()),
            other => Err(format!("FLUSHALL was answered {other:?}")),
        }
    }

    fn open(&mut self, name: &str) -> Result<(), String> {
        if !self.clients.contains_key(name) {
            let connection = self.peer.connect(self.protocol).map_err(text)?;
            let (command, sent, id) = (String::new(), Vec::new(), String::new());
            let client = Client { connection, command, sent, reply: None, id, closed: false };
            self.clients.insert(name.to_owned(), client);
        }
        self.current = name.to_owned();
        Ok(())
    }

    fn client(&mut self) -> &mut Client {
        self.clients.get_mut(&self.current).expect("the current connection is open")
    }

    fn step(&mut self, line: usize, action: &Action) -> Result<(), String> {
        match action {
            Action::Need(need) => {
                if self.lacking.is_none() && !self.peer.has(need) {
                    self.lacking = Some(*need);
                }
                Ok(())
            }
            Action::Command(command) => {
                let words = words::split(&words::expand(command, &self.bindings))?;
                self.send(line, command, resp::encode(&words))
            }
            Action::Raw(raw) => {
                let bytes = words::unescape(&words::expand(raw, &self.bindings))?;
                self.send(line, raw, bytes)
            }
            Action::Connection(name) => {
                self.skipping = false;
                self.open(name)
            }
            _ if self.skipping => Ok(()),
            Action::Expect { protocol, .. } if protocol.is_some_and(|p| p != self.protocol) => {
                Ok(())
            }
            Action::Expect { how: Match::Eventually, text, .. } => self.eventually(line, text),
            Action::Expect { how, text, .. } => self.expect(line, *how, text),
            Action::ExpectClose => self.expect_close(line),
            Action::Bind { name, after } => self.bind(name, after.as_deref()),
            Action::CloseSending => self.client().connection.close_sending().map_err(text),
            Action::ExpectWait => self.expect_wait(),
            Action::ExpectNothing | Action::Advance(_) => Ok(()),
        }
    }

    fn send(&mut self, line: usize, command: &str, bytes: Vec<u8>) -> Result<(), String> {
        self.skipping = match self.lacking.take() {
            Some(need) => {
                let place = format!("{}:{line}", self.file);
                self.report.skipped.push(format!("{place}: {command}: needs {need}"));
                true
            }
            None => false,
        };
        if self.skipping {
            return Ok(());
        }
        let client = self.client();
        client.command = command.to_owned();
        client.connection.send(&bytes).map_err(|error| format!("cannot send: {error}"))?;
        client.sent = bytes;
        Ok(())
    }

    fn receive(&mut self) -> Result<Reply, String> {
        let client = self.client();
        let silence = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no reply came".to_owned(),
            _ => error.to_string(),
        };
        match client.connection.receive() {
            Ok(Some(reply)) => {
                client.reply = Some(reply.clone());
                Ok(reply)
            }
            Ok(None) => Err(format!("{}: closed instead of a reply", client.command)),
            Err(error) => Err(format!("{}: {}", client.command, silence(error))),
        }
    }

    fn expect(&mut self, line: usize, how: Match, expected: &str) -> Result<(), String> {
        self.report.checks += 1;
        let expected = words::expand(expected, &self.bindings);
        let mut reply = self.receive()?;
        if how == Match::Sorted {
            reply = resp::sorted(reply);
        }
        let got = resp::render(&reply);
        let holds = if how == Match::Glob { glob(&expected, &got) } else { expected == got };
        if !holds {
            self.fail(line, &expected, &got);
        }
        Ok(())
    }

    fn eventually(&mut self, line: usize, expected: &str) -> Result<(), String> {
        self.report.checks += 1;
        let expected = words::expand(expected, &self.bindings);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let got = resp::render(&self.receive()?);
            if glob(&expected, &got) {
                return Ok(());
            }
            if Instant::now() > deadline {
                self.fail(line, &expected, &got);
                return Ok(());
            }
            std::thread::yield_now();
            let client = self.client();
            client.connection.send(&client.sent).map_err(text)?;
        }
    }

    fn expect_close(&mut self, line: usize) -> Result<(), String> {
        self.report.checks += 1;
        let client = self.client();
        client.closed = true;
        match client.connection.receive().map_err(text)? {
            None => {}
            Some(reply) => self.fail(line, "the connection closes", &resp::render(&reply)),
        }
        Ok(())
    }

    /// Asks for the connection's ID, by which others can see later what it does.
    fn learn_id(&mut self) -> Result<(), String> {
        let client = self.client();
        client.connection.send(&resp::encode(&["CLIENT", "ID"])).map_err(text)?;
        match client.connection.receive().map_err(text)? {
            Some(Reply::Integer(id)) => client.id = id.to_string(),
            other => return Err(format!("CLIENT ID was answered {other:?}")),
        }
        Ok(())
    }

    /// Returns when the connection's client waits.
    fn expect_wait(&mut self) -> Result<(), String> {
        self.report.checks += 1;
        let request = resp::encode(&["CLIENT", "LIST", "ID", &self.client().id]);
        let mut connection = self.peer.connect(Protocol::Resp2).map_err(text)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            connection.send(&request).map_err(text)?;
            match connection.receive().map_err(text)? {
                Some(Reply::Bulk(line)) if line.windows(8).any(|part| part == b" flags=b") => break,
                _ if Instant::now() > deadline => return Err("the client does not wait".to_owned()),
                _ => std::thread::yield_now(),
            }
        }
        connection.finish().map_err(text).map(|_| ())
    }

    fn bind(&mut self, name: &str, after: Option<&str>) -> Result<(), String> {
        let value = match &self.client().reply {
            Some(reply @ Reply::Bulk(bytes)) if !is_plain(bytes) => resp::render(reply),
            Some(
                Reply::Bulk(bytes) | Reply::Simple(bytes) | Reply::Verbatim { text: bytes, .. },
            ) => String::from_utf8_lossy(bytes).into_owned(),
            Some(Reply::Integer(number)) => number.to_string(),
            other => return Err(format!("@bind cannot take a part of {other:?}")),
        };
        let part = match after {
            None => Some(value.as_str()),
            Some(after) => value
                .split_once(after)
                .map(|(_, rest)| rest.split_ascii_whitespace().next().unwrap_or_default()),
        };
        let part = part.ok_or_else(|| format!("@bind finds no {after:?} in {value}"))?;
        self.bindings.insert(name.to_owned(), part.to_owned());
        Ok(())
    }

    /// Closes all connections and returns the replies that nobody has read.
    fn close_all(&mut self) -> Result<Vec<(String, Reply)>, String> {
        let mut unread = Vec::new();
        for (name, client) in self.clients.drain() {
            if !client.closed {
                let replies = client.connection.finish().map_err(text)?;
                unread.extend(replies.into_iter().map(|reply| (name.clone(), reply)));
            }
        }
        Ok(unread)
    }

    fn fail(&mut self, line: usize, expected: &str, got: &str) {
        let command = shortened(&self.client().command);
        let (expected, got) = (shortened(expected), shortened(got));
        self.report.failures.push(format!(
            "{}:{line}: {command}\n    expected: {expected}\n         got: {got}",
            self.file
        ));
    }
}

/// Whether bytes can stand in a line as they are, and do not end it.
fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r') && *byte != b'"')
}

/// Some replies have a hundred thousand characters; their beginnings tell enough.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}… ({} bytes in all)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

fn text(error: io::Error) -> String {
    error.to_string()
}

/// Whether `text` matches `pattern`, in which `*` stands for any text and nothing else is special.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((front, pattern)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut rest) = text.strip_prefix(front) else {
        return false;
    };
    // The leftmost place for each middle part leaves the most room for what follows.
    let mut parts: Vec<_> = pattern.split('*').collect();
    let last = parts.pop().expect("a split has at least one part");
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::time::Duration;

    /// A peer that gives the same replies on every connection, whatever it is asked.
    struct Parrot {
        replies: &'static [&'static str],
    }

    struct ParrotConnection {
        replies: VecDeque<Reply>,
    }

    impl Peer for Parrot {
        fn connect(&mut self, _protocol: Protocol) -> io::Result<Box<dyn Connection>> {
            let reply = |frame: &&str| Ok(resp::decode(frame.as_bytes())?.expect("complete").0);
            let replies = self.replies.iter().map(reply).collect::<io::Result<_>>()?;
            Ok(Box::new(ParrotConnection { replies }))
        }
        fn advance(&mut self, _by: Duration) -> bool {
            false
        }
        fn has(&self, need: &Need) -> bool {
            *need != Need::Sanderling
        }
    }

    impl Connection for ParrotConnection {
        fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
            if bytes == resp::encode(&["FLUSHALL"]) {
                self.replies = VecDeque::from([Reply::Simple(b"OK".to_vec())]);
            }
            Ok(())
        }
        fn close_sending(&mut self) -> io::Result<()> {
            Ok(())
        }
        fn receive(&mut self) -> io::Result<Option<Reply>> {
            Ok(self.replies.pop_front())
        }
        fn finish(self: Box<Self>) -> io::Result<Vec<Reply>> {
            Ok(self.replies.into())
        }
    }

    fn report(replies: &'static [&'static str], steps: &str) -> Report {
        let transcript = transcript::parse("t", &format!("@section s\n{steps}")).expect("valid");
        let mut report = Report::default();
        let mut peer = Parrot { replies };
        run(&transcript, Protocol::Resp2, &mut peer, &mut report);
        report
    }

    #[test]
    fn replies_as_expected_are_no_failure() {
        let report = report(&["+OK\r\n", ":12\r\n"], "> A\n< +OK\n> B\n<~ :1*\n<3 :9\n<close");
        assert_eq!((report.checks, report.failures.as_slice()), (3, &[][..]));
    }

    #[test]
    fn a_wrong_reply_is_reported_with_its_place_and_the_section_goes_on() {
        let report = report(&["+OK\r\n", ":2\r\n"], "> A b\n< +NO\n> B\n< :1");
        let expected = [
            "t:3: A b\n    expected: +NO\n         got: +OK",
            "t:5: B\n    expected: :1\n         got: :2",
        ];
        assert_eq!(report.failures, expected);
    }

    #[test]
    fn missing_and_superfluous_replies_are_failures() {
        assert!(report(&[], "> A\n< +OK").failures[0].contains("closed instead of a reply"));
        let superfluous = report(&["+OK\r\n", "+MORE\r\n"], "> A\n< +OK");
        assert!(superfluous.failures[0].contains("unexpected on connection A: +MORE"));
        let open = report(&["+OK\r\n"], "> A\n<close");
        assert!(open.failures[0].contains("expected: the connection closes"));
    }

    #[test]
    fn what_a_peer_cannot_do_is_skipped_with_its_replies_and_named() {
        let steps = "@since 7.0 r\n> A\n< +OK\n@sanderling-only r\n> B\n< :9\n> C\n< :1";
        let skipping = report(&["+OK\r\n", ":1\r\n"], &format!("> 0\n<none\n{steps}"));
        assert_eq!(skipping.failures.as_slice(), &[] as &[String]);
        assert_eq!(skipping.skipped, ["t:8: B: needs Sanderling"]);
        let clock = report(&["+OK\r\n"], "> A\n< +OK\n@advance 1ms\n> B\n< +NEVER");
        assert_eq!((clock.failures.len(), clock.skipped.len()), (0, 1));
    }

    #[test]
    fn bound_values_are_used_in_later_expectations() {
        let replies = &["$8\r\nid=7 x=1\r\n", "$1\r\n7\r\n"];
        let report = report(replies, "> A\n<~ *\n@bind i id=\n> B\n< \"{i}\"");
        assert_eq!(report.failures.as_slice(), &[] as &[String]);
    }

    #[test]
    fn what_is_bound_is_one_word_if_it_is_binary() {
        let text =
            |bytes: &str| words::split(&words::expand("{x} y", &Bindings::from([bound(bytes)])));
        assert_eq!(text("a b").unwrap().len(), 3);
        assert_eq!(text("\0\n \"").unwrap(), [b"\0\n \"".to_vec(), b"y".to_vec()]);
    }

    /// As `@bind x` takes it from a reply.
    fn bound(text: &str) -> (String, String) {
        let mut peer = Parrot { replies: &[] };
        let mut report = Report::default();
        let mut run = SectionRun::new("t", Protocol::Resp2, &mut peer, &mut report);
        run.open(FIRST_CONNECTION).unwrap();
        run.client().reply = Some(Reply::Bulk(text.as_bytes().to_vec()));
        run.bind("x", None).unwrap();
        ("x".to_owned(), run.bindings["x"].clone())
    }

    #[test]
    fn a_command_is_repeated_until_its_reply_matches() {
        let report = report(&[":1\r\n", ":1\r\n", ":2\r\n"], "> A\n<? :2");
        assert_eq!(report.failures.as_slice(), &[] as &[String]);
    }

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(glob("a*c", "abbc") && glob("*", "") && glob("a*", "a") && glob("*b*b", "abb"));
        assert!(
            !glob("a*c", "abd") && !glob("*b*b", "ab") && !glob("a", "ab") && !glob("ab*b", "ab")
        );
    }
}
