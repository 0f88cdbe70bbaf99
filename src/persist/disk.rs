//! The way to the disk: every change of a file or a directory of the data directory goes through here, but for
//! making the directory itself and the file that is locked.
//!
//! The trait exists so that tests can stand in for the disk: fail a call, write short, forget what was
//! not synced, or kill the process between two calls. Whoever writes here assumes nothing that POSIX
//! does not promise: a write may be short or interrupted, what was not synced may be lost in any order,
//! and a rename lasts once its directory is synced. Reading goes through `std::fs`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::path::Path;
use std::sync::Arc;

use crate::base::sync::assert_may_wait;

/// A file that is being written.
pub trait DiskFile: Write + Send {
    /// Returns once everything written so far would survive a loss of power.
    fn sync(&mut self) -> io::Result<()>;
}

/// See the module's description.
pub trait Disk: Send + Sync {
    /// Opens an empty file for writing; a file of this name loses its contents.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Cuts a file off at `len` bytes, durably.
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()>;
    /// Makes what another process wrote to a file durable.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Gives a file another name; a file that had it is gone.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renamings and removals in a directory durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// The disk of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDisk;

impl DiskFile for File {
    fn sync(&mut self) -> io::Result<()> {
        assert_may_wait();
        self.sync_data()
    }
}

impl Disk for SystemDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        assert_may_wait();
        Ok(Box::new(File::create(path)?))
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        assert_may_wait();
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(len)?;
        file.sync_all()
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        assert_may_wait();
        OpenOptions::new().write(true).open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        assert_may_wait();
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        assert_may_wait();
        fs::remove_file(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        assert_may_wait();
        File::open(path)?.sync_all()
    }
}

/// The disk of the machine, but the closure hears of each sync of a directory first, and can refuse it.
#[cfg(test)]
pub struct AskedBeforeSyncs<F>(pub F);

#[cfg(test)]
impl<F: Fn(&Path) -> io::Result<()> + Send + Sync> Disk for AskedBeforeSyncs<F> {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        SystemDisk.create(path)
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        SystemDisk.truncate(path, len)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        SystemDisk.sync_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        (self.0)(path)?;
        SystemDisk.sync_directory(path)
    }
}

/// Creates a file that is either there whole or not at all: written under a temporary name, synced,
/// renamed, and the directory synced. `write` gets the open file.
pub fn create_whole<T>(
    disk: &Arc<dyn Disk>,
    path: &Path,
    write: impl FnOnce(&mut dyn DiskFile) -> io::Result<T>,
) -> io::Result<T> {
    let temporary = path.with_extension("tmp");
    let result = write_and_rename(&**disk, &temporary, path, write);
    if result.is_err() {
        // It may never have come to exist; what matters is the first error.
        let _ = disk.remove(&temporary);
    }
    result
}

fn write_and_rename<T>(
    disk: &dyn Disk,
    temporary: &Path,
    path: &Path,
    write: impl FnOnce(&mut dyn DiskFile) -> io::Result<T>,
) -> io::Result<T> {
    let mut file = disk.create(temporary)?;
    let written = write(&mut *file)?;
    file.sync()?;
    drop(file);
    disk.rename(temporary, path)?;
    disk.sync_directory(path.parent().expect("a file is in a directory"))?;
    Ok(written)
}

/// Writes all of several pieces, whatever the system makes of it: short writes go on where they ended,
/// interrupted ones are repeated. `pieces` is used up.
pub fn write_all_pieces(file: &mut dyn DiskFile, mut pieces: &mut [IoSlice<'_>]) -> io::Result<()> {
    /// How many pieces one `writev` takes at most.
    const PIECES_MAX: usize = 1024;
    assert_may_wait();
    IoSlice::advance_slices(&mut pieces, 0);
    while !pieces.is_empty() {
        let first = &pieces[..pieces.len().min(PIECES_MAX)];
        match file.write_vectored(first) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut pieces, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes three bytes at a time and is interrupted before each.
    #[derive(Default)]
    struct Slow {
        taken: Vec<u8>,
        calls: usize,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            if !self.calls.is_multiple_of(2) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let count = bytes.len().min(3);
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl DiskFile for Slow {
        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn short_and_interrupted_writes_lose_nothing() {
        let mut file = Slow::default();
        let pieces = [&b"hello "[..], b"", b"wide", b" world"];
        write_all_pieces(&mut file, &mut pieces.map(IoSlice::new)).unwrap();
        assert_eq!(file.taken, b"hello wide world");
    }

    #[test]
    fn a_file_that_could_not_be_written_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let disk: Arc<dyn Disk> = Arc::new(SystemDisk);
        create_whole(&disk, &path, |file| file.write_all(b"old")).unwrap();
        let full = |_: &mut dyn DiskFile| io::Result::<()>::Err(io::ErrorKind::StorageFull.into());
        create_whole(&disk, &path, full).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
