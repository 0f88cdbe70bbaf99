//! Writing snapshots (the format is described in the module above).

use std::io::{self, Write};

use super::collections;
use super::streams;
use super::{MAGIC, SECTION_BYTES};
use crate::base::limits::INLINE_BYTES_MAX;
use crate::base::words::write_readable_word;
use crate::store::ValueRef;
use crate::value::Value;

/// Room for the command's name, an expiry time and quotes.
const LINE_RESERVE: usize = 64;
/// A quoted byte takes at most this many bytes (`\xHH`).
const QUOTED_MAX: usize = 4;
/// Words of so many bytes fit into a line whatever is in them.
pub(super) const INLINE_COST_MAX: usize = (INLINE_BYTES_MAX - LINE_RESERVE) / QUOTED_MAX;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub sections: u64,
    pub keys: u64,
    pub bytes: u64,
}

/// Writes entries to a file, section by section.
pub struct SnapshotWriter<W> {
    out: W,
    body: Vec<u8>,
    body_keys: u64,
    db: Option<usize>,
    /// The present section goes on with a key.
    continues: bool,
    /// Writing a section in the middle of a key failed.
    failure: Option<io::Error>,
    next_line: u64,
    totals: Totals,
}

/// Where lines go.
pub(super) trait Lines {
    fn buffer(&mut self) -> &mut Vec<u8>;
    /// A command has been written, and what follows belongs to the same key.
    fn command_ended(&mut self) {}
}

impl Lines for Vec<u8> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self
    }
}

/// A section may end within a large key.
impl<W: Write> Lines for SnapshotWriter<W> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.body
    }

    fn command_ended(&mut self) {
        if self.body.len() < SECTION_BYTES || self.failure.is_some() {
            return;
        }
        let db = self.db;
        self.failure = self.flush().err();
        if let Some(db) = db {
            self.select(db);
        }
        self.continues = true;
    }
}

impl<W: Write> SnapshotWriter<W> {
    pub fn new(mut out: W) -> io::Result<SnapshotWriter<W>> {
        writeln!(out, "{MAGIC}")?;
        Ok(SnapshotWriter {
            out,
            body: Vec::with_capacity(SECTION_BYTES * 2),
            body_keys: 0,
            db: None,
            continues: false,
            failure: None,
            next_line: 2,
            totals: Totals { bytes: MAGIC.len() as u64 + 1, ..Totals::default() },
        })
    }

    /// Adds an entry to the present section. Nothing is written to the file yet, so this may be called
    /// while a lock is held.
    pub fn add(&mut self, db: usize, key: &[u8], value: ValueRef<'_>, deadline: Option<i64>) {
        self.select(db);
        write_entry(&mut self.body, key, value, deadline);
        self.body_keys += 1;
    }

