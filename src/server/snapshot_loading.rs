//! Loading a snapshot into the store, on all cores.
//!
//! One thread reads sections; loaders verify their checksums and repeat their commands. Commands of
//! different sections concern different keys, so their order does not matter; only a section that goes on
//! with the key of the one before it waits until that one is loaded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use super::replay::Replayer;
use crate::base::sync::{Condvar, Mutex, Rank};
use crate::exec::Engine;
use crate::persist::snapshot::{Damage, Section, SnapshotReader};
use crate::store::{Access, Tracking, View, Wants};

/// Sections that are read ahead for each loader.
const READ_AHEAD: usize = 4;

/// What was loaded.
#[derive(Clone, Debug, Default)]
pub(super) struct Loaded {
    pub keys: u64,
    pub sections: u64,
    /// What was left out.
    pub damages: Vec<Damage>,
    /// A section is sound, but about a database that this server does not have.
    pub beyond_databases: Option<Damage>,
}

impl Loaded {
    /// Why not everything was loaded.
    pub(super) fn fault(&self) -> Option<&Damage> {
        self.beyond_databases.as_ref().or(self.damages.first())
    }
}

/// How many loaders work side by side, each with a gate of its own.
pub(super) fn loaders() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Loads a snapshot into the (empty) store. Sections that are not sound are left out and reported; unless
/// `accept_damage`, loading ends there.
pub(super) fn load(engine: &Arc<Engine>, path: &Path, accept_damage: bool) -> io::Result<Loaded> {
    let loading = Loading::new(engine, accept_damage);
    std::thread::scope(|scope| {
        let start_one = |_| {
            let (sender, receiver) = sync_channel::<Section>(READ_AHEAD);
            let loading = &loading;
            scope.spawn(move || loading.load_sections(&receiver));
            sender
        };
        let senders: Vec<_> = (0..loaders()).map(start_one).collect();
        // In turn: a section may wait for the one before it, but that is never behind it in the same queue.
        let mut next = senders.iter().cycle();
        let hand_over = |section: Section| {
            engine.health.progress.add(section.body.len() as u64);
            let sender = next.next().expect("there is a loader");
            !loading.is_over() && sender.send(section).is_ok()
        };
        File::open(path).and_then(|file| read(file, hand_over, accept_damage, &loading.damages))
    })?;
    Ok(loading.end())
}

fn read(
    file: File,
    mut hand_over: impl FnMut(Section) -> bool,
    accept_damage: bool,
    damages: &Mutex<Vec<Damage>>,
) -> io::Result<()> {
    let mut reader = match SnapshotReader::new(file)? {
        Ok(reader) => reader,
        Err(damage) => {
            damages.lock().push(damage);
            return Ok(());
        }
    };
    // Number of the last section that was handed over.
    let mut last = 0;
    loop {
        match reader.next_section()? {
            Ok(Some(section)) if section.continues && section.number != last + 1 => {
                damages.lock().push(lost_beginning(&section));
                if !accept_damage {
                    return Ok(());
                }
            }
            Ok(Some(section)) => {
                last = section.number;
                if !hand_over(section) {
                    return Ok(());
                }
            }
            Ok(None) => return Ok(()),
            Err(damage) => {
                damages.lock().push(damage);
                if !accept_damage || !reader.resynchronise()? {
                    return Ok(());
                }
            }
        }
    }
}

/// A section is of no use without the one before it.
fn lost_beginning(section: &Section) -> Damage {
    section.damage(section.line, "it goes on with a key whose beginning is lost")
}

/// Which sections are done with, and whether they were loaded.
struct Done {
    sections: Mutex<BTreeMap<u64, bool>>,
    changed: Condvar,
}

impl Default for Done {
    fn default() -> Done {
        Done { sections: Mutex::new(Rank::Leaf, BTreeMap::new()), changed: Condvar::new() }
    }
}

impl Done {
    fn add(&self, number: u64, is_loaded: bool) {
        self.sections.lock().insert(number, is_loaded);
        self.changed.notify_all();
    }

    /// Waits for the section before one that goes on with its key; an error if that could not be loaded.
    /// Sections are handed out in order, so it is in somebody's hands.
    fn wait_for_previous(&self, section: &Section) -> Result<(), Damage> {
        if !section.continues {
            return Ok(());
        }
        let mut sections = self.sections.lock();
        loop {
            match sections.get(&(section.number - 1)) {
                Some(true) => return Ok(()),
                Some(false) => return Err(lost_beginning(section)),
                None => self.changed.wait(&mut sections),
            }
        }
    }
}

/// What the loaders share.
struct Loading<'e> {
    engine: &'e Arc<Engine>,
    accept_damage: bool,
    done: Done,
    keys: AtomicU64,
    sections: AtomicU64,
    damages: Mutex<Vec<Damage>>,
    beyond_databases: Mutex<Option<Damage>>,
}

impl<'e> Loading<'e> {
    fn new(engine: &'e Arc<Engine>, accept_damage: bool) -> Loading<'e> {
        Loading {
            engine,
            accept_damage,
            done: Done::default(),
            keys: AtomicU64::new(0),
            sections: AtomicU64::new(0),
            damages: Mutex::new(Rank::Leaf, Vec::new()),
            beyond_databases: Mutex::new(Rank::Leaf, None),
        }
    }

    /// Whether there is no use in loading more.
    fn is_over(&self) -> bool {
        let is_damaged = !self.accept_damage && !self.damages.lock().is_empty();
        is_damaged || self.beyond_databases.lock().is_some()
    }

    /// A loader's work.
    fn load_sections(&self, sections: &Receiver<Section>) {
        let gate = self.engine.keyspace.gate();
        let mut replayer = Replayer::new(self.engine, &gate);
        for section in sections {
            let sound = self.done.wait_for_previous(&section).and_then(|()| section.check());
            let is_loaded = match sound {
                Ok(()) => self.load_section(&mut replayer, &section),
                Err(damage) => {
                    self.damages.lock().push(damage);
                    false
                }
            };
            self.done.add(section.number, is_loaded);
        }
    }

    /// Repeats what a section says; tells whether that worked.
    fn load_section(&self, replayer: &mut Replayer<'_>, section: &Section) -> bool {
        let Err(failure) = replayer.run(&section.body) else {
            self.keys.fetch_add(section.keys, Ordering::Relaxed);
            self.sections.fetch_add(1, Ordering::Relaxed);
            return true;
        };
        let before = &section.body[..failure.at];
        let line = section.line + memchr::memchr_iter(b'\n', before).count() as u64;
        let damage = section.damage(line, failure.what);
        if failure.is_beyond_databases {
            self.beyond_databases.lock().get_or_insert(damage);
        } else {
            self.damages.lock().push(damage);
        }
        false
    }

    fn end(self) -> Loaded {
        // Each is let go before the next is locked.
        let damages = std::mem::take(&mut *self.damages.lock());
        let beyond_databases = self.beyond_databases.lock().take();
        let (keys, sections) = (self.keys.into_inner(), self.sections.into_inner());
        Loaded { keys, sections, damages, beyond_databases }
    }
}

/// Removes everything from all databases.
pub(super) fn empty_store(engine: &Engine) {
    let access = Access { tracking: Tracking::Lru, now_ms: 0, touches: false, random: 0 };
    let mut view = View::new(&engine.keyspace, 0, 0, access, Wants::default());
    view.flush(0..engine.keyspace.databases(), &engine.keyspace.world());
}
