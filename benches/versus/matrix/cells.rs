//! The cells of the matrix: which commands, and with how many clients, at what depth, with values of what length.

use crate::Result;
use crate::load::{LoadSpec, Pace};
use crate::options::{Axes, Options};
use crate::workload::{Mix, Ranges};

/// A cell whose clients have more bytes of values than this on their way at a time is left out: buffers would be
/// measured then, and they would not end their first round in the time of a measurement.
const IN_FLIGHT_MAX: usize = 256 << 20;

/// Keys or elements of one kind of data take at most so much, values and what they cost besides.
const DATA_BYTES_MAX: usize = 256 << 20;
const OVERHEAD_BYTES: usize = 64;

/// Hashes, sets, sorted sets and streams among which the keys' number of elements is divided.
const COLLECTIONS: usize = 1000;
/// A measurement of `LPOP` takes more elements than there are keys: it starts from lists that hold this much.
const LISTS: usize = 100;
const POPPED_MAX: usize = 2_000_000;
const POPPED_FACTOR: usize = 20;
const POPPED_BYTES_MAX: usize = 768 << 20;
/// What lists hold before `LPUSH` is measured, each.
const PUSHED_ON: usize = 10;

/// Commands that are measured on the same servers, because they need the same data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Strings,
    Counters,
    Lists,
    Members,
    Messages,
}

/// What is to be done before each measurement, so that data has the same size in each.
#[derive(Clone, Copy, Debug)]
pub enum Settle {
    Nothing,
    /// Lists are cut to a few elements, which may be pushed to.
    ShortLists,
    /// What was popped is pushed again.
    LongLists,
    /// Sets are deleted, since adding a member that is there already is no write.
    NoSets,
}

#[derive(Debug)]
pub struct Command {
    pub group: Group,
    pub mix: Mix,
    /// How many replies make one operation.
    pub replies: u32,
    /// How many values an operation carries, there or back.
    values: usize,
    pub settle: Settle,
}

const fn command(group: Group, name: &'static str, request: &'static [&'static str]) -> Command {
    let mix = Mix { name, requests: request };
    Command { group, mix, replies: 1, values: 1, settle: Settle::Nothing }
}

/// In the order in which they are measured. `{p}` makes members as long as values; only `INCR` has none.
pub const COMMANDS: [Command; 12] = [
    command(Group::Strings, "GET", &["GET key:{}"]),
    command(Group::Strings, "SET", &["SET key:{} {v}"]),
    Command {
        values: 10,
        ..command(
            Group::Strings,
            "MSET",
            &["MSET key:{} {v} key:{} {v} key:{} {v} key:{} {v} key:{} {v} \
               key:{} {v} key:{} {v} key:{} {v} key:{} {v} key:{} {v}"],
        )
    },
    Command {
        values: 2,
        replies: 4,
        ..command(Group::Strings, "MULTI", &["MULTI;SET key:{} {v};SET key:{} {v};EXEC"])
    },
    Command { values: 0, ..command(Group::Counters, "INCR", &["INCR counter:{}"]) },
    Command {
        settle: Settle::ShortLists,
        ..command(Group::Lists, "LPUSH", &["LPUSH list:{c} {v}"])
    },
    Command { settle: Settle::LongLists, ..command(Group::Lists, "LPOP", &["LPOP list:{c}"]) },
    Command { settle: Settle::NoSets, ..command(Group::Members, "SADD", &["SADD set:{c} {p}"]) },
    command(Group::Members, "HSET", &["HSET hash:{c} field:{m} {v}"]),
    command(Group::Members, "ZADD", &["ZADD zset:{c} {} {p}"]),
    command(Group::Messages, "XADD", &["XADD stream:{c} MAXLEN ~ {n} * field {v}"]),
    command(Group::Messages, "PUBLISH", &["PUBLISH channel:{} {v}"]),
];

pub fn command_names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.mix.name)
}

/// One measurement, of each server.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub command: &'static Command,
    pub clients: usize,
    pub pipeline: usize,
}

