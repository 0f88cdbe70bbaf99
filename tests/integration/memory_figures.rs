//! What `INFO memory` and `MEMORY` say, against what the process does.

use crate::support::ask::Ask;
use crate::support::peer::Connection;
use crate::support::process::Process;
use tempfile::tempdir;

const FLAGS: [&str; 4] = ["--enable-debug-command", "yes", "--appendonly", "no"];

/// A number in the reply to `INFO memory`.
fn number(info: &str, name: &str) -> i64 {
    let (_, behind) = info.split_once(&format!("\\n{name}:")).expect("the figure is there");
    let (value, _) = behind.split_once("\\r").expect("lines end");
    value.parse().expect("it is a number")
}

fn figure(client: &mut impl Connection, name: &str) -> i64 {
    number(&client.say("INFO memory"), name)
}

fn wait_until_below(client: &mut impl Connection, name: &str, limit: i64) {
    client.say_until("INFO memory", |info| number(info, name) < limit);
}

#[test]
fn purging_returns_at_once_what_deleted_values_took() {
    const MIB: i64 = 1024 * 1024;
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &FLAGS);
    let mut client = server.client();
    client.say("DEBUG POPULATE 100 key 1000000");
    assert!(figure(&mut client, "used_memory_dataset") > 90 * MIB);
    client.say("FLUSHALL");
    // The reaper frees it.
    wait_until_below(&mut client, "used_memory", 20 * MIB);
    assert_eq!(client.say("MEMORY PURGE"), "+OK");
    let unused = figure(&mut client, "allocator_rss_bytes");
    assert!(unused < 10 * MIB, "{unused} bytes of empty pages are left");
}

#[test]
fn the_parts_of_used_memory_add_up() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &FLAGS);
    let mut client = server.client();
    client.say("DEBUG POPULATE 100000 key 100");
    let info = |client: &mut _| {
        ["used_memory", "used_memory_overhead", "used_memory_dataset"]
            .map(|name| figure(client, name))
    };
    let [used, overhead, dataset] = info(&mut client);
    // Each figure is of a moment of its own.
    assert!((used - overhead - dataset).abs() < 100_000, "{used} {overhead} {dataset}");
    assert!(dataset > 11_000_000 && dataset < 17_000_000, "{dataset}");
    client.say("FLUSHALL");
    wait_until_below(&mut client, "used_memory_dataset", 3_000_000);
}

/// An element by its number.
type Element = fn(usize) -> String;

/// What is added to a key of each type.
const ADDED: [(&str, Element); 5] = [
    ("RPUSH list", |n| format!("element-{n:040}")),
    ("SADD set", |n| format!("member-{n:040}")),
    ("HSET hash", |n| format!("field-{n:030} value-{n:030}")),
    ("ZADD zset", |n| format!("{n} member-{n:040}")),
    ("XADD stream *", |n| format!("field-{n:030} value-{n:030}")),
];

#[test]
fn what_a_key_is_said_to_take_is_what_the_allocator_handed_out() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &FLAGS);
    let mut client = server.client();
    client.say(&format!("SADD buffers {}", "x".repeat(100_000)));
    for (command, element) in ADDED {
        let before = figure(&mut client, "used_memory");
        for batch in 0..150 {
            let elements: Vec<String> = (batch * 1000..(batch + 1) * 1000).map(element).collect();
            client.say(&format!("{command} {}", elements.join(" ")));
        }
        let handed_out = figure(&mut client, "used_memory") - before;
        let key = command.split(' ').nth(1).expect("a command has a key");
        let said = client.say(&format!("MEMORY USAGE {key}"));
        let said: i64 = said.trim_start_matches(':').parse().expect("it is a number");
        assert!(handed_out > 5_000_000, "{command}: {handed_out}");
        let difference = (said - handed_out).abs() * 100 / handed_out;
        assert!(difference <= 5, "{command}: {said} is said, {handed_out} was handed out");
    }
}

#[test]
fn what_few_values_keep_of_many_pages_is_given_back_and_they_stay_what_they_are() {
    const MIB: i64 = 1024 * 1024;
    let directory = tempdir().unwrap();
    let flags = [&FLAGS[..], &["--activedefrag", "no", "--active-defrag-ignore-bytes", "1mb"]];
    let server = Process::start(directory.path(), &flags.concat());
    let mut client = server.client();
    client.say("DEBUG POPULATE 60000 key 1000");
    client.say("RPUSH list a b c");
    assert_eq!(client.say("DELPATTERN key:*[1-9]"), ":54000");
    wait_until_below(&mut client, "used_memory_dataset", 12 * MIB);
    let digest = client.say("DEBUG DIGEST");
    assert!(figure(&mut client, "allocator_frag_bytes") > 10 * MIB);
    assert_eq!(figure(&mut client, "active_defrag_bytes_moved"), 0);
    assert_eq!(client.say("CONFIG SET activedefrag yes"), "+OK");
    client.say_until("INFO memory", |info| number(info, "active_defrag_rounds") > 0);
    assert!(figure(&mut client, "allocator_frag_bytes") < 5 * MIB);
    assert!(figure(&mut client, "active_defrag_bytes_moved") > 5 * MIB);
    assert_eq!(client.say("DEBUG DIGEST"), digest);
    assert_eq!(client.say("LRANGE list 0 -1"), r#"[ "a", "b", "c" ]"#);
}
