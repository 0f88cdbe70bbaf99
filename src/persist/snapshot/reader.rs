//! Reading snapshots section by section, trusting nothing (the format is described in the module above).

use std::io::{self, BufRead, BufReader, Read};

use super::MAGIC;

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}line {line}: {what}", .section.map_or(String::new(), |n| format!("section {n}, ")))]
pub struct Damage {
    pub section: Option<u64>,
    pub line: u64,
    pub what: String,
    /// Nothing is wrong with it: a newer version wrote it.
    pub is_newer: bool,
}

/// A section whose checksum is right, or was not looked at yet (see [`Section::check`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub number: u64,
    /// Number of its first line in the file.
    pub line: u64,
    pub keys: u64,
    /// It goes on with the key that the section before it ends with, so it must be loaded after that.
    pub continues: bool,
    pub body: Vec<u8>,
    crc: u32,
}

impl Section {
    /// Verifies the checksum. Apart from reading, so that it can be done on all cores.
    pub fn check(&self) -> Result<(), Damage> {
        if crc32c::crc32c(&self.body) == self.crc {
            return Ok(());
        }
        Err(self.damage(self.line, "the checksum is wrong: something in this section was altered"))
    }

    /// Damage at a line of this section.
    pub fn damage(&self, line: u64, what: impl Into<String>) -> Damage {
        Damage { section: Some(self.number), line, what: what.into(), is_newer: false }
    }
}

/// Reads sections in order. After an error, [`SnapshotReader::resynchronise`] goes on at the next one.
pub struct SnapshotReader<R> {
    input: BufReader<R>,
    /// Number of the next line to be read.
    line: u64,
    sections: u64,
    keys: u64,
    ended: bool,
    /// A section's first line that was read ahead.
    pending: Option<String>,
}

/// A line that is no command.
enum Comment {
    Section { number: u64, line: u64, keys: u64, bytes: u64, crc: u32, continues: bool },
    End { sections: u64, keys: u64 },
}

impl<R: Read> SnapshotReader<R> {
    /// Begins to read; the first line must be that of a snapshot.
    pub fn new(input: R) -> io::Result<Result<SnapshotReader<R>, Damage>> {
        let input = BufReader::with_capacity(1 << 20, input);
        let mut reader =
            SnapshotReader { input, line: 1, sections: 0, keys: 0, ended: false, pending: None };
        let first = reader.read_line()?;
        if first.as_deref() == Some(MAGIC) {
            return Ok(Ok(reader));
        }
        let is_newer =
            first.is_some_and(|line| line.starts_with(MAGIC.trim_end_matches(char::is_numeric)));
        let what = if is_newer {
            "its format is newer than this server; use the version that wrote it".to_owned()
        } else {
            format!("this is no snapshot: it does not begin with {MAGIC:?}")
        };
        Ok(Err(Damage { section: None, line: 1, what, is_newer }))
    }

    /// The next section, or `None` behind the last line of a complete file.
    pub fn next_section(&mut self) -> io::Result<Result<Option<Section>, Damage>> {
        let line = match self.pending.take() {
            Some(line) => Some(line),
            None => self.read_line()?,
        };
        let Some(text) = line else {
            return Ok(if self.ended {
                Ok(None)
            } else {
                Err(self.damage("the file ends here: it was cut off"))
            });
        };
        match parse_comment(&text) {
            _ if self.ended => Ok(Err(self.damage("there is something behind the end"))),
            Some(header @ Comment::Section { .. }) => self.read_body(&header),
            Some(Comment::End { sections, keys }) => {
                if (sections, keys) != (self.sections, self.keys) {
                    let what = format!(
                        "{} sections with {} keys were found where {sections} with {keys} were written",
                        self.sections, self.keys
                    );
                    return Ok(Err(self.damage(&what)));
                }
                self.ended = true;
                self.next_section()
            }
            None => Ok(Err(self.damage("a section's first line was expected here"))),
        }
    }

