//! Monitoring: who reads `INFO` line by line, as redis_exporter does, and what it asks for besides.
//!
//! `tests/data/exporter.csv` lists the fields that redis_exporter makes metrics or labels of (those of other servers
//! apart), with the section in which it looks for them and what they must look like. Fields that this server
//! does not have say why.

use super::super::support::patience::eventually;
use super::super::support::resp::Reply;
use super::{Ask, Server, start, with_each_server};
use std::collections::{BTreeMap, BTreeSet};

/// What `INFO` told, by section and by field.
struct Info(BTreeMap<String, BTreeMap<String, String>>);

impl Info {
    fn ask(client: &mut impl Ask) -> Info {
        let Reply::Bulk(text) = client.ask(&["INFO", "everything"]) else {
            panic!("INFO replies with a bulk string");
        };
        Info::parse(&String::from_utf8(text).expect("INFO is UTF-8"))
    }

    /// Sections stand between blank lines, begin with a heading, and no line is anything but `name:value`.
    fn parse(text: &str) -> Info {
        let mut sections = BTreeMap::new();
        let whole = text.strip_suffix("\r\n").expect("the last line ends");
        for section in whole.split("\r\n\r\n") {
            let mut lines = section.split("\r\n").filter(|line| !line.is_empty());
            let heading = lines.next().and_then(|line| line.strip_prefix("# "));
            let heading = heading.unwrap_or_else(|| panic!("no heading: {section:?}"));
            let is_letter = |c: char| c.is_ascii_alphanumeric();
            assert!(!heading.is_empty() && heading.chars().all(is_letter), "heading {heading:?}");
            let mut fields = BTreeMap::new();
            for line in lines {
                let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{line:?}"));
                assert!(is_name(name), "{line:?}");
                assert!(!value.contains(['\r', '\n']), "{line:?}");
                let double = fields.insert(name.to_owned(), value.to_owned());
                assert_eq!(double, None, "{name} is told twice");
            }
            assert!(sections.insert(heading.to_owned(), fields).is_none(), "{heading} twice");
        }
        Info(sections)
    }

    fn section(&self, name: &str) -> &BTreeMap<String, String> {
        self.0.get(name).unwrap_or_else(|| panic!("there is no section {name}"))
    }

    /// The part behind a prefix of a section's fields, with their values.
    fn named<'a>(
        &'a self,
        section: &str,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.section(section).iter().map(move |(name, value)| {
            let name = name.strip_prefix(prefix);
            (name.unwrap_or_else(|| panic!("a field without {prefix}")), value.as_str())
        })
    }
}

/// What is allowed in the name of a field: commands have `|` and `-`, percentiles `.`.
fn is_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_|-.".contains(c);
    !name.is_empty() && name.chars().all(is_allowed)
}

/// The values of `name=value,...`, which must have exactly these names, all of them numbers.
fn numbers<const COUNT: usize>(text: &str, names: [&str; COUNT]) -> [f64; COUNT] {
    let parts: Vec<_> = text.split(',').map(|part| part.split_once('=').expect(text)).collect();
    assert_eq!(parts.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names, "{text}");
    std::array::from_fn(|n| number(parts[n].1))
}

/// A number that is neither infinite nor unknown.
fn number(text: &str) -> f64 {
    let number: f64 = text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"));
    assert!(number.is_finite(), "{text:?}");
    number
}

/// Something of everything that `INFO` counts, the same number of times for each.
fn use_the_server(server: &Server) {
    let mut client = server.client();
    for n in 0..20 {
        client.say(&format!("SET key:{n} v EX 100"));
        client.say("SET kept v");
        client.say("GET kept");
        client.say("GET nosuch");
        client.say("CLIENT SETNAME somebody");
        client.say("CONFIG GET max*");
        client.say("OBJECT HELP");
        client.say("RPUSH kept x");
        client.say("GET");
        client.say("SET kept v EX nothing");
        client.say("RESTORE kept 0 nonsense");
        client.say("EXEC");
        client.say("NOSUCH");
    }
    client.say("SELECT 9");
    client.say("SET k v");
    client.say("SELECT 0");
}

#[test]
fn every_line_of_info_is_what_exporters_take_it_for() {
    with_each_server(|server| {
        use_the_server(server);
        let info = Info::ask(&mut server.client());
        let headings: BTreeSet<&str> = info.0.keys().map(String::as_str).collect();
        let expected = [
            "CPU",
            "Clients",
            "Cluster",
            "Commandstats",
            "Errorstats",
            "Keyspace",
            "Latencystats",
            "Memory",
            "Modules",
            "Persistence",
            "Replication",
            "Server",
            "Stats",
        ];
        assert_eq!(headings, BTreeSet::from(expected));
        let [keys, expires, average_ms] =
            numbers(&info.section("Keyspace")["db0"], ["keys", "expires", "avg_ttl"]);
        assert_eq!((keys, expires), (21.0, 20.0));
        assert!((0.0..=100_000.0).contains(&average_ms), "{average_ms}");
        assert_eq!(info.section("Keyspace").keys().collect::<Vec<_>>(), ["db0", "db9"]);
        commands_are_counted(&info);
        errors_are_counted(&info);
        latencies_are_told(&info);
    });
}

