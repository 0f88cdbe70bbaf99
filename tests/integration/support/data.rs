//! Data directories and data to put into them.

use super::ask::Ask;
use super::contents::{contents, contents_that_redis_logs};
use super::peer::Connection;
use super::resp::{self, Reply};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// The snapshots of a data directory, oldest first.
pub fn snapshots(directory: &Path) -> Vec<PathBuf> {
    files_with(directory, "txt")
}

/// The segments of the log in a data directory, oldest first.
pub fn segments(directory: &Path) -> Vec<PathBuf> {
    files_with(directory, "aof")
}

/// The files of a directory with this extension, in the order of their names.
pub fn files_with(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .expect("the data directory exists")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

/// What a server that is killed at this moment leaves behind: a copy of its directory as it is.
pub fn copy(directory: &Path) -> TempDir {
    // The server may be about to put one manifest in the place of another and to remove what is old.
    let manifest = || fs::read(directory.join("manifest")).ok();
    loop {
        let before = manifest();
        if let Ok(copy) = copy_files(directory)
            && manifest() == before
        {
            return copy;
        }
    }
}

/// The files as they are, of a directory that nobody changes.
pub fn copy_files(directory: &Path) -> io::Result<TempDir> {
    let copy = TempDir::with_prefix("copy-")?;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().expect("files have names");
        fs::copy(&path, copy.path().join(name))?;
    }
    Ok(copy)
}

/// The name of a file.
pub fn name(path: &Path) -> &str {
    path.file_name().expect("it has a name").to_str().expect("names are UTF-8")
}

/// Where a text begins in a file that has it.
pub fn position(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).position(|window| window == text.as_bytes()).expect("it is there")
}

/// Changes what is in a file.
pub fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("it can be read");
    change(&mut bytes);
    fs::write(path, bytes).expect("it can be written");
}

/// Changes a bit of a file.
pub fn flip(path: &Path, at: u64) {
    edit(path, |bytes| bytes[at as usize] ^= 1);
}

/// Unix milliseconds by the clock of the machine.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    since.as_millis() as i64
}

/// `DEBUG DIGEST`, which is equal for equal data.
pub fn digest(client: &mut impl Connection) -> String {
    let digest = client.say("DEBUG DIGEST");
    assert!(digest.len() == 41 && digest.starts_with('+'), "{digest}");
    digest
}

/// Keys and values that a careless format would spoil. Each key occurs once.
pub fn awkward_pairs() -> Vec<(Vec<u8>, Vec<u8>)> {
    let all: Vec<u8> = (0..=255).collect();
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> =
        (0..=255).map(|byte| (format!("byte:{byte}").into_bytes(), vec![byte])).collect();
    pairs.extend((0..=255).map(|byte| (vec![byte], vec![byte, b'"', byte, b'\\', byte])));
    pairs.extend((0..255).map(|byte| (vec![b'k', byte, byte + 1], [&all[..], &[byte]].concat())));
    let texts: [&[u8]; 20] = [
        b"",
        b" ",
        b"\"",
        b"'",
        b"''",
        b"\\",
        b"\\x00",
        b"a b",
        b"# section 1",
        b"\n# end \xc2\xb7 sections 0 \xc2\xb7 keys 0\n",
        b"line\nline\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"9223372036854775807",
        b"-9223372036854775808",
        b"9223372036854775808",
        b"-0",
        b"007",
        b"1e5",
        "\u{0}\u{7f}\u{e9}\u{2028}\u{1f980}".as_bytes(),
        b"\xff\xfe\xc3\x28",
    ];
    pairs.extend(texts.iter().map(|text| ([b"text:", *text].concat(), text.to_vec())));
    pairs.extend(texts.iter().map(|text| (text.to_vec(), [*text, b"!"].concat())));
    for len in [44, 45, 255, 256, 511, 512, 513, 16_000, 16_384, 65_536, 300_000, 3_000_000] {
        let value: Vec<u8> = all.iter().copied().cycle().take(len).collect();
        pairs.push((format!("long:{len}").into_bytes(), value.clone()));
        if len < 200_000 {
            pairs.push((value, format!("of a key of {len} bytes").into_bytes()));
        }
    }
    BTreeMap::from_iter(pairs).into_iter().collect()
}

/// Sets all of them.
pub fn set_pairs(client: &mut impl Connection, pairs: &[(Vec<u8>, Vec<u8>)]) {
    for (key, value) in pairs {
        let reply = client.ask(&[b"SET", &key[..], value]);
        assert_eq!(reply, Reply::Simple(b"OK".to_vec()));
    }
}

/// Each must have its value.
pub fn check_pairs(client: &mut impl Connection, pairs: &[(Vec<u8>, Vec<u8>)]) {
    for (key, value) in pairs {
        let reply = client.ask(&[b"GET", &key[..]]);
        assert!(reply == Reply::Bulk(value.clone()), "the value of {}", key.escape_ascii());
    }
}

/// As many as a server has by default.
pub const DATABASES: usize = 16;

/// Every key with its value and deadline, database by database.
pub fn state(client: &mut (impl Connection + ?Sized)) -> Vec<String> {
    state_by(client, contents)
}

/// The same without what Redis 7.0 does not log.
pub fn state_that_redis_logs(client: &mut (impl Connection + ?Sized)) -> Vec<String> {
    state_by(client, contents_that_redis_logs)
}

fn state_by<C: Connection + ?Sized>(
    client: &mut C,
    contents: impl Fn(&mut C, &[u8]) -> String,
) -> Vec<String> {
    let mut lines = Vec::new();
    for db in 0..DATABASES {
        client.say(&format!("SELECT {db}"));
        let Reply::Array(keys) = resp::sorted(client.ask(&["KEYS", "*"])) else {
            panic!("KEYS has an array");
        };
        for key in keys {
            let Reply::Bulk(key) = key else { panic!("a key is a bulk string") };
            let value = contents(client, &key);
            let deadline = resp::render(&client.ask(&[b"PEXPIRETIME", &key[..]]));
            lines.push(format!("{db} {} {value} {deadline}", key.escape_ascii()));
        }
    }
    lines
}
