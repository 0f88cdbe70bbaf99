//! A command is a row of a table: name, arity, keys, flags, handler and documentation.
//!
//! Everything else derives from the row: arity errors, admission, which shards are locked and how,
//! `COMMAND` and its subcommands, ACL categories, `HELP`, statistics and the lists that tests walk.

use smallvec::SmallVec;

use super::keyspec::{KeyFlags, KeySpec};
use crate::exec::args::Args;
use crate::exec::context::Context;
use crate::exec::error::CommandError;
use crate::resp::ArgList;
use crate::store::{DeclaredKey, View};

/// The reply is written, or the command failed and the error is the reply.
pub type Outcome = Result<(), CommandError>;

/// Reads the arguments, works on the locked view, writes the reply.
pub type Handler = for<'a> fn(&mut Context<'a>, Args<'a>) -> Outcome;

/// Keys as they are declared to the view.
pub type Declared<'a> = SmallVec<[DeclaredKey<'a>; 2]>;

/// Declares keys that the key specs cannot express: those in other databases than the selected one.
pub type Declare =
    for<'a> fn(args: ArgList<'a>, db: usize, databases: usize, declared: &mut Declared<'a>);

/// What a command does to its key, where that depends on its options.
pub type VariableFlags = fn(args: ArgList<'_>) -> KeyFlags;

/// Finds keys that the key specs cannot find, in the order of the arguments: calls with the number of each
/// argument that is one, and with what the command does to it.
pub type FindKeys = fn(args: ArgList<'_>, found: &mut dyn FnMut(usize, KeyFlags));

/// About how many elements a command is going to look at, told from its arguments and from what its locked keys
/// hold. It may be too many, but telling must take no time.
pub type Work = fn(args: ArgList<'_>, keys: &View<'_>) -> usize;

/// A set of flags, named as Redis names them (`COMMAND INFO` prints them in lower case).
pub type Flags = u32;

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Flags = 1 << $bit;)*

        /// Flags and the names under which `COMMAND INFO` lists them, in its order; those without a
        /// name are this server's own.
        pub const FLAG_NAMES: &[(Flags, &str)] = &[$(($name, $text)),*];

        // Two flags that share a bit would be one: the sum is the union only if all are different.
        const _: () = assert!(0u64 $(| 1 << $bit)* == 0u64 $(+ (1 << $bit))*);
    };
}

flags! {
    /// May change keys.
    WRITE = 0 "write";
    /// Reads keys and changes none.
    READ = 1 "readonly";
    /// Refused when memory is short.
    DENY_OOM = 2 "denyoom";
    /// This server's own: looks at whole databases although it names no keys.
    WALKS = 3 "";
    ADMIN = 4 "admin";
    PUBSUB = 5 "pubsub";
    NOSCRIPT = 6 "noscript";
    /// This server's own: locks its keys for writing to register something with them; changes nothing.
    REGISTERS = 7 "";
    /// May make the client wait.
    BLOCKING = 8 "blocking";
    /// Allowed while the data set is being loaded.
    LOADING = 9 "loading";
    /// Allowed on a replica that lost its master.
    STALE = 10 "stale";
    SKIP_MONITOR = 11 "skip_monitor";
    SKIP_SLOWLOG = 12 "skip_slowlog";
    ASKING = 13 "asking";
    /// O(1) or O(log n).
    FAST = 14 "fast";
    /// Allowed before authentication.
    NO_AUTH = 15 "no_auth";
    MAY_REPLICATE = 16 "may_replicate";
    /// Redis's: means nothing here, and is kept for the comparison of all rows with Redis's.
    SENTINEL = 17 "";
    /// This server's own: acts on the session's transaction itself, so it is never queued.
    UNQUEUED = 18 "";
    NO_MANDATORY_KEYS = 19 "no_mandatory_keys";
    /// Needs `enable-debug-command` or the like.
    PROTECTED = 20 "";
    /// This server's own: executes what is queued.
    EXECUTES_QUEUE = 21 "";
    /// This server's own: later commands have their keys in another database.
    SELECTS = 22 "";
    NO_ASYNC_LOADING = 23 "no_async_loading";
    /// Refused inside a transaction.
    NO_MULTI = 24 "no_multi";
    /// This server's own: `CLIENT CACHING` before it is about a later command.
    KEEPS_CACHING = 25 "";
    ALLOW_BUSY = 26 "allow_busy";
    /// Redis's: means nothing here, as `SENTINEL`.
    TOUCHES_ARBITRARY_KEYS = 27 "";
    /// This server's own: runs while everybody else stands still.
    EXCLUSIVE = 28 "";
    /// This server's own: never held back by `CLIENT PAUSE`.
    UNPAUSABLE = 29 "";
    /// This server's own: a client that speaks RESP2 and listens to channels may say nothing else.
    SUBSCRIBER = 30 "";
}

pub const NONE: Flags = 0;

