//! Memory per key: resident memory before and after a fresh server is filled.
//!
//! This counts everything: keys, values, tables, what the allocator rounds up. Growing tables make the
//! figure depend on the number of keys; a million nearly fills a table of 2^20 buckets, which is where
//! `redis-server` needs least. `--keys` tells about other sizes.
//!
//! Short strings, with and without a deadline, and small collections of ten elements, which come one at a time as they
//! do in life: what growing leaves unused counts.

use std::time::Duration;

use crate::Result;
use crate::options::Options;
use crate::report::{Table, Unit, progress};
use crate::server::{Program, Server};
use crate::workload::{Fast, Values, load};

const VALUE_BYTES: [usize; 2] = [8, 64];
const ELEMENTS: usize = 10;

/// A small collection: how an element is added, `{c}` being the collection and `{m}` the element.
const COLLECTIONS: [(&str, &str); 4] = [
    ("hash", "HSET hash:{c} field:{m} value:{m}"),
    ("list", "RPUSH list:{c} element:{m}"),
    ("set", "SADD set:{c} member:{m}"),
    ("sorted set", "ZADD zset:{c} {m} member:{m}"),
];

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let title = format!("Memory per key, in bytes, of {} keys (less is better)", options.keys);
    let mut strings = Table::new(title, "value", programs);
    let collections = options.keys / ELEMENTS;
    let title = format!(
        "Memory per collection of {ELEMENTS} elements, in bytes, of {collections} (less is better)"
    );
    let mut small = Table::new(title, "type", programs);
    for round in 0..options.rounds {
        for (value_bytes, has_deadline) in
            VALUE_BYTES.map(|bytes| [(bytes, false), (bytes, true)]).concat()
        {
            let deadline = if has_deadline { ", with a deadline" } else { "" };
            let label = format!("{value_bytes} bytes{deadline}");
            progress(round, &format!("memory of values of {label}"));
            for index in Options::order(round, programs.len()) {
                let fill =
                    |server: &Server| load_strings(server, options.keys, value_bytes, has_deadline);
                let per_key = measure(&programs[index], options.keys, options.settle / 5, fill)?;
                strings.record(&label, Unit::Bytes, index, &[per_key]);
            }
        }
        for (name, template) in COLLECTIONS {
            progress(round, &format!("memory of small collections: {name}"));
            for index in Options::order(round, programs.len()) {
                let fill = |server: &Server| load_collections(server, collections, template);
                let each = measure(&programs[index], collections, options.settle, fill)?;
                small.record(name, Unit::Bytes, index, &[each]);
            }
        }
    }
    [strings, small].iter().for_each(Table::print);
    Ok(())
}

fn measure(
    program: &Program,
    keys: usize,
    settle: Duration,
    fill: impl Fn(&Server) -> Result<()>,
) -> Result<f64> {
    let server = program.start()?;
    let before = server.resident_bytes()?;
    fill(&server)?;
    let stored: usize = redis::cmd("DBSIZE").query(&mut server.control()?)?;
    if stored != keys {
        return Err(format!("{} has {stored} of {keys} keys", program.name).into());
    }
    // The allocator takes about ten seconds to give back pages that growing has left empty.
    std::thread::sleep(settle);
    Ok(server.resident_bytes()?.saturating_sub(before) as f64 / keys as f64)
}

fn load_strings(
    server: &Server,
    keys: usize,
    value_bytes: usize,
    has_deadline: bool,
) -> Result<()> {
    /// Longer than any measurement, and no two the same.
    const HOUR_MS: usize = 3_600_000;
    let (values, mut random) = (Values::new(value_bytes), Fast::seeded(2));
    load(server, keys, |pipeline, number| {
        let command = pipeline.cmd("SET").arg(format!("key:{number}")).arg(values.any(&mut random));
        if has_deadline {
            command.arg("PX").arg(HOUR_MS + number);
        }
        command.ignore();
    })
}

fn load_collections(server: &Server, collections: usize, template: &str) -> Result<()> {
    load(server, collections * ELEMENTS, |pipeline, number| {
        let (collection, member) = (number / ELEMENTS, number % ELEMENTS);
        let mut words = template.split(' ').map(|word| {
            word.replace("{c}", &collection.to_string()).replace("{m}", &member.to_string())
        });
        let mut command = redis::cmd(&words.next().expect("a command has a name"));
        words.for_each(|word| {
            command.arg(word);
        });
        pipeline.add_command(command).ignore();
    })
}
