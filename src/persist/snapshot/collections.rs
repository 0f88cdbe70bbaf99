//! The lines that make collections: a few commands per key, each with a batch of elements.

use super::writer::{INLINE_COST_MAX, Lines, write_command};
use crate::base::limits::REQUEST_ELEMENTS_MAX;
use crate::value::{Hash, List, Set, SortedSet};

/// One command's worth of words; longer ones go on in a further command.
const BATCH_BYTES: usize = 4096;
const BATCH_WORDS: usize = 512;

const _: () = assert!(BATCH_WORDS * 2 < REQUEST_ELEMENTS_MAX && BATCH_BYTES < INLINE_COST_MAX);

/// Collects elements and writes them as commands that begin alike.
pub(super) struct Batches<'a> {
    out: &'a mut dyn Lines,
    head: &'a [&'a [u8]],
    /// The words of the command that is being put together, one behind the other.
    words: Vec<u8>,
    ends: Vec<usize>,
}

impl<'a> Batches<'a> {
    /// `head`: name, key, and what else each command begins with.
    pub(super) fn new(out: &'a mut dyn Lines, head: &'a [&'a [u8]]) -> Batches<'a> {
        Batches { out, head, words: Vec::new(), ends: Vec::new() }
    }

    /// Adds words that belong together: an element, a field and its value.
    pub(super) fn add(&mut self, words: &[&[u8]]) {
        let bytes: usize = words.iter().map(|word| word.len()).sum();
        let is_full =
            self.words.len() + bytes > BATCH_BYTES || self.ends.len() + words.len() > BATCH_WORDS;
        if is_full && !self.ends.is_empty() {
            self.flush();
        }
        for word in words {
            self.words.extend_from_slice(word);
            self.ends.push(self.words.len());
        }
    }

    fn flush(&mut self) {
        let mut args = self.head.to_vec();
        let mut start = 0;
        for end in self.ends.drain(..) {
            args.push(&self.words[start..end]);
            start = end;
        }
        write_command(self.out, &args);
        self.words.clear();
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) {
        if !self.ends.is_empty() {
            self.flush();
        }
    }
}

pub(super) fn write_list(out: &mut dyn Lines, key: &[u8], list: &List) {
    let head: [&[u8]; 2] = [b"RPUSH", key];
    let mut batches = Batches::new(out, &head);
    list.iter().for_each(|element| element.with_bytes(|bytes| batches.add(&[bytes])));
    batches.finish();
}

pub(super) fn write_set(out: &mut dyn Lines, key: &[u8], set: &Set) {
    let head: [&[u8]; 2] = [b"SADD", key];
    let mut batches = Batches::new(out, &head);
    set.iter().for_each(|member| member.with_bytes(|bytes| batches.add(&[bytes])));
    batches.finish();
}

pub(super) fn write_hash(out: &mut dyn Lines, key: &[u8], hash: &Hash) {
    let head: [&[u8]; 2] = [b"HSET", key];
    let mut batches = Batches::new(out, &head);
    for (field, value) in hash.iter_stored() {
        field.with_bytes(|field| value.with_bytes(|value| batches.add(&[field, value])));
    }
    batches.finish();
    write_field_deadlines(out, key, hash);
}

/// The deadlines of fields, those together that have the same.
fn write_field_deadlines(out: &mut dyn Lines, key: &[u8], hash: &Hash) {
    let mut alike: Vec<&[u8]> = Vec::new();
    let mut bytes = 0;
    let mut deadlines = hash.deadlines().peekable();
    while let Some((deadline, field)) = deadlines.next() {
        alike.push(field);
        bytes += field.len();
        let is_full = bytes >= BATCH_BYTES || alike.len() >= BATCH_WORDS;
        if is_full || deadlines.peek().is_none_or(|(next, _)| *next != deadline) {
            let (time, count) = (deadline.to_string(), alike.len().to_string());
            let head: [&[u8]; 5] =
                [b"HPEXPIREAT", key, time.as_bytes(), b"FIELDS", count.as_bytes()];
            write_command(out, &[&head, &alike[..]].concat());
            alike.clear();
            bytes = 0;
        }
    }
}

pub(super) fn write_sorted_set(_out: &mut dyn Lines, _key: &[u8], _set: &SortedSet) {
    unimplemented!("to be written")
}
