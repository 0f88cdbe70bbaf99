//! What a loss of power may leave of files.
//!
//! A [`Recorder`] writes down every call to the disk. After any number of calls a [`State`] says what is
//! certain and what is not, as far as POSIX promises: the contents of a file last once it was synced, and
//! until then any of its 512-byte sectors may be as they were, new, or zero, and its length anything in
//! between; names last once their directory was synced, and until then each creation, renaming or removal
//! may have happened or not, in any combination that keeps the order of those of one name.

use super::disk::{Call, Kind, Script, Verdict};
use sanderling::base::random::Random;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

const SECTOR: usize = 512;

/// A call that was done. Names are those within the directory.
#[derive(Clone, Debug)]
pub struct Event {
    kind: Kind,
    name: String,
    to: String,
    bytes: Vec<u8>,
    len: u64,
}

/// Writes down what was done, and what had been acknowledged before each call.
#[derive(Default)]
pub struct Recorder {
    events: Mutex<Vec<(Event, Vec<usize>)>>,
    /// Asked at each call.
    progress: Mutex<Vec<Arc<AtomicUsize>>>,
}

fn name(path: &Path) -> String {
    path.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned())
}

impl Recorder {
    /// Says what counts as progress: how much was acknowledged to each connection.
    pub fn watch(&self, progress: Vec<Arc<AtomicUsize>>) {
        *self.progress.lock().unwrap() = progress;
    }

    pub fn events(&self) -> Vec<(Event, Vec<usize>)> {
        self.events.lock().unwrap().clone()
    }

    fn record(&self, call: &Call<'_>) {
        let Call { kind, path, to, bytes, len } = *call;
        let event = Event { kind, name: name(path), to: name(to), bytes: bytes.to_vec(), len };
        let mut events = self.events.lock().unwrap();
        let progress = self.progress.lock().unwrap();
        let acknowledged = progress.iter().map(|count| count.load(SeqCst)).collect();
        events.push((event, acknowledged));
    }
}

impl Script for Recorder {
    fn before(&self, call: &Call<'_>) -> Verdict {
        // What was synced counts once the call has returned; of everything else a part may have happened
        // when it begins.
        if !matches!(call.kind, Kind::Sync | Kind::SyncFile | Kind::SyncDirectory | Kind::Truncate)
        {
            self.record(call);
        }
        Verdict::Go
    }

    fn after(&self, call: &Call<'_>) {
        if matches!(call.kind, Kind::Sync | Kind::SyncFile | Kind::SyncDirectory | Kind::Truncate) {
            self.record(call);
        }
    }
}

/// A file, whatever its name.
#[derive(Clone, Debug, Default)]
struct Inode {
    durable: Vec<u8>,
    cached: Vec<u8>,
}

/// A change of names that is not durable yet.
#[derive(Clone, Debug)]
enum NameChange {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

/// What the disk is after some calls. See the module's description.
#[derive(Clone, Debug, Default)]
pub struct State {
    inodes: Vec<Inode>,
    /// Names as the running system sees them, and as they are certain to be.
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending: Vec<NameChange>,
}

impl State {
    /// Follows one call.
    pub fn apply(&mut self, event: &Event) {
        let Event { kind, name, to, bytes, len } = event;
        match kind {
            Kind::Create => match self.names.get(name) {
                // Emptying an existing file is a change of its contents.
                Some(&inode) => self.inodes[inode].cached.clear(),
                None => {
                    self.inodes.push(Inode::default());
                    self.names.insert(name.clone(), self.inodes.len() - 1);
                    self.pending.push(NameChange::Create(name.clone(), self.inodes.len() - 1));
                }
            },
            Kind::Write => self.inode(name).cached.extend_from_slice(bytes),
            Kind::Sync | Kind::SyncFile => {
                let inode = self.inode(name);
                inode.durable = inode.cached.clone();
            }
            Kind::Truncate => {
                let inode = self.inode(name);
                inode.cached.truncate(*len as usize);
                inode.durable = inode.cached.clone();
            }
            Kind::Rename => {
                let inode = self.names.remove(name).expect("what is renamed exists");
                self.names.insert(to.clone(), inode);
                self.pending.push(NameChange::Rename(name.clone(), to.clone()));
            }
            Kind::Remove => {
                if self.names.remove(name).is_some() {
                    self.pending.push(NameChange::Remove(name.clone()));
                }
            }
            Kind::SyncDirectory => {
                self.durable_names = self.names.clone();
                self.pending.clear();
            }
        }
    }

    fn inode(&mut self, name: &str) -> &mut Inode {
        let inode = *self.names.get(name).expect("a file that is written has a name");
        &mut self.inodes[inode]
    }

