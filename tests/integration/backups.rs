//! Backups: made beside the running server, kept, shipped, and restored.

use crate::support::ask::Ask;
use crate::support::data::{digest, position};
use crate::support::process::{self, Process, free_port};
use crate::support::sanderling::Sanderling;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::{TempDir, tempdir};

const FLAGS: [&str; 4] = ["--save", "", "--enable-debug-command", "yes"];

fn start(backup_dir: &Path, flags: &[&str]) -> (Sanderling, TempDir) {
    let data = tempdir().unwrap();
    let mut all = FLAGS.to_vec();
    all.extend_from_slice(&["--backup-dir", backup_dir.to_str().unwrap()]);
    all.extend_from_slice(flags);
    (Sanderling::start_in(data.path(), &all), data)
}

fn backups(directory: &Path) -> Vec<PathBuf> {
    sanderling::persist::backup::list(directory).unwrap_or_default()
}

/// The path in a reply of `BACKUP`.
fn path_of(reply: &str) -> PathBuf {
    assert!(reply.starts_with('"'), "{reply}");
    PathBuf::from(reply.trim_matches('"'))
}

#[test]
fn a_backup_is_one_file_that_restores_everything_into_an_empty_directory() {
    let folder = tempdir().unwrap();
    let (server, data) = start(folder.path(), &[]);
    let mut client = server.client();
    client.say("DEBUG POPULATE 5000");
    client.say("SET greeting \"hello world\" PX 1000000000000");
    client.say("SELECT 7");
    client.say("SET other v");
    let before = digest(&mut client);
    let to = folder.path().join("elsewhere");
    let path = path_of(&client.say(&format!("BACKUP TO {}", to.display())));
    assert_eq!(backups(&to), [path.canonicalize().unwrap()]);
    client.say("SET other changed");
    drop((server, data));

    let data = tempdir().unwrap();
    let flags =
        ["--restore", path.to_str().unwrap(), "--enable-debug-command", "yes", "--save", ""];
    let restored = Process::start(data.path(), &flags);
    let mut client = restored.client();
    assert_eq!(digest(&mut client), before);
    client.say("SET more x");
    restored.kill();
    // What was restored is an ordinary data directory.
    let again = Process::start(data.path(), &["--save", ""]);
    assert_eq!(again.client().say("GET greeting"), "\"hello world\"");
}

#[test]
fn restoring_replaces_nothing_and_takes_nothing_that_is_damaged() {
    let folder = tempdir().unwrap();
    let (server, _data) = start(folder.path(), &[]);
    let mut client = server.client();
    client.say("SET k v");
    let path = path_of(&client.say("BACKUP"));
    let restore = |data: &Path, path: &Path| {
        let port = free_port().to_string();
        let (data, path) = (data.to_str().unwrap(), path.to_str().unwrap());
        process::run(&["--port", &port, "--data-dir", data, "--restore", path])
    };
    let full = tempdir().unwrap();
    fs::copy(&path, full.path().join("snapshot-000001.txt")).unwrap();
    let ended = restore(full.path(), &path);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("is not empty"), "{}", ended.stderr);

    let empty = tempdir().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let at = position(&bytes, "SET k");
    bytes[at] ^= 1;
    let damaged = folder.path().join("damaged.txt");
    fs::write(&damaged, bytes).unwrap();
    for (file, reason) in [(&damaged, "checksum"), (&folder.path().join("none"), "No such file")] {
        let ended = restore(empty.path(), file);
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.contains(reason), "{}", ended.stderr);
        assert!(ended.stderr.contains(file.to_str().unwrap()), "{}", ended.stderr);
    }
    assert!(!empty.path().join("manifest").exists());
}

#[test]
fn backups_are_made_in_time_and_the_oldest_go() {
    let folder = tempdir().unwrap();
    let (server, _data) = start(folder.path(), &["--backup-interval", "60", "--backup-keep", "2"]);
    let mut client = server.client();
    client.say("SET k v");
    for count in 1..=4 {
        client
            .say_until("INFO persistence", |info| info.contains(&format!("\\nbackups:{count}\\r")));
        assert_eq!(backups(folder.path()).len(), count.min(2));
        server.engine().clock.advance(Duration::from_secs(59));
        assert_eq!(client.info("backups"), count.to_string());
        server.engine().clock.advance(Duration::from_secs(1));
    }
}

