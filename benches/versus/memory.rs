//! Memory per key: resident memory before and after a fresh server is filled.
//!
//! This counts everything: keys, values, tables, what the allocator rounds up. Growing tables make the
//! figure depend on the number of keys; a million nearly fills a table of 2^20 buckets, which is where
//! `redis-server` needs least. `--keys` tells about other sizes.

use crate::Result;
use crate::options::Options;
use crate::report::{Table, Unit, progress};
use crate::server::Program;
use crate::workload::load_keys;

const VALUE_BYTES: [usize; 2] = [8, 64];

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let title = format!("Memory per key, in bytes, of {} keys (less is better)", options.keys);
    let mut table = Table::new(title, "value", programs);
    for round in 0..options.rounds {
        for value_bytes in VALUE_BYTES {
            let label = format!("{value_bytes} bytes");
            progress(round, &format!("memory of values of {label}"));
            for index in Options::order(round, programs.len()) {
                let per_key = measure(&programs[index], options.keys, value_bytes)?;
                table.record(&label, Unit::Bytes, index, &[per_key]);
            }
        }
    }
    table.print();
    Ok(())
}

fn measure(program: &Program, keys: usize, value_bytes: usize) -> Result<f64> {
    let server = program.start()?;
    let before = server.resident_bytes()?;
    load_keys(&server, keys, value_bytes)?;
    let stored: usize = redis::cmd("DBSIZE").query(&mut server.control()?)?;
    if stored != keys {
        return Err(format!("{} has {stored} of {keys} keys", program.name).into());
    }
    Ok(server.resident_bytes()?.saturating_sub(before) as f64 / keys as f64)
}
