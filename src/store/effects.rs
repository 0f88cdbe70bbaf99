//! What a command did, recorded by the view while it happened.
//!
//! Handlers never notify, log or signal; they change entries through the view, and the view writes down
//! what others must learn of it. `exec` drains the record in one place: the log while the shard locks
//! are still held, everybody else afterwards. What nobody wants is not even written down: [`Wants`]
//! says, once per command, who is listening.

use super::contents::Contents;
use crate::base::bytes::KeyBytes;
use crate::resp::ArgList;
use crate::value::Value;

/// A class of keyspace events, as one bit each; the letters are those of `notify-keyspace-events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventClass {
    /// `g`: commands on keys of any type.
    Generic,
    /// `$`
    String,
    /// `l`
    List,
    /// `s`
    Set,
    /// `h`
    Hash,
    /// `z`
    SortedSet,
    /// `t`
    Stream,
    /// `x`: a key was removed because its deadline passed.
    Expired,
    /// `e`: a key was removed because memory was short.
    Evicted,
    /// `n`: a key was created.
    New,
    /// `m`: a key was read that does not exist.
    Miss,
}

/// A kind of event: its class and the name that subscribers see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventKind {
    pub class: EventClass,
    pub name: &'static str,
}

macro_rules! events {
    ($($constant:ident $class:ident $name:literal;)*) => {
        $(pub const $constant: EventKind = EventKind { class: EventClass::$class, name: $name };)*
    };
}

/// The events of the commands, named as Redis names them.
pub mod event {
    use super::{EventClass, EventKind};

    events! {
        SET         String  "set";
        APPEND      String  "append";
        SETRANGE    String  "setrange";
        INCRBY      String  "incrby";
        INCRBYFLOAT String  "incrbyfloat";
        SETBIT      String  "setbit";
        PFADD       String  "pfadd";

        LPUSH       List    "lpush";
        RPUSH       List    "rpush";
        LINSERT     List    "linsert";
        LSET        List    "lset";
        LREM        List    "lrem";
        LTRIM       List    "ltrim";
        LPOP        List    "lpop";
        RPOP        List    "rpop";
        SORTSTORE   List    "sortstore";

        SADD        Set     "sadd";
        SREM        Set     "srem";
        SPOP        Set     "spop";
        SINTERSTORE Set     "sinterstore";
        SUNIONSTORE Set     "sunionstore";
        SDIFFSTORE  Set     "sdiffstore";

        HSET        Hash    "hset";
        HINCRBY     Hash    "hincrby";
        HINCRBYFLOAT Hash   "hincrbyfloat";
        HDEL        Hash    "hdel";
        HEXPIRE     Hash    "hexpire";
        HPERSIST    Hash    "hpersist";
        HEXPIRED    Hash    "hexpired";

        ZADD        SortedSet "zadd";
        ZINCR       SortedSet "zincr";
        ZREM        SortedSet "zrem";
        ZREMRANGEBYRANK SortedSet "zremrangebyrank";
        ZREMRANGEBYSCORE SortedSet "zremrangebyscore";
        ZREMRANGEBYLEX SortedSet "zremrangebylex";
        ZPOPMIN     SortedSet "zpopmin";
        ZPOPMAX     SortedSet "zpopmax";
        ZUNIONSTORE SortedSet "zunionstore";
        ZINTERSTORE SortedSet "zinterstore";
        ZDIFFSTORE  SortedSet "zdiffstore";
        ZRANGESTORE SortedSet "zrangestore";
        GEORADIUSSTORE SortedSet "georadiusstore";
        GEOSEARCHSTORE SortedSet "geosearchstore";

        XADD        Stream  "xadd";
        XDEL        Stream  "xdel";
        XTRIM       Stream  "xtrim";
        XSETID      Stream  "xsetid";
        XGROUP_CREATE Stream "xgroup-create";
        XGROUP_CREATECONSUMER Stream "xgroup-createconsumer";
        XGROUP_DELCONSUMER Stream "xgroup-delconsumer";
        XGROUP_DESTROY Stream "xgroup-destroy";
        XGROUP_SETID Stream "xgroup-setid";

        DEL         Generic "del";
        RESTORE     Generic "restore";
        RENAME_FROM Generic "rename_from";
        RENAME_TO   Generic "rename_to";
        MOVE_FROM   Generic "move_from";
        MOVE_TO     Generic "move_to";
        COPY_TO     Generic "copy_to";
        EXPIRE      Generic "expire";
        PERSIST     Generic "persist";
        EXPIRED     Expired "expired";
        EVICTED     Evicted "evicted";
        NEW         New     "new";
        KEYMISS     Miss    "keymiss";
    }
}

/// Something happened to a key.
#[derive(Clone, Debug)]
pub struct Event {
    pub kind: EventKind,
    pub db: usize,
    pub key: KeyBytes,
}

/// Who is listening at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    pub events: bool,
    pub log: bool,
    /// Somebody waits for keys or keeps a cache of them, or the command works on copies.
    pub touched: bool,
}

/// A command as the log must repeat it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogCommand {
    pub db: usize,
    pub args: Vec<Vec<u8>>,
}

/// What a command consists of is told from the left to the right.
impl LogCommand {
    pub fn words<W: AsRef<[u8]>>(&mut self, words: impl IntoIterator<Item = W>) {
        self.args.extend(words.into_iter().map(|word| word.as_ref().to_vec()));
    }

    /// A number, or what else has a text.
    pub fn text(&mut self, value: impl ToString) {
        self.args.push(value.to_string().into_bytes());
    }

