//! What a table's growth costs those who write meanwhile: the longest waits of a `SET` while keys become ten times as
//! many as other parts have.
//!
//! One client loads new keys in short pipelines, as fast as it is answered. Others overwrite a few keys at a fixed rate,
//! whether or not earlier requests were answered, and their latency counts from the moment at which they were due.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::Result;
use crate::generator::SILENCE_MAX;
use crate::load::{Load, LoadSpec, Pace, Phase};
use crate::options::Options;
use crate::report::{Table, Unit, progress};
use crate::server::{Program, Server};
use crate::workload::{Fast, Mix, Ranges, Values, append_bulk};

/// Keys that are loaded, for each key of other parts.
const FACTOR: usize = 10;
/// New keys are sent so many at a time. What is in front of a `SET` in a queue is no pause of the server.
const BATCH: usize = 50;
const VALUE_BYTES: usize = 8;
const CLIENTS: usize = 10;
pub const PACED_KEYS: usize = 1000;
const PACED: Mix = Mix { name: "SET", requests: &["SET paced:{} {v}"] };

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let keys = options.keys * FACTOR;
    let title = format!(
        "SET at {} requests per second while the keys become {keys} (less is better)",
        options.rate
    );
    let mut table = Table::new(title, "", programs);
    for round in 0..options.rounds {
        for index in Options::order(round, programs.len()) {
            progress(round, &format!("growth of {}", programs[index].name));
            let server = programs[index].start()?;
            let pace = Pace::per_second(options.rate);
            let phase = measure(&server, keys, VALUE_BYTES, pace)?;
            for (label, quantile) in
                [("p50", 0.5), ("p99", 0.99), ("p99.99", 0.9999), ("longest wait", 1.0)]
            {
                table.record(label, Unit::Millis, index, &[phase.latency_ms(quantile)]);
            }
            let per_second = keys as f64 / phase.elapsed.as_secs_f64();
            table.record("keys loaded per second", Unit::Count, index, &[per_second]);
            let resident = server.resident_bytes()? as f64;
            table.record("memory afterwards", Unit::Megabytes, index, &[resident]);
        }
    }
    table.print();
    Ok(())
}

/// What the paced clients met while the keys were loaded.
pub fn measure(server: &Server, keys: usize, value_bytes: usize, pace: Pace) -> Result<Phase> {
    let spec = LoadSpec {
        mix: PACED,
        ranges: Ranges::keys(PACED_KEYS),
        value_bytes: VALUE_BYTES,
        clients: CLIENTS,
        threads: 1,
        pace,
    };
    let mut load = Load::start(server.address(), &spec, 3)?;
    load.wait_for_anything();
    load.next_phase();
    grow(server, keys, value_bytes)?;
    load.wait_for_anything();
    load.next_phase();
    Ok(load.finish()?.into_iter().nth(1).expect("the second phase was measured"))
}

/// Sets `key:0` up to `key:<keys - 1>`. Written by hand, so that the client costs little beside the server.
pub fn grow(server: &Server, keys: usize, value_bytes: usize) -> Result<()> {
    const REPLY: &[u8] = b"+OK\r\n";
    let (values, mut random) = (Values::new(value_bytes), Fast::seeded(2));
    let mut stream = TcpStream::connect(server.address())?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    let (mut requests, mut key, mut replies) = (Vec::new(), Vec::new(), [0; BATCH * REPLY.len()]);
    for first in (0..keys).step_by(BATCH) {
        let numbers = first..keys.min(first + BATCH);
        let replies = &mut replies[..numbers.len() * REPLY.len()];
        requests.clear();
        for number in numbers {
            key.clear();
            key.extend_from_slice(b"key:");
            key.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            requests.extend_from_slice(b"*3\r\n");
            [b"SET", &key[..], values.any(&mut random)]
                .into_iter()
                .for_each(|word| append_bulk(&mut requests, word));
        }
        stream.write_all(&requests)?;
        stream.read_exact(replies)?;
        if replies.chunks_exact(REPLY.len()).any(|reply| reply != REPLY) {
            let replies = String::from_utf8_lossy(replies);
            return Err(format!("unexpected replies to SET: {replies}").into());
        }
    }
    Ok(())
}
