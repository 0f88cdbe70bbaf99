//! Commands as Redis writes them into its append-only file: RESP arrays, lines that begin with `#`, and
//! `MULTI` ... `EXEC` around what belongs together.
//!
//! The file is read in pieces; what is complete in a piece is repeated before the next is read. What
//! stands between `MULTI` and `EXEC` is kept until the `EXEC` has come, so that a file which ends in
//! between gives nothing of it. More is asked of the form than a server asks of its clients, because
//! whatever is out of order shows that the file is damaged.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::{ImportError, unusable};
use crate::config::params;
use crate::exec::{Engine, Lookup, spec};
use crate::resp::{ArgList, Limits, ParseState, ProtocolError, RequestParser, encode_command};
use crate::server::replay::{Failure, Replayer};

/// Read at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Repeats a file. Returns where an end begins that was not completely written, and of how many bytes it
/// is.
pub(super) fn import(
    engine: &Arc<Engine>,
    path: &Path,
    commands: &mut u64,
) -> Result<Option<(u64, u64)>, ImportError> {
    let unreadable = |error| ImportError::Unreadable { path: path.to_owned(), error };
    let mut file = File::open(path).map_err(unreadable)?;
    let gate = engine.keyspace.gate();
    let mut reading = Reading::new(engine, Replayer::new(engine, &gate));
    // A file begins in database 0, whatever the one before it selected: so does a replayer.
    while reading.fill(&mut file).map_err(unreadable)? {
        let taken = reading.take_complete();
        taken
            .map_err(|Fault { offset, what }| unusable(path, format!("offset {offset}: {what}")))?;
    }
    *commands += reading.count;
    Ok(reading.unfinished())
}

/// Why a file cannot be imported, and where.
struct Fault {
    offset: u64,
    what: String,
}

/// What was announced by a `MULTI`.
struct Unit {
    /// Where its `MULTI` begins in the file.
    offset: u64,
    /// Where what follows the `MULTI` begins.
    first: u64,
    /// All of that so far.
    bytes: Vec<u8>,
}

struct Reading<'e, 'l> {
    engine: &'e Engine,
    replayer: Replayer<'l>,
    parser: RequestParser,
    limits: Limits,
    /// What was read and is not repeated yet.
    buffer: Vec<u8>,
    /// Where the buffer begins in the file.
    offset: u64,
    /// Bytes that the buffer must have before there can be something complete.
    wanted: usize,
    unit: Option<Unit>,
    count: u64,
}

/// What a command is to an import.
enum Role {
    Multi,
    Exec,
    /// To be repeated.
    Other,
}

impl<'e, 'l> Reading<'e, 'l> {
    fn new(engine: &'e Engine, replayer: Replayer<'l>) -> Reading<'e, 'l> {
        let bulk_bytes_max = engine.config.int(params::PROTO_MAX_BULK_LEN) as usize;
        Reading {
            engine,
            replayer,
            parser: RequestParser::default(),
            limits: Limits { bulk_bytes_max, authenticated: true },
            buffer: Vec::new(),
            offset: 0,
            wanted: 1,
            unit: None,
            count: 0,
        }
    }