/// Cells that are measured one after the other on the same servers.
#[derive(Debug)]
pub struct Batch {
    pub log: String,
    pub group: Group,
    pub value_bytes: usize,
    pub cells: Vec<Cell>,
    /// How many more there would be if so much could be on its way.
    pub left_out: usize,
}

/// All cells that are asked for.
pub fn batches(axes: &Axes) -> Vec<Batch> {
    use Group::{Counters, Lists, Members, Messages, Strings};
    let mut batches = Vec::new();
    for log in &axes.logs {
        batches.push(batch(axes, log, Counters, 0));
        for &value_bytes in &axes.values {
            let of = |group| batch(axes, log, group, value_bytes);
            batches.extend([Strings, Lists, Members, Messages].map(of));
        }
    }
    batches
}

fn batch(axes: &Axes, log: &str, group: Group, value_bytes: usize) -> Batch {
    let mut batch =
        Batch { log: log.to_owned(), group, value_bytes, cells: Vec::new(), left_out: 0 };
    let is_asked_for =
        |command: &Command| axes.commands.iter().any(|name| name == command.mix.name);
    for command in COMMANDS.iter().filter(|command| command.group == group && is_asked_for(command))
    {
        for &pipeline in &axes.pipelines {
            for &clients in &axes.clients {
                if clients * pipeline * command.values * value_bytes > IN_FLIGHT_MAX {
                    batch.left_out += 1;
                } else {
                    batch.cells.push(Cell { command, clients, pipeline });
                }
            }
        }
    }
    batch
}

impl Cell {
    pub fn replies_in_flight(&self) -> usize {
        self.clients * self.pipeline * self.command.replies as usize
    }
}

impl Batch {
    /// The first columns of a line, up to the server.
    pub fn key(&self, cell: &Cell, round: usize, server: &str) -> Vec<String> {
        let numbers = [self.value_bytes, cell.clients, cell.pipeline, round + 1];
        let texts = [self.log.clone(), cell.command.mix.name.to_owned()];
        texts.into_iter().chain(numbers.map(|n| n.to_string())).chain([server.to_owned()]).collect()
    }

    pub fn spec(&self, cell: &Cell, options: &Options) -> LoadSpec {
        LoadSpec {
            mix: cell.command.mix,
            ranges: self.ranges(options.keys),
            value_bytes: self.value_bytes,
            clients: cell.clients,
            threads: options.threads,
            pace: Pace::Closed { pipeline: cell.pipeline },
        }
    }

    /// What the data of this batch consists of, if there may be as many keys as that.
    pub fn ranges(&self, keys_max: usize) -> Ranges {
        let fits = |bytes: usize, overhead: usize| (bytes / (self.value_bytes + overhead)).max(1);
        let keys = keys_max.min(fits(DATA_BYTES_MAX, OVERHEAD_BYTES));
        match self.group {
            Group::Strings | Group::Counters => Ranges::keys(keys),
            Group::Lists => {
                let elements =
                    POPPED_MAX.min(POPPED_FACTOR * keys_max).min(fits(POPPED_BYTES_MAX, 8));
                let collections = LISTS.min(elements);
                Ranges { keys: elements, collections, members: elements / collections }
            }
            Group::Members | Group::Messages => {
                let collections = COLLECTIONS.min(keys.div_ceil(10));
                Ranges { keys, collections, members: keys / collections }
            }
        }
    }
}

impl Command {
    /// How long lists are before this is measured, if it is about lists.
    pub fn list_length(&self, ranges: Ranges) -> usize {
        match self.settle {
            Settle::LongLists => ranges.members,
            _ => PUSHED_ON,
        }
    }
}

/// Fails if nothing is left to measure.
pub fn check(batches: &[Batch]) -> Result<()> {
    match batches.iter().all(|batch| batch.cells.is_empty()) {
        true => Err("no cell of the matrix is like that".into()),
        false => Ok(()),
    }
}
