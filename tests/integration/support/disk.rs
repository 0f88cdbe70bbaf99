//! Disks that do what a test tells them.
//!
//! A [`ScriptedDisk`] works on the machine's disk, but asks a [`Script`] before each call what shall
//! become of it, and tells it afterwards what was done. A `writev` is one call.

use super::patience::PATIENCE;
use sanderling::persist::disk::{Disk, DiskFile, SystemDisk};
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

/// What is asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Create,
    Write,
    Sync,
    Truncate,
    SyncFile,
    Rename,
    Remove,
    SyncDirectory,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub kind: Kind,
    pub path: &'a Path,
    /// The new name of a file that is renamed.
    pub to: &'a Path,
    /// What is written.
    pub bytes: &'a [u8],
    /// What a file is cut off at.
    pub len: u64,
}

impl<'a> Call<'a> {
    fn new(kind: Kind, path: &'a Path) -> Call<'a> {
        Call { kind, path, to: path, bytes: &[], len: 0 }
    }

    /// Whether it concerns a segment of the log.
    pub fn is_of_log(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "aof")
    }
}

/// What shall become of a call.
#[derive(Debug)]
pub enum Verdict {
    Go,
    Fail(io::Error),
    /// Of a write: only so many bytes are taken.
    TakeOnly(usize),
}

pub trait Script: Send + Sync + 'static {
    fn before(&self, call: &Call<'_>) -> Verdict;
    /// The call has succeeded; `bytes` are those that were taken.
    fn after(&self, _call: &Call<'_>) {}
}

/// See the module's description.
pub struct ScriptedDisk<S>(pub Arc<S>);

impl<S: Script> ScriptedDisk<S> {
    fn call<T>(&self, call: &Call<'_>, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if let Verdict::Fail(error) = self.0.before(call) {
            return Err(error);
        }
        let done = work()?;
        self.0.after(call);
        Ok(done)
    }
}

impl<S: Script> Disk for ScriptedDisk<S> {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.call(&Call::new(Kind::Create, path), || File::create(path))?;
        let script = Arc::clone(&self.0);
        Ok(Box::new(ScriptedFile { file, path: path.to_owned(), script }))
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let call = Call { len, ..Call::new(Kind::Truncate, path) };
        self.call(&call, || SystemDisk.truncate(path, len))
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.call(&Call::new(Kind::SyncFile, path), || Ok(()))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let call = Call { to, ..Call::new(Kind::Rename, from) };
        self.call(&call, || SystemDisk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(&Call::new(Kind::Remove, path), || SystemDisk.remove(path))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        // Nothing that these tests do to a machine needs to last longer than the test.
        self.call(&Call::new(Kind::SyncDirectory, path), || Ok(()))
    }
}

struct ScriptedFile<S> {
    file: File,
    path: PathBuf,
    script: Arc<S>,
}

impl<S: Script> Write for ScriptedFile<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let call = Call { bytes, ..Call::new(Kind::Write, &self.path) };
        let count = match self.script.before(&call) {
            Verdict::Go => bytes.len(),
            Verdict::Fail(error) => return Err(error),
            Verdict::TakeOnly(count) => count.min(bytes.len()),
        };
        self.file.write_all(&bytes[..count])?;
        self.script.after(&Call { bytes: &bytes[..count], ..call });
        Ok(count)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
        self.write(&bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Script> DiskFile for ScriptedFile<S> {
    fn sync(&mut self) -> io::Result<()> {
        let call = Call::new(Kind::Sync, &self.path);
        if let Verdict::Fail(error) = self.script.before(&call) {
            return Err(error);
        }
        self.script.after(&call);
        Ok(())
    }
}

/// Holds certain calls of one kind up until the test lets them go.
pub struct Gate {
    kind: Kind,
    is_held: fn(&Call<'_>) -> bool,
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    is_closed: bool,
    waiting: usize,
}

impl Gate {
    /// An open gate for calls of this kind that concern the log, and the disk that it belongs to.
    pub fn new(kind: Kind) -> (Arc<Gate>, Arc<dyn Disk>) {
        Gate::of(kind, |call| call.is_of_log())
    }

    /// The same for other calls.
    pub fn of(kind: Kind, is_held: fn(&Call<'_>) -> bool) -> (Arc<Gate>, Arc<dyn Disk>) {
        let gate = Gate { kind, is_held, state: Mutex::default(), changed: Condvar::new() };
        let gate = Arc::new(gate);
        (Arc::clone(&gate), Arc::new(ScriptedDisk(gate)))
    }

    pub fn close(&self) {
        self.state.lock().unwrap().is_closed = true;
    }

    pub fn open(&self) {
        self.state.lock().unwrap().is_closed = false;
        self.changed.notify_all();
    }

    /// Returns once a call is held up.
    pub fn wait_for_somebody(&self) {
        let state = self.state.lock().unwrap();
        let nobody = |state: &mut GateState| state.waiting == 0;
        let waited = self.changed.wait_timeout_while(state, PATIENCE, nobody).unwrap();
        assert!(!waited.1.timed_out(), "nobody comes to the gate");
    }
}

impl Script for Gate {
    fn before(&self, call: &Call<'_>) -> Verdict {
        if call.kind == self.kind && (self.is_held)(call) {
            let mut state = self.state.lock().unwrap();
            state.waiting += 1;
            self.changed.notify_all();
            let deadline = Instant::now() + PATIENCE;
            // A test that fails must not leave a server that never stops.
            while state.is_closed && Instant::now() < deadline {
                state = self.changed.wait_timeout(state, PATIENCE).unwrap().0;
            }
            state.waiting -= 1;
        }
        Verdict::Go
    }
}
