//! The data that the cells of a batch work on: filled once, and brought back to its size before each measurement.

use crate::Result;
use crate::server::Server;
use crate::workload::{Fast, Ranges, Values, load, load_counters, load_keys};

use super::cells::{Batch, Cell, Group, Settle};

/// Elements of lists are pushed so many at a time, in pipelines of about so many bytes.
const PUSHED: usize = 100;
const PIPELINE_BYTES: usize = 1 << 20;
/// What a pipeline counts for an element, besides its value.
const ELEMENT_BYTES: usize = 32;

/// Brings a fresh server into the state in which the cells of a batch are measured.
pub fn fill(server: &Server, batch: &Batch, ranges: Ranges) -> Result<()> {
    match batch.group {
        Group::Strings => load_keys(server, ranges.keys, batch.value_bytes),
        Group::Counters => load_counters(server, ranges.keys),
        // Each measurement has lists of its own lengths.
        Group::Lists => Ok(()),
        Group::Messages => fill_streams(server, ranges, batch.value_bytes),
        Group::Members => {
            fill_hashes(server, ranges, batch.value_bytes)?;
            fill_sorted_sets(server, ranges, batch.value_bytes)
        }
    }
}

fn fill_hashes(server: &Server, ranges: Ranges, value_bytes: usize) -> Result<()> {
    let (values, mut random) = (Values::new(value_bytes), Fast::seeded(2));
    load(server, ranges.collections * ranges.members, |pipeline, number| {
        let (collection, member) = (number % ranges.collections, number / ranges.collections);
        let command = pipeline.cmd("HSET").arg(format!("hash:{collection}"));
        command.arg(format!("field:{member}")).arg(values.any(&mut random)).ignore();
    })
}

fn fill_streams(server: &Server, ranges: Ranges, value_bytes: usize) -> Result<()> {
    let (values, mut random) = (Values::new(value_bytes), Fast::seeded(5));
    load(server, ranges.collections * ranges.members, |pipeline, number| {
        let command = pipeline.cmd("XADD").arg(format!("stream:{}", number % ranges.collections));
        command.arg("*").arg("field").arg(values.any(&mut random)).ignore();
    })
}

fn fill_sorted_sets(server: &Server, ranges: Ranges, value_bytes: usize) -> Result<()> {
    let (values, mut random) = (Values::new(value_bytes), Fast::seeded(3));
    load(server, ranges.collections * ranges.members, |pipeline, number| {
        let (collection, member) = (number % ranges.collections, number / ranges.collections);
        let mut padded = Vec::new();
        values.append_padded(member, &mut padded);
        let command = pipeline.cmd("ZADD").arg(format!("zset:{collection}"));
        command.arg(random.below(ranges.keys)).arg(padded).ignore();
    })
}

/// Brings data back to the size that it has before each measurement of this cell.
pub fn settle(server: &Server, batch: &Batch, cell: &Cell, ranges: Ranges) -> Result<()> {
    match cell.command.settle {
        Settle::Nothing => Ok(()),
        Settle::NoSets => load(server, ranges.collections, |pipeline, number| {
            pipeline.cmd("DEL").arg(format!("set:{number}")).ignore();
        }),
        Settle::ShortLists | Settle::LongLists => {
            let length = cell.command.list_length(ranges);
            settle_lists(server, ranges.collections, length, batch.value_bytes)
        }
    }
}

/// Cuts longer lists, and adds to shorter ones.
fn settle_lists(server: &Server, lists: usize, length: usize, value_bytes: usize) -> Result<()> {
    let mut control = server.control()?;
    let (values, mut random) = (Values::new(value_bytes), Fast::seeded(4));
    let mut pipeline = redis::pipe();
    (0..lists).for_each(|list| {
        pipeline.cmd("LLEN").arg(format!("list:{list}"));
    });
    let lengths: Vec<usize> = pipeline.query(&mut control)?;
    pipeline.clear();
    let mut bytes = 0;
    for (list, found) in lengths.into_iter().enumerate() {
        let name = format!("list:{list}");
        if found > length {
            pipeline.cmd("LTRIM").arg(&name).arg(0).arg(length - 1).ignore();
        }
        let mut missing = length.saturating_sub(found);
        while missing > 0 {
            let count = missing.min(PUSHED).min(PIPELINE_BYTES / value_bytes.max(1)).max(1);
            let command = pipeline.cmd("RPUSH").arg(&name);
            (0..count).for_each(|_| {
                command.arg(values.any(&mut random));
            });
            command.ignore();
            missing -= count;
            bytes += count * (value_bytes + ELEMENT_BYTES);
            if bytes > PIPELINE_BYTES {
                pipeline.exec(&mut control)?;
                pipeline.clear();
                bytes = 0;
            }
        }
    }
    if !pipeline.is_empty() {
        pipeline.exec(&mut control)?;
    }
    Ok(())
}
