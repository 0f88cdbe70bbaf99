//! Loading a snapshot into the store, on all cores.
//!
//! One thread reads sections; loaders verify their checksums and execute their commands on the same
//! road as everybody else's. Commands of different sections concern different keys, so their order does
//! not matter.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use crate::base::sync::{Mutex, Rank};
use crate::exec::{Engine, Executor};
use crate::persist::SnapshotFile;
use crate::persist::snapshot::{Damage, Section, SnapshotReader};
use crate::resp::{Limits, Outbox, ParseState, RequestParser};
use crate::session::{Origin, Session};
use crate::store::{Access, Tracking, View, Wants};

/// Sections that are read ahead of the loaders.
const READ_AHEAD: usize = 8;

/// Why a snapshot was not loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("cannot read {path}: {error}")]
    Unreadable { path: String, error: io::Error },
    #[error(
        "{path} is damaged: {damage}. Restore it from a backup, or start with --recover-anyway to load what is sound \
         and set the file aside"
    )]
    Damaged { path: String, damage: Damage },
}

/// What was loaded.
#[derive(Clone, Debug, Default)]
pub(super) struct Loaded {
    pub keys: u64,
    /// What was left out, if that was accepted.
    pub damages: Vec<Damage>,
}

/// How many loaders work side by side, each with a gate of its own.
pub(super) fn loaders() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Loads a snapshot into the (empty) store. With `accept_damage`, sections that are not sound are left
/// out and reported.
pub(super) fn load(
    engine: &Arc<Engine>,
    file: &SnapshotFile,
    accept_damage: bool,
) -> Result<Loaded, LoadError> {
    let path = file.path.display().to_string();
    let unreadable = |error| LoadError::Unreadable { path: path.clone(), error };
    let damages = Mutex::new(Rank::Leaf, Vec::new());
    let keys = AtomicU64::new(0);
    let (sender, receiver) = sync_channel::<Section>(READ_AHEAD);
    let receiver = Mutex::new(Rank::Leaf, receiver);
    let read = std::thread::scope(|scope| {
        for _ in 0..loaders() {
            scope.spawn(|| run_loader(engine, &receiver, &keys, &damages));
        }
        let result = File::open(&file.path).and_then(|file| {
            read_sections(file, |section| sender.send(section).is_ok(), accept_damage, &damages)
        });
        drop(sender);
        result
    });
    read.map_err(unreadable)?;
    let damages = std::mem::take(&mut *damages.lock());
    match damages.first() {
        Some(damage) if !accept_damage => Err(LoadError::Damaged { path, damage: damage.clone() }),
        _ => Ok(Loaded { keys: keys.into_inner(), damages }),
    }
}

fn read_sections(
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
    loop {
        match reader.next_section()? {
            Ok(Some(section)) => {
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

fn run_loader(
    engine: &Arc<Engine>,
    sections: &Mutex<Receiver<Section>>,
    keys: &AtomicU64,
    damages: &Mutex<Vec<Damage>>,
) {
    let mut loader = Loader::new(engine);
    loop {
        let next = sections.lock().recv();
        let Ok(section) = next else { return };
        match section.check().and_then(|()| loader.load(&section)) {
            Ok(()) => drop(keys.fetch_add(section.keys, Ordering::Relaxed)),
            Err(damage) => damages.lock().push(damage),
        }
    }
}

/// Executes the commands of sections.
struct Loader<'e> {
    engine: &'e Arc<Engine>,
    executor: Executor,
    outbox: Outbox,
}

impl<'e> Loader<'e> {
    fn new(engine: &'e Arc<Engine>) -> Loader<'e> {
        let executor = Executor::for_replay(Arc::clone(engine));
        Loader { engine, executor, outbox: Outbox::default() }
    }

    fn load(&mut self, section: &Section) -> Result<(), Damage> {
        let client = self.engine.clients.internal(self.engine.clock.unix_millis());
        let mut session = Session::new(client, Origin::Replay, true);
        let mut parser = RequestParser::default();
        let limits = Limits { bulk_bytes_max: usize::MAX, authenticated: true };
        let lane = self.engine.keyspace.lane();
        let mut turn = lane.enter();
        self.executor.begin_turn();
        let mut at = 0;
        let damage_at = |at: usize, what: String| {
            let line =
                section.line + memchr::memchr_iter(b'\n', &section.body[..at]).count() as u64;
            section.damage(line, what)
        };
        while at < section.body.len() {
            let rest = &section.body[at..];
            match parser.parse(rest, &limits) {
                Ok(ParseState::Nothing(taken)) => at += taken,
                Ok(ParseState::Complete(taken)) => {
                    let args = parser.request().args(rest);
                    self.executor.execute(&mut session, args, &mut self.outbox, &mut turn);
                    if self.outbox.tail().first() == Some(&b'-') {
                        let reply = self.outbox.take_all();
                        let text = String::from_utf8_lossy(&reply[1..]).trim_end().to_owned();
                        return Err(damage_at(at, format!("this command fails: {text}")));
                    }
                    self.outbox.tail().clear();
                    at += taken;
                }
                Ok(ParseState::Incomplete(_)) => {
                    return Err(damage_at(at, "a command is cut off".into()));
                }
                Err(error) => return Err(damage_at(at, error.to_string())),
            }
        }
        Ok(())
    }
}

/// Removes everything from all databases.
pub(super) fn empty_store(engine: &Engine) {
    let access = Access { tracking: Tracking::Lru, now_s: 0, touches: false, random: 0 };
    let mut view = View::new(&engine.keyspace, 0, 0, access, Wants::default());
    view.flush(0..engine.keyspace.databases(), &engine.keyspace.world());
}
