//! What redis-cli does besides sending a command: formats, tools that look at all keys, input from files,
//! passwords, and what it makes of commands that the server does not have.

use super::super::support::words;
use super::{Ask, Ended, Running, Server, client, process, start, succeed, with_each_server};
use std::process::Command;
use tempfile::tempdir;

/// redis-cli with these arguments; `None` (and a word) if it is not installed.
fn cli(server: &Server, arguments: &[&str]) -> Option<Command> {
    let mut command = client("redis-cli", server.port())?;
    command.args(arguments);
    Some(command)
}

/// Runs redis-cli to its end, however that is.
fn run(server: &Server, arguments: &[&str], input: &[u8]) -> Option<Ended> {
    Some(process::finish(&mut cli(server, arguments)?, input))
}

/// Sends lines, each of which must succeed.
fn say_all(server: &Server, lines: &[&str]) {
    let mut client = server.client();
    for line in lines {
        let reply = client.say(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
}

/// One line of `tests/data/redis-cli.txt` with what it prints.
struct Example<'a> {
    arguments: &'a str,
    stdout: String,
    code: i32,
}

fn examples() -> Vec<Example<'static>> {
    let text = include_str!("../../data/redis-cli.txt");
    let mut examples: Vec<Example> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("# ")) {
        if let Some(arguments) = line.strip_prefix("$ ") {
            examples.push(Example { arguments, stdout: String::new(), code: 0 });
            continue;
        }
        let last = examples.last_mut().expect("the file begins with an example");
        match line.strip_prefix("= ") {
            Some(code) => last.code = code.parse().expect("an exit code is a number"),
            None => last.stdout += &format!("{line}\n"),
        }
    }
    examples
}

#[test]
fn redis_cli_prints_replies_of_every_kind_in_each_of_its_formats() {
    with_each_server(|server| {
        say_all(
            server,
            &[
                r#"SET text 'a "b" é'"#,
                r#"SET "bin\x00\xff" "\x01\n\xfe""#,
                "SET n 7",
                "RPUSH list a b,c ''",
                "HSET hash f 1 'g h' 2",
                "ZADD zset 1.5 a -inf b",
                "SADD set one",
                "XADD stream 1-1 f v",
                "XGROUP CREATE stream g $",
            ],
        );
        for Example { arguments, stdout, code } in examples() {
            let words = words::split(arguments).expect("the example is well formed");
            let words: Vec<_> = words.iter().map(|w| str::from_utf8(w).unwrap()).collect();
            let Some(ended) = run(server, &words, b"") else { return };
            assert_eq!(ended.stdout, stdout, "{arguments}: {ended:?}");
            assert_eq!(ended.code, Some(code), "{arguments}: {ended:?}");
        }
    });
}

#[test]
fn redis_cli_counts_what_there_is_of_each_type() {
    with_each_server(|server| {
        say_all(
            server,
            &[
                "MSET one 1 two 22 three 333",
                "RPUSH list a b c",
                "SADD set a b c d",
                "HSET hash f v",
                "ZADD zset 1 a 2 b",
                "XADD stream 1-1 f v",
                "XADD stream 1-2 f v",
            ],
        );
        let Some(big) = run(server, &["--bigkeys"], b"") else { return };
        let summary = |ended: &Ended| -> Vec<String> {
            assert_eq!(ended.code, Some(0), "{ended:?}");
            let (_, summary) = ended.stdout.split_once("-------- summary -------").unwrap();
            let mut lines: Vec<_> = summary.lines().filter(|l| !l.is_empty()).collect();
            lines.sort_unstable();
            lines.into_iter().map(str::to_owned).collect()
        };
        assert_eq!(
            summary(&big),
            [
                "1 hashs with 1 fields (12.50% of keys, avg size 1.00)",
                "1 lists with 3 items (12.50% of keys, avg size 3.00)",
                "1 sets with 4 members (12.50% of keys, avg size 4.00)",
                "1 streams with 2 entries (12.50% of keys, avg size 2.00)",
                "1 zsets with 2 members (12.50% of keys, avg size 2.00)",
                "3 strings with 6 bytes (37.50% of keys, avg size 2.00)",
                "Biggest    set found '\"set\"' has 4 members",
                "Biggest   hash found '\"hash\"' has 1 fields",
                "Biggest   list found '\"list\"' has 3 items",
                "Biggest   zset found '\"zset\"' has 2 members",
                "Biggest stream found '\"stream\"' has 2 entries",
                "Biggest string found '\"three\"' has 3 bytes",
                "Sampled 8 keys in the keyspace!",
                "Total key length in bytes is 32 (avg len 4.00)",
            ]
        );
        let memory = run(server, &["--memkeys", "--memkeys-samples", "0"], b"").unwrap();
        assert_eq!(memory_of(&summary(&memory), "stream"), usage(server, "stream"));
        assert_eq!(memory_of(&summary(&memory), "hash"), usage(server, "hash"));
    });
}

