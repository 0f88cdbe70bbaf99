//! Backups: snapshots outside of the data directory, each a file of its own.
//!
//! `backup-20261121T104500Z.txt` is a snapshot (see `snapshot`) of the instant that its name tells, in UTC;
//! a second one of the same second is called `backup-20261121T104500Z-2.txt`. It is written under a
//! temporary name, synced and renamed, so a file with a final name is complete; and it checks itself by
//! the checksums in it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::DataDirectory;
use super::check::verify_snapshot;
use super::directory::{DirectoryError, create_directory};
use super::disk::{self, Disk, SystemDisk};
use super::manifest::SnapshotEntry;
use super::snapshot::Damage;

const PREFIX: &str = "backup-";
const SUFFIX: &str = ".txt";
/// Of the file that is being written, or was when its server died.
const UNFINISHED: &str = ".tmp";
const TIME_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// Why a file was not restored; one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(
        "the data directory {path} is not empty, and restoring would replace what is in it; choose an empty one \
         with --data-dir, or start without --restore"
    )]
    NotEmpty { path: String },
    #[error("cannot restore {path}: {error}")]
    Unreadable { path: String, error: io::Error },
    #[error("cannot restore {path}: {damage}; nothing was changed; try an older backup")]
    Damaged { path: String, damage: Damage },
}

/// Backups in a directory, oldest first.
pub fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if time_of(&path).is_some() {
            found.push(path);
        }
    }
    found.sort_by_key(|path| (time_of(path), path.as_os_str().len(), path.clone()));
    Ok(found)
}

/// Unix seconds of the instant that a backup holds, by its name.
pub fn time_of(path: &Path) -> Option<i64> {
    time_in(path.file_name()?.to_str()?, SUFFIX)
}

