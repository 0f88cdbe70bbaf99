//! Starting with data: how long it takes from the start of the process to the first answer.
//!
//! Once with a snapshot (RDB) and no log, once with a log (AOF) of as many `SET`s and no snapshot.

use std::time::Instant;

use crate::Result;
use crate::options::Options;
use crate::report::{Table, Unit, progress};
use crate::server::Program;
use crate::workload::load_keys;

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let title = format!("Loading {} keys, in seconds (less is better)", options.keys);
    let mut table = Table::new(title, "from", programs);
    for round in 0..options.rounds {
        for (label, log) in [("snapshot", "off"), ("log", "everysec")] {
            progress(round, label);
            for index in Options::order(round, programs.len()) {
                let program = programs[index].with_log(log);
                table.record(label, Unit::Seconds, index, &[measure(&program, options, log)?]);
            }
        }
    }
    table.print();
    Ok(())
}

fn measure(program: &Program, options: &Options, log: &str) -> Result<f64> {
    let server = program.start()?;
    load_keys(&server, options.keys, options.value_bytes)?;
    if log == "off" {
        redis::cmd("SAVE").exec(&mut server.control()?)?;
    }
    let directory = server.stop()?;
    let began = Instant::now();
    let server = program.start_in(directory)?;
    let seconds = began.elapsed().as_secs_f64();
    let found: usize = redis::cmd("DBSIZE").query(&mut server.control()?)?;
    if found != options.keys {
        return Err(format!("{} found {found} of {} keys", program.name, options.keys).into());
    }
    Ok(seconds)
}
