//! The one cursor through which handlers read arguments.

use smallvec::SmallVec;

use super::error::CommandError;
use crate::base::limits::PATTERN_BYTES_MAX;
use crate::base::number::{parse_f64, parse_i64};
use crate::resp::ArgList;
use crate::store::{Key, View};

/// The keys of one command.
pub type Keys<'a> = SmallVec<[Key<'a>; 4]>;

/// A command's arguments behind its name, read from left to right.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    list: ArgList<'a>,
    next: usize,
}

type Result<T> = std::result::Result<T, CommandError>;

impl<'a> Args<'a> {
    /// `words`: how many arguments the command's name takes.
    pub fn new(list: ArgList<'a>, words: usize) -> Args<'a> {
        Args { list, next: words }
    }

    /// How many arguments are left.
    pub fn left(&self) -> usize {
        self.list.len() - self.next
    }

    pub fn is_empty(&self) -> bool {
        self.left() == 0
    }

    /// Which argument of the request is next; the command's name is 0.
    pub fn position(&self) -> usize {
        self.next
    }

    /// The request as a whole, name included.
    pub fn all(&self) -> ArgList<'a> {
        self.list
    }

    /// The next argument, which the command cannot do without.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let arg = self.list.get(self.next).ok_or(CommandError::Syntax)?;
        self.next += 1;
        Ok(arg)
    }

    pub fn peek(&self) -> Option<&'a [u8]> {
        self.list.get(self.next)
    }

    /// The next argument as a key, which the command's row declares.
    ///
    /// # Panics
    /// If the row does not declare it: the table contradicts the handler.
    pub fn key(&mut self, keys: &View<'a>) -> Result<Key<'a>> {
        let position = self.next;
        self.bytes()?;
        Ok(keys.key_at(position).expect("a handler reads only keys that its row declares"))
    }

    /// A glob pattern.
    pub fn pattern(&mut self) -> Result<&'a [u8]> {
        check_pattern(self.bytes()?)
    }

    pub fn integer(&mut self) -> Result<i64> {
        parse_i64(self.bytes()?).ok_or(CommandError::NotAnInteger)
    }

    /// How many of something. What is no integer of at least `min`, or is not there, is answered with this error.
    pub fn count_from(&mut self, min: usize, error: CommandError) -> Result<usize> {
        let count = self.integer().ok().and_then(|count| usize::try_from(count).ok());
        count.filter(|count| *count >= min).ok_or(error)
    }

    pub fn float(&mut self) -> Result<f64> {
        parse_f64(self.bytes()?).ok_or(CommandError::NotAFloat)
    }

    /// An integer of 32 bits.
    pub fn small_integer(&mut self) -> Result<i32> {
        let (min, max) = (i64::from(i32::MIN), i64::from(i32::MAX));
        i32::try_from(self.integer()?).map_err(|_| CommandError::NotBetween { min, max })
    }

    /// A database number.
    pub fn database(&mut self, databases: usize) -> Result<usize> {
        let number = self.small_integer()?;
        usize::try_from(number)
            .ok()
            .filter(|db| *db < databases)
            .ok_or(CommandError::DatabaseOutOfRange)
    }

    /// Takes the next argument if it is this word, in any case.
    pub fn take_word(&mut self, word: &str) -> bool {
        let is_word = self.peek().is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
        self.next += usize::from(is_word);
        is_word
    }

    /// The next argument in capitals, to be matched against option names. What is too long for any
    /// option comes back empty, which matches none.
    pub fn option(&mut self) -> Option<Word> {
        let arg = self.peek()?;
        self.next += 1;
        Some(Word::new(arg))
    }

    /// The next argument, which must be one of these words, in any case; what it stands for.
    pub fn choice<T: Copy>(&mut self, words: &[(&str, T)]) -> Result<T> {
        let arg = self.bytes()?;
        let is_it = |(word, _): &&(&str, T)| arg.eq_ignore_ascii_case(word.as_bytes());
        words.iter().find(is_it).map(|(_, meaning)| *meaning).ok_or(CommandError::Syntax)
    }

    /// The arguments that are left; nothing is left afterwards.
    pub fn rest(&mut self) -> ArgList<'a> {
        let rest = self.list.skip(self.next);
        self.next = self.list.len();
        rest
    }

    /// Refuses arguments that nobody read.
    pub fn finish(self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(CommandError::Syntax) }
    }
}

/// A short argument in capitals.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    bytes: [u8; Word::MAX],
    len: usize,
}

impl Word {
    const MAX: usize = 24;

    pub fn new(arg: &[u8]) -> Word {
        let mut bytes = [0; Word::MAX];
        let len = if arg.len() <= Word::MAX { arg.len() } else { 0 };
        bytes[..len].copy_from_slice(&arg[..len]);
        bytes.make_ascii_uppercase();
        Word { bytes, len }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Refuses glob patterns that would take too long to compare.
pub fn check_pattern(pattern: &[u8]) -> Result<&[u8]> {
    if pattern.len() > PATTERN_BYTES_MAX { Err(CommandError::PatternTooLong) } else { Ok(pattern) }
}
