//! What the log repeats of deliveries, which depend on the moment: the outcome, in terms of commands that
//! Redis understands as well.
//!
//! | what happened                   | logged as                                                              |
//! |---------------------------------|------------------------------------------------------------------------|
//! | a consumer came                 | `XCLAIM key group consumer 0 0-0 TIME ms`,                             |
//! |                                 | `XGROUP CREATECONSUMER key group consumer`                             |
//! | entries were delivered          | `XCLAIM key group consumer 0 id ... TIME ms RETRYCOUNT n FORCE JUSTID` |
//! | entries are not pending anymore | `XACK key group id ...`                                                |
//! | the group read on               | `XGROUP SETID key group id ENTRIESREAD n`                              |
//!
//! `XCLAIM` creates a consumer that is missing, and when it is replayed it takes the time that it states for
//! the time at which it runs. No entry has the ID 0-0, so the first line claims nothing. The second one is for
//! Redis 7.0, where who claims nothing does not become a consumer.

use crate::base::limits::LOGGED_ELEMENTS_MAX;
use crate::store::{Key, LogCommand, View};
use crate::value::stream::{Group, StreamId};

/// A consumer of a group.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    pub(super) key: Key<'a>,
    pub(super) group: &'a [u8],
    pub(super) consumer: &'a [u8],
}

/// An entry that was delivered, when, and how many times by now.
pub(super) type Delivered = (StreamId, i64, u64);

impl Member<'_> {
    fn claim(&self, log: &mut LogCommand) {
        log.words([b"XCLAIM", self.key.bytes, self.group, self.consumer, b"0"]);
    }

    /// The consumer is new.
    pub(super) fn log_consumer(&self, keys: &mut View<'_>, seen_ms: i64) {
        keys.log_instead(|log| {
            self.claim(log);
            log.text(StreamId::MIN);
            log.words(["TIME"]);
            log.text(seen_ms);
        });
        keys.log_instead(|log| {
            log.words(["XGROUP", "CREATECONSUMER"]);
            log.words([self.key.bytes, self.group, self.consumer]);
        });
    }

    pub(super) fn log_delivered(&self, keys: &mut View<'_>, delivered: &[Delivered]) {
        let same = |a: &Delivered, b: &Delivered| (a.1, a.2) == (b.1, b.2);
        for batch in delivered.chunk_by(same).flat_map(|run| run.chunks(LOGGED_ELEMENTS_MAX)) {
            let (_, time_ms, count) = batch[0];
            keys.log_instead(|log| {
                self.claim(log);
                batch.iter().for_each(|(id, ..)| log.text(id));
                log.words(["TIME"]);
                log.text(time_ms);
                log.words(["RETRYCOUNT"]);
                log.text(count);
                log.words(["FORCE", "JUSTID"]);
            });
        }
    }

    pub(super) fn log_acknowledged(&self, keys: &mut View<'_>, ids: &[StreamId]) {
        for batch in ids.chunks(LOGGED_ELEMENTS_MAX) {
            keys.log_instead(|log| {
                log.words([b"XACK", self.key.bytes, self.group]);
                batch.iter().for_each(|id| log.text(id));
            });
        }
    }

    /// How far the group has read.
    pub(super) fn log_position(&self, keys: &mut View<'_>, position: Position) {
        keys.log_instead(|log| {
            log.words([b"XGROUP", &b"SETID"[..], self.key.bytes, self.group]);
            log.text(position.last_id);
            log.words(["ENTRIESREAD"]);
            log.text(position.entries_read.unwrap_or(-1));
        });
    }
}

/// How far a group has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    last_id: StreamId,
    entries_read: Option<i64>,
}

impl Position {
    pub(super) fn of(group: &Group) -> Position {
        Position { last_id: group.last_id, entries_read: group.entries_read }
    }
}
