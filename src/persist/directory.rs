//! The data directory: one server's, while it runs.
//!
//! ```text
//! data/lock                    locked while a server uses the directory
//! data/manifest                which of the following make up the data set (see `manifest`)
//! data/snapshot-000007.txt     snapshots
//! data/log-000012.aof          segments of the log
//! data/*.tmp                   a manifest or snapshot that is being written, or was when the server died
//! data/*.damaged               set aside by --recover-anyway, never read
//! ```
//!
//! Whatever must be there whole is written under a temporary name, synced and renamed, and then the
//! directory is synced: a snapshot or manifest with its final name is complete. A segment grows, so it
//! has its own checks (see `log`).
//!
//! Without a manifest (an empty directory, or one that a version without a log wrote), the snapshots by
//! their numbers are the data set.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::disk::{self, Disk, DiskFile};
use super::manifest::{self, Manifest, ManifestError, SnapshotEntry};
use crate::base::sync::{Mutex, Rank};

/// Why the directory cannot be used; one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error(
        "the data directory {path} is in use by another server; stop it or choose another with --data-dir"
    )]
    InUse { path: String },
    #[error(
        "cannot use the data directory {path}: {error}; make it writable or choose another with --data-dir"
    )]
    Unusable { path: String, error: io::Error },
    #[error("{path}: {error}")]
    NewerManifest { path: String, error: ManifestError },
    #[error(
        "{path} is damaged: {error}. Restore the directory from a backup, or start with --recover-anyway to load \
         the newest snapshot without what was logged after it"
    )]
    DamagedManifest { path: String, error: ManifestError },
    #[error(
        "there are log segments in {path}, but no manifest that says what to make of them. Put it back, restore \
         the directory from a backup, or start with --recover-anyway to load the newest snapshot without the log"
    )]
    MissingManifest { path: String },
}

/// How the files of a kind are called.
struct Kind {
    prefix: &'static str,
    suffix: &'static str,
}

const SNAPSHOT: Kind = Kind { prefix: "snapshot-", suffix: ".txt" };
const SEGMENT: Kind = Kind { prefix: "log-", suffix: ".aof" };

impl Kind {
    fn name(&self, number: u64) -> String {
        format!("{}{number:06}{}", self.prefix, self.suffix)
    }

    fn number(&self, name: &str) -> Option<u64> {
        let number = name.strip_prefix(self.prefix)?.strip_suffix(self.suffix)?.parse().ok()?;
        (self.name(number) == name).then_some(number)
    }
}

/// Whether a file has the temporary name of a snapshot or a manifest. Whatever else there is has another owner.
pub(super) fn is_unfinished(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".tmp") else { return false };
    stem == manifest::NAME || SNAPSHOT.number(&format!("{stem}{}", SNAPSHOT.suffix)).is_some()
}

/// Snapshots and segments that lie in a directory, by their numbers in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub snapshots: Vec<u64>,
    pub segments: Vec<u64>,
    pub has_manifest: bool,
}

/// Looks what lies in a directory.
pub fn list(path: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        listing.snapshots.extend(SNAPSHOT.number(name));
        listing.segments.extend(SEGMENT.number(name));
        listing.has_manifest |= name == manifest::NAME;
    }
    listing.snapshots.sort_unstable();
    listing.segments.sort_unstable();
    Ok(listing)
}

/// Where a snapshot is in a directory.
pub fn snapshot_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(SNAPSHOT.name(number))
}

/// Where a segment is in a directory.
pub fn segment_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(SEGMENT.name(number))
}

/// The name of the file that is locked.
pub(super) const LOCK: &str = "lock";

/// Takes the lock of a directory, which is held as long as the file is open.
pub fn lock(path: &Path) -> Result<File, TryLockError> {
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join(LOCK));
    let lock = lock.map_err(TryLockError::Error)?;
    lock.try_lock().map(|()| lock)
}

