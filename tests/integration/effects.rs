//! What commands leave behind for others: the log repeats to the same state, and events are those of
//! Redis.

use crate::support::ask::Ask;
use crate::support::data::state;
use crate::support::generator::{Generator, seeds, shown};
use crate::support::log;
use crate::support::oracle::{self, Oracle};
use crate::support::patience::eventually;
use crate::support::peer::{Connection, Peer, Protocol};
use crate::support::resp::{self, Reply};
use crate::support::sanderling::{START_MS, Sanderling};
use std::time::Duration;

const FLAGS: [&str; 6] = ["--save", "", "--enable-debug-command", "yes", "--workers", "1"];

/// Waits until everything that has expired is removed, and so in the log.
fn wait_for_the_reaper(server: &Sanderling) {
    let engine = server.engine();
    eventually("the reaper has removed what has expired", || {
        engine.keyspace.due_shards(engine.clock.unix_millis()).0.is_empty()
    });
}

#[test]
fn repeating_the_log_gives_the_same_state_whatever_the_time() {
    for seed in seeds(6) {
        let logged = tempfile::tempdir().unwrap();
        let server = Sanderling::start_at(START_MS, logged.path(), &FLAGS);
        if seed % 2 == 1 {
            // Whatever can be is done in the slow lane.
            server.engine().slow_lane.set_work_max(0);
        }
        let mut client = server.client();
        let mut generator = Generator::new(seed, START_MS);
        generator.near_deadlines = true;
        generator.newer = true;
        for _ in 0..1_500 {
            for words in generator.commands() {
                client.ask(&words);
            }
            if generator.below(8) == 0 {
                let step = Duration::from_millis(generator.below(900) as u64);
                server.engine().clock.advance(step);
                generator.now_ms += step.as_millis() as i64;
            }
        }
        wait_for_the_reaper(&server);
        // What a client waits for is its own last change; everything else is before it.
        assert_eq!(client.say("SET last x"), "+OK");
        let expected = state(&mut client);
        assert_eq!(client.say("WAITAOF 1 0 0"), "[ :1, :0 ]");
        // A day before: what has expired goes because the log says so, not because it is time.
        let directory = tempfile::tempdir().unwrap();
        let other = Sanderling::start_at(START_MS - 86_400_000, directory.path(), &FLAGS);
        let mut client = other.client();
        repeat(&log::commands(logged.path()), &mut client, seed);
        assert_eq!(state(&mut client), expected, "seed {seed}");
        assert!(!expected.is_empty(), "seed {seed} leaves nothing to compare");
    }
}

fn repeat(commands: &[Vec<Vec<u8>>], client: &mut impl Connection, seed: u64) {
    for command in commands {
        let reply = client.ask(command);
        let is_error = matches!(reply, Reply::Error(_));
        assert!(!is_error, "seed {seed}: {}: {}", shown(command), resp::render(&reply));
    }
}

/// The log is repeated outside of time: a source that had expired was a text when the command came, and so it
/// would be again.
#[test]
fn what_a_command_finds_expired_is_gone_in_the_log_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let server = Sanderling::start_at(START_MS, directory.path(), &FLAGS);
    let mut client = server.client();
    client.say("DEBUG SET-ACTIVE-EXPIRE 0");
    let stores = [
        ("SADD d old", "SINTERSTORE d s k"),
        ("SADD d old", "SUNIONSTORE d k s"),
        ("ZADD d 1 old", "ZUNIONSTORE d 2 k s"),
        ("PFADD d old", "PFMERGE d k"),
        ("SADD d old", "SORT k STORE d"),
        ("SADD d old", "SORT s BY k* ALPHA GET k STORE d"),
        ("SET d old", "BITOP OR d k k"),
    ];
    for (prepare, store) in stores {
        client.say("DEL d s k");
        client.say(prepare);
        client.say("SADD s a");
        client.say("RPUSH k text");
        client.say("PEXPIRE k 50");
        server.engine().clock.advance(Duration::from_millis(50));
        let reply = client.say(store);
        assert!(!reply.starts_with('-'), "{store}: {reply}");
    }
    let expected = state(&mut client);
    assert_eq!(client.say("WAITAOF 1 0 0"), "[ :1, :0 ]");
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Sanderling::start_at(START_MS - 86_400_000, elsewhere.path(), &FLAGS);
    let mut client = other.client();
    repeat(&log::commands(directory.path()), &mut client, 0);
    assert_eq!(state(&mut client), expected);
}

