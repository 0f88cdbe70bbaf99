//! Transactions: what they cost beside the same commands without, and what one client that watches keys
//! costs the others.
//!
//! A transaction is one operation, and all of it is sent at once; a pipeline of 16 is 16 transactions. The
//! key that is watched is one of those that are written, and nobody else is likely to write it meanwhile.

use crate::Result;
use crate::options::Options;
use crate::server::{Program, Server};
use crate::variants::{self, Ending, Variant, as_it_is};
use crate::workload::{Mix, load_keys};

/// Nobody writes these: a client that watches a key is told once, and then watches nothing any more.
const WATCHED_KEYS: usize = 1000;

const TRANSACTIONS: &[Variant] = &[
    Variant {
        label: "SET SET",
        mix: Mix { name: "SET SET", requests: &["SET key:{} {v};SET key:{} {v}"] },
        replies: 2,
        prepare: as_it_is,
    },
    Variant {
        label: "MULTI SET SET EXEC",
        mix: Mix { name: "MULTI", requests: &["MULTI;SET key:{} {v};SET key:{} {v};EXEC"] },
        replies: 4,
        prepare: as_it_is,
    },
    Variant {
        label: "WATCH MULTI SET SET EXEC",
        mix: Mix {
            name: "WATCH",
            requests: &["WATCH key:{};MULTI;SET key:{=} {v};SET key:{} {v};EXEC"],
        },
        replies: 5,
        prepare: as_it_is,
    },
];

const WATCHING: &[Variant] = &[
    Variant { label: "SET, nobody watches", mix: Mix::SET, replies: 1, prepare: as_it_is },
    Variant {
        label: "SET, one client watches other keys",
        mix: Mix::SET,
        replies: 1,
        prepare: watch,
    },
];

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let load =
        |server: &Server, options: &Options| load_keys(server, options.keys, options.value_bytes);
    variants::run("Transactions", &[TRANSACTIONS, WATCHING], options, programs, load)
}

fn watch(server: &Server) -> Result<Ending> {
    let mut watcher = server.control()?;
    let keys: Vec<String> = (0..WATCHED_KEYS).map(|number| format!("watched:{number}")).collect();
    redis::cmd("WATCH").arg(&keys).exec(&mut watcher)?;
    // It has watched all the time if nothing has ended its connection.
    Ok(Box::new(move || Ok(redis::cmd("UNWATCH").exec(&mut watcher)?)))
}
