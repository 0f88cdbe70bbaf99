//! redis-cli and redis-benchmark: a command, a stream of them, and what looks at all keys.

use super::{Ask, client, process, start, succeed, with_each_server};

const KEYS: usize = 10_000;

#[test]
fn redis_cli_fills_scans_and_looks_for_big_keys() {
    let (server, _directory) = start();
    let cli = |words: &[&str], input: &[u8]| {
        Some(succeed(client("redis-cli", server.port)?.args(words), input))
    };
    let commands: String = (0..KEYS).map(|n| format!("SET key:{n} {n}\r\n")).collect();
    let Some(piped) = cli(&["--pipe"], commands.as_bytes()) else { return };
    assert!(piped.contains(&format!("errors: 0, replies: {KEYS}")), "{piped}");
    let run = |words: &[&str]| cli(words, b"").expect("it was found before");
    assert_eq!(run(&["DBSIZE"]).trim(), KEYS.to_string());
    assert_eq!(run(&["--scan", "--pattern", "key:12*"]).lines().count(), 111);
    run(&["SET", "big", &"x".repeat(50_000)]);
    let big = run(&["--bigkeys"]);
    assert!(big.contains("Biggest string found '\"big\"' has 50000 bytes"), "{big}");
    let memory = run(&["--memkeys"]);
    assert!(memory.contains("Biggest string found '\"big\"'"), "{memory}");
    assert_eq!(run(&["-3", "GET", "key:17"]).trim(), "17");
    assert_eq!(run(&["--raw", "-n", "4", "GET", "key:17"]).trim(), "");
    assert!(run(&["-e", "INFO", "server"]).contains("redis_version:7."));
}

#[test]
fn redis_cli_runs_commands_from_its_input_and_measures_latency() {
    let (server, _directory) = start();
    let Some(mut cli) = client("redis-cli", server.port) else { return };
    let output = succeed(&mut cli, b"SET k \"a b\"\nGET k\nINCR k\nDEL k\n");
    let error = "ERR value is not an integer or out of range";
    assert_eq!(
        output.lines().filter(|l| !l.is_empty()).collect::<Vec<_>>(),
        ["OK", "a b", error, "1"]
    );
    let mut cli = client("redis-cli", server.port).expect("it was found before");
    let latency = succeed(cli.args(["--latency", "-i", "1"]), b"");
    let figures: Vec<f64> = latency.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    assert!(figures.len() >= 4 && figures[3] > 0.0, "samples: {latency}");
}

#[test]
fn redis_benchmark_measures_each_of_its_commands_without_an_error() {
    let (server, _directory) = start();
    let Some(mut benchmark) = client("redis-benchmark", server.port) else { return };
    // Whether the server was ready was asked too early, maybe.
    assert_eq!(server.client().say("CONFIG RESETSTAT"), "+OK");
    // Without `-t` it runs all its tests, those of lists, sets, hashes and sorted sets among them.
    let output = succeed(benchmark.args(["-n", "1000", "-c", "20", "-P", "4", "--csv"]), b"");
    for test in ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"] {
        assert!(output.contains(&format!("\"{test}\",")), "{output}");
    }
    for test in ["LPUSH", "RPUSH", "LPOP", "RPOP", "SADD", "HSET", "SPOP", "ZADD", "ZPOPMIN"] {
        assert!(output.contains(&format!("\"{test}\",")), "{output}");
    }
    let mut client = server.client();
    assert_eq!(client.say("GET counter:__rand_int__"), "\"1000\"");
    assert_eq!(client.say("HLEN myhash"), ":1");
    assert_eq!(client.info("total_error_replies"), "0");
}

