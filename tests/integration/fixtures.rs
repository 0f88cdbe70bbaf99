//! Data directories that former versions wrote. They are never written anew (see `tests/fixtures`): what
//! they say is what this and every later version must read in them.

use crate::support::ask::Ask;
use crate::support::data::{copy, digest, state};
use crate::support::peer::Connection;
use crate::support::sanderling::Sanderling;
use std::path::Path;
use tempfile::TempDir;

const FLAGS: [&str; 4] = ["--save", "", "--enable-debug-command", "yes"];
/// The first day of 2100.
const FAR_MS: i64 = 4_102_444_800_000;
/// A day before, and long after the directories were written.
const NOW_MS: i64 = FAR_MS - 86_400_000;

/// A server on a copy of a directory, so that the original stays.
fn start(name: &str, flags: &[&str]) -> (Sanderling, TempDir) {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1").join(name);
    let copy = copy(&original);
    let server = Sanderling::start_at(NOW_MS, copy.path(), &[&FLAGS[..], flags].concat());
    (server, copy)
}

/// A line for each key, in one order whatever the server: database, key, value, deadline.
fn all(client: &mut impl Connection) -> Vec<String> {
    let mut lines = state(client);
    client.say("SELECT 0");
    lines.sort();
    lines
}

fn expected() -> Vec<String> {
    let long = "0123456789".repeat(300);
    let mut lines = vec![
        "0  \"the empty key\" :-1".to_owned(),
        r#"0 binary \x00\xff\r\n\"\\ "\x00\x01\xfe\xff\r\n" :-1"#.to_owned(),
        format!("0 empty \"\" :{}", FAR_MS + 1),
        "0 float \"10.5\" :-1".to_owned(),
        "0 greeting \"hello world, again\" :-1".to_owned(),
        format!("0 long \"{long}end\" :-1"),
        "0 number \"-58\" :-1".to_owned(),
        "0 pair:b \"2\" :-1".to_owned(),
        "0 renamed \"1\" :-1".to_owned(),
        "15 copied \"hello world, again\" :-1".to_owned(),
        "3 in:7 \"seven\" :-1".to_owned(),
        "7 in:3 \"three\" :-1".to_owned(),
    ];
    lines.sort();
    lines
}

/// A key that had expired before the directory was written must not be counted for long either.
fn assert_counted(client: &mut impl Connection) {
    let keys = expected().iter().filter(|line| line.starts_with("0 ")).count();
    client.say_until("DBSIZE", |size| size == format!(":{keys}"));
}

#[test]
fn a_snapshot_and_an_open_log_of_format_1_are_read() {
    let (server, copied) = start("open", &[]);
    let mut client = server.client();
    assert_eq!(all(&mut client), expected());
    assert_counted(&mut client);
    assert_eq!(client.info("log_position"), "4444");
    assert_eq!(client.info("log_segment"), "4");
    // What is written behind it belongs to it.
    client.say("SET new x");
    client.say("WAITAOF 1 0 0");
    let before = digest(&mut client);
    let killed = copy(copied.path());
    let server = Sanderling::start_at(NOW_MS, killed.path(), &FLAGS);
    assert_eq!(digest(&mut server.client()), before);
}

#[test]
fn a_torn_log_of_format_1_is_cut_off_where_it_is_torn() {
    let (server, _copied) = start("torn", &[]);
    let mut client = server.client();
    let mut expected = expected();
    expected.retain(|line| !line.starts_with("0 float "));
    assert_eq!(all(&mut client), expected);
    assert_eq!(client.info("log_torn_bytes_cut"), "86");
}

#[test]
fn a_log_of_format_1_that_was_closed_is_read() {
    let (server, _copied) = start("closed", &[]);
    assert_eq!(all(&mut server.client()), expected());
}

#[test]
fn snapshots_of_the_version_before_the_log_are_read_and_a_log_begins_behind_them() {
    let (server, copied) = start("snapshots", &["--appendfsync", "always"]);
    let mut client = server.client();
    assert_eq!(all(&mut client), expected());
    client.say("SET new x");
    let before = digest(&mut client);
    let killed = copy(copied.path());
    let server = Sanderling::start_at(NOW_MS, killed.path(), &FLAGS);
    assert_eq!(digest(&mut server.client()), before);
    let (server, _copied) = start("snapshots", &["--appendonly", "no"]);
    assert_eq!(all(&mut server.client()), expected());
}

/// What every type becomes in a snapshot and in the log, by the version that had all of them first.
#[test]
fn values_of_every_type_of_format_1_are_read() {
    let (server, _copied) = start("types", &[]);
    let mut client = server.client();
    let expected = include_str!("../fixtures/format-1/types.txt");
    let found = all(&mut client).join("\n") + "\n";
    assert!(found == expected, "{found}");
    let time = client.say("HPEXPIRETIME hash FIELDS 2 g new");
    assert_eq!(time, format!("[ :{}, :{} ]", FAR_MS + 1, FAR_MS + 4));
    let pending = client.say("XPENDING stream group");
    assert_eq!(
        pending,
        r#"[ :5, "2-1", "6-1", [ [ "alice", "2" ], [ "bob", "2" ], [ "carol", "1" ] ] ]"#
    );
}
