//! Writing snapshots (the format is described in the module above).

use std::io::{self, Write};

use super::collections;
use super::streams;
use super::{MAGIC, SECTION_BYTES};
use crate::base::limits::INLINE_BYTES_MAX;
use crate::base::words::write_readable_word;
use crate::resp::encode_command;
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
    next_line: u64,
    totals: Totals,
}

/// Where lines go.
pub(super) trait Lines {
    fn buffer(&mut self) -> &mut Vec<u8>;
    /// A command has been written, and what follows belongs to the same key.
    fn command_ended(&mut self) -> io::Result<()>;
}

impl Lines for Vec<u8> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self
    }

    fn command_ended(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A section may end within a large key.
impl<W: Write> Lines for SnapshotWriter<W> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.body
    }

    fn command_ended(&mut self) -> io::Result<()> {
        if self.body.len() >= SECTION_BYTES {
            let db = self.db;
            self.flush()?;
            if let Some(db) = db {
                self.select(db);
            }
            self.continues = true;
        }
        Ok(())
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
        write_lines(self, key, ValueRef::Object(value), deadline)?;
        self.body_keys += 1;
        Ok(())
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
    write_lines(out, key, value, deadline).expect("a vector takes everything");
}

fn write_lines(
    out: &mut dyn Lines,
    key: &[u8],
    value: ValueRef<'_>,
    deadline: Option<i64>,
) -> io::Result<()> {
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
    }?;
    let Some(unix_ms) = deadline else { return Ok(()) };
    let time = itoa::Buffer::new().format(unix_ms).to_owned();
    write_command(out, &[b"PEXPIREAT", key, time.as_bytes()])
}

fn write_string(
    out: &mut dyn Lines,
    key: &[u8],
    value: &[u8],
    deadline: Option<i64>,
) -> io::Result<()> {
    let mut digits = itoa::Buffer::new();
    let expiry = deadline.map(|unix_ms| digits.format(unix_ms).as_bytes());
    if key.len() + value.len() <= INLINE_COST_MAX {
        return match expiry {
            None => write_command(out, &[b"SET", key, value]),
            Some(time) => write_command(out, &[b"SET", key, value, b"PXAT", time]),
        };
    }
    let room = INLINE_COST_MAX.saturating_sub(key.len());
    let mut pieces = value.chunks(worth_its_key(room, key));
    write_command(out, &[b"SET", key, pieces.next().unwrap_or_default()])?;
    pieces.try_for_each(|piece| write_command(out, &[b"APPEND", key, piece]))?;
    expiry.map_or(Ok(()), |time| write_command(out, &[b"PEXPIREAT", key, time]))
}

/// How many bytes of a value go into one command: as many as are wanted, but not less than the key, which each of
/// them repeats. A value takes at most twice its size then, however long its key is.
pub(super) fn worth_its_key(wanted: usize, key: &[u8]) -> usize {
    const LEAST: usize = 1024;
    wanted.max(key.len()).max(LEAST)
}

/// One command: a line, or a RESP array if it might be too long for one.
pub(super) fn write_command(out: &mut dyn Lines, args: &[&[u8]]) -> io::Result<()> {
    write_words(out.buffer(), args);
    out.command_ended()
}

fn write_words(out: &mut Vec<u8>, args: &[&[u8]]) {
    let bytes: usize = args.iter().map(|arg| arg.len()).sum();
    if bytes > INLINE_COST_MAX {
        return encode_command(out, args.iter().copied());
    }
    for (n, arg) in args.iter().enumerate() {
        if n > 0 {
            out.push(b' ');
        }
        write_readable_word(out, arg);
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::set::SetLimits;
    use crate::value::{Set, Value};

    fn set_of(members: usize) -> Value {
        let limits = SetLimits { intset_entries: 0, listpack_entries: 0, listpack_value: 0 };
        let mut set = Set::default();
        for n in 0..members {
            set.insert(format!("{n:040}").as_bytes(), &limits);
        }
        Value::Set(set)
    }

    /// Each piece of a value used to repeat the key however long it was: a client could fill the disk.
    #[test]
    fn a_long_key_does_not_make_a_snapshot_many_times_larger_than_the_data() {
        let string = Value::string(vec![b'v'; 2_000_000]);
        for value in [string, set_of(50_000)] {
            for key_len in [10, 4_000, 20_000, 100_000] {
                let mut file = Vec::new();
                let mut writer = SnapshotWriter::new(&mut file).unwrap();
                writer.add_large(0, &vec![b'k'; key_len], &value, Some(1)).unwrap();
                writer.finish().unwrap();
                assert!(file.len() < 8_000_000, "{} bytes with a key of {key_len}", file.len());
            }
        }
    }

    /// A disk that is full is when a server can least afford memory: the rest of the value used to be printed.
    #[test]
    fn once_the_disk_is_full_nothing_more_of_a_value_is_printed() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let is_first = bytes.starts_with(MAGIC.as_bytes()) || bytes == b"\n";
                if is_first { Ok(bytes.len()) } else { Err(io::ErrorKind::StorageFull.into()) }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writer = SnapshotWriter::new(Full).unwrap();
        let error = writer.add_large(0, b"k", &set_of(50_000), None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(writer.body.len() < 2 * SECTION_BYTES, "{} bytes", writer.body.len());
    }
}
