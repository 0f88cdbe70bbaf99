//! What the log of one measurement must not do to the next: fill the disk, or still be on its way to it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Result;
use crate::server::Server;

/// A log that is longer than this is rewritten before the next measurement.
const LOG_BYTES_MAX: u64 = 4 << 30;
const REWRITES_MAX: usize = 5;
const REWRITE_TIMEOUT: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(20);

/// Lets the server write data that is only prepared without waiting for the disk each time.
pub fn relax(server: &Server, policy: &str) -> Result<()> {
    if policy == "always" { set_policy(server, "everysec") } else { Ok(()) }
}

/// Bounds the log, and begins to write it as it is to be measured.
pub fn begin(server: &Server, policy: &str) -> Result<()> {
    if policy == "off" {
        return Ok(());
    }
    bound(server)?;
    set_policy(server, policy)
}

fn set_policy(server: &Server, policy: &str) -> Result<()> {
    let words = ["SET", "appendfsync", policy];
    Ok(redis::cmd("CONFIG").arg(&words).exec(&mut server.control()?)?)
}

/// Rewrites the log if it has become long, and again as long as old files are left: this server keeps those that its
/// last but one snapshot needs.
fn bound(server: &Server) -> Result<()> {
    for _ in 0..REWRITES_MAX {
        if bytes_in(server.directory())? <= LOG_BYTES_MAX {
            return Ok(());
        }
        rewrite(server)?;
    }
    Err("the log is rewritten, but does not become shorter".into())
}

fn rewrite(server: &Server) -> Result<()> {
    redis::cmd("BGREWRITEAOF").exec(&mut server.control()?)?;
    let began = Instant::now();
    while server.info_figure("aof_rewrite_in_progress")? > 0.0
        || server.info_figure("aof_rewrite_scheduled")? > 0.0
    {
        if began.elapsed() > REWRITE_TIMEOUT {
            return Err("a log is being rewritten for minutes".into());
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// Returns when what the server has written so far is on the disk, so that nobody else pays for it.
pub fn sync(server: &Server) -> Result<()> {
    for file in files_in(server.directory())? {
        // Segments come and go.
        if let Some(file) = unless_gone(File::open(file))? {
            file.sync_data()?;
        }
    }
    Ok(())
}

fn bytes_in(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for file in files_in(directory)? {
        bytes += unless_gone(fs::metadata(file))?.map_or(0, |metadata| metadata.len());
    }
    Ok(bytes)
}

/// In the directory and in those below it.
fn files_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_in(&path)?);
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
