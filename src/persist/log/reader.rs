//! Reading segments block by block, trusting nothing (the format is described in the module above).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::block::{BlockHeader, HeaderError, LINE_MAX, SegmentHeader};
use crate::persist::manifest::SegmentEntry;

/// In search of a proof that something was durable, so many times the file is summed up at most.
const SUMMED_UP_MAX: u64 = 4;

/// The commands of one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The log position that it begins at.
    pub lsn: u64,
    /// Where its line begins in the file.
    pub offset: u64,
    /// Bytes of the line; the commands follow it.
    pub line_len: u64,
    /// RESP arrays.
    pub body: Vec<u8>,
}

/// From here on a segment cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("offset {offset}: {what}")]
pub struct Unsound {
    pub offset: u64,
    pub what: String,
    /// Something later proves that this was sound once, so it is damage and no torn end.
    pub was_durable: bool,
}

/// Why a segment's beginning is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSegment {
    #[error("its format, version {0}, is newer than this server; use the version that wrote it")]
    Newer(u64),
    #[error("offset 0: {0}")]
    Damaged(String),
}

/// How a segment ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a sound block, where it should.
    Whole,
    /// With something that was never durable: `bytes` behind the last sound block, from `offset` on.
    Torn { offset: u64, bytes: u64 },
    /// With something that was durable once, or before it should.
    Damaged(String),
}

/// See the module's description.
pub struct SegmentReader {
    input: BufReader<File>,
    entry: SegmentEntry,
    salt: u32,
    /// Where the next block begins in the file, and in the log.
    offset: u64,
    lsn: u64,
    file_len: u64,
    /// What was summed up in search of a proof, see [`SegmentReader::has_proof_behind`].
    bytes_summed_up: u64,
}

impl SegmentReader {
    /// Begins to read the segment that the manifest describes.
    pub fn open(path: &Path, entry: SegmentEntry) -> io::Result<Result<SegmentReader, BadSegment>> {
        let opened = SegmentReader::open_alone(path)?;
        Ok(opened.and_then(|reader| match reader.entry {
            found if found == entry => Ok(reader),
            SegmentEntry { number, lsn } => Err(BadSegment::Damaged(format!(
                "it says that it is segment {number} and begins at lsn {lsn}, but the manifest says \
                 segment {} and lsn {}",
                entry.number, entry.lsn
            ))),
        }))
    }

    /// Begins to read whatever segment it is.
    pub fn open_alone(path: &Path) -> io::Result<Result<SegmentReader, BadSegment>> {
        let file = File::open(path)?;
        let file_len = file.metadata()?.len();
        let mut input = BufReader::with_capacity(1 << 18, file);
        let line = read_line(&mut input)?;
        let SegmentHeader { number, lsn, salt } = match SegmentHeader::parse(&line) {
            Ok(header) => header,
            Err(HeaderError::Newer(version)) => return Ok(Err(BadSegment::Newer(version))),
            Err(HeaderError::Damaged) => {
                let what = "it does not begin with the first line of a segment".to_owned();
                return Ok(Err(BadSegment::Damaged(what)));
            }
        };
        let (entry, offset) = (SegmentEntry { number, lsn }, line.len() as u64);
        Ok(Ok(SegmentReader { input, entry, salt, offset, lsn, file_len, bytes_summed_up: 0 }))
    }

    /// What the segment says that it is.
    pub fn entry(&self) -> SegmentEntry {
        self.entry
    }

    /// How the segment ends, once it was read as far as possible: up to something unsound, or to its end.
    /// `end` is where it must end, if that is known.
    pub fn ending(&self, unsound: Option<&Unsound>, end: Option<u64>) -> Ending {
        match (unsound, end) {
            (Some(unsound), end) if unsound.was_durable || end.is_some() => {
                Ending::Damaged(unsound.to_string())
            }
            (Some(_), _) => {
                Ending::Torn { offset: self.offset, bytes: self.file_len - self.offset }
            }
            (None, Some(end)) if end != self.lsn => Ending::Damaged(format!(
                "it ends at lsn {}, but the log went on to {end}",
                self.lsn
            )),
            (None, _) => Ending::Whole,
        }
    }