#[test]
fn redis_cli_pipes_the_protocol_and_counts_errors() {
    with_each_server(|server| {
        let Some(mut cli) = client("redis-cli", server.port()) else { return };
        let set =
            |n: usize| format!("*3\r\n$3\r\nSET\r\n$8\r\nkey:{n:04}\r\n$5\r\n\r\n\0{n:x}\r\n");
        let mut input: String = (0x10..0x100).map(set).collect();
        input.push_str("*2\r\n$5\r\nLPUSH\r\n$1\r\nk\r\n");
        let ended = process::finish(cli.arg("--pipe"), input.as_bytes());
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stdout.contains("errors: 1, replies: 241"), "{ended:?}");
        assert!(ended.stderr.contains("ERR wrong number of arguments for 'lpush' command"));
        let mut asking = server.client();
        assert_eq!(asking.say("DBSIZE"), ":240");
        assert_eq!(asking.say("GET key:0171"), r#""\r\n\x00ab""#);
    });
}

#[test]
fn redis_cli_finds_the_key_that_is_used_most() {
    with_each_server(|server| {
        let Some(mut cli) = client("redis-cli", server.port()) else { return };
        let mut asking = server.client();
        assert_eq!(asking.say("CONFIG SET maxmemory-policy allkeys-lfu"), "+OK");
        assert_eq!(asking.say("MSET hot 1 cold 2"), "+OK");
        for _ in 0..1000 {
            assert_eq!(asking.say("GET hot"), "\"1\"");
        }
        let found = succeed(cli.arg("--hotkeys"), b"");
        let (counter, key) = found
            .lines()
            .find_map(|line| line.strip_prefix("hot key found with counter: ")?.split_once('\t'))
            .expect("a key is found");
        assert_eq!(key, "keyname: \"hot\"");
        // A thousand uses take the counter, which grows ever more rarely, from 5 to about 25.
        assert!(counter.parse::<u32>().unwrap() > 10, "{found}");
    });
}

#[test]
fn redis_cli_shows_what_the_server_does() {
    with_each_server(|server| {
        let Some(mut cli) = client("redis-cli", server.port()) else { return };
        assert_eq!(server.client().say("MSET a 1 b 2 c 3"), "+OK");
        // Its output comes in blocks of some pages; that is soon, with a thousand lines a second.
        let stat = super::Running::start(cli.args(["--stat", "-i", "0.001"]));
        assert!(stat.line().starts_with("------- data ------ "));
        assert!(stat.line().starts_with("keys "));
        let numbers =
            |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
        let (first, second) = (numbers(&stat.line()), numbers(&stat.line()));
        assert_eq!(first[0], "3");
        // Keys, memory, clients, blocked clients, requests, difference of these.
        let requests = |words: &[String]| words[4].parse::<u64>().unwrap();
        assert_eq!(first[3], "0");
        assert_eq!(requests(&second), requests(&first) + 1);
        assert_eq!(second[5], "(+1)");
    });
}

#[test]
fn redis_cli_runs_transactions_that_are_typed() {
    with_each_server(|server| {
        let typed = |lines: &[&str]| -> Option<Vec<String>> {
            let mut cli = client("redis-cli", server.port())?;
            let output = succeed(&mut cli, (lines.join("\n") + "\n").as_bytes());
            Some(output.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect())
        };
        let Some(output) = typed(&["MULTI", "SET a \"1\"", "INCR a", "LPUSH a x", "EXEC", "GET a"])
        else {
            return;
        };
        let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
        assert_eq!(output, ["OK", "QUEUED", "QUEUED", "QUEUED", "OK", "2", wrong, "2"]);
        let output = typed(&["MULTI", "INCR a", "NOSUCH", "EXEC", "GET a"]).unwrap();
        let unknown = "ERR unknown command 'NOSUCH', with args beginning with: ";
        let aborted = "EXECABORT Transaction discarded because of previous errors.";
        assert_eq!(output, ["OK", "QUEUED", unknown, aborted, "2"]);
        let output = typed(&["MULTI", "INCR a", "DISCARD", "WATCH a", "UNWATCH", "EXEC"]).unwrap();
        assert_eq!(output, ["OK", "QUEUED", "OK", "OK", "OK", "ERR EXEC without MULTI"]);
    });
}
