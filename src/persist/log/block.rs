//! The lines that begin segments and blocks: printing and parsing (see the module above).

use std::fmt::Write;

const MAGIC: &str = "# sanderling log ";
const VERSION: u64 = 1;
/// No line of the format is longer. Redis's reader of such files takes 128.
pub(super) const LINE_MAX: usize = 120;

/// The first line of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub number: u64,
    /// The log position of the first block.
    pub lsn: u64,
    pub salt: u32,
}

/// Why a segment's first line is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HeaderError {
    Newer(u64),
    Damaged,
}

impl SegmentHeader {
    pub(super) fn print(&self) -> String {
        let SegmentHeader { number, lsn, salt } = self;
        let fields = format!("{MAGIC}{VERSION} · segment {number} · lsn {lsn} · salt {salt:08x}");
        // With another salt no block would be sound, which looks like an end that was never written.
        let crc = crc32c::crc32c(fields.as_bytes());
        format!("{fields} · crc32c {crc:08x}\n")
    }

    /// Reads the line, its end included.
    pub(super) fn parse(line: &[u8]) -> Result<SegmentHeader, HeaderError> {
        let text = std::str::from_utf8(line).map_err(|_| HeaderError::Damaged)?;
        let rest = text.strip_prefix(MAGIC).ok_or(HeaderError::Damaged)?;
        let version = rest.split(' ').next().and_then(|version| version.trim_end().parse().ok());
        match version {
            Some(VERSION) => {}
            Some(newer) if newer > VERSION => return Err(HeaderError::Newer(newer)),
            _ => return Err(HeaderError::Damaged),
        }
        let header = SegmentHeader::parse_fields(rest).ok_or(HeaderError::Damaged)?;
        // There is one way to print it, checksum included.
        if header.print().as_bytes() == line { Ok(header) } else { Err(HeaderError::Damaged) }
    }

    fn parse_fields(text: &str) -> Option<SegmentHeader> {
        let mut fields = text.trim_end().split(" · ").skip(1);
        let number = fields.next()?.strip_prefix("segment ")?.parse().ok()?;
        let lsn = fields.next()?.strip_prefix("lsn ")?.parse().ok()?;
        let salt = u32::from_str_radix(fields.next()?.strip_prefix("salt ")?, 16).ok()?;
        Some(SegmentHeader { number, lsn, salt })
    }
}

/// The line before a block's commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHeader {
    /// The log position of the block.
    pub lsn: u64,
    /// Bytes of commands that follow the line.
    pub len: u64,
    /// Everything before this position was durable when the block was written.
    pub durable: u64,
    pub crc: u32,
}

impl BlockHeader {
    /// The header of a block with these commands.
    pub(super) fn new(lsn: u64, body: &[u8], durable: u64, salt: u32) -> BlockHeader {
        let mut header = BlockHeader { lsn, len: body.len() as u64, durable, crc: 0 };
        header.crc = header.checksum(body, salt);
        header
    }

    /// What the checksum must be for these commands.
    pub(super) fn checksum(&self, body: &[u8], salt: u32) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c_append(salt, self.print_fields().as_bytes()), body)
    }

    fn print_fields(&self) -> String {
        format!("#{} {} {} ", self.lsn, self.len, self.durable)
    }

    pub(super) fn print(&self) -> String {
        let mut line = self.print_fields();
        writeln!(line, "{:08x}", self.crc).expect("writing to a string succeeds");
        line
    }

    /// Reads the line, its end included. `None` if it is not one.
    pub(super) fn parse(line: &[u8]) -> Option<BlockHeader> {
        let text = std::str::from_utf8(line).ok()?;
        let mut fields = text.strip_prefix('#')?.strip_suffix('\n')?.split(' ');
        let mut number = || fields.next()?.parse::<u64>().ok();
        let (lsn, len, durable) = (number()?, number()?, number()?);
        let crc = u32::from_str_radix(fields.next()?, 16).ok()?;
        let header = BlockHeader { lsn, len, durable, crc };
        (header.print().as_bytes() == line).then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_are_printed() {
        let segment = SegmentHeader { number: 8, lsn: u64::MAX, salt: 7 };
        assert_eq!(SegmentHeader::parse(segment.print().as_bytes()), Ok(segment));
        let block = BlockHeader::new(9000, b"*1\r\n$4\r\nPING\r\n", 8700, 7);
        assert_eq!(BlockHeader::parse(block.print().as_bytes()), Some(block));
    }

    #[test]
    fn lines_fit_the_buffers_of_other_readers() {
        let most = u64::MAX;
        let segment = SegmentHeader { number: most, lsn: most, salt: u32::MAX };
        let block = BlockHeader { lsn: most, len: most, durable: most, crc: u32::MAX };
        assert!(segment.print().len() <= LINE_MAX && block.print().len() <= LINE_MAX);
    }

    #[test]
    fn every_altered_byte_of_a_segments_line_is_noticed() {
        let line = SegmentHeader { number: 8, lsn: 9000, salt: 0x5be0_cd19 }.print();
        for at in 0..line.len() {
            let mut altered = line.clone().into_bytes();
            altered[at] ^= 1;
            assert!(SegmentHeader::parse(&altered).is_err(), "byte {at}");
            assert!(SegmentHeader::parse(&line.as_bytes()[..at]).is_err(), "cut off at {at}");
        }
    }

    #[test]
    fn a_newer_format_is_told_apart_from_damage() {
        let line = "# sanderling log 2 · whatever\n";
        assert_eq!(SegmentHeader::parse(line.as_bytes()), Err(HeaderError::Newer(2)));
        assert_eq!(SegmentHeader::parse(b"# sanderling log 1\n"), Err(HeaderError::Damaged));
        assert_eq!(SegmentHeader::parse(b"REDIS0009"), Err(HeaderError::Damaged));
    }

    #[test]
    fn the_checksum_covers_the_line_the_commands_and_the_salt() {
        let block = BlockHeader::new(9000, b"body", 8700, 7);
        assert_ne!(block.crc, BlockHeader::new(9001, b"body", 8700, 7).crc);
        assert_ne!(block.crc, BlockHeader::new(9000, b"bodx", 8700, 7).crc);
        assert_ne!(block.crc, BlockHeader::new(9000, b"body", 8701, 7).crc);
        assert_ne!(block.crc, BlockHeader::new(9000, b"body", 8700, 8).crc);
        for other in ["#9000 4 8700\n", "#09000 4 8700 00000000\n", "#9000 4 8700 00000000", "##\n"]
        {
            assert_eq!(BlockHeader::parse(other.as_bytes()), None, "{other}");
        }
    }
}