/// Whether a server uses the directory at this moment. Changes nothing.
pub fn is_in_use(path: &Path) -> io::Result<bool> {
    let lock = match File::open(path.join(LOCK)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Reads the manifest of a directory, or makes one up from its snapshots if it has none and no log.
pub fn read_manifest(path: &Path) -> Result<Manifest, DirectoryError> {
    let shown = || path.display().to_string();
    let unusable = |error| DirectoryError::Unusable { path: shown(), error };
    let listing = list(path).map_err(unusable)?;
    if !listing.has_manifest {
        if !listing.segments.is_empty() {
            return Err(DirectoryError::MissingManifest { path: shown() });
        }
        return Ok(manifest_of_snapshots(&listing));
    }
    let file = path.join(manifest::NAME);
    let text = fs::read(&file).map_err(unusable)?;
    Manifest::parse(&String::from_utf8_lossy(&text)).map_err(|error| {
        let path = file.display().to_string();
        match error {
            ManifestError::Newer(_) => DirectoryError::NewerManifest { path, error },
            ManifestError::Damaged { .. } => DirectoryError::DamagedManifest { path, error },
        }
    })
}

/// Without a log, the snapshots by their numbers are the data set.
pub(super) fn manifest_of_snapshots(listing: &Listing) -> Manifest {
    let alone = |number: &u64| SnapshotEntry { number: *number, segment: None };
    Manifest { snapshots: listing.snapshots.iter().map(alone).collect(), ..Manifest::default() }
}

/// Makes a directory with all that lead to it, durably: what is synced in it is lost if it is not there
/// itself after a loss of power.
pub(super) fn create_directory(path: &Path, disk: &dyn Disk) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let made: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    fs::create_dir_all(path)?;
    for path in made.into_iter().rev() {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        disk.sync_directory(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// See the module's description. The lock is held until [`DataDirectory::release`], or until this is
/// dropped.
pub struct DataDirectory {
    path: PathBuf,
    lock: File,
    disk: Arc<dyn Disk>,
    /// The highest numbers that were tried. None is used twice: if the manifest was replaced, but making that
    /// durable failed, the file on disk may name what nobody here knows of.
    last_snapshot: AtomicU64,
    last_segment: AtomicU64,
    /// Held while the file is replaced, so that two changes cannot overtake each other. Says whether the file
    /// may be another one than `manifest`, because replacing it failed half-way.
    replacing: Mutex<bool>,
    manifest: Mutex<Manifest>,
}

impl DataDirectory {
    /// Takes possession of a directory; makes it if it is missing. With `accept_damage`, a manifest that
    /// cannot be used is set aside.
    pub fn open(
        path: &Path,
        disk: Arc<dyn Disk>,
        accept_damage: bool,
    ) -> Result<DataDirectory, DirectoryError> {
        let shown = path.display().to_string();
        let unusable = |error| DirectoryError::Unusable { path: shown.clone(), error };
        create_directory(path, &*disk).map_err(unusable)?;
        let lock = match lock(path) {
            Ok(lock) => lock,
            Err(TryLockError::WouldBlock) => return Err(DirectoryError::InUse { path: shown }),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        };
        let path = path.canonicalize().map_err(unusable)?;
        let mut directory = DataDirectory {
            path,
            lock,
            disk,
            last_snapshot: AtomicU64::new(0),
            last_segment: AtomicU64::new(0),
            replacing: Mutex::new(Rank::Directory, false),
            manifest: Mutex::new(Rank::Leaf, Manifest::default()),
        };
        directory.remove_unfinished().map_err(unusable)?;
        let manifest = match read_manifest(&directory.path) {
            Err(error) if accept_damage && error.is_damage() => {
                log::warn!("{error}");
                directory.do_without_manifest().map_err(unusable)?
            }
            read => read?,
        };
        directory.manifest = Mutex::new(Rank::Leaf, manifest);
        Ok(directory)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Lets another server use the directory. Nothing may be written to it afterwards.
    pub fn release(&self) -> io::Result<()> {
        self.lock.unlock()
    }

    /// What a server that died was writing is of no use to anybody.
    fn remove_unfinished(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(is_unfinished) {
                self.disk.remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Sets aside a manifest that is no use, and all segments, since nothing says how they fit together.
    fn do_without_manifest(&self) -> io::Result<Manifest> {
        let listing = list(&self.path)?;
        if listing.has_manifest {
            self.set_aside(&self.path.join(manifest::NAME))?;
        }
        for number in &listing.segments {
            self.set_aside(&self.segment_path(*number))?;
        }
        Ok(manifest_of_snapshots(&listing))
    }

    /// Whether nothing is stored here.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(list(&self.path)? == Listing::default())
    }

    /// What makes up the data set.
    pub fn manifest(&self) -> Manifest {
        self.manifest.lock().clone()
    }

    /// Sees to it that there is a manifest, whatever it says.
    pub fn ensure_manifest(&self) -> io::Result<()> {
        self.update_manifest(|_| ())
    }

    /// Changes the manifest, durably. If that fails, the server goes on with the old one, and the file may be
    /// either: a failure to make the new one durable comes after it has taken its place.
    pub fn update_manifest(&self, change: impl FnOnce(&mut Manifest)) -> io::Result<()> {
        let mut is_uncertain = self.replacing.lock();
        let old = self.manifest();
        let mut new = old.clone();
        change(&mut new);
        let path = self.path.join(manifest::NAME);
        if new == old && !*is_uncertain && path.exists() {
            return Ok(());
        }
        *is_uncertain = true;
        disk::create_whole(&self.disk, &path, |file| file.write_all(new.print().as_bytes()))?;
        *is_uncertain = false;
        *self.manifest.lock() = new;
        Ok(())
    }

    pub fn snapshot_path(&self, number: u64) -> PathBuf {
        snapshot_path(&self.path, number)
    }

    pub fn segment_path(&self, number: u64) -> PathBuf {
        segment_path(&self.path, number)
    }

    /// Writes a snapshot with `write`, which gets the open file. It is not part of the data set until the
    /// manifest names it. If anything fails, the directory is as it was before. Returns its number.
    pub fn create_snapshot<T>(
        &self,
        write: impl FnOnce(&mut dyn DiskFile) -> io::Result<T>,
    ) -> io::Result<(u64, T)> {
        let newest = self.manifest().snapshots.last().map_or(0, |newest| newest.number);
        let number = newest.max(self.last_snapshot.load(Relaxed)) + 1;
        self.last_snapshot.store(number, Relaxed);
        let written = disk::create_whole(&self.disk, &self.snapshot_path(number), write)?;
        Ok((number, written))
    }

    /// A number that no segment has had yet.
    pub fn next_segment(&self) -> u64 {
        let last = self.manifest().segments.last().map_or(0, |last| last.number);
        last.max(self.last_segment.load(Relaxed)) + 1
    }

    /// Opens a new segment.
    pub fn create_segment(&self, number: u64) -> io::Result<Box<dyn DiskFile>> {
        self.last_segment.fetch_max(number, Relaxed);
        self.disk.create(&self.segment_path(number))
    }

    /// Cuts off a segment behind its last sound block.
    pub fn truncate_segment(&self, number: u64, len: u64) -> io::Result<()> {
        self.disk.truncate(&self.segment_path(number), len)
    }

    /// Makes durable what an earlier server wrote to a segment.
    pub fn sync_segment(&self, number: u64) -> io::Result<()> {
        self.disk.sync_file(&self.segment_path(number))
    }

    /// Makes the names of new files durable.
    pub fn sync(&self) -> io::Result<()> {
        self.disk.sync_directory(&self.path)
    }

    /// Removes snapshots and segments that are older than everything that the manifest names.
    pub fn remove_superseded(&self) -> io::Result<()> {
        let (manifest, listing) = (self.manifest(), list(&self.path)?);
        let oldest = manifest.snapshots.first().map_or(0, |snapshot| snapshot.number);
        let newest = manifest.snapshots.last().map_or(0, |snapshot| snapshot.number);
        let is_named = |number: u64| manifest.snapshots.iter().any(|s| s.number == number);
        for number in listing.snapshots {
            if number < oldest || number < newest && !is_named(number) {
                self.disk.remove(&self.snapshot_path(number))?;
            }
        }
        let oldest = manifest.segments.first().map_or(u64::MAX, |segment| segment.number);
        for number in listing.segments.into_iter().filter(|number| *number < oldest) {
            self.disk.remove(&self.segment_path(number))?;
        }
        Ok(())
    }

    /// Removes a snapshot that could not be published, unless the manifest on disk may name it: replacing
    /// that can fail after the new one is in its place.
    pub fn remove_unpublished(&self, number: u64) {
        let is_unknown = |manifest: Manifest| manifest.snapshots.iter().all(|s| s.number != number);
        if read_manifest(&self.path).is_ok_and(is_unknown) {
            self.remove(&self.snapshot_path(number));
        }
    }

    /// Removes a file that nothing refers to; if that fails, it is only in the way.
    pub fn remove(&self, path: &Path) {
        if let Err(error) = self.disk.remove(path) {
            log::warn!("cannot remove {}: {error}", path.display());
        }
    }

    /// Keeps a damaged file for whoever wants to look at it, under a name that is never read. Returns the
    /// name.
    pub fn set_aside(&self, damaged: &Path) -> io::Result<PathBuf> {
        let aside = damaged.with_extension("damaged");
        self.disk.rename(damaged, &aside)?;
        self.sync()?;
        Ok(aside)
    }
}

impl DirectoryError {
    /// Whether `--recover-anyway` helps.
    fn is_damage(&self) -> bool {
        matches!(
            self,
            DirectoryError::DamagedManifest { .. } | DirectoryError::MissingManifest { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::persist::disk::SystemDisk;
    use crate::persist::manifest::SegmentEntry;

    fn open(path: &Path) -> Result<DataDirectory, DirectoryError> {
        DataDirectory::open(path, Arc::new(SystemDisk), false)
    }

    fn files(path: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let temp = tempfile::tempdir().unwrap();
        assert!(!is_in_use(temp.path()).unwrap());
        let owner = open(temp.path()).unwrap();
        assert!(is_in_use(temp.path()).unwrap());
        assert!(matches!(open(temp.path()), Err(DirectoryError::InUse { .. })));
        owner.release().unwrap();
        assert!(!is_in_use(temp.path()).unwrap());
        let next = open(temp.path()).unwrap();
        drop(next);
        open(temp.path()).unwrap();
    }

    #[test]
    fn what_no_snapshot_needs_any_more_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        let directory = open(temp.path()).unwrap();
        for number in 1..=3 {
            directory.create_segment(number).unwrap();
            let entry = SegmentEntry { number, lsn: number };
            directory.update_manifest(|manifest| manifest.segments.push(entry)).unwrap();
            let (snapshot, ()) = directory.create_snapshot(|file| file.write_all(b"x")).unwrap();
            assert_eq!(snapshot, number);
            let entry = SnapshotEntry { number, segment: Some(number) };
            directory.update_manifest(|manifest| manifest.add_snapshot(entry, 2)).unwrap();
            directory.remove_superseded().unwrap();
        }
        let full = |_: &mut dyn DiskFile| io::Result::<()>::Err(io::ErrorKind::StorageFull.into());
        directory.create_snapshot(full).unwrap_err();
        let expected = [
            "lock",
            "log-000002.aof",
            "log-000003.aof",
            "manifest",
            "snapshot-000002.txt",
            "snapshot-000003.txt",
        ];
        assert_eq!(files(temp.path()), expected);
        let before = directory.manifest();
        drop(directory);
        assert_eq!(open(temp.path()).unwrap().manifest(), before);
    }

    #[test]
    fn no_number_is_used_twice_even_if_its_file_came_to_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let directory = open(temp.path()).unwrap();
        let full = |_: &mut dyn DiskFile| io::Result::<()>::Err(io::ErrorKind::StorageFull.into());
        directory.create_snapshot(full).unwrap_err();
        assert_eq!(directory.create_snapshot(|file| file.write_all(b"x")).unwrap().0, 2);
        directory.create_segment(7).unwrap();
        assert_eq!(directory.next_segment(), 8);
    }

    /// The file names what the server does not know of; asked for the old one, it used to find it there already.
    #[test]
    fn a_manifest_that_was_replaced_half_way_is_written_again() {
        let temp = tempfile::tempdir().unwrap();
        let is_broken = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_broken);
        let disk = disk::AskedBeforeSyncs(move |_: &Path| match asked.load(Relaxed) {
            true => Err(io::ErrorKind::Other.into()),
            false => Ok(()),
        });
        let directory = DataDirectory::open(temp.path(), Arc::new(disk), false).unwrap();
        directory.ensure_manifest().unwrap();
        let before = directory.manifest();
        is_broken.store(true, Relaxed);
        let entry = SnapshotEntry { number: 7, segment: None };
        directory.update_manifest(|manifest| manifest.snapshots.push(entry)).unwrap_err();
        assert_eq!(directory.manifest(), before);
        assert_ne!(read_manifest(temp.path()).unwrap(), before);
        is_broken.store(false, Relaxed);
        directory.ensure_manifest().unwrap();
        assert_eq!(read_manifest(temp.path()).unwrap(), before);
    }

    #[test]
    fn what_a_dead_server_was_writing_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        for name in ["snapshot-000009.tmp", "manifest.tmp", "mine.tmp", "snapshot-9.tmp"] {
            fs::write(temp.path().join(name), "half").unwrap();
        }
        fs::create_dir(temp.path().join("x.tmp")).unwrap();
        let directory = open(temp.path()).unwrap();
        assert_eq!(directory.manifest(), Manifest::default());
        // Whoever put the others there may want them.
        assert_eq!(files(temp.path()), ["lock", "mine.tmp", "snapshot-9.tmp", "x.tmp"]);
    }

    #[test]
    fn without_a_manifest_snapshots_are_enough_but_segments_are_not() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("snapshot-000003.txt"), "x").unwrap();
        fs::write(temp.path().join("snapshot-000002.txt"), "x").unwrap();
        let numbers: Vec<u64> =
            open(temp.path()).unwrap().manifest().snapshots.iter().map(|s| s.number).collect();
        assert_eq!(numbers, [2, 3]);
        fs::write(temp.path().join("log-000001.aof"), "x").unwrap();
        assert!(matches!(open(temp.path()), Err(DirectoryError::MissingManifest { .. })));
        let directory = DataDirectory::open(temp.path(), Arc::new(SystemDisk), true).unwrap();
        assert_eq!(directory.manifest().snapshots.len(), 2);
        assert!(temp.path().join("log-000001.damaged").exists());
    }
}