    /// Reads on until something may be complete. False at the end of the file.
    fn fill(&mut self, file: &mut File) -> io::Result<bool> {
        while self.buffer.len() < self.wanted {
            if file.take(PIECE_BYTES as u64).read_to_end(&mut self.buffer)? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Repeats everything in the buffer that is complete.
    fn take_complete(&mut self) -> Result<(), Fault> {
        let (mut at, mut done) = (0, 0);
        while let Some(end) = self.next(at)? {
            match self.role(at, end)? {
                Role::Multi => {
                    self.repeat(done, at)?;
                    let (offset, first) = (self.offset + at as u64, self.offset + end as u64);
                    self.unit = Some(Unit { offset, first, bytes: Vec::new() });
                }
                Role::Exec => self.repeat_unit()?,
                Role::Other => match &mut self.unit {
                    Some(unit) => unit.bytes.extend_from_slice(&self.buffer[at..end]),
                    None => {
                        at = end;
                        continue;
                    }
                },
            }
            (at, done) = (end, end);
        }
        self.repeat(done, at)?;
        self.buffer.drain(..at);
        self.offset += at as u64;
        Ok(())
    }

    /// Where the command or comment at a position of the buffer ends. `None` if it is not complete.
    fn next(&mut self, at: usize) -> Result<Option<usize>, Fault> {
        let offset = self.offset + at as u64;
        let failed = |what: &str| Err(Fault { offset, what: what.to_owned() });
        let rest = &self.buffer[at..];
        self.wanted = 1;
        match rest.first() {
            None => return Ok(None),
            Some(b'*' | b'#') => {}
            Some(_) => return failed("this is no command: commands begin with *, comments with #"),
        }
        match self.parser.parse(rest, &self.limits) {
            Ok(ParseState::Complete(taken)) => Ok(Some(at + taken)),
            Ok(ParseState::Nothing(taken)) if rest[0] == b'#' => Ok(Some(at + taken)),
            Ok(ParseState::Nothing(_)) => failed("this command has no words"),
            Ok(ParseState::Incomplete(wanted)) => {
                self.wanted = wanted;
                Ok(None)
            }
            Err(ProtocolError(what)) => failed(&format!("{what}; the file is damaged")),
        }
    }

    /// What the item at this place of the buffer, which was parsed last, is; or why it cannot be imported.
    fn role(&self, at: usize, end: usize) -> Result<Role, Fault> {
        let bytes = &self.buffer[at..end];
        if bytes[0] == b'#' {
            return Ok(Role::Other);
        }
        let failed = |what: String| Err(Fault { offset: self.offset + at as u64, what });
        let args = self.parser.request().args(bytes);
        let mut canonical = Vec::with_capacity(bytes.len());
        encode_command(&mut canonical, args.iter());
        if canonical != bytes {
            return failed(
                "this is no command as Redis writes them; the file is damaged".to_owned(),
            );
        }
        let name = String::from_utf8_lossy(args.get(0).unwrap_or_default()).to_uppercase();
        match (name.as_str(), &self.unit) {
            ("MULTI", None) => return Ok(Role::Multi),
            ("EXEC", Some(_)) => return Ok(Role::Exec),
            ("MULTI", Some(_)) => return failed("MULTI stands within a MULTI".to_owned()),
            ("EXEC", None) => return failed("EXEC stands without a MULTI".to_owned()),
            _ => {}
        }
        match self.engine.registry.lookup(args) {
            // `PFCOUNT` keeps what it has counted.
            Lookup::Found(command)
                if command.spec.has(spec::WRITE | spec::MAY_REPLICATE) || name == "SELECT" =>
            {
                if counts_from_now(&name, args) {
                    return failed(format!(
                        "{name} counts time from now, which a file cannot mean; Redis writes PEXPIREAT"
                    ));
                }
                Ok(Role::Other)
            }
            Lookup::Found(_) => failed(format!("{name} changes nothing; the file is no log")),
            Lookup::Unknown | Lookup::UnknownSubcommand(_) => {
                failed(format!("{name} is a command that this version does not have"))
            }
        }
    }

    /// Executes what the buffer holds from `start` to `end`.
    fn repeat(&mut self, start: usize, end: usize) -> Result<(), Fault> {
        let bytes = &self.buffer[start..end];
        execute(&mut self.replayer, bytes, self.offset + start as u64, &mut self.count)
    }

    /// Executes what stands between a `MULTI` and its `EXEC`.
    fn repeat_unit(&mut self) -> Result<(), Fault> {
        let Some(unit) = self.unit.take() else { return Ok(()) };
        execute(&mut self.replayer, &unit.bytes, unit.first, &mut self.count)
    }

    /// At the end of the file: where what is left begins, and of how many bytes it is.
    fn unfinished(&self) -> Option<(u64, u64)> {
        let end = self.offset + self.buffer.len() as u64;
        let begin = self.unit.as_ref().map_or(self.offset, |unit| unit.offset);
        (begin < end).then(|| (begin, end - begin))
    }
}

/// Executes bytes that begin at this offset of the file.
fn execute(
    replayer: &mut Replayer<'_>,
    bytes: &[u8],
    offset: u64,
    count: &mut u64,
) -> Result<(), Fault> {
    let repeated = replayer.go_on(bytes);
    *count +=
        repeated.map_err(|Failure { at, what, .. }| Fault { offset: offset + at as u64, what })?;
    Ok(())
}

/// Whether a command's deadline depends on when it is executed.
fn counts_from_now(name: &str, args: ArgList<'_>) -> bool {
    let is = |word: &[u8], option: &str| word.eq_ignore_ascii_case(option.as_bytes());
    let has_option = |from: usize| {
        // What follows are fields and values.
        let mut options = args.iter().skip(from).take_while(|word| !is(word, "FIELDS"));
        options.any(|word| is(word, "EX") || is(word, "PX"))
    };
    let is_absolute = || args.iter().skip(4).any(|word| is(word, "ABSTTL"));
    match name {
        "EXPIRE" | "PEXPIRE" | "SETEX" | "PSETEX" | "HEXPIRE" | "HPEXPIRE" => true,
        "SET" => has_option(3),
        "GETEX" | "HSETEX" | "HGETEX" => has_option(2),
        // 0 is no deadline.
        "RESTORE" => args.get(2) != Some(b"0") && !is_absolute(),
        _ => false,
    }
}