    /// The directory as it is if only the process ends.
    pub fn lose_process(&self) -> TempDir {
        let directory = TempDir::with_prefix("killed-").expect("a directory can be made");
        for (name, inode) in &self.names {
            let bytes = &self.inodes[*inode].cached;
            fs::write(directory.path().join(name), bytes).expect("it can be written");
        }
        directory
    }

    /// One of the directories that may be left when the power fails now.
    pub fn lose_power(&self, random: &mut Random) -> TempDir {
        let directory = TempDir::with_prefix("power-").expect("a directory can be made");
        for (name, inode) in self.names_left(random) {
            let bytes = left_of(&self.inodes[inode], random);
            fs::write(directory.path().join(name), bytes).expect("it can be written");
        }
        directory
    }

    fn names_left(&self, random: &mut Random) -> BTreeMap<String, usize> {
        let mut names = self.durable_names.clone();
        // Often all or nothing, as a journal does it; else each for itself.
        let how = random.next_u64() % 4;
        for change in &self.pending {
            let happens = match how {
                0 => false,
                1 => true,
                _ => random.next_u64().is_multiple_of(2),
            };
            if !happens {
                continue;
            }
            match change {
                NameChange::Create(name, inode) => drop(names.insert(name.clone(), *inode)),
                NameChange::Remove(name) => drop(names.remove(name)),
                NameChange::Rename(from, to) => {
                    // The name that it had may not have lasted, but the file is the same.
                    let inode = names.remove(from).or_else(|| self.created_as(from));
                    if let Some(inode) = inode {
                        names.insert(to.clone(), inode);
                    }
                }
            }
        }
        names
    }

    /// The file that a pending creation has made last under this name.
    fn created_as(&self, wanted: &str) -> Option<usize> {
        self.pending.iter().rev().find_map(|change| match change {
            NameChange::Create(name, inode) if name == wanted => Some(*inode),
            _ => None,
        })
    }
}

/// What may be left of a file's contents.
fn left_of(inode: &Inode, random: &mut Random) -> Vec<u8> {
    let Inode { durable, cached } = inode;
    if durable == cached {
        return cached.clone();
    }
    let (shorter, longer) =
        (durable.len().min(cached.len()) as u64, durable.len().max(cached.len()) as u64);
    let len = match random.next_u64() % 4 {
        0 => durable.len() as u64,
        1 => cached.len() as u64,
        _ => shorter + random.next_u64() % (longer - shorter + 1),
    } as usize;
    let mut left = vec![0; len];
    for (at, sector) in left.chunks_mut(SECTOR).enumerate() {
        let from = at * SECTOR;
        // What was synced stays; behind it everything is possible.
        let source = match random.next_u64() % 3 {
            0 => durable,
            _ => cached,
        };
        for (n, byte) in sector.iter_mut().enumerate() {
            let is_certain = durable.get(from + n) == cached.get(from + n);
            let source = if is_certain { cached } else { source };
            *byte = source.get(from + n).copied().unwrap_or(0);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: Kind, name: &str, bytes: &[u8]) -> Event {
        Event { kind, name: name.into(), to: String::new(), bytes: bytes.to_vec(), len: 0 }
    }

    fn outcomes(state: &State, name: &str) -> Vec<Option<Vec<u8>>> {
        let mut random = Random::seeded(1);
        let mut found: Vec<_> = (0..200)
            .map(|_| fs::read(state.lose_power(&mut random).path().join(name)).ok())
            .collect();
        found.sort();
        found.dedup();
        found
    }

    #[test]
    fn what_was_synced_stays_and_what_was_not_may_go() {
        let mut state = State::default();
        state.apply(&event(Kind::Create, "f", b""));
        state.apply(&event(Kind::Write, "f", b"ab"));
        state.apply(&event(Kind::Sync, "f", b""));
        assert_eq!(outcomes(&state, "f"), [None, Some(b"ab".to_vec())]);
        state.apply(&event(Kind::SyncDirectory, "", b""));
        assert_eq!(outcomes(&state, "f"), [Some(b"ab".to_vec())]);
        state.apply(&event(Kind::Write, "f", b"c"));
        let possible = [&b"ab"[..], b"ab\0", b"abc"].map(|bytes| Some(bytes.to_vec()));
        assert_eq!(outcomes(&state, "f"), possible);
    }

    #[test]
    fn a_file_that_takes_the_place_of_another_is_the_old_or_the_new() {
        let mut state = State::default();
        for (name, bytes) in [("f", b"old"), ("f.tmp", b"new")] {
            state.apply(&event(Kind::Create, name, b""));
            state.apply(&event(Kind::Write, name, bytes));
            state.apply(&event(Kind::Sync, name, b""));
        }
        state.apply(&event(Kind::SyncDirectory, "", b""));
        state.apply(&Event { to: "f".into(), ..event(Kind::Rename, "f.tmp", b"") });
        assert_eq!(outcomes(&state, "f"), [Some(b"new".to_vec()), Some(b"old".to_vec())]);
    }
}
