//! Real clients against the binary. Those that are not installed are skipped with a word; `.ci/run`
//! installs them. `PYTHONPATH` and `NODE_PATH` say where else redis-py and ioredis may be.

use crate::support::ask::Ask;
use crate::support::process::{self, Ended, Process};
use redis::{Commands, ErrorKind, RedisResult, ServerErrorKind};
use std::path::Path;
use std::process::Command;
use tempfile::{TempDir, tempdir};

/// A server in the state in which people start it, and where its data are.
fn start() -> (Process, TempDir) {
    let directory = tempdir().unwrap();
    (Process::start(directory.path(), &[]), directory)
}

/// A program that talks to the server; `None` (and a word) if it is not installed.
fn client(name: &str, server: &Process) -> Option<Command> {
    let Some(program) = process::find(name) else {
        eprintln!("skipped: {name} is not installed");
        return None;
    };
    let mut command = Command::new(program);
    command.args(["-h", "127.0.0.1", "-p", &server.port.to_string()]);
    Some(command)
}

fn succeed(command: &mut Command, input: &[u8]) -> String {
    let Ended { code, stdout, stderr } = process::finish(command, input);
    assert_eq!(code, Some(0), "{command:?}\n{stdout}\n{stderr}");
    stdout
}

const KEYS: usize = 10_000;

#[test]
fn redis_cli_fills_scans_and_looks_for_big_keys() {
    let (server, _directory) = start();
    let cli = |words: &[&str], input: &[u8]| {
        Some(succeed(client("redis-cli", &server)?.args(words), input))
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
    let Some(mut cli) = client("redis-cli", &server) else { return };
    let output = succeed(&mut cli, b"SET k \"a b\"\nGET k\nINCR k\nDEL k\n");
    let error = "ERR value is not an integer or out of range";
    assert_eq!(
        output.lines().filter(|l| !l.is_empty()).collect::<Vec<_>>(),
        ["OK", "a b", error, "1"]
    );
    let mut cli = client("redis-cli", &server).expect("it was found before");
    let latency = succeed(cli.args(["--latency", "-i", "1"]), b"");
    let figures: Vec<f64> = latency.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    assert!(figures.len() >= 4 && figures[3] > 0.0, "samples: {latency}");
}

#[test]
fn redis_benchmark_runs() {
    let (server, _directory) = start();
    let Some(mut benchmark) = client("redis-benchmark", &server) else { return };
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

/// Runs a script of `tests/clients`, if its library can be loaded with `probe`.
fn run_script(interpreter: &str, probe: [&str; 2], library: &str, script: &str) {
    let found = process::find(interpreter)
        .filter(|program| process::finish(Command::new(program).args(probe), b"").code == Some(0));
    let Some(program) = found else {
        eprintln!("skipped: {library} for {interpreter} is not installed");
        return;
    };
    let (server, _directory) = start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    let output = succeed(Command::new(program).arg(script).arg(server.port.to_string()), b"");
    assert_eq!(output.trim(), "ok");
}

#[test]
fn redis_py_works() {
    run_script("python3", ["-c", "import redis"], "redis-py", "python.py");
}

#[test]
fn ioredis_works() {
    run_script("node", ["-e", "require('ioredis')"], "ioredis", "node.js");
}

#[test]
fn the_redis_crate_works() -> RedisResult<()> {
    let (server, _directory) = start();
    for protocol in ["", "?protocol=resp3"] {
        let url = format!("redis://127.0.0.1:{}/2{protocol}", server.port);
        let mut db = redis::Client::open(url)?.get_connection()?;
        let () = redis::cmd("FLUSHALL").query(&mut db)?;
        let bytes: Vec<u8> = (0..=255).collect();
        let () = db.set("bytes", &bytes)?;
        assert_eq!(db.get::<_, Vec<u8>>("bytes")?, bytes);
        assert_eq!(db.get::<_, Option<String>>("nosuch")?, None);
        let () = db.set_ex("deadline", "v", 100)?;
        assert!((1..=100).contains(&db.ttl::<_, i64>("deadline")?));
        let () = db.mset(&[("a", "1"), ("b", "2")])?;
        assert_eq!(db.mget::<_, Vec<Option<i64>>>(&["a", "b", "c"][..])?, [Some(1), Some(2), None]);
        let (first, second): (i64, Vec<u8>) =
            redis::pipe().incr("a", 41).append("b", "3").ignore().get("b").query(&mut db)?;
        assert_eq!((first, second), (42, b"23".to_vec()));
        assert_eq!(db.scan_match::<_, String>("?")?.count(), 2);
        assert_eq!(db.rpush::<_, _, i64>("list", &["a", "b"][..])?, 2);
        assert_eq!(db.blpop::<_, (String, String)>("list", 1.0)?, ("list".into(), "a".into()));
        assert_eq!(db.zadd_multiple::<_, _, _, i64>("zset", &[(1.5, "a"), (-2.0, "b")])?, 2);
        let ranked: Vec<(String, f64)> = db.zrange_withscores("zset", 0, -1)?;
        assert_eq!(ranked, [("b".to_owned(), -2.0), ("a".to_owned(), 1.5)]);
        let () = db.hset_multiple("hash", &[("f", "1"), ("g", "2")])?;
        let hash: std::collections::BTreeMap<String, i64> = db.hgetall("hash")?;
        assert_eq!(hash.into_iter().collect::<Vec<_>>(), [("f".into(), 1), ("g".into(), 2)]);
        let id: String = redis::cmd("XADD").arg(&["stream", "1-*", "f", "v"][..]).query(&mut db)?;
        assert_eq!(id, "1-0");
        let error = db.incr::<_, _, i64>("bytes", 1).expect_err("it is no number");
        assert_eq!(error.kind(), ErrorKind::Server(ServerErrorKind::ResponseError));
    }
    Ok(())
}