/// From a line such as `Biggest   hash found '"hash"' has 80 bytes`.
fn memory_of(summary: &[String], key: &str) -> String {
    let named = format!("'\"{key}\"' has ");
    let figure = summary.iter().find_map(|line| line.split_once(&named)?.1.strip_suffix(" bytes"));
    figure.expect("the type has a biggest key").to_owned()
}

fn usage(server: &Server, key: &str) -> String {
    let usage = server.client().say(&format!("MEMORY USAGE {key} SAMPLES 0"));
    usage.trim_start_matches(':').to_owned()
}

#[test]
fn redis_cli_looks_for_hot_keys_only_if_uses_are_counted() {
    with_each_server(|server| {
        say_all(server, &["SET k v"]);
        let Some(ended) = run(server, &["--hotkeys"], b"") else { return };
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let expected = "Error: ERR An LFU maxmemory policy is not selected";
        assert!(ended.stderr.contains(expected), "{ended:?}");
    });
}

#[test]
fn redis_cli_takes_the_last_argument_or_a_tagged_one_from_its_input() {
    with_each_server(|server| {
        let Some(ended) = run(server, &["-x", "SET", "k"], b"two\nlines\n") else { return };
        assert_eq!(ended.stdout, "OK\n");
        assert_eq!(server.client().say("GET k"), r#""two\nlines\n""#);
        let every_byte: Vec<u8> = (0..=255).collect();
        run(server, &["-X", "here", "SET", "bytes", "here", "NX"], &every_byte).unwrap();
        assert_eq!(server.client().say("STRLEN bytes"), ":256");
        let raw = ["-D", "", "--raw", "DUMP", "bytes"];
        let mut dump = cli(server, &raw).expect("it was found before");
        let (status, payload, _) = process::finish_with_bytes(&mut dump, b"");
        assert!(status.success());
        let ended = run(server, &["-x", "RESTORE", "copy", "0"], &payload).unwrap();
        assert_eq!(ended.stdout, "OK\n", "{ended:?}");
        let mut asking = server.client();
        assert_eq!(asking.say("GET copy"), asking.say("GET bytes"));
    });
}

#[test]
fn redis_cli_pipes_a_hundred_thousand_commands_of_all_sizes() {
    with_each_server(|server| {
        let mut input = Vec::new();
        for n in 0..100_000 {
            let value = "\r\n*".repeat(n % 50);
            let length = value.len();
            input.extend(
                format!("*3\r\n$3\r\nSET\r\n$9\r\nkey:{n:05}\r\n${length}\r\n{value}\r\n").bytes(),
            );
        }
        let Some(ended) = run(server, &["--pipe"], &input) else { return };
        assert!(ended.stdout.contains("errors: 0, replies: 100000"), "{ended:?}");
        let mut asking = server.client();
        assert_eq!(asking.say("DBSIZE"), ":100000");
        assert_eq!(asking.say("STRLEN key:99949"), ":147");
        let found = run(server, &["--scan", "--pattern", "key:000??"], b"").unwrap();
        let mut keys: Vec<_> = found.stdout.lines().collect();
        keys.sort_unstable();
        assert_eq!(keys.len(), 100);
        assert_eq!((keys[0], keys[99]), ("key:00000", "key:00099"));
    });
}

#[test]
fn redis_cli_goes_on_with_figures_until_it_is_stopped() {
    with_each_server(|server| {
        say_all(server, &["MSET a 1 b 2"]);
        let Some(mut command) = cli(server, &["--csv", "--latency", "-i", "0.2"]) else { return };
        // Least, most, average and number of the samples.
        let latency = succeed(&mut command, b"");
        let figures: Vec<f64> = latency.trim().split(',').map(|n| n.parse().unwrap()).collect();
        assert_eq!(figures.len(), 4, "{latency}");
        assert!(figures[0] <= figures[2] && figures[2] <= figures[1] && figures[3] >= 1.0);
        let repeated = Running::start(
            cli(server, &["-r", "-1", "-i", "0.001", "INFO", "keyspace"]).as_mut().unwrap(),
        );
        for _ in 0..100 {
            assert_eq!(repeated.line(), "# Keyspace");
            assert!(repeated.line().starts_with("db0:keys=2,expires=0,avg_ttl=0"));
        }
    });
}

#[test]
fn redis_cli_says_how_commands_are_used_also_those_that_it_does_not_know() {
    let (server, _directory) = start();
    let Some(mut command) = client("redis-cli", server.port) else { return };
    let get = succeed(command.args(["HELP", "GET"]), b"");
    assert!(get.contains("Returns the string at a key."), "{get}");
    let own = succeed(client("redis-cli", server.port).unwrap().args(["HELP", "DELPATTERN"]), b"");
    assert!(own.contains("DELPATTERN") && own.contains("pattern"), "{own}");
}

#[test]
fn redis_cli_gives_a_password_from_an_argument_or_from_the_environment() {
    with_each_server(|server| {
        say_all(server, &["CONFIG SET requirepass secret"]);
        let ask = |arguments: &[&str], variable: Option<&str>| -> Option<Ended> {
            let mut command = cli(server, arguments)?;
            command.env_remove("REDISCLI_AUTH").envs(variable.map(|word| ("REDISCLI_AUTH", word)));
            Some(process::finish(command.arg("PING"), b""))
        };
        let Some(stranger) = ask(&[], None) else { return };
        assert_eq!(stranger.stdout, "NOAUTH Authentication required.\n\n");
        assert_eq!(ask(&["-a", "secret"], None).unwrap().stdout, "PONG\n");
        assert_eq!(ask(&["-3", "--pass", "secret"], None).unwrap().stdout, "PONG\n");
        let named = ask(&["--user", "default", "-a", "secret", "--no-auth-warning"], None).unwrap();
        assert_eq!((named.stdout.as_str(), named.stderr.as_str()), ("PONG\n", ""));
        assert_eq!(ask(&[], Some("secret")).unwrap().stdout, "PONG\n");
        let wrong = ask(&["--no-auth-warning", "-a", "guess"], None).unwrap();
        let expected =
            "AUTH failed: WRONGPASS invalid username-password pair or user is disabled.\n";
        assert_eq!(wrong.stderr, expected);
        let address = format!("redis://default:secret@127.0.0.1:{}/3", server.port());
        let url = ask(&["--no-auth-warning", "-u", &address], None).unwrap();
        assert_eq!(url.stdout, "PONG\n");
        let mut asking = server.client();
        assert_eq!(asking.say("AUTH secret"), "+OK");
        assert_eq!(asking.say("CONFIG SET requirepass ''"), "+OK");
    });
}

#[test]
fn redis_cli_names_what_the_server_does_not_have() {
    let (process, _data) = start();
    let server = Server::Ours { process, _data };
    let directory = tempdir().unwrap();
    let file = directory.path().join("dump.rdb");
    let file = file.to_str().unwrap();
    let Some(dump) = run(&server, &["--rdb", file], b"") else { return };
    assert_eq!(dump.code, Some(1), "{dump:?}");
    assert!(
        dump.stderr.contains("SYNC with master failed: -ERR unknown command 'SYNC'"),
        "{dump:?}"
    );
    let replica = run(&server, &["--replica"], b"").unwrap();
    assert_eq!(replica.code, Some(1), "{replica:?}");
    assert!(replica.stderr.contains("ERR unknown command 'SYNC'"), "{replica:?}");
    let functions = run(&server, &["--functions-rdb", file], b"").unwrap();
    assert_eq!(functions.code, Some(1), "{functions:?}");
    let script = directory.path().join("script.lua");
    std::fs::write(&script, "return 1").unwrap();
    let script = run(&server, &["--eval", script.to_str().unwrap()], b"").unwrap();
    assert!(script.stdout.starts_with("ERR unknown command 'EVAL'"), "{script:?}");
    let address = format!("127.0.0.1:{}", server.port());
    let cluster = run(&server, &["--cluster", "info", &address], b"").unwrap();
    assert_eq!(cluster.code, Some(1), "{cluster:?}");
    assert!((cluster.stdout + &cluster.stderr).contains("is not configured as a cluster node"));
}
