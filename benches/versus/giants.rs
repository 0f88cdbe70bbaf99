//! Collections of millions of elements: what one costs those who have nothing to do with it.
//!
//! One client writes to the collection, over and over, while a snapshot is taken: its longest wait is the
//! price of sharing the collection with the snapshot. Then the collection is deleted while other clients
//! read short strings at a fixed rate: their latency is the price of freeing it.

use std::time::{Duration, Instant};

use crate::Result;
use crate::load::{Load, LoadSpec, Pace};
use crate::options::Options;
use crate::report::{Table, Unit, progress};
use crate::server::{Program, Server};
use crate::workload::{Mix, Ranges, load, load_keys};

/// Elements of a collection, for each key of other parts.
const FACTOR: usize = 10;
/// Elements added per command.
const BATCH: usize = 100;
const READERS: usize = 50;
const READ_KEYS: usize = 1000;
const SAVE_TIMEOUT: Duration = Duration::from_secs(300);

/// A type: how elements are added, and the write that is repeated.
struct Giant {
    name: &'static str,
    add: &'static str,
    /// The words of one element; `{}` stands for its number.
    element: &'static [&'static str],
    write: &'static [&'static str],
}

const GIANTS: [Giant; 5] = [
    Giant {
        name: "list",
        add: "RPUSH",
        element: &["element:{}"],
        write: &["LSET", "giant", "{}", "changed"],
    },
    Giant {
        name: "set",
        add: "SADD",
        element: &["member:{}"],
        write: &["SADD", "giant", "new:{}"],
    },
    Giant {
        name: "hash",
        add: "HSET",
        element: &["field:{}", "value:{}"],
        write: &["HSET", "giant", "field:{}", "changed"],
    },
    Giant {
        name: "sorted set",
        add: "ZADD",
        element: &["{}", "member:{}"],
        write: &["ZADD", "giant", "1", "member:{}"],
    },
    Giant {
        name: "stream",
        add: "XADD",
        element: &["*", "field", "value:{}"],
        write: &["XADD", "giant", "*", "field", "value:{}"],
    },
];

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let elements = options.keys * FACTOR;
    let mut table = Table::new(format!("A collection of {elements} elements"), "", programs);
    for round in 0..options.rounds {
        for giant in &GIANTS {
            progress(round, giant.name);
            for index in Options::order(round, programs.len()) {
                let server = programs[index].start()?;
                fill(&server, giant, elements)?;
                load_keys(&server, READ_KEYS, options.value_bytes)?;
                let mut record = |label: &str, value| {
                    let label = format!("{}: {label}", giant.name);
                    table.record(&label, Unit::Millis, index, &[value]);
                };
                let wait = longest_wait_during_save(&server, giant, elements)?;
                record("longest wait of a write during a snapshot", wait.as_secs_f64() * 1e3);
                let [p99, longest] = reads_during_delete(&server, options)?;
                record("p99 of GET while it is deleted", p99);
                record("longest wait of a GET while it is deleted", longest);
            }
        }
    }
    table.print();
    Ok(())
}

fn fill(server: &Server, giant: &Giant, elements: usize) -> Result<()> {
    // An entry of a stream is a command of its own.
    let batch = if giant.add == "XADD" { 1 } else { BATCH };
    load(server, elements / batch, |pipeline, number| {
        let mut command = redis::cmd(giant.add);
        command.arg("giant");
        for element in number * batch..(number + 1) * batch {
            for word in giant.element {
                command.arg(word.replace("{}", &element.to_string()));
            }
        }
        pipeline.add_command(command).ignore();
    })
}

fn longest_wait_during_save(server: &Server, giant: &Giant, elements: usize) -> Result<Duration> {
    let mut writer = server.control()?;
    let mut control = server.control()?;
    let began = Instant::now();
    // The reply is not waited for: the writer must notice what beginning costs (a fork, say).
    control.send_packed_command(&redis::cmd("BGSAVE").get_packed_command())?;
    let mut longest = Duration::ZERO;
    let mut number = 0;
    while server.snapshot_file()?.is_none() {
        number = (number + 7_919) % elements;
        let mut command = redis::cmd(giant.write[0]);
        for word in &giant.write[1..] {
            command.arg(word.replace("{}", &number.to_string()));
        }
        let sent = Instant::now();
        command.exec(&mut writer)?;
        longest = longest.max(sent.elapsed());
        if began.elapsed() > SAVE_TIMEOUT {
            return Err("the snapshot does not come to an end".into());
        }
    }
    Ok(longest)
}

/// p99 and maximum in milliseconds.
fn reads_during_delete(server: &Server, options: &Options) -> Result<[f64; 2]> {
    let spec = LoadSpec {
        mix: Mix::GET,
        ranges: Ranges::keys(READ_KEYS),
        value_bytes: options.value_bytes,
        clients: READERS,
        threads: options.threads,
        pace: Pace::per_second(options.rate),
    };
    let mut control = server.control()?;
    let mut load = Load::start(server.address(), &spec, 3)?;
    std::thread::sleep(options.duration / 4);
    load.next_phase();
    redis::cmd("DEL").arg("giant").exec(&mut control)?;
    std::thread::sleep(options.duration);
    load.next_phase();
    let phase = load.finish()?.into_iter().nth(1).expect("the second phase was measured");
    Ok([phase.latency_ms(0.99), phase.latency_ms(1.0)])
}
