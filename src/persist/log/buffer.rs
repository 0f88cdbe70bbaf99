//! What was appended and is not written yet.

use crate::resp::encode_command;
use crate::store::LogRecord;

/// A block is closed once it has this many bytes. A unit that is larger has a block of its own.
const BLOCK_BYTES: usize = 1024 * 1024;
/// A buffer with more room than this is not used again.
const KEPT_MAX: usize = 4 * 1024 * 1024;

/// Something that stands between blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A block ends here.
    Block,
    /// A block ends here, and what follows belongs to a new segment: a cut, by its number.
    Cut(u64),
}

/// Appended bytes in order, with the places where blocks end.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// Rising offsets into `bytes`.
    marks: Vec<(usize, Mark)>,
    /// Where the open block begins.
    open: usize,
    /// The database of the last command of the open block; `None` before its first.
    db: Option<usize>,
}

impl Buffer {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What it takes, used or not.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.marks.capacity() * size_of::<(usize, Mark)>()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.marks.is_empty()
    }

    /// Appends a unit to the open block.
    pub(super) fn add(&mut self, unit: &[LogRecord<'_>]) {
        if self.bytes.len() - self.open >= BLOCK_BYTES {
            self.close(Mark::Block);
        }
        unit.iter().for_each(|record| self.add_record(record));
    }

    fn add_record(&mut self, record: &LogRecord<'_>) {
        for command in record.removals.iter().chain(record.rewritten) {
            self.select(command.db);
            encode_command(&mut self.bytes, command.args.iter().map(Vec::as_slice));
        }
        if let Some((db, args)) = record.verbatim {
            self.select(db);
            encode_command(&mut self.bytes, args.iter());
        }
    }

    fn select(&mut self, db: usize) {
        if self.db != Some(db) {
            let number = itoa::Buffer::new().format(db).to_owned();
            encode_command(&mut self.bytes, [b"SELECT", number.as_bytes()]);
            self.db = Some(db);
        }
    }

    fn close(&mut self, mark: Mark) {
        if self.bytes.len() > self.open || mark != Mark::Block {
            self.marks.push((self.bytes.len(), mark));
        }
        self.open = self.bytes.len();
        self.db = None;
    }

    /// What follows belongs to a new segment.
    pub(super) fn cut(&mut self, number: u64) {
        self.close(Mark::Cut(number));
    }

    /// Closes the open block and takes everything out; `spare` becomes the new buffer.
    pub(super) fn take(&mut self, spare: Buffer) -> Buffer {
        debug_assert!(spare.is_empty());
        self.close(Mark::Block);
        std::mem::replace(self, spare)
    }

    /// The blocks in order, each with what ends it. A block before a cut may be empty.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (&[u8], Mark)> {
        let mut start = 0;
        self.marks.iter().map(move |&(end, mark)| {
            let body = &self.bytes[start..end];
            start = end;
            (body, mark)
        })
    }

    pub(super) fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_MAX {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.marks.clear();
        self.open = 0;
        self.db = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::LogCommand;

    fn unit(buffer: &mut Buffer, db: usize, words: &[&str]) {
        let args = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let commands = [LogCommand { db, args }];
        buffer.add(&[LogRecord { rewritten: &commands, ..LogRecord::default() }]);
    }

    fn texts(buffer: &Buffer) -> Vec<(String, Mark)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", " ");
        buffer.blocks().map(|(body, mark)| (text(body), mark)).collect()
    }

    #[test]
    fn each_block_selects_its_database_and_cuts_stand_between_blocks() {
        let mut buffer = Buffer::default();
        unit(&mut buffer, 0, &["A"]);
        unit(&mut buffer, 0, &["B"]);
        unit(&mut buffer, 3, &["C"]);
        buffer.cut(7);
        unit(&mut buffer, 3, &["D"]);
        let taken = buffer.take(Buffer::default());
        let expected = [
            ("*2 $6 SELECT $1 0 *1 $1 A *1 $1 B *2 $6 SELECT $1 3 *1 $1 C ", Mark::Cut(7)),
            ("*2 $6 SELECT $1 3 *1 $1 D ", Mark::Block),
        ];
        assert_eq!(texts(&taken), expected.map(|(text, mark)| (text.to_owned(), mark)));
        assert!(buffer.is_empty());
    }

    #[test]
    fn large_buffers_are_several_blocks_and_units_stay_whole() {
        let mut buffer = Buffer::default();
        let value = "x".repeat(BLOCK_BYTES / 2);
        (0..5).for_each(|_| unit(&mut buffer, 0, &["SET", "k", &value]));
        let taken = buffer.take(Buffer::default());
        let sets = |body: &[u8]| memchr::memmem::find_iter(body, b"SET\r\n$1\r\nk").count();
        let counts: Vec<usize> = taken.blocks().map(|(body, _)| sets(body)).collect();
        assert_eq!(counts, [2, 2, 1]);
    }

    #[test]
    fn a_cut_without_commands_is_still_a_cut() {
        let mut buffer = Buffer::default();
        buffer.cut(1);
        buffer.cut(2);
        let taken = buffer.take(Buffer::default());
        let marks: Vec<Mark> = taken.blocks().map(|(_, mark)| mark).collect();
        assert_eq!(marks, [Mark::Cut(1), Mark::Cut(2)]);
    }
}