/// What people read about a command.
#[derive(Clone, Copy, Debug)]
pub struct Doc {
    pub since: &'static str,
    pub complexity: &'static str,
    /// The arguments after the name, in the notation of the Redis documentation.
    pub syntax: &'static str,
    /// One sentence.
    pub summary: &'static str,
}

/// When a command was given up, and for what.
#[derive(Clone, Copy, Debug)]
pub struct Deprecation {
    pub since: &'static str,
    pub replaced_by: &'static str,
}

/// One row; see the module's description. Built by [`cmd`] and its methods.
pub struct Spec {
    /// In capitals; a subcommand with its command, `CLIENT KILL`.
    pub name: &'static str,
    /// How many arguments, the name included; at least so many if negative.
    pub arity: i32,
    pub keys: &'static [KeySpec],
    pub flags: Flags,
    pub handler: Handler,
    pub declare: Option<Declare>,
    pub find_keys: Option<FindKeys>,
    pub variable_flags: Option<VariableFlags>,
    /// For commands whose work grows with what is stored: much of it is done in the slow lane.
    pub work: Option<Work>,
    /// ACL categories besides those that follow from flags and group.
    pub categories: &'static [&'static str],
    /// Hints for clients that spread commands over servers or cache replies, as Redis words them.
    pub tips: &'static [&'static str],
    pub doc: Doc,
    pub deprecation: Option<Deprecation>,
    pub subcommands: &'static [Spec],
}

/// A row of a command table.
pub const fn cmd(
    name: &'static str,
    arity: i32,
    keys: &'static [KeySpec],
    flags: Flags,
    handler: Handler,
) -> Spec {
    Spec {
        name,
        arity,
        keys,
        flags,
        handler,
        declare: None,
        find_keys: None,
        variable_flags: None,
        work: None,
        categories: &[],
        tips: &[],
        doc: Doc { since: "", complexity: "", syntax: "", summary: "" },
        deprecation: None,
        subcommands: &[],
    }
}

/// A row of a command that is only a family of subcommands.
pub const fn family(
    name: &'static str,
    arity: i32,
    flags: Flags,
    subcommands: &'static [Spec],
) -> Spec {
    let mut spec = cmd(name, arity, &[], flags, no_subcommand);
    spec.subcommands = subcommands;
    spec
}

/// The registry resolves subcommands before a handler is called.
fn no_subcommand(_: &mut Context<'_>, _: Args<'_>) -> Outcome {
    Err(CommandError::Syntax)
}

impl Spec {
    pub const fn doc(
        mut self,
        since: &'static str,
        complexity: &'static str,
        syntax: &'static str,
        summary: &'static str,
    ) -> Spec {
        self.doc = Doc { since, complexity, syntax, summary };
        self
    }

    pub const fn declaring(mut self, declare: Declare) -> Spec {
        self.declare = Some(declare);
        self
    }

    /// For key specifications that are unknown: finds all keys among the arguments.
    pub const fn finding(mut self, find: FindKeys) -> Spec {
        self.find_keys = Some(find);
        self
    }

    /// For key specifications with the flag `variable_flags`.
    pub const fn key_flags(mut self, flags: VariableFlags) -> Spec {
        self.variable_flags = Some(flags);
        self
    }

    /// For commands whose work grows with what is stored.
    pub const fn work(mut self, work: Work) -> Spec {
        self.work = Some(work);
        self
    }

    pub const fn categories(mut self, categories: &'static [&'static str]) -> Spec {
        self.categories = categories;
        self
    }

    pub const fn tips(mut self, tips: &'static [&'static str]) -> Spec {
        self.tips = tips;
        self
    }

    pub const fn subcommands(mut self, subcommands: &'static [Spec]) -> Spec {
        self.subcommands = subcommands;
        self
    }

    pub const fn deprecated(mut self, since: &'static str, replaced_by: &'static str) -> Spec {
        self.deprecation = Some(Deprecation { since, replaced_by });
        self
    }

    /// Whether so many arguments, name included, are right.
    #[inline]
    pub fn accepts(&self, args: usize) -> bool {
        let wanted = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { args >= wanted } else { args == wanted }
    }

    /// Whether it may reach keys that are not among its arguments.
    pub fn has_unknown_keys(&self) -> bool {
        self.keys.iter().any(KeySpec::is_unknown)
    }

    /// Whether it reaches more than the keys that its row declares, so that in a transaction everybody else
    /// must stand still.
    pub fn needs_world(&self) -> bool {
        self.has(EXCLUSIVE | WALKS | PROTECTED | SELECTS)
            || self.has_unknown_keys()
            || self.keys.is_empty() && self.has(READ | WRITE)
    }

    #[inline]
    pub fn has(&self, flag: Flags) -> bool {
        self.flags & flag != 0
    }

    /// The name as Redis prints it: `get`, `client|kill`.
    pub fn full_name(&self) -> String {
        self.name.to_ascii_lowercase().replace(' ', "|")
    }

    /// How many words the name has.
    pub fn words(&self) -> usize {
        if self.name.contains(' ') { 2 } else { 1 }
    }
}