/// The time in a name as [`next_path`] makes it. Whatever is called otherwise is not a backup of a server's.
fn time_in(name: &str, suffix: &str) -> Option<i64> {
    let name = name.strip_prefix(PREFIX)?.strip_suffix(suffix)?;
    let (time, number) = name.split_once('-').unwrap_or((name, "2"));
    let is_as_written = number.parse::<u64>().is_ok_and(|n| n >= 2 && n.to_string() == number);
    let time = jiff::civil::DateTime::strptime(TIME_FORMAT, time).ok().filter(|_| is_as_written)?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

/// A name for a backup of this instant that is not taken.
pub fn next_path(directory: &Path, unix_ms: i64) -> PathBuf {
    let time = Timestamp::from_millisecond(unix_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let time = time.strftime(TIME_FORMAT);
    let names = (1..).map(|n| match n {
        1 => format!("{PREFIX}{time}{SUFFIX}"),
        n => format!("{PREFIX}{time}-{n}{SUFFIX}"),
    });
    let mut free = names.map(|name| directory.join(name)).filter(|path| !path.exists());
    free.next().expect("some number is not taken")
}

/// Removes all but the newest `keep` backups, and what was never finished. To be called while none is written
/// there.
pub fn rotate(disk: &dyn Disk, directory: &Path, keep: usize) -> io::Result<()> {
    let backups = list(directory)?;
    let surplus = backups.len().saturating_sub(keep);
    backups[..surplus].iter().try_for_each(|old| disk.remove(old))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| time_in(name, UNFINISHED).is_some()) {
            disk.remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Makes a backup (or any snapshot) the contents of an empty data directory.
pub fn restore(file: &Path, directory: &Path) -> Result<(), RestoreError> {
    let shown = file.display().to_string();
    let unreadable = |error| RestoreError::Unreadable { path: shown.clone(), error };
    let verified = File::open(file).and_then(verify_snapshot);
    if let (_, Some(damage)) = verified.map_err(unreadable)? {
        return Err(RestoreError::Damaged { path: shown, damage });
    }
    let system: Arc<dyn Disk> = Arc::new(SystemDisk);
    let target = DataDirectory::open(directory, Arc::clone(&system), false)?;
    if !target.is_empty().map_err(unreadable)? {
        return Err(RestoreError::NotEmpty { path: directory.display().to_string() });
    }
    let mut source = File::open(file).map_err(unreadable)?;
    let copied = target.create_snapshot(|mut copy| io::copy(&mut source, &mut copy));
    let (number, _) = copied.map_err(unreadable)?;
    let entry = SnapshotEntry { number, segment: None };
    target.update_manifest(|manifest| manifest.snapshots.push(entry)).map_err(unreadable)
}

/// Writes a backup with `write`, which gets the open file, and returns its path.
pub fn create<T>(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    unix_ms: i64,
    write: impl FnOnce(&mut dyn disk::DiskFile) -> io::Result<T>,
) -> io::Result<(PathBuf, T)> {
    create_directory(directory, &**disk)?;
    // The path is told to others, who may be in another directory.
    let path = next_path(&directory.canonicalize()?, unix_ms);
    let written = disk::create_whole(disk, &path, write)?;
    Ok((path, written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_time_and_are_never_taken_twice() {
        let folder = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(SystemDisk);
        let unix_ms = 1_795_258_800_000;
        let make = |unix_ms| create(&disk, folder.path(), unix_ms, |file| file.write_all(b"x"));
        let (first, ()) = make(unix_ms).unwrap();
        let (second, ()) = make(unix_ms + 1).unwrap();
        let (third, ()) = make(unix_ms + 1000).unwrap();
        assert!(first.ends_with("backup-20261121T110000Z.txt"), "{first:?}");
        assert!(second.ends_with("backup-20261121T110000Z-2.txt"));
        assert_eq!(time_of(&second), Some(unix_ms / 1000));
        assert_eq!(time_of(Path::new("backup-yesterday.txt")), None);
        let canonical = folder.path().canonicalize().unwrap();
        assert_eq!(list(&canonical).unwrap(), [first, second.clone(), third.clone()]);
        rotate(&*disk, &canonical, 2).unwrap();
        assert_eq!(list(&canonical).unwrap(), [second, third]);
    }

    #[test]
    fn what_is_no_backup_stays_and_what_was_not_finished_goes() {
        let folder = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(SystemDisk);
        let foreign = [
            "backup-20200101T000000Z-1.txt",
            "backup-20200101T000000Z-02.txt",
            "backup-20200101T000000Z-before-upgrade.txt",
            "backup-20200101T000000Z.txt.gz",
            "backup-before.tmp",
        ];
        let unfinished = ["backup-20200101T000000Z.tmp", "backup-20200101T000000Z-2.tmp"];
        for name in foreign.iter().chain(&unfinished) {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let (path, ()) =
            create(&disk, folder.path(), 1_795_258_800_000, |file| file.write_all(b"x")).unwrap();
        rotate(&*disk, &folder.path().canonicalize().unwrap(), 1).unwrap();
        assert!(path.exists() && foreign.iter().all(|name| folder.path().join(name).exists()));
        assert!(unfinished.iter().all(|name| !folder.path().join(name).exists()));
    }

    #[test]
    fn the_folder_of_backups_is_made_durably() {
        let folder = tempfile::tempdir().unwrap();
        let synced = Arc::new(std::sync::Mutex::new(Vec::new()));
        let noted = Arc::clone(&synced);
        let disk: Arc<dyn Disk> = Arc::new(disk::AskedBeforeSyncs(move |path: &Path| {
            noted.lock().unwrap().push(path.to_owned());
            Ok(())
        }));
        create(&disk, &folder.path().join("a/b"), 0, |file| file.write_all(b"x")).unwrap();
        let synced = synced.lock().unwrap();
        assert!(synced.contains(&folder.path().to_owned()), "{synced:?}");
        assert!(synced.contains(&folder.path().join("a")), "{synced:?}");
    }
}