#[test]
fn fields_are_removed_on_time_and_the_log_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let server = Sanderling::start_at(START_MS, directory.path(), &FLAGS);
    let mut client = server.client();
    client.say("HSET some f v g w h x");
    client.say("HPEXPIRE some 50 FIELDS 2 f g");
    client.say("HSETEX all PX 50 FIELDS 1 f v");
    client.say("HSETEX later PX 5000 FIELDS 1 f v");
    client.say("COPY some copy");
    server.engine().clock.advance(Duration::from_millis(50));
    wait_for_the_reaper(&server);
    assert_eq!(client.say("DBSIZE"), ":3");
    assert_eq!(client.say("WAITAOF 1 0 0"), "[ :1, :0 ]");
    let mut lines: Vec<String> = log::commands(directory.path()).iter().map(|c| shown(c)).collect();
    let mut removals = lines.split_off(lines.len() - 3);
    removals.sort();
    assert_eq!(
        removals,
        [r#""DEL" "all""#, r#""HDEL" "copy" "f" "g""#, r#""HDEL" "some" "f" "g""#,]
    );
    assert!(
        lines.contains(&format!(r#""HPEXPIREAT" "later" "{}" "FIELDS" "1" "f""#, START_MS + 5_000))
    );
}

#[test]
fn what_happens_to_streams_is_logged_as_what_came_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let server = Sanderling::start_at(START_MS, directory.path(), &FLAGS);
    let mut client = server.client();
    for line in [
        "XADD s * f v",
        "XADD s NOMKSTREAM MAXLEN ~ 5 * f v",
        "XADD s MAXLEN = 3 99999999999999-1 f v",
        "XTRIM s MAXLEN ~ 1",
        "XGROUP CREATE s g $",
        "XGROUP SETID s g 0",
        "XREADGROUP GROUP g c COUNT 1 STREAMS s >",
        "XREADGROUP GROUP g c STREAMS s 0",
        "XREADGROUP GROUP g c NOACK COUNT 1 STREAMS s >",
        "XCLAIM s g d 10000 99999999999999-1",
        "XCLAIM s g d 0 99999999999999-1 FORCE IDLE 500",
        "XTRIM s MAXLEN 1",
        "XAUTOCLAIM s g c 10000 0",
        "XACK s g 99999999999999-1",
        "XACK s g 99999999999999-1",
        "XREADGROUP GROUP g c BLOCK 1 STREAMS s 0",
    ] {
        let reply = client.say(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    assert_eq!(client.say("WAITAOF 1 0 0"), "[ :1, :0 ]");
    let text = |words: &Vec<Vec<u8>>| {
        let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
        words.join(" ").replace(&START_MS.to_string(), "NOW")
    };
    let mut lines: Vec<String> = log::commands(directory.path()).iter().map(text).collect();
    lines.retain(|line| !line.starts_with("SELECT "));
    let before = START_MS - 500;
    assert_eq!(
        lines,
        [
            "XADD s NOW-0 f v",
            "XADD s MAXLEN = 2 NOW-1 f v",
            "XADD s MAXLEN = 3 99999999999999-1 f v",
            "XGROUP CREATE s g $",
            "XGROUP SETID s g 0",
            "XCLAIM s g c 0 0-0 TIME NOW",
            "XGROUP CREATECONSUMER s g c",
            "XCLAIM s g c 0 NOW-0 TIME NOW RETRYCOUNT 1 FORCE JUSTID",
            "XGROUP SETID s g NOW-0 ENTRIESREAD 1",
            "XCLAIM s g c 0 NOW-0 TIME NOW RETRYCOUNT 2 FORCE JUSTID",
            "XGROUP SETID s g NOW-1 ENTRIESREAD 2",
            "XCLAIM s g d 0 0-0 TIME NOW",
            "XGROUP CREATECONSUMER s g d",
            &format!("XCLAIM s g d 0 99999999999999-1 TIME {before} RETRYCOUNT 2 FORCE JUSTID"),
            "XTRIM s MAXLEN 1",
            "XACK s g NOW-0",
            "XACK s g 99999999999999-1",
        ]
    );
}

#[test]
fn a_hundred_thousand_fields_that_expire_together_are_removed_in_many_commands() {
    const FIELDS: usize = 100_000;
    let directory = tempfile::tempdir().unwrap();
    let server = Sanderling::start_at(START_MS, directory.path(), &FLAGS);
    let mut client = server.client();
    let names: Vec<String> = (0..FIELDS).map(|n| format!("f{n}")).collect();
    for kind in ["reaped", "settled"] {
        for names in names.chunks(1000) {
            let pairs = names.iter().flat_map(|name| [name.as_str(), "v"]);
            let words: Vec<&str> = ["HSET", kind].into_iter().chain(pairs).collect();
            client.ask(&words);
            let head = ["HPEXPIRE", kind, "50", "FIELDS", "1000"];
            let words: Vec<&str> =
                head.into_iter().chain(names.iter().map(String::as_str)).collect();
            client.ask(&words);
        }
        client.say(&format!("HSET {kind} stays v"));
    }
    assert_eq!(client.say("DEBUG SET-ACTIVE-EXPIRE 0"), "+OK");
    server.engine().clock.advance(Duration::from_millis(50));
    // Who changes the hash removes what has expired first.
    assert_eq!(client.say("HSET settled new v"), ":1");
    assert_eq!(client.say("DEBUG SET-ACTIVE-EXPIRE 1"), "+OK");
    wait_for_the_reaper(&server);
    assert_eq!(client.say("HGETALL reaped"), r#"[ "stays", "v" ]"#);
    assert_eq!(client.say("WAITAOF 1 0 0"), "[ :1, :0 ]");
    let commands = log::commands(directory.path());
    let removals: Vec<_> = commands.iter().filter(|words| words[0] == b"HDEL").collect();
    let removed: usize = removals.iter().map(|words| words.len() - 2).sum();
    assert_eq!(removed, 2 * FIELDS);
    assert!(removals.iter().all(|words| words.len() <= 1024 + 2), "commands are short");
    assert_eq!(shown(commands.last().unwrap()).matches("HDEL").count(), 1);
}

#[test]
fn a_hash_all_of_whose_fields_expire_goes_as_a_whole() {
    let directory = tempfile::tempdir().unwrap();
    let server = Sanderling::start_at(START_MS, directory.path(), &FLAGS);
    let mut client = server.client();
    for key in ["reaped", "settled"] {
        client.say(&format!("HSET {key} f v g v h v"));
        client.say(&format!("HPEXPIRE {key} 50 FIELDS 3 f g h"));
    }
    assert_eq!(client.say("DEBUG SET-ACTIVE-EXPIRE 0"), "+OK");
    server.engine().clock.advance(Duration::from_millis(50));
    assert_eq!(client.say("HSET settled new v"), ":1");
    assert_eq!(client.say("DEBUG SET-ACTIVE-EXPIRE 1"), "+OK");
    wait_for_the_reaper(&server);
    assert_eq!(client.say("KEYS *"), r#"[ "settled" ]"#);
    assert_eq!(client.say("WAITAOF 1 0 0"), "[ :1, :0 ]");
    let commands = log::commands(directory.path());
    let of = |name: &[u8]| commands.iter().filter(|words| words[0] == name).count();
    assert_eq!((of(b"DEL"), of(b"HDEL")), (2, 0));
}

/// Hears of keyspace events as any client does.
struct Listener {
    control: Box<dyn Connection>,
    subscriber: Box<dyn Connection>,
}

impl Listener {
    /// Subscribes to events of all classes.
    fn new(peer: &mut dyn Peer, pattern: &str) -> Self {
        let [mut control, mut subscriber] =
            [(); 2].map(|()| peer.connect(Protocol::Resp2).expect("the server accepts"));
        assert_eq!(control.say("CONFIG SET notify-keyspace-events AKEnm"), "+OK");
        assert!(subscriber.say("SUBSCRIBE mark").contains("subscribe"));
        assert!(subscriber.say(&format!("PSUBSCRIBE {pattern}")).contains("psubscribe"));
        Listener { control, subscriber }
    }

    /// Channels and messages since the last call, by way of a mark that follows them.
    fn take(&mut self) -> Vec<String> {
        assert_eq!(self.control.say("PUBLISH mark -"), ":1");
        let mut lines = Vec::new();
        loop {
            let Some(Reply::Array(message)) = self.subscriber.receive().unwrap() else {
                panic!("a subscriber receives arrays");
            };
            let [.., Reply::Bulk(channel), Reply::Bulk(text)] = &message[..] else {
                panic!("a message ends with its channel and its text");
            };
            if channel == b"mark" {
                return lines;
            }
            lines.push(format!("{} {}", channel.escape_ascii(), text.escape_ascii()));
        }
    }

    /// The same of a listener to `__keyevent@*`, as `database event key`.
    fn take_events(&mut self) -> Vec<String> {
        let event = |line: String| {
            line.strip_prefix("__keyevent@").expect("an event").replacen("__:", " ", 1)
        };
        self.take().into_iter().map(event).collect()
    }
}

#[test]
fn a_key_that_comes_from_elsewhere_is_new_and_looking_inside_is_no_miss() {
    let mut server = Sanderling::start(&FLAGS);
    let mut events = Listener::new(&mut server, "__keyevent@*");
    let mut client = server.client();
    client.say("MSET a 1 b 2");
    events.take();
    // The first two replace keys, which makes no difference.
    for (line, expected) in [
        ("COPY a b REPLACE", &["0 new b", "0 copy_to b"][..]),
        ("RENAME a b", &["0 new b", "0 rename_from a", "0 rename_to b"]),
        ("MOVE b 3", &["3 new b", "0 move_from b", "3 move_to b"]),
        ("COPY nosuch b", &["0 keymiss nosuch"]),
        ("OBJECT ENCODING nosuch", &[]),
        ("RENAME nosuch b", &[]),
        ("MOVE nosuch 3", &[]),
    ] {
        client.say(line);
        assert_eq!(events.take_events(), expected, "{line}");
    }
}

/// Redis 7.0 creates a consumer when it gets something, 7.2 when it asks: so one may come earlier, and be there
/// or not when it is deleted. Those that the generator creates by command are the same in both.
fn depends_on_version(event: &str, words: &[Vec<u8>]) -> bool {
    let is_of_consumer = event.contains("createconsumer") || event.contains("delconsumer");
    let by_command = words.last().is_some_and(|consumer| consumer == b"e" || consumer == b"made");
    is_of_consumer && !by_command
}

#[test]
fn events_are_those_of_redis() {
    let Some(program) = oracle::find() else { return };
    let mut oracle = Oracle::start(&program).expect("redis-server starts");
    let mut server = Sanderling::start(&FLAGS);
    // Both channels of each event: what happened to a key, and to which key it happened.
    let [mut their_events, mut our_events] =
        [&mut oracle as &mut dyn Peer, &mut server].map(|peer| Listener::new(peer, "__key*__:*"));
    let [mut theirs, mut ours] = [&mut oracle as &mut dyn Peer, &mut server]
        .map(|peer| peer.connect(Protocol::Resp2).expect("both servers accept"));
    for seed in seeds(3) {
        theirs.say("FLUSHALL");
        ours.say("FLUSHALL");
        // Absolute deadlines lie in the past of one clock or the future of both.
        let mut generator = Generator::new(seed, START_MS + 1_000_000_000_000);
        for _ in 0..1_000 {
            let words = generator.command();
            theirs.ask(&words);
            ours.ask(&words);
            let (mut expected, mut got) = (their_events.take(), our_events.take());
            for lines in [&mut expected, &mut got] {
                lines.retain(|line| !depends_on_version(line, &words));
            }
            assert_eq!(got, expected, "seed {seed}: {}", shown(&words));
        }
    }
}

#[test]
fn events_of_fields_are_those_of_redis_8() {
    let mut server = Sanderling::start(&FLAGS);
    let mut events = Listener::new(&mut server, "__keyevent@*");
    let mut client = server.client();
    for (line, expected) in [
        ("HSETEX h FIELDS 3 f v g w i 1", "new hset"),
        ("HEXPIRE h 100 FIELDS 2 f nosuch", "hexpire"),
        ("HEXPIRE h 100 NX FIELDS 1 f", ""),
        ("HEXPIRE h 100 FIELDS 1 nosuch", ""),
        ("HEXPIRE nosuch 100 FIELDS 1 f", ""),
        ("HTTL nosuch FIELDS 1 f", "keymiss"),
        ("HPERSIST h FIELDS 2 f g", "hpersist"),
        ("HPERSIST h FIELDS 2 f g", ""),
        ("HGETEX h FIELDS 1 f", ""),
        ("HGETEX h EX 100 FIELDS 2 f g", "hexpire"),
        ("HGETEX h PERSIST FIELDS 2 f nosuch", "hpersist"),
        ("HGETEX h PERSIST FIELDS 2 f nosuch", ""),
        ("HGETEX h PX 0 FIELDS 1 f", "hdel"),
        ("HSETEX h FXX FIELDS 1 nosuch v", ""),
        ("HSETEX h EX 100 FIELDS 1 f v", "hset hexpire"),
        ("HSETEX h KEEPTTL FIELDS 1 f v", "hset"),
        ("HSETEX h PX 0 FIELDS 1 f v", "hset hdel"),
        ("HSETEX fresh PX 0 FIELDS 1 f v", "new hset hdel del"),
        ("HINCRBY h i 1", "hincrby"),
        ("HINCRBYFLOAT h i 1", "hincrbyfloat"),
        ("HGETDEL h FIELDS 2 nosuch i", "hdel"),
        ("HGETDEL h FIELDS 1 i", ""),
        ("HPEXPIRE h 0 FIELDS 1 g", "hdel del"),
        ("HSETEX h PX 10 FIELDS 2 f v g w", "new hset hexpire"),
        ("HSET other f v g w", "new hset"),
        ("HPEXPIRE other 10 FIELDS 1 f", "hexpire"),
    ] {
        client.say(line);
        let got = events.take_events();
        let names: Vec<_> = got.iter().map(|event| event.split(' ').nth(1).unwrap()).collect();
        assert_eq!(names.join(" "), expected, "{line}");
    }
    client.say("DEBUG SET-ACTIVE-EXPIRE 0");
    server.engine().clock.advance(Duration::from_millis(10));
    client.say("HSET h new v");
    client.say("HGET other f");
    client.say("HSETNX other f v");
    let expected = ["hexpired h", "del h", "new h", "hset h", "hexpired other", "hset other"];
    let got = events.take_events();
    assert_eq!(got, expected.map(|event| format!("0 {event}")));
}
