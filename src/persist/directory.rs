//! The data directory: one server's, while it runs.
//!
//! ```text
//! data/lock                    locked while a server uses the directory
//! data/snapshot-000007.txt     snapshots, numbered; the highest number is the newest
//! data/snapshot-000008.tmp     a snapshot that is being written, or was when the server died
//! ```
//!
//! A snapshot is written under its temporary name, fsynced, renamed, and then the directory is fsynced:
//! a file with a final name is complete.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

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
}

/// A snapshot that is complete.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotFile {
    pub number: u64,
    pub path: PathBuf,
}

/// See the module's description. The lock is held until [`DataDirectory::release`], or until this is
/// dropped.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    lock: File,
}

impl DataDirectory {
    /// Takes possession of a directory; makes it if it is missing.
    pub fn open(path: &Path) -> Result<DataDirectory, DirectoryError> {
        let shown = path.display().to_string();
        let unusable = |error| DirectoryError::Unusable { path: shown.clone(), error };
        fs::create_dir_all(path).map_err(unusable)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = lock.map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DirectoryError::InUse { path: shown }),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let path = path.canonicalize().map_err(unusable)?;
        let directory = DataDirectory { path, lock };
        directory.remove_unfinished().map_err(unusable)?;
        Ok(directory)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets another server use the directory. Nothing may be written to it afterwards.
    pub fn release(&self) -> io::Result<()> {
        self.lock.unlock()
    }

    /// What a server that died was writing is of no use to anybody.
    fn remove_unfinished(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "tmp") {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// The complete snapshots, oldest first.
    pub fn snapshots(&self) -> io::Result<Vec<SnapshotFile>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if let Some(number) = snapshot_number(&path) {
                found.push(SnapshotFile { number, path });
            }
        }
        found.sort();
        Ok(found)
    }

    /// Writes the next snapshot with `write`, which gets the open file, and makes it the newest. If
    /// anything fails, the directory is as it was before.
    pub fn create_snapshot<T>(
        &self,
        write: impl FnOnce(&mut File) -> io::Result<T>,
    ) -> io::Result<(SnapshotFile, T)> {
        let number = self.snapshots()?.last().map_or(1, |newest| newest.number + 1);
        let temporary = self.path.join(format!("snapshot-{number:06}.tmp"));
        let result = self.write_and_rename(number, &temporary, write);
        if result.is_err() {
            // It may never have come to exist; what matters is the first error.
            let _ = fs::remove_file(&temporary);
        }
        result
    }

    fn write_and_rename<T>(
        &self,
        number: u64,
        temporary: &Path,
        write: impl FnOnce(&mut File) -> io::Result<T>,
    ) -> io::Result<(SnapshotFile, T)> {
        let mut file = File::create(temporary)?;
        let written = write(&mut file)?;
        file.sync_all()?;
        let path = self.path.join(format!("snapshot-{number:06}.txt"));
        fs::rename(temporary, &path)?;
        File::open(&self.path)?.sync_all()?;
        Ok((SnapshotFile { number, path }, written))
    }

    /// Removes all but the newest `keep` snapshots.
    pub fn rotate(&self, keep: usize) -> io::Result<()> {
        let snapshots = self.snapshots()?;
        let surplus = snapshots.len().saturating_sub(keep);
        snapshots[..surplus].iter().try_for_each(|old| fs::remove_file(&old.path))
    }

    /// Keeps a damaged snapshot for whoever wants to look at it, under a name that is never loaded.
    pub fn set_aside(&self, damaged: &SnapshotFile) -> io::Result<PathBuf> {
        let aside = damaged.path.with_extension("damaged");
        fs::rename(&damaged.path, &aside)?;
        Ok(aside)
    }
}

fn snapshot_number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("snapshot-")?.strip_suffix(".txt")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let temp = tempfile::tempdir().unwrap();
        let owner = DataDirectory::open(temp.path()).unwrap();
        assert!(matches!(DataDirectory::open(temp.path()), Err(DirectoryError::InUse { .. })));
        owner.release().unwrap();
        let next = DataDirectory::open(temp.path()).unwrap();
        drop(next);
        DataDirectory::open(temp.path()).unwrap();
    }

    #[test]
    fn snapshots_are_numbered_rotated_and_replaced_only_when_complete() {
        let temp = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(temp.path()).unwrap();
        for _ in 0..3 {
            directory.create_snapshot(|file| file.write_all(b"x")).unwrap();
        }
        directory
            .create_snapshot(|_| io::Result::<()>::Err(io::ErrorKind::StorageFull.into()))
            .unwrap_err();
        directory.rotate(2).unwrap();
        let numbers: Vec<u64> = directory.snapshots().unwrap().iter().map(|s| s.number).collect();
        assert_eq!(numbers, [2, 3]);
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 3, "two snapshots and the lock");
    }

    #[test]
    fn what_a_dead_server_was_writing_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("snapshot-000009.tmp"), "half").unwrap();
        let directory = DataDirectory::open(temp.path()).unwrap();
        assert!(directory.snapshots().unwrap().is_empty());
        assert!(!temp.path().join("snapshot-000009.tmp").exists());
    }
}
