//! What a path that is to be imported is: a file of one of the kinds, told by its first bytes, or Redis's
//! `appendonlydir`, whose manifest names the files.
//!
//! ```text
//! file appendonly.aof.2.base.aof seq 2 type b
//! file appendonly.aof.3.incr.aof seq 3 type i
//! ```
//!
//! Types: `b` what the others follow, `i` what was written after it, `h` history, not needed any more.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{ImportError, unusable};
use crate::base::words::split_words;
use crate::persist::directory;

/// A file to import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Snapshot(PathBuf),
    Segment(PathBuf),
    /// Commands alone, as in Redis's append-only file.
    Commands(PathBuf),
}

const IS_RDB: &str = "this is in Redis's own binary format (RDB). Let Redis write commands instead: CONFIG SET \
                      aof-use-rdb-preamble no, CONFIG SET appendonly yes, BGREWRITEAOF; then import its appendonlydir";

/// The files that a path stands for, in their order.
pub(super) fn parts(path: &Path) -> Result<Vec<Part>, ImportError> {
    let unreadable = |error| ImportError::Unreadable { path: path.to_owned(), error };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![part(path)?]);
    }
    let mut manifests = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|extension| extension == "manifest") {
            manifests.push(file);
        }
    }
    match &manifests[..] {
        [manifest] => {
            let text = fs::read(manifest).map_err(unreadable)?;
            let names = named_files(&text).map_err(|what| unusable(manifest, what))?;
            names.iter().map(|name| part(&path.join(name))).collect()
        }
        [] if is_data_directory(path) => Err(unusable(
            path,
            "this is a data directory of this server already; start it with --data-dir",
        )),
        [] => Err(unusable(
            path,
            "there is no manifest in this directory; name Redis's appendonlydir, or a file",
        )),
        _ => Err(unusable(path, "there are several manifests; leave only the one to import")),
    }
}

fn is_data_directory(path: &Path) -> bool {
    directory::list(path).is_ok_and(|found| found.has_manifest || !found.snapshots.is_empty())
}

/// What a file is, by its first bytes.
fn part(path: &Path) -> Result<Part, ImportError> {
    let beginning = beginning(path)
        .map_err(|error| ImportError::Unreadable { path: path.to_owned(), error })?;
    let begins = |with: &[u8]| beginning.starts_with(with);
    if begins(b"REDIS") {
        Err(unusable(path, IS_RDB))
    } else if begins(b"# sanderling snapshot ") {
        Ok(Part::Snapshot(path.to_owned()))
    } else if begins(b"# sanderling log ") {
        Ok(Part::Segment(path.to_owned()))
    } else if begins(b"# sanderling manifest ") {
        Err(unusable(path, "this is a manifest; name the files or start a server on its directory"))
    } else {
        Ok(Part::Commands(path.to_owned()))
    }
}

fn beginning(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The names of the files in a manifest of Redis that make up its data, in their order.
fn named_files(manifest: &[u8]) -> Result<Vec<String>, String> {
    let mut files: Vec<(bool, u64, String)> = Vec::new();
    for (index, line) in manifest.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let file = named_file(line)
            .ok_or_else(|| format!("line {} is not of a manifest of Redis", index + 1))?;
        files.extend(file);
    }
    // What the others follow comes first.
    files.sort();
    if files.is_empty() {
        return Err("it names no files".to_owned());
    }
    Ok(files.into_iter().map(|(_, _, name)| name).collect())
}

/// Whether a line's file follows others, its number and name. `Some(None)` if it is history.
fn named_file(line: &[u8]) -> Option<Option<(bool, u64, String)>> {
    let words = split_words(line)?;
    let value = |key: &[u8]| {
        let pair = words.chunks_exact(2).find(|pair| pair[0].eq_ignore_ascii_case(key))?;
        String::from_utf8(pair[1].clone()).ok()
    };
    let (name, seq) = (value(b"file")?, value(b"seq")?.parse().ok()?);
    // A name leads nowhere else.
    if name.is_empty() || name.contains('/') {
        return None;
    }
    match value(b"type")?.as_str() {
        "b" => Some(Some((false, seq, name))),
        "i" => Some(Some((true, seq, name))),
        "h" => Some(None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_comes_first_and_history_is_left_out() {
        let manifest = b"file \"a b.1.incr.aof\" seq 10 type i\nfile c.9.incr.aof seq 9 type i startoffset 7\n\
                         file old seq 1 type h\nfile a.2.base.aof seq 2 type b\n";
        let expected = ["a.2.base.aof", "c.9.incr.aof", "a b.1.incr.aof"];
        assert_eq!(named_files(manifest).unwrap(), expected);
    }

    #[test]
    fn lines_that_are_not_understood_are_named() {
        for line in [
            "file a seq 1",
            "file a seq x type b",
            "file a seq 1 type x",
            "file ../a seq 1 type b",
            "file \"a seq 1 type b",
        ] {
            let text = format!("file a seq 1 type b\n{line}\n");
            assert!(named_files(text.as_bytes()).unwrap_err().contains("line 2"), "{line}");
        }
        assert!(named_files(b"\n").is_err());
    }
}