    fn read_body(&mut self, header: &Comment) -> io::Result<Result<Option<Section>, Damage>> {
        let &Comment::Section { number, line, keys, bytes, crc, continues } = header else {
            unreachable!("the line that ends a file has no body");
        };
        let mut body = Vec::new();
        (&mut self.input).take(bytes).read_to_end(&mut body)?;
        let section = Section { number, line, keys, continues, body, crc };
        if section.body.len() as u64 != bytes {
            return Ok(Err(section.damage(line, "the file ends in this section: it was cut off")));
        }
        let expected = self.sections.saturating_add(1);
        if line != self.line || number != expected {
            let what = format!("section {expected} was expected at line {}", self.line);
            return Ok(Err(section.damage(line, what)));
        }
        let lines = memchr::memchr_iter(b'\n', &section.body).count() as u64;
        // No checksum covers the figures.
        let sums = (self.line.checked_add(lines), self.keys.checked_add(keys));
        let (Some(line_behind), Some(keys_so_far)) = sums else {
            return Ok(Err(section.damage(line, "no file has so many lines or keys")));
        };
        (self.line, self.sections, self.keys) = (line_behind, number, keys_so_far);
        Ok(Ok(Some(section)))
    }

    /// After damage: skips to the next line that begins a section. False if there is none.
    pub fn resynchronise(&mut self) -> io::Result<bool> {
        while let Some(text) = self.read_line()? {
            if let Some(Comment::Section { number, line, .. }) = parse_comment(&text) {
                self.sections = number - 1;
                self.line = line;
                self.pending = Some(text);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn damage(&self, what: &str) -> Damage {
        Damage {
            section: None,
            line: self.line.saturating_sub(1),
            what: what.to_owned(),
            is_newer: false,
        }
    }

    /// The next line without its end, as far as it is text. `None` at the end of the file.
    fn read_line(&mut self) -> io::Result<Option<String>> {
        /// Header lines are short. Whatever is longer is not one.
        const HEADER_MAX: u64 = 1024;
        let mut bytes = Vec::new();
        (&mut self.input).take(HEADER_MAX).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.line = self.line.saturating_add(1);
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        Ok(Some(String::from_utf8_lossy(text).into_owned()))
    }
}

fn parse_comment(line: &str) -> Option<Comment> {
    let fields: Vec<(&str, &str)> = line
        .strip_prefix("# ")?
        .split(" · ")
        .map(|field| field.split_once(' ').unwrap_or((field, "")))
        .collect();
    let number =
        |(name, value): &(&str, &str), wanted| (*name == wanted).then(|| decimal(value))?;
    let (fields, continues) = match &fields[..] {
        [fields @ .., ("continued", "")] => (fields, true),
        fields => (fields, false),
    };
    match fields {
        [section, line, keys, bytes, ("crc32c", crc)] => Some(Comment::Section {
            number: number(section, "section").filter(|number| *number > 0)?,
            line: number(line, "line")?,
            keys: number(keys, "keys")?,
            bytes: number(bytes, "bytes")?,
            crc: checksum(crc)?,
            continues,
        }),
        [("end", ""), sections, keys] if !continues => Some(Comment::End {
            sections: number(sections, "sections")?,
            keys: number(keys, "keys")?,
        }),
        _ => None,
    }
}

/// A number as the writer writes it: without sign or leading zeros.
fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (itoa::Buffer::new().format(number) == text).then_some(number)
}

/// Eight hexadecimal digits in lower case.
fn checksum(text: &str) -> Option<u32> {
    let crc = u32::from_str_radix(text, 16).ok()?;
    (format!("{crc:08x}") == text).then_some(crc)
}

#[cfg(test)]
mod tests {
    use super::super::SnapshotWriter;
    use super::*;
    use crate::store::ValueRef;
    use proptest::prelude::*;

    fn sample(keys: usize) -> Vec<u8> {
        let mut file = Vec::new();
        let mut writer = SnapshotWriter::new(&mut file).unwrap();
        for n in 0..keys {
            let value = ValueRef::Short { bytes: &[b'v'; 400], edited: false };
            writer.add(n % 2, format!("key:{n}").as_bytes(), value, None);
            writer.flush_if_large().unwrap();
        }
        writer.finish().unwrap();
        file
    }

    fn read(file: &[u8]) -> Result<u64, Damage> {
        let mut reader = SnapshotReader::new(file).unwrap()?;
        let mut keys = 0;
        while let Some(section) = reader.next_section().unwrap()? {
            section.check()?;
            keys += section.keys;
        }
        Ok(keys)
    }

    #[test]
    fn a_whole_file_reads_back() {
        assert_eq!(read(&sample(0)), Ok(0));
        assert_eq!(read(&sample(3_000)), Ok(3_000));
    }

    #[test]
    fn every_truncation_is_noticed() {
        let file = sample(5);
        for len in 0..file.len() - 1 {
            assert!(read(&file[..len]).is_err(), "cut at {len} of {}", file.len());
        }
    }

    #[test]
    fn damage_is_named_by_section_and_line() {
        let file = sample(3_000);
        let text = String::from_utf8(file.clone()).unwrap();
        let at = text.find("key:2500 ").unwrap();
        let mut altered = file;
        altered[at] ^= 1;
        let damage = read(&altered).unwrap_err();
        assert!(damage.section.is_some_and(|n| n > 1), "{damage}");
        let line = text.lines().nth(damage.line as usize - 1).unwrap();
        assert!(line.starts_with("SELECT"), "{line}");
    }

    #[test]
    fn numbers_are_taken_only_as_they_are_written() {
        let text = String::from_utf8(sample(5)).unwrap();
        for (written, altered) in [("keys 5", "keys 05"), ("section 1", "section +1")] {
            assert!(read(text.replacen(written, altered, 1).as_bytes()).is_err(), "{altered}");
        }
        assert_eq!(checksum("0000beef"), Some(0xbeef));
        assert!(checksum("0000BEEF").is_none() && checksum("beef").is_none());
    }

    /// Nothing sums up a section's first line: figures of any size must be met.
    #[test]
    fn figures_that_no_file_has_are_damage() {
        let section = |number: u64, line: u64, keys: u64| {
            let crc = crc32c::crc32c(b"SET a 1\n");
            format!(
                "# section {number} · line {line} · keys {keys} · bytes 8 · crc32c {crc:08x}\nSET a 1\n"
            )
        };
        let most = u64::MAX;
        let text = format!("{MAGIC}\n{}{}", section(1, 3, most), section(2, 5, most));
        assert!(read(text.as_bytes()).is_err());
        // Behind damage, numbers are taken as they are.
        let text = format!("{MAGIC}\nbroken\n{}", section(most, most, most));
        let mut reader = SnapshotReader::new(text.as_bytes()).unwrap().unwrap();
        assert!(reader.next_section().unwrap().is_err());
        assert!(reader.resynchronise().unwrap());
        assert!(reader.next_section().unwrap().is_err());
    }

    #[test]
    fn reading_goes_on_behind_a_damaged_header() {
        let text = String::from_utf8(sample(3_000)).unwrap();
        let broken = text.replacen("# section 2", "# sektion 2", 1);
        let mut reader = SnapshotReader::new(broken.as_bytes()).unwrap().unwrap();
        assert!(reader.next_section().unwrap().unwrap().is_some());
        assert!(reader.next_section().unwrap().is_err());
        assert!(reader.resynchronise().unwrap());
        assert_eq!(reader.next_section().unwrap().unwrap().unwrap().number, 3);
    }

    proptest! {
        #[test]
        fn any_altered_byte_is_noticed_or_harmless(at in 0usize..2_000, flip in 1u8..=255) {
            let mut file = sample(5);
            let at = at % file.len();
            file[at] ^= flip;
            prop_assert!(read(&file).is_err(), "byte {} xor {}", at, flip);
        }

        #[test]
        fn no_input_panics(bytes in any::<Vec<u8>>()) {
            let _ = read(&bytes);
            let _ = read(&[MAGIC.as_bytes(), b"\n", &bytes].concat());
        }
    }
}
