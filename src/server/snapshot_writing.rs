//! Writing the state of an instant to a file, beside a running server: the twin of `snapshot_loading`.

use std::io;

use crate::exec::Engine;
use crate::persist::disk::DiskFile;
use crate::persist::snapshot::{SnapshotWriter, Totals};
use crate::store::{CutWalk, Gate, ValueRef};
use crate::value::Value;

/// Values of so many bytes are not printed while their shard is locked.
const ASIDE_BYTES: usize = 2048;

/// Writes the state of this instant to a file. `at_cut` runs while everybody stands still.
pub(super) fn write(
    engine: &Engine,
    gate: &Gate<'_>,
    file: &mut dyn DiskFile,
    at_cut: impl FnOnce(),
) -> io::Result<Totals> {
    let keyspace = &engine.keyspace;
    let mut writer = SnapshotWriter::new(file)?;
    let mut walk = {
        let world = keyspace.world();
        at_cut();
        CutWalk::begin(keyspace, gate, &world)
    };
    // What takes long to print is only shared while its shard is locked.
    let mut set_aside: Vec<(usize, Vec<u8>, Value, Option<i64>)> = Vec::new();
    while walk
        .slice(|db, key, value, deadline| match value {
            ValueRef::Object(value) if value.heap_bytes() >= ASIDE_BYTES => {
                set_aside.push((db, key.to_vec(), value.clone(), deadline));
            }
            _ => writer.add(db, key, value, deadline),
        })
        .map_err(io::Error::other)?
    {
        for (db, key, value, deadline) in set_aside.drain(..) {
            writer.add_large(db, &key, &value, deadline)?;
        }
        // Not oftener: on a busy machine it may take long until the thread's turn comes again.
        if writer.flush_if_large()? {
            std::thread::yield_now();
        }
    }
    writer.finish()
}
