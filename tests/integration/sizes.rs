//! How long keys, values and patterns may be, and that a refusal comes before anything is done.

use crate::support::ask::Ask;
use crate::support::resp;
use crate::support::sanderling::Sanderling;
use tempfile::TempDir;

fn start(flags: &[&str]) -> Sanderling {
    let mut all = vec!["--save", "", "--workers", "2"];
    all.extend_from_slice(flags);
    Sanderling::start(&all)
}

fn refusal(what: &str, parameter: &str, limit: usize) -> String {
    format!("-ERR the bytes of {what} would be more than {parameter} ({limit}) allows")
}

#[test]
fn a_key_that_is_too_long_is_refused_by_whatever_command_names_it() {
    let server = start(&["--max-key-size", "8"]);
    let mut client = server.client();
    let refused = refusal("a key", "max-key-size", 8);
    assert_eq!(client.say("SET 12345678 v"), "+OK");
    for line in [
        "SET 123456789 v",
        "GET 123456789",
        "MSET a 1 123456789 2",
        "DEL a 123456789",
        "RENAME 12345678 123456789",
        "SINTERSTORE 123456789 a",
        "ZUNIONSTORE a 1 123456789",
        "XREAD STREAMS 123456789 0",
        "BLPOP 123456789 0",
        "SORT 12345678 STORE 123456789",
        "OBJECT ENCODING 123456789",
    ] {
        assert_eq!(client.say(line), refused, "{line}");
    }
    assert_eq!(client.say("EXISTS a"), ":0", "nothing of it was done");
    // What is no key may be longer.
    assert_eq!(client.say("HSET h a-long-field a-long-value"), ":1");
    assert_eq!(client.say("PUBLISH a-long-channel m"), ":0");
    assert_eq!(client.say("MULTI"), "+OK");
    assert_eq!(client.say("SET 123456789 v"), refused);
    assert_eq!(client.say("EXEC"), "-EXECABORT Transaction discarded because of previous errors.");
    assert_eq!(client.say("CONFIG SET max-key-size 0"), "+OK");
    assert_eq!(client.say("SET 123456789 v"), "+OK");
    assert_eq!(client.say("CONFIG SET max-key-size 8"), "+OK");
    assert_eq!(client.say("GET 123456789"), refused);
    // Who finds it otherwise can see it, and it can be reached again under a higher limit.
    assert_eq!(client.say("DBSIZE"), ":3");
    assert_eq!(client.say("CONFIG SET max-key-size 1gb"), "+OK");
    assert_eq!(client.say("GET 123456789"), "\"v\"");
}

#[test]
fn a_value_that_is_too_long_is_refused_however_it_would_come_to_be() {
    let server = start(&["--max-value-size", "10"]);
    let mut client = server.client();
    let refused = refusal("an argument", "max-value-size", 10);
    for line in [
        "SET k 12345678901",
        "SETEX k 10 12345678901",
        "MSET k 1 j 12345678901",
        "GETSET k 12345678901",
        "APPEND k 12345678901",
        "HSET h 12345678901 v",
        "HSET h f 12345678901",
        "RPUSH l a 12345678901",
        "SADD s 12345678901",
        "ZADD z 1 12345678901",
        "XADD x * f 12345678901",
        "PFADD p 12345678901",
        "RESTORE k 0 12345678901",
    ] {
        assert_eq!(client.say(line), refused, "{line}");
    }
    assert_eq!(client.say("DBSIZE"), ":0");
    assert_eq!(client.say("SET k 1234567890"), "+OK");
    let refused = refusal("the string", "max-value-size", 10);
    for line in [
        "APPEND k 1",
        "SETRANGE k 9 ab",
        "SETRANGE new 10 a",
        "SETBIT k 80 1",
        "SETBIT new 80 0",
        "BITFIELD k SET u8 80 1",
        "BITFIELD k SET u8 73 1",
    ] {
        assert_eq!(client.say(line), refused, "{line}");
    }
    assert_eq!(client.say("SETBIT k 79 0"), ":0");
    assert_eq!(client.say("SETRANGE k 8 ab"), ":10");
    assert_eq!(client.say("GETBIT k 1000"), ":0", "reading is free");
    assert_eq!(client.say("BITFIELD k GET u8 1000"), "[ :0 ]");
    // A collection may have any number of elements that are short enough.
    for n in 0..100 {
        assert_eq!(client.say("RPUSH l 1234567890"), format!(":{}", n + 1));
    }
    // A limit above that of the wire changes nothing, and the wire's is told as Redis tells it.
    assert_eq!(client.say("CONFIG SET max-value-size 10gb"), "+OK");
    assert_eq!(
        client.say("SETRANGE k 536870912 a"),
        "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    );
}

#[test]
fn what_was_allowed_once_is_loaded_under_any_limit() {
    let directory = TempDir::new().unwrap();
    let long = "x".repeat(100);
    {
        let server = Sanderling::start_in(directory.path(), &["--save", ""]);
        let mut client = server.client();
        assert_eq!(resp::render(&client.ask(&["SET", &long, &long])), "+OK");
        assert_eq!(resp::render(&client.ask(&["APPEND", &long, &long])), ":200");
        assert_eq!(client.say("SETBIT bits 1000 1"), ":0");
    }
    let flags = ["--save", "", "--max-key-size", "10", "--max-value-size", "10"];
    let server = Sanderling::start_in(directory.path(), &flags);
    let mut client = server.client();
    assert_eq!(client.say("STRLEN bits"), ":126");
    assert_eq!(client.say("CONFIG SET max-key-size 100"), "+OK");
    assert_eq!(resp::render(&client.ask(&["STRLEN", &long])), ":200");
}

#[test]
fn a_pattern_that_would_take_too_long_to_compare_is_refused() {
    let server = start(&[]);
    let mut client = server.client();
    let (longest, too_long) = ("*?".repeat(32 * 1024), "*?".repeat(32 * 1024) + "*");
    let refused = "-ERR the pattern has more than 65536 bytes";
    assert_eq!(client.say("SET k v"), "+OK");
    assert_eq!(client.say("SADD s a"), ":1");
    for words in [
        vec!["KEYS", "P"],
        vec!["SCAN", "0", "MATCH", "P"],
        vec!["SSCAN", "s", "0", "MATCH", "P"],
        vec!["PSUBSCRIBE", "short", "P"],
        vec!["PUBSUB", "CHANNELS", "P"],
        vec!["PUBSUB", "SHARDCHANNELS", "P"],
        vec!["CONFIG", "GET", "P"],
        vec!["COMMAND", "LIST", "FILTERBY", "PATTERN", "P"],
    ] {
        let with = |pattern: &str| -> Vec<String> {
            words
                .iter()
                .map(|word| if *word == "P" { pattern.into() } else { (*word).into() })
                .collect()
        };
        assert_eq!(resp::render(&client.ask(&with(&too_long))), refused, "{words:?}");
        if words[0] != "PSUBSCRIBE" {
            let reply = resp::render(&client.ask(&with(&longest)));
            assert!(!reply.starts_with('-'), "{words:?}: {reply:.80}");
        }
    }
    assert_eq!(client.say("PUBSUB NUMPAT"), ":0", "nothing of it was done");
}