fn commands_are_counted(info: &Info) {
    let names = ["calls", "usec", "usec_per_call", "rejected_calls", "failed_calls"];
    let counts: BTreeMap<&str, [f64; 5]> = info
        .named("Commandstats", "cmdstat_")
        .map(|(command, text)| (command, numbers(text, names)))
        .collect();
    for (command, [calls, usec, each, rejected, failed]) in &counts {
        assert!(calls + rejected >= 1.0 && failed <= calls, "{command}");
        assert!((usec / calls.max(1.0) - each).abs() < 0.01, "{command}: {usec} {calls} {each}");
    }
    let counted = |command: &str| {
        let [calls, _, _, rejected, failed] = counts[command];
        [calls, rejected, failed]
    };
    assert_eq!(counted("get"), [40.0, 20.0, 0.0]);
    assert_eq!(counted("set"), [61.0, 0.0, 20.0]);
    assert_eq!(counted("rpush"), [20.0, 0.0, 20.0]);
    assert_eq!(counted("client|setname"), [20.0, 0.0, 0.0]);
    assert_eq!(counted("config|get"), [20.0, 0.0, 0.0]);
}

fn errors_are_counted(info: &Info) {
    let counts: BTreeMap<&str, f64> = info
        .named("Errorstats", "errorstat_")
        .map(|(code, text)| (code, numbers(text, ["count"])[0]))
        .collect();
    assert_eq!(counts["WRONGTYPE"], 20.0);
    assert_eq!(counts["BUSYKEY"], 20.0);
    // Arguments that are missing or wrong, EXEC without MULTI, an unknown command.
    assert_eq!(counts["ERR"], 80.0);
    assert_eq!(number(&info.section("Stats")["total_error_replies"]), counts.values().sum());
}

fn latencies_are_told(info: &Info) {
    let counted: BTreeSet<&str> = info.named("Commandstats", "cmdstat_").map(|(c, _)| c).collect();
    let mut some = 0;
    for (command, text) in info.named("Latencystats", "latency_percentiles_usec_") {
        let [half, p99, p999] = numbers(text, ["p50", "p99", "p99.9"]);
        assert!(0.0 <= half && half <= p99 && p99 <= p999, "{command}: {text}");
        assert!(counted.contains(command), "{command}");
        some += 1;
    }
    assert!(some >= 6, "{some}");
}

/// A line of `tests/data/exporter.csv`.
struct Field<'a> {
    name: &'a str,
    section: &'a str,
    kind: &'a str,
    absent_because: &'a str,
}

fn fields() -> Vec<Field<'static>> {
    let lines = include_str!("../../data/exporter.csv").lines().skip(1);
    lines
        .map(|line| {
            let parts: Vec<&str> = line.splitn(4, ',').collect();
            let [name, section, kind, absent_because] = parts[..] else { panic!("{line}") };
            Field { name, section, kind, absent_because }
        })
        .collect()
}

#[test]
fn info_has_the_fields_of_which_redis_exporter_makes_metrics() {
    let (process, _data) = start();
    let server = Server::Ours { process, _data };
    let mut client = server.client();
    let before = Info::ask(&mut client);
    use_the_server(&server);
    let after = Info::ask(&mut client);
    for Field { name, section, kind, absent_because } in fields() {
        let value = after.section(section).get(name);
        let Some(value) = value else {
            assert!(!absent_because.is_empty(), "{name} is missing");
            continue;
        };
        assert_eq!(absent_because, "", "{name} is there: {value}");
        let grown = || number(value) - number(&before.section(section)[name]);
        let is_sound = match kind {
            "label" => !value.is_empty(),
            "status" => value == "ok",
            "gauge" => number(value) >= 0.0,
            "signed" => number(value).is_finite(),
            "counter" => number(value) >= 0.0 && grown() >= 0.0,
            _ => panic!("{name}: what is {kind}?"),
        };
        assert!(is_sound, "{name}, a {kind}: {value}");
    }
    let grown = |name: &str| {
        let count = |info: &Info| number(&info.section("Stats")[name]);
        count(&after) - count(&before)
    };
    assert_eq!(grown("keyspace_misses"), 20.0);
    assert_eq!(grown("total_connections_received"), 1.0);
    assert!(grown("total_commands_processed") >= 220.0);
}

#[test]
fn what_is_freed_in_the_background_is_counted() {
    let (process, _data) = start();
    let server = Server::Ours { process, _data };
    let mut client = server.client();
    let members: Vec<String> = (0..50_000).map(|n| n.to_string()).collect();
    let command: Vec<&str> =
        ["SADD", "large"].into_iter().chain(members.iter().map(|m| &**m)).collect();
    client.ask(&command);
    assert_eq!(client.info("lazyfreed_objects"), "0");
    assert_eq!(client.say("UNLINK large"), ":1");
    eventually("the value is freed", || client.info("lazyfreed_objects") == "1");
    assert_eq!(client.info("lazyfree_pending_objects"), "0");
    client.ask(&command);
    client.say("SET other v");
    assert_eq!(client.say("FLUSHALL"), "+OK");
    eventually("two more are freed", || client.info("lazyfreed_objects") == "3");
    assert_eq!(client.say("CONFIG RESETSTAT"), "+OK");
    assert_eq!(client.info("lazyfreed_objects"), "0");
}

