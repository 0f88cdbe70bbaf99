//! The lines that make collections: a few commands per key, each with a batch of elements.

use std::io;

use super::writer::{INLINE_COST_MAX, Lines, worth_its_key, write_command};
use crate::base::limits::REQUEST_ELEMENTS_MAX;
use crate::base::number::write_f64;
use crate::value::{Hash, List, Set, SortedSet};

/// One command's worth of words; longer ones go on in a further command.
const BATCH_BYTES: usize = 4096;
const BATCH_WORDS: usize = 512;

/// What any command may have.
const WORDS_MAX: usize = REQUEST_ELEMENTS_MAX / 2;

const _: () = assert!(BATCH_WORDS < WORDS_MAX && BATCH_BYTES < INLINE_COST_MAX);

/// How many words one command of a key has. A word takes some bytes, so with as many of them as the key has bytes
/// the repeated key is not what a snapshot consists of.
fn words_max(key: &[u8]) -> usize {
    key.len().clamp(BATCH_WORDS, WORDS_MAX)
}

/// Collects elements and writes them as commands that begin alike.
pub(super) struct Batches<'a> {
    out: &'a mut dyn Lines,
    head: &'a [&'a [u8]],
    /// So many bytes and words are one command's worth.
    bytes_max: usize,
    words_max: usize,
    /// The words of the command that is being put together, one behind the other.
    words: Vec<u8>,
    ends: Vec<usize>,
}

impl<'a> Batches<'a> {
    /// `head`: name, key, and what else each command begins with.
    pub(super) fn new(out: &'a mut dyn Lines, head: &'a [&'a [u8]]) -> Batches<'a> {
        let bytes_max = worth_its_key(BATCH_BYTES, head[1]);
        let words_max = words_max(head[1]);
        Batches { out, head, bytes_max, words_max, words: Vec::new(), ends: Vec::new() }
    }

    /// Adds words that belong together: an element, a field and its value.
    pub(super) fn add(&mut self, words: &[&[u8]]) -> io::Result<()> {
        let bytes: usize = words.iter().map(|word| word.len()).sum();
        let is_full = self.words.len() + bytes > self.bytes_max
            || self.ends.len() + words.len() > self.words_max;
        if is_full && !self.ends.is_empty() {
            self.flush()?;
        }
        for word in words {
            self.words.extend_from_slice(word);
            self.ends.push(self.words.len());
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut args = self.head.to_vec();
        let mut start = 0;
        for end in self.ends.drain(..) {
            args.push(&self.words[start..end]);
            start = end;
        }
        write_command(self.out, &args)?;
        self.words.clear();
        Ok(())
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.ends.is_empty() { Ok(()) } else { self.flush() }
    }
}

pub(super) fn write_list(out: &mut dyn Lines, key: &[u8], list: &List) -> io::Result<()> {
    let head: [&[u8]; 2] = [b"RPUSH", key];
    let mut batches = Batches::new(out, &head);
    list.iter().try_for_each(|element| element.with_bytes(|bytes| batches.add(&[bytes])))?;
    batches.finish()
}

pub(super) fn write_set(out: &mut dyn Lines, key: &[u8], set: &Set) -> io::Result<()> {
    let head: [&[u8]; 2] = [b"SADD", key];
    let mut batches = Batches::new(out, &head);
    set.iter().try_for_each(|member| member.with_bytes(|bytes| batches.add(&[bytes])))?;
    batches.finish()
}

pub(super) fn write_hash(out: &mut dyn Lines, key: &[u8], hash: &Hash) -> io::Result<()> {
    let head: [&[u8]; 2] = [b"HSET", key];
    let mut batches = Batches::new(out, &head);
    for (field, value) in hash.iter_stored() {
        field.with_bytes(|field| value.with_bytes(|value| batches.add(&[field, value])))?;
    }
    batches.finish()?;
    write_field_deadlines(out, key, hash)
}

/// The deadlines of fields, those together that have the same.
fn write_field_deadlines(out: &mut dyn Lines, key: &[u8], hash: &Hash) -> io::Result<()> {
    let (bytes_max, words_max) = (worth_its_key(BATCH_BYTES, key), words_max(key));
    let mut alike: Vec<&[u8]> = Vec::new();
    let mut bytes = 0;
    let mut deadlines = hash.deadlines().peekable();
    while let Some((deadline, field)) = deadlines.next() {
        alike.push(field);
        bytes += field.len();
        let is_full = bytes >= bytes_max || alike.len() >= words_max;
        if is_full || deadlines.peek().is_none_or(|(next, _)| *next != deadline) {
            let (time, count) = (deadline.to_string(), alike.len().to_string());
            let head: [&[u8]; 5] =
                [b"HPEXPIREAT", key, time.as_bytes(), b"FIELDS", count.as_bytes()];
            write_command(out, &[&head, &alike[..]].concat())?;
            alike.clear();
            bytes = 0;
        }
    }
    Ok(())
}

/// Scores are texts that read back bit for bit.
pub(super) fn write_sorted_set(out: &mut dyn Lines, key: &[u8], set: &SortedSet) -> io::Result<()> {
    let head: [&[u8]; 2] = [b"ZADD", key];
    let mut batches = Batches::new(out, &head);
    let mut text = Vec::new();
    for (member, score) in set.iter() {
        text.clear();
        write_f64(&mut text, score);
        member.with_bytes(|member| batches.add(&[&text, member]))?;
    }
    batches.finish()
}