    /// The log position that the next block begins at.
    pub fn lsn(&self) -> u64 {
        self.lsn
    }

    /// Bytes in the file.
    pub fn file_len(&self) -> u64 {
        self.file_len
    }

    /// The next block, or `None` at the end of the file. After something unsound nothing more can be
    /// read.
    pub fn next_block(&mut self) -> io::Result<Result<Option<Block>, Unsound>> {
        if self.offset >= self.file_len {
            return Ok(Ok(None));
        }
        let line = self.line_at(self.offset)?;
        let Some(header) = BlockHeader::parse(&line) else {
            return self.unsound("this is not the first line of a block");
        };
        if header.lsn != self.lsn {
            let what = format!("lsn {} stands where {} was expected", header.lsn, self.lsn);
            return self.unsound(&what);
        }
        let line_len = line.len() as u64;
        let left = self.file_len - self.offset - line_len;
        if header.len > left {
            let what = format!("the file ends {} bytes before this block does", header.len - left);
            return self.unsound(&what);
        }
        let Some(body) = self.read_body(&header)? else {
            return self.unsound("the checksum of this block is wrong");
        };
        let block = Block { lsn: self.lsn, offset: self.offset, line_len, body };
        self.offset += line_len + header.len;
        self.lsn += header.len;
        Ok(Ok(Some(block)))
    }

    fn unsound<T>(&mut self, what: &str) -> io::Result<Result<T, Unsound>> {
        let was_durable = self.has_proof_behind()?;
        Ok(Err(Unsound { offset: self.offset, what: what.to_owned(), was_durable }))
    }

    /// Whether a sound block further on says that everything up to and including the one at the present
    /// offset was durable.
    ///
    /// Clients choose the bytes of values, and telling a line in one from that of a block takes summing up as
    /// much as it claims to be followed by. Positions count bytes of this file, which rules out what was made
    /// up without knowing them (some of the file may be gone, but not more than there is); for the rest there is
    /// a limit. If it is reached, nobody knows, and that is
    /// called damage: a start that is refused loses nothing.
    fn has_proof_behind(&mut self) -> io::Result<bool> {
        let mut offset = self.offset;
        self.input.seek(SeekFrom::Start(offset))?;
        loop {
            let line = self.line_at(offset)?;
            if line.is_empty() {
                return Ok(false);
            }
            let next = offset + line.len() as u64;
            if let Some(header) = BlockHeader::parse(&line)
                && header.len <= self.file_len - next
                && self.may_be_proof(&header, offset)
            {
                self.bytes_summed_up += header.len;
                if self.bytes_summed_up > SUMMED_UP_MAX * self.file_len
                    || self.read_body(&header)?.is_some()
                {
                    return Ok(true);
                }
                // Not for every line: seeking throws away what was read ahead.
                self.input.seek(SeekFrom::Start(next))?;
            }
            offset = next;
        }
    }

    /// Whether a block at this offset could have such a line, and if so, proves that the present one was
    /// durable.
    fn may_be_proof(&self, header: &BlockHeader, offset: u64) -> bool {
        self.lsn < header.durable
            && header.durable <= header.lsn
            && header.lsn - self.lsn <= offset - self.offset + self.file_len
    }

    /// The line that begins at this offset, where the input stands. A server may be writing the file:
    /// whatever was added since it was opened is not there.
    fn line_at(&mut self, offset: u64) -> io::Result<Vec<u8>> {
        let mut line = read_line(&mut self.input)?;
        line.truncate(usize::try_from(self.file_len - offset).unwrap_or(usize::MAX));
        Ok(line)
    }

    /// The commands behind a block's line, which the file is long enough for. `None` if their checksum is
    /// wrong.
    fn read_body(&mut self, header: &BlockHeader) -> io::Result<Option<Vec<u8>>> {
        let mut body = vec![0; header.len as usize];
        self.input.read_exact(&mut body)?;
        Ok((header.checksum(&body, self.salt) == header.crc).then_some(body))
    }
}