#[test]
fn what_exporters_ask_besides_info_has_the_shape_that_they_expect() {
    with_each_server(|server| {
        let mut client = server.client();
        assert_eq!(client.say("CLIENT SETNAME redis_exporter"), "+OK");
        assert_eq!(client.say("CONFIG SET slowlog-log-slower-than 0"), "+OK");
        config_is_told_in_pairs(&client.ask(&["CONFIG", "GET", "*"]));
        slow_commands_are_told(&mut client);
        clients_are_listed(&mut client);
        streams_are_described(&mut client);
        assert_eq!(client.say("LATENCY LATEST"), "[]");
        let Reply::Array(histograms) = client.ask(&["LATENCY", "HISTOGRAM", "config|get"]) else {
            panic!("LATENCY HISTOGRAM replies with an array");
        };
        assert_eq!(text(&histograms[0]), "config|get");
    });
}

fn text(reply: &Reply) -> String {
    let Reply::Bulk(bytes) = reply else { panic!("{reply:?} is no bulk string") };
    String::from_utf8(bytes.clone()).expect("it is UTF-8")
}

fn items(reply: &Reply) -> &[Reply] {
    let Reply::Array(items) = reply else { panic!("{reply:?} is no array") };
    items
}

fn config_is_told_in_pairs(reply: &Reply) {
    let pairs = items(reply);
    assert_eq!(pairs.len() % 2, 0);
    let config: BTreeMap<String, String> =
        pairs.chunks(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
    for name in ["maxmemory", "maxclients", "databases", "timeout", "slowlog-max-len"] {
        number(&config[name]);
    }
}

fn slow_commands_are_told(client: &mut impl Ask) {
    let Reply::Integer(length) = client.ask(&["SLOWLOG", "LEN"]) else { panic!("a number") };
    assert!(length >= 1);
    let latest = client.ask(&["SLOWLOG", "GET", "1"]);
    let entry = items(&items(&latest)[0]);
    let [id, time_s, micros, words, _, name] = entry else { panic!("{entry:?}") };
    assert!(matches!(id, Reply::Integer(id) if *id >= length));
    assert!(matches!(time_s, Reply::Integer(time) if *time > 1_700_000_000));
    assert!(matches!(micros, Reply::Integer(micros) if *micros >= 0));
    assert_eq!(items(words).iter().map(text).collect::<Vec<_>>(), ["SLOWLOG", "LEN"]);
    assert_eq!(text(name), "redis_exporter");
}

/// Each client is a line of `name=value` with single spaces; the number and the address come first.
fn clients_are_listed(client: &mut impl Ask) {
    let list = text(&client.ask(&["CLIENT", "LIST"]));
    for line in list.lines() {
        let pairs: Vec<(&str, &str)> =
            line.split(' ').map(|pair| pair.split_once('=').expect(line)).collect();
        assert_eq!((pairs[0].0, pairs[1].0), ("id", "addr"), "{line}");
        assert!(pairs[1].1.starts_with("127.0.0.1:"), "{line}");
        let pairs: BTreeMap<&str, &str> = pairs.into_iter().collect();
        for name in ["id", "fd", "age", "idle", "db", "sub", "psub", "ssub", "qbuf", "omem", "resp"]
        {
            assert!(pairs[name].parse::<u64>().is_ok(), "{name}: {line}");
        }
        assert!(pairs["multi"].parse::<i64>().is_ok() && !pairs["flags"].is_empty(), "{line}");
        assert_eq!(pairs["user"], "default");
    }
    assert!(list.contains(" name=redis_exporter ") && list.contains(" cmd=client|list "), "{list}");
}

fn streams_are_described(client: &mut impl Ask) {
    client.say("XADD stream 1-1 f v");
    client.say("XGROUP CREATE stream g 0");
    client.say("XREADGROUP GROUP g one COUNT 1 STREAMS stream >");
    let map = |reply: &Reply| -> BTreeMap<String, Reply> {
        items(reply).chunks(2).map(|pair| (text(&pair[0]), pair[1].clone())).collect()
    };
    let stream = map(&client.ask(&["XINFO", "STREAM", "stream"]));
    for name in ["length", "radix-tree-keys", "radix-tree-nodes", "groups", "entries-added"] {
        assert!(matches!(stream[name], Reply::Integer(_)), "{name}");
    }
    let group = map(&items(&client.ask(&["XINFO", "GROUPS", "stream"]))[0]);
    assert_eq!((&group["consumers"], &group["pending"]), (&Reply::Integer(1), &Reply::Integer(1)));
    let consumer = map(&items(&client.ask(&["XINFO", "CONSUMERS", "stream", "g"]))[0]);
    assert_eq!((text(&consumer["name"]), &consumer["pending"]), ("one".into(), &Reply::Integer(1)));
    assert!(matches!(consumer["idle"], Reply::Integer(_)));
}
