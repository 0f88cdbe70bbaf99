//! The collection types: throughput and CPU time per operation, and memory per element.
//!
//! Each load is measured on small collections, which both servers keep in one piece of memory, and on
//! large ones. Elements are `member:N` (`element` in lists), scores are numbers, values of hashes are short.

use crate::Result;
use crate::load::{LoadSpec, Pace};
use crate::options::Options;
use crate::report::{Table, Unit, progress};
use crate::server::{Program, Server};
use crate::throughput::measure;
use crate::workload::{Mix, Ranges, load};

const CLIENTS: usize = 50;
const VALUE_BYTES: usize = 10;

/// How many elements a collection has.
const SIZES: [(&str, usize); 2] = [("small", 10), ("large", 10_000)];

/// A type: how an element is added, and its loads.
struct Type {
    name: &'static str,
    /// `{c}` and `{m}` as in [`Mix`].
    fill: &'static str,
    mixes: &'static [Mix],
}

const TYPES: [Type; 5] = [
    Type {
        name: "list",
        fill: "RPUSH list:{c} element:{m}",
        mixes: &[
            Mix { name: "LPUSH+LPOP", requests: &["LPUSH list:{c} element:{m}", "LPOP list:{c}"] },
            Mix { name: "LRANGE 10", requests: &["LRANGE list:{c} 0 9"] },
            Mix { name: "LINDEX", requests: &["LINDEX list:{c} {m}"] },
        ],
    },
    Type {
        name: "set",
        fill: "SADD set:{c} member:{m}",
        mixes: &[
            Mix {
                name: "SADD+SREM",
                requests: &["SADD set:{c} member:{m}", "SREM set:{c} member:{m}"],
            },
            Mix { name: "SISMEMBER", requests: &["SISMEMBER set:{c} member:{m}"] },
        ],
    },
    Type {
        name: "hash",
        fill: "HSET hash:{c} field:{m} {v}",
        mixes: &[
            Mix { name: "HSET", requests: &["HSET hash:{c} field:{m} {v}"] },
            Mix { name: "HGET", requests: &["HGET hash:{c} field:{m}"] },
        ],
    },
    Type {
        name: "sorted set",
        fill: "ZADD zset:{c} {m} member:{m}",
        mixes: &[
            Mix { name: "ZADD", requests: &["ZADD zset:{c} {} member:{m}"] },
            Mix { name: "ZRANGE 10", requests: &["ZRANGE zset:{c} 0 9"] },
            Mix { name: "ZRANK", requests: &["ZRANK zset:{c} member:{m}"] },
            Mix { name: "ZSCORE", requests: &["ZSCORE zset:{c} member:{m}"] },
        ],
    },
    Type {
        name: "stream",
        fill: "XADD stream:{c} * field {v}",
        mixes: &[
            Mix { name: "XADD", requests: &["XADD stream:{c} MAXLEN ~ 10000 * field {v}"] },
            Mix { name: "XRANGE 10", requests: &["XRANGE stream:{c} - + COUNT 10"] },
        ],
    },
];

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let new_table = |title: String| Table::new(title, "load, clients × pipeline", programs);
    let mut throughput = new_table("Types: operations per second (more is better)".to_owned());
    let mut cpu =
        new_table("Types: CPU time of the server per operation (less is better)".to_owned());
    let mut memory = Table::new(
        "Types: memory per element, in bytes (less is better)",
        "type, elements of a collection",
        programs,
    );
    for round in 0..options.rounds {
        for kind in &TYPES {
            for (size, members) in SIZES {
                let ranges = ranges(options.keys, members);
                let mut servers: Vec<Option<Server>> = programs.iter().map(|_| None).collect();
                for index in Options::order(round, programs.len()) {
                    let server = programs[index].start()?;
                    let before = server.resident_bytes()?;
                    let elements = fill(&server, kind, ranges)?;
                    // Memory does not depend on the moment, but the allocator takes some to give it back.
                    if round == 0 {
                        std::thread::sleep(options.settle);
                        let more = server.resident_bytes()?.saturating_sub(before);
                        let label = format!("{}, {}", kind.name, ranges.members);
                        memory.record(&label, Unit::Bytes, index, &[more as f64 / elements as f64]);
                    }
                    servers[index] = Some(server);
                }
                for (label, spec) in specs(options, kind, size, ranges) {
                    progress(round, &label);
                    for index in Options::order(round, programs.len()) {
                        let server = servers[index].as_ref().expect("all are filled");
                        let figures = measure(server, &spec, options.duration)?;
                        let micros = figures.micros_per_operation(figures.server_cpu);
                        cpu.record(&label, Unit::Micros, index, &[micros]);
                        let per_second = figures.measured.per_second();
                        throughput.record(&label, Unit::Count, index, &[per_second]);
                    }
                }
            }
        }
    }
    [throughput, cpu, memory].iter().for_each(Table::print);
    Ok(())
}

fn ranges(elements: usize, members: usize) -> Ranges {
    let members = members.min(elements);
    Ranges { keys: elements, collections: (elements / members).max(1), members }
}

fn specs(options: &Options, kind: &Type, size: &str, ranges: Ranges) -> Vec<(String, LoadSpec)> {
    let mut specs = Vec::new();
    for &pipeline in &options.pipelines {
        for mix in kind.mixes {
            let label = format!("{}, {size}, {CLIENTS} × {pipeline}", mix.name);
            let spec = LoadSpec {
                mix: *mix,
                ranges,
                value_bytes: VALUE_BYTES,
                clients: CLIENTS,
                threads: options.threads,
                pace: Pace::Closed { pipeline },
            };
            specs.push((label, spec));
        }
    }
    specs
}

/// Adds all elements to all collections; returns how many they are.
fn fill(server: &Server, kind: &Type, ranges: Ranges) -> Result<usize> {
    let elements = ranges.collections * ranges.members;
    load(server, elements, |pipeline, number| {
        let (collection, member) = (number % ranges.collections, number / ranges.collections);
        let mut words = kind.fill.split(' ').map(|word| {
            word.replace("{c}", &collection.to_string())
                .replace("{m}", &member.to_string())
                .replace("{v}", &format!("value{:05}", number % 100_000))
        });
        let mut command = redis::cmd(&words.next().expect("a command has a name"));
        for word in words {
            command.arg(word);
        }
        pipeline.add_command(command).ignore();
    })?;
    Ok(elements)
}