/// The next line with its end, or as much of it as a line of the format may have.
fn read_line(input: &mut BufReader<File>) -> io::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(LINE_MAX);
    input.by_ref().take(LINE_MAX as u64).read_until(b'\n', &mut line)?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const ENTRY: SegmentEntry = SegmentEntry { number: 8, lsn: 9000 };
    const SALT: u32 = 0x5be0_cd19;

    /// A segment with these bodies; each block says that everything before it was durable, if `synced`.
    fn segment(bodies: &[&str], synced: bool) -> Vec<u8> {
        let header = SegmentHeader { number: ENTRY.number, lsn: ENTRY.lsn, salt: SALT };
        let mut bytes = header.print().into_bytes();
        let mut lsn = ENTRY.lsn;
        for body in bodies {
            let durable = if synced { lsn } else { ENTRY.lsn };
            let header = BlockHeader::new(lsn, body.as_bytes(), durable, SALT);
            bytes.extend_from_slice(header.print().as_bytes());
            bytes.extend_from_slice(body.as_bytes());
            lsn += body.len() as u64;
        }
        bytes
    }

    fn read(bytes: &[u8]) -> (Vec<String>, Option<Unsound>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment");
        fs::write(&path, bytes).unwrap();
        let mut reader = SegmentReader::open(&path, ENTRY).unwrap().unwrap();
        let mut bodies = Vec::new();
        loop {
            match reader.next_block().unwrap() {
                Ok(Some(block)) => bodies.push(String::from_utf8(block.body).unwrap()),
                Ok(None) => return (bodies, None),
                Err(unsound) => return (bodies, Some(unsound)),
            }
        }
    }

    const BODIES: [&str; 3] = ["first\n#1 2 3", "", "the third"];

    #[test]
    fn blocks_are_read_in_order() {
        let (bodies, unsound) = read(&segment(&BODIES, true));
        assert_eq!((&bodies[..], unsound), (&BODIES.map(str::to_owned)[..], None));
    }

    #[test]
    fn wherever_the_file_ends_the_whole_blocks_before_are_read() {
        let bytes = segment(&BODIES, true);
        let first = segment(&[], true).len();
        for len in first..bytes.len() {
            let (bodies, unsound) = read(&bytes[..len]);
            assert!(bodies.len() < 3 && bodies.iter().zip(BODIES).all(|(a, b)| a == b));
            assert!(unsound.is_none_or(|unsound| !unsound.was_durable), "cut off at {len}");
        }
    }

    #[test]
    fn damage_is_told_apart_from_a_torn_end_by_what_was_durable() {
        let first = segment(&[], true).len();
        let second = segment(&BODIES[..1], true).len();
        for (synced, expected) in [(true, true), (false, false)] {
            let bytes = segment(&BODIES, synced);
            for at in first..bytes.len() {
                let mut bytes = bytes.clone();
                bytes[at] ^= 0x10;
                let (bodies, unsound) = read(&bytes);
                let unsound = unsound.expect("every altered byte is noticed");
                assert_eq!(
                    bodies.len(),
                    usize::from(at >= second) + usize::from(unsound.offset > second as u64)
                );
                // The last block cannot be proved by a later one; the one before it can.
                let is_proved = at < second && expected;
                assert_eq!(unsound.was_durable, is_proved, "byte {at}: {unsound}");
            }
        }
    }

    #[test]
    fn a_stored_value_cannot_pass_for_a_block() {
        let lsn = ENTRY.lsn;
        for (lsn, durable) in [(lsn + 500, lsn + 400), (lsn + 3, lsn + 2), (lsn + 3, lsn + 9)] {
            let forged = BlockHeader::new(lsn, b"x", durable, 0).print() + "x";
            let body = format!("value\n{forged}\n");
            let mut bytes = segment(&[&body], true);
            let at = bytes.len() - body.len();
            bytes[at] ^= 1;
            assert!(!read(&bytes).1.unwrap().was_durable);
        }
    }

    #[test]
    fn a_block_that_is_gone_from_the_middle_is_damage() {
        let bytes = segment(&BODIES, true);
        let [first, second, third] = [0, 1, 2].map(|count| segment(&BODIES[..count], true).len());
        let gone = |from: usize, to: usize| [&bytes[..from], &bytes[to..]].concat();
        assert!(read(&gone(first, second)).1.unwrap().was_durable);
        assert!(read(&gone(first, third)).1.unwrap().was_durable);
        assert!(read(&gone(first + 9, second)).1.unwrap().was_durable);
    }

    #[test]
    fn a_proof_is_found_behind_values_that_look_like_blocks() {
        let lsn = ENTRY.lsn;
        let forged = BlockHeader::new(lsn + 3, b"x", lsn + 2, 0).print().repeat(3);
        let body = format!("value\n{forged}\n#\n");
        let mut bytes = segment(&[&body, &body, "the proof"], true);
        let at = segment(&[], true).len() + 40;
        bytes[at] ^= 1;
        assert!(read(&bytes).1.unwrap().was_durable);
    }

    /// Each line of a stored value that looks like a block's used to be summed up to the end of the file.
    #[test]
    fn what_a_client_stored_does_not_decide_how_long_a_start_takes() {
        let first = segment(&[], true).len();
        let torn = |line: &str| {
            let body = line.repeat(400_000 / line.len());
            let mut bytes = segment(&[&body], true);
            bytes[first + 40] ^= 1;
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("segment");
            fs::write(&path, bytes).unwrap();
            let mut reader = SegmentReader::open(&path, ENTRY).unwrap().unwrap();
            let unsound = reader.next_block().unwrap().unwrap_err();
            (unsound, reader.bytes_summed_up, reader.file_len)
        };
        // Without knowledge of the log: it is told to be none.
        let far = format!("#9000000000000000000 {} 8000000000000000000 00000000\n", 1000);
        let (unsound, bytes, _) = torn(&far);
        assert_eq!((unsound.was_durable, bytes), (false, 0));
        // With it, nobody can tell without work, of which there is a limit.
        let near = format!("#{} 200000 {} 00000000\n", ENTRY.lsn + 20, ENTRY.lsn + 10);
        let (unsound, bytes, file_len) = torn(&near);
        assert!(unsound.was_durable && bytes <= 5 * file_len, "{unsound}: {bytes} bytes");
        // A few are no reason to call it anything else than a torn end.
        let once = format!("{near}{}", "x".repeat(300_000));
        assert!(!torn(&once).0.was_durable);
    }

    #[test]
    fn what_is_added_while_the_file_is_read_is_not_there() {
        let (first, whole) = (segment(&[], true).len(), segment(&BODIES, true));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment");
        for len in first..whole.len() {
            fs::write(&path, &whole[..len]).unwrap();
            let mut reader = SegmentReader::open(&path, ENTRY).unwrap().unwrap();
            fs::write(&path, &whole).unwrap();
            while let Ok(Some(block)) = reader.next_block().unwrap() {
                assert!(block.offset + block.line_len + block.body.len() as u64 <= len as u64);
            }
        }
    }

    #[test]
    fn a_length_that_no_file_has_is_not_believed() {
        let first = String::from_utf8(segment(&[], true)).unwrap();
        for len in [1, 1 << 40, i64::MAX as u64, u64::MAX] {
            let header = BlockHeader { lsn: ENTRY.lsn, len, durable: u64::MAX, crc: 0 };
            let (bodies, unsound) = read(format!("{first}{}", header.print()).as_bytes());
            let unsound = unsound.expect("the file ends before");
            assert!(bodies.is_empty() && unsound.what.contains(&len.to_string()), "{unsound}");
        }
    }

    #[test]
    fn a_segment_that_is_another_one_or_newer_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment");
        fs::write(&path, segment(&[], true)).unwrap();
        let other = SegmentEntry { number: 9, lsn: 9000 };
        assert!(matches!(SegmentReader::open(&path, other).unwrap(), Err(BadSegment::Damaged(_))));
        fs::write(&path, "# sanderling log 2\n").unwrap();
        assert!(matches!(SegmentReader::open(&path, ENTRY).unwrap(), Err(BadSegment::Newer(2))));
    }
}
