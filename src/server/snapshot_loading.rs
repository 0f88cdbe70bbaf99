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

/// Sections that are read ahead of the loaders.
const READ_AHEAD: usize = 8;

/// What was loaded.
#[derive(Clone, Debug, Default)]
pub(super) struct Loaded {
    pub keys: u64,
    /// What was left out.
    pub damages: Vec<Damage>,
}

/// How many loaders work side by side, each with a gate of its own.
pub(super) fn loaders() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Loads a snapshot into the (empty) store. Sections that are not sound are left out and reported; unless
/// `accept_damage`, loading ends there.
pub(super) fn load(engine: &Arc<Engine>, path: &Path, accept_damage: bool) -> io::Result<Loaded> {
    let damages = Mutex::new(Rank::Leaf, Vec::new());
    let keys = AtomicU64::new(0);
    let (sender, receiver) = sync_channel::<Section>(READ_AHEAD);
    let receiver = Mutex::new(Rank::Leaf, receiver);
    let done = Done::default();
    std::thread::scope(|scope| {
        for _ in 0..loaders() {
            scope.spawn(|| run_loader(engine, &receiver, &done, &keys, &damages));
        }
        let hand_over = |section: Section| {
            engine.health.progress.add(section.body.len() as u64);
            (accept_damage || damages.lock().is_empty()) && sender.send(section).is_ok()
        };
        let result =
            File::open(path).and_then(|file| read(file, hand_over, accept_damage, &damages));
        drop(sender);
        result
    })?;
    let damages = std::mem::take(&mut *damages.lock());
    Ok(Loaded { keys: keys.into_inner(), damages })
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

fn run_loader(
    engine: &Arc<Engine>,
    sections: &Mutex<Receiver<Section>>,
    done: &Done,
    keys: &AtomicU64,
    damages: &Mutex<Vec<Damage>>,
) {
    let lane = engine.keyspace.lane();
    let mut replayer = Replayer::new(engine, &lane);
    loop {
        let next = sections.lock().recv();
        let Ok(section) = next else { return };
        let loaded = done
            .wait_for_previous(&section)
            .and_then(|()| section.check())
            .and_then(|()| load_section(&mut replayer, &section));
        done.add(section.number, loaded.is_ok());
        match loaded {
            Ok(()) => drop(keys.fetch_add(section.keys, Ordering::Relaxed)),
            Err(damage) => damages.lock().push(damage),
        }
    }
}

fn load_section(replayer: &mut Replayer<'_>, section: &Section) -> Result<(), Damage> {
    let mut failure = None;
    replayer.run(&section.body, |failed| {
        failure = Some(failed);
        false
    });
    let Some(failure) = failure else { return Ok(()) };
    let before = &section.body[..failure.at];
    let line = section.line + memchr::memchr_iter(b'\n', before).count() as u64;
    Err(section.damage(line, failure.what))
}

/// Removes everything from all databases.
pub(super) fn empty_store(engine: &Engine) {
    let access = Access { tracking: Tracking::Lru, now_ms: 0, touches: false, random: 0 };
    let mut view = View::new(&engine.keyspace, 0, 0, access, Wants::default());
    view.flush(0..engine.keyspace.databases(), &engine.keyspace.world());
}