/// Whoever takes one elsewhere from time to time used to put the scheduled ones off for ever.
#[test]
fn a_backup_elsewhere_does_not_count_for_the_interval() {
    let folder = tempdir().unwrap();
    let (server, data) = start(folder.path(), &["--backup-interval", "60"]);
    let mut client = server.client();
    client.say_until("INFO persistence", |info| info.contains("\\nbackups:1\\r"));
    server.engine().clock.advance(Duration::from_secs(59));
    let elsewhere = data.path().join("elsewhere");
    path_of(&client.say(&format!("BACKUP TO {}", elsewhere.display())));
    assert!(client.say("BACKUP TO /proc/none").starts_with("-ERR The backup failed"));
    server.engine().clock.advance(Duration::from_secs(1));
    client.say_until("INFO persistence", |info| info.contains("\\nbackups:3\\r"));
    assert_eq!(backups(folder.path()).len(), 2);
}

#[test]
fn the_interval_goes_on_where_the_last_server_stopped() {
    let folder = tempdir().unwrap();
    let flags = ["--backup-interval", "3600"];
    let (server, _data) = start(folder.path(), &flags);
    server.client().say_until("INFO persistence", |info| info.contains("\\nbackups:1\\r"));
    drop(server);
    let (server, _data) = start(folder.path(), &flags);
    let mut client = server.client();
    server.engine().clock.advance(Duration::from_secs(3599));
    assert_eq!(
        client.say("BACKUP TO /proc/none").split(':').next(),
        Some("-ERR The backup failed")
    );
    assert_eq!(client.info("backups"), "0");
    assert_eq!(client.info("backup_last_status"), "err");
    server.engine().clock.advance(Duration::from_secs(61));
    client.say_until("INFO persistence", |info| info.contains("\\nbackups:1\\r"));
    assert_eq!(client.info("backup_last_status"), "ok");
}

#[test]
fn the_command_ships_each_backup_and_is_repeated_until_it_succeeds() {
    let folder = tempdir().unwrap();
    let shipped = folder.path().join("shipped");
    let script = folder.path().join("ship.sh");
    // Fails while the destination is missing.
    fs::write(
        &script,
        format!("set -e\ncp \"$2\" {}/ 2>/dev/null\n[ \"$1\" = \"a word\" ]\n", shipped.display()),
    )
    .unwrap();
    let command = format!("sh {} \"a word\"", script.display());
    let to = folder.path().join("backups");
    let (server, _data) = start(&to, &["--backup-command", &command]);
    fs::write(&shipped, "a file is in the way").unwrap();
    let mut client = server.client();
    let path = path_of(&client.say("BACKUP"));
    client.say_until("INFO persistence", |info| info.contains("backup_command_failures:1\\r"));
    assert_eq!(client.info("backup_command_last_status"), "err");
    assert!(client.info("backup_command_last_error").contains("exit status"));
    assert_eq!(client.info("backup_last_status"), "ok");
    fs::remove_file(&shipped).unwrap();
    fs::create_dir(&shipped).unwrap();
    server.engine().clock.advance(Duration::from_secs(31));
    client.say_until("INFO persistence", |info| info.contains("backup_commands:1\\r"));
    assert_eq!(client.info("backup_command_last_status"), "ok");
    let copy = shipped.join(path.file_name().unwrap());
    assert_eq!(fs::read(copy).unwrap(), fs::read(path).unwrap());
}

#[test]
fn who_may_name_a_directory_is_configured() {
    let folder = tempdir().unwrap();
    let (server, _data) = start(folder.path(), &["--enable-backup-to", "no"]);
    let mut client = server.client();
    assert!(client.say("BACKUP TO /tmp").starts_with("-ERR You may not name a directory"));
    path_of(&client.say("BACKUP"));
    for parameter in ["backup-dir", "backup-command"] {
        let reply = client.say(&format!("CONFIG SET {parameter} x"));
        assert!(reply.contains("protected config"), "{reply}");
    }
}