    /// Adds an entry of any size, writing sections as they fill up. Not to be called while a lock is held.
    pub fn add_large(
        &mut self,
        db: usize,
        key: &[u8],
        value: &Value,
        deadline: Option<i64>,
    ) -> io::Result<()> {
        self.select(db);
        write_lines(self, key, ValueRef::Object(value), deadline);
        self.body_keys += 1;
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Entries come database by database; a section may hold several, each announced.
    fn select(&mut self, db: usize) {
        if self.db != Some(db) {
            self.body.extend_from_slice(format!("SELECT {db}\n").as_bytes());
            self.db = Some(db);
        }
    }

    /// Writes the present section if it has become large enough; tells whether it had.
    pub fn flush_if_large(&mut self) -> io::Result<bool> {
        let is_large = self.body.len() >= SECTION_BYTES;
        if is_large {
            self.flush()?;
        }
        Ok(is_large)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.body.is_empty() {
            return Ok(());
        }
        self.totals.sections += 1;
        let header = format!(
            "# section {} · line {} · keys {} · bytes {} · crc32c {:08x}{}\n",
            self.totals.sections,
            self.next_line + 1,
            self.body_keys,
            self.body.len(),
            crc32c::crc32c(&self.body),
            if std::mem::take(&mut self.continues) { " · continued" } else { "" }
        );
        self.out.write_all(header.as_bytes())?;
        self.out.write_all(&self.body)?;
        self.next_line += 1 + memchr::memchr_iter(b'\n', &self.body).count() as u64;
        self.totals.keys += self.body_keys;
        self.totals.bytes += (header.len() + self.body.len()) as u64;
        self.body.clear();
        self.body.shrink_to(SECTION_BYTES * 2);
        self.body_keys = 0;
        self.db = None;
        Ok(())
    }

    /// Writes what is left and the last line.
    pub fn finish(mut self) -> io::Result<Totals> {
        self.flush()?;
        let end =
            format!("# end · sections {} · keys {}\n", self.totals.sections, self.totals.keys);
        self.out.write_all(end.as_bytes())?;
        self.out.flush()?;
        self.totals.bytes += end.len() as u64;
        Ok(self.totals)
    }
}

/// Appends the commands that make an entry.
pub fn write_entry(out: &mut Vec<u8>, key: &[u8], value: ValueRef<'_>, deadline: Option<i64>) {
    write_lines(out, key, value, deadline);
}

fn write_lines(out: &mut dyn Lines, key: &[u8], value: ValueRef<'_>, deadline: Option<i64>) {
    let value = match value {
        ValueRef::Integer(number) => {
            let text = itoa::Buffer::new().format(number).to_owned();
            return write_string(out, key, text.as_bytes(), deadline);
        }
        ValueRef::Short { bytes, .. } => return write_string(out, key, bytes, deadline),
        ValueRef::Object(value) => value,
    };
    match value {
        Value::String { bytes, .. } => return write_string(out, key, bytes, deadline),
        Value::List(list) => collections::write_list(out, key, list),
        Value::Set(set) => collections::write_set(out, key, set),
        Value::Hash(hash) => collections::write_hash(out, key, hash),
        Value::SortedSet(set) => collections::write_sorted_set(out, key, set),
        Value::Stream(stream) => streams::write_stream(out, key, stream),
    }
    if let Some(unix_ms) = deadline {
        let time = itoa::Buffer::new().format(unix_ms).to_owned();
        write_command(out, &[b"PEXPIREAT", key, time.as_bytes()]);
    }
}

fn write_string(out: &mut dyn Lines, key: &[u8], value: &[u8], deadline: Option<i64>) {
    let mut digits = itoa::Buffer::new();
    let expiry = deadline.map(|unix_ms| digits.format(unix_ms).as_bytes());
    if (key.len() + value.len()) * QUOTED_MAX + LINE_RESERVE <= INLINE_BYTES_MAX {
        return match expiry {
            None => write_command(out, &[b"SET", key, value]),
            Some(time) => write_command(out, &[b"SET", key, value, b"PXAT", time]),
        };
    }
    let piece = (INLINE_BYTES_MAX - LINE_RESERVE) / QUOTED_MAX;
    let mut pieces = value.chunks(piece.saturating_sub(key.len()).max(1024));
    write_command(out, &[b"SET", key, pieces.next().unwrap_or_default()]);
    pieces.for_each(|piece| write_command(out, &[b"APPEND", key, piece]));
    if let Some(time) = expiry {
        write_command(out, &[b"PEXPIREAT", key, time]);
    }
}

/// One command: a line, or a RESP array if it might be too long for one.
pub(super) fn write_command(out: &mut dyn Lines, args: &[&[u8]]) {
    write_words(out.buffer(), args);
    out.command_ended();
}

fn write_words(out: &mut Vec<u8>, args: &[&[u8]]) {
    let bytes: usize = args.iter().map(|arg| arg.len()).sum();
    if bytes * QUOTED_MAX + LINE_RESERVE > INLINE_BYTES_MAX {
        return write_array(out, args);
    }
    for (n, arg) in args.iter().enumerate() {
        if n > 0 {
            out.push(b' ');
        }
        write_readable_word(out, arg);
    }
    out.push(b'\n');
}

fn write_array(out: &mut Vec<u8>, args: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}