    /// As much of it as `write` appends.
    pub fn print(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut word = Vec::new();
        write(&mut word);
        self.args.push(word);
    }
}

/// What the log repeats of one command. In order: removals of what had expired or was evicted, then what to repeat in the
/// command's place, or the command as it came. A unit of records is repeated as a whole or not at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogRecord<'a> {
    pub removals: &'a [LogCommand],
    pub rewritten: &'a [LogCommand],
    /// Database and arguments.
    pub verbatim: Option<(usize, ArgList<'a>)>,
}

/// A [`LogRecord`] that waits for the rest of its unit.
pub struct OwnedRecord<'a> {
    removals: Vec<LogCommand>,
    rewritten: Vec<LogCommand>,
    verbatim: Option<(usize, ArgList<'a>)>,
}

impl OwnedRecord<'_> {
    pub fn borrow(&self) -> LogRecord<'_> {
        LogRecord { removals: &self.removals, rewritten: &self.rewritten, verbatim: self.verbatim }
    }
}

/// What was detached under a lock and is freed outside of it. Dropping it frees it.
pub enum Garbage {
    Value(Value),
    Contents(Box<Contents>),
}

impl Garbage {
    /// Bytes that freeing it gives back.
    pub fn bytes(&self) -> usize {
        match self {
            Garbage::Value(value) => value.heap_bytes(),
            Garbage::Contents(contents) => contents.heap_bytes(),
        }
    }

    /// How many values it is.
    pub fn objects(&self) -> usize {
        match self {
            Garbage::Value(_) => 1,
            Garbage::Contents(contents) => contents.len(),
        }
    }
}

/// See the module's description.
#[derive(Default)]
pub struct Effects {
    pub wants: Wants,
    /// How many changes count towards the next snapshot.
    pub changes: u64,
    /// How many of them are those of earlier commands of a transaction.
    recorded_changes: u64,
    pub events: Vec<Event>,
    /// `(database, key)` of everything that changed.
    pub touched: Vec<(usize, KeyBytes)>,
    /// Whole databases that changed at once.
    pub flushed: Vec<usize>,
    /// Removals of keys and fields that have expired, and of keys that were evicted. They come before the command's own
    /// record.
    pub removals: Vec<LogCommand>,
    /// How many changes of the command that is being executed are such removals.
    pub removal_changes: u64,
    /// What to log instead of the command as it came. `None`: log it verbatim if it changed anything.
    pub rewritten: Option<Vec<LogCommand>>,
    pub hits: u64,
    pub misses: u64,
    pub expired: u64,
    pub evicted: u64,
    /// Large values, to be freed by the reaper once no lock is held.
    pub garbage: Vec<Garbage>,
}

impl Effects {
    pub fn new(wants: Wants) -> Effects {
        Effects { wants, ..Effects::default() }
    }

    /// Whether the command changed anything, or has something to log all the same.
    pub fn has_outcome(&self) -> bool {
        self.has_changes() || self.rewritten.is_some()
    }

    /// Whether the log needs a record.
    pub fn must_log(&self) -> bool {
        self.wants.log && self.has_outcome()
    }

    /// The command's record; `args` is the command as it came, to database `db`.
    pub fn record<'a>(&'a self, db: usize, args: ArgList<'a>) -> LogRecord<'a> {
        // Removing what had expired is itself a change; a command that did nothing else is not repeated.
        let changed_more = self.changes - self.recorded_changes > self.removal_changes;
        let is_verbatim = self.rewritten.is_none() && changed_more;
        LogRecord {
            removals: &self.removals,
            rewritten: self.rewritten.as_deref().unwrap_or_default(),
            verbatim: is_verbatim.then_some((db, args)),
        }
    }

    /// Whether the command changed anything yet: of a transaction, the one that is being executed.
    pub(super) fn has_changes(&self) -> bool {
        self.changes > self.recorded_changes
    }

    /// Ends one command of a transaction, so that the next has a record of its own: takes out what the log must
    /// repeat of it.
    pub fn take_record<'a>(&mut self, db: usize, args: ArgList<'a>) -> Option<OwnedRecord<'a>> {
        let record = self.must_log().then(|| {
            let is_verbatim = self.record(db, args).verbatim.is_some();
            OwnedRecord {
                removals: std::mem::take(&mut self.removals),
                rewritten: self.rewritten.take().unwrap_or_default(),
                verbatim: is_verbatim.then_some((db, args)),
            }
        });
        self.recorded_changes = self.changes;
        self.removal_changes = 0;
        record
    }

    /// Adds what a command did on copies, behind what was recorded while these were put in place.
    pub(super) fn absorb(&mut self, done: Effects) {
        self.changes += done.changes;
        self.events.extend(done.events);
        if self.wants.touched {
            self.touched.extend(done.touched);
        }
        self.rewritten = done.rewritten;
        self.hits += done.hits;
        self.misses += done.misses;
        self.garbage.extend(done.garbage);
        debug_assert!(done.removals.is_empty(), "nothing that has expired is copied");
    }

    pub(super) fn event(&mut self, kind: EventKind, db: usize, key: &[u8]) {
        if self.wants.events {
            self.events.push(Event { kind, db, key: KeyBytes::from_slice(key) });
        }
    }

    pub(super) fn touch(&mut self, db: usize, key: &[u8]) {
        self.changes += 1;
        if self.wants.touched {
            self.touched.push((db, KeyBytes::from_slice(key)));
        }
    }

    pub(super) fn discard(&mut self, value: Option<Value>) {
        if let Some(value) = value.filter(Value::is_large) {
            self.garbage.push(Garbage::Value(value));
        }
    }
}
