//! The tables against the facts of Redis's commands, and against themselves.

use std::collections::BTreeSet;

use super::registry;
use crate::exec::keyspec::{Begin, Find, KeySpec};
use crate::exec::spec::{self, Flags};
use crate::exec::{Command, syntax};

/// Commands that Redis does not have.
const OWN: &[&str] =
    &["BACKUP", "BIGKEYS", "DELPATTERN", "HELP", "HOTKEYS", "PUBSUB HISTORY", "SUBSCRIBE.FROM"];

/// Commands of later versions of Redis than the facts are about, with their group, arity, flags, key
/// specifications and age.
const NEWER: &[(&str, &str, i32, &str, &str, &str)] = &[
    ("HEXPIRE", "hash", -6, "WRITE DENYOOM FAST", "RW+UPDATE", "7.4.0"),
    ("HEXPIREAT", "hash", -6, "WRITE DENYOOM FAST", "RW+UPDATE", "7.4.0"),
    ("HEXPIRETIME", "hash", -5, "READONLY FAST", "ACCESS+RO", "7.4.0"),
    ("HPERSIST", "hash", -5, "WRITE FAST", "RW+UPDATE", "7.4.0"),
    ("HPEXPIRE", "hash", -6, "WRITE DENYOOM FAST", "RW+UPDATE", "7.4.0"),
    ("HPEXPIREAT", "hash", -6, "WRITE DENYOOM FAST", "RW+UPDATE", "7.4.0"),
    ("HPEXPIRETIME", "hash", -5, "READONLY FAST", "ACCESS+RO", "7.4.0"),
    ("HPTTL", "hash", -5, "READONLY FAST", "ACCESS+RO", "7.4.0"),
    ("HTTL", "hash", -5, "READONLY FAST", "ACCESS+RO", "7.4.0"),
    ("HGETDEL", "hash", -5, "WRITE FAST", "ACCESS+DELETE+RW", "8.0.0"),
    ("HGETEX", "hash", -5, "WRITE FAST", "ACCESS+RW+UPDATE", "8.0.0"),
    ("HSETEX", "hash", -6, "WRITE DENYOOM FAST", "RW+UPDATE", "8.0.0"),
];

/// The facts, one command in a line:
/// `name,group,arity,since,deprecated_since,flags,acl_categories,key_specs,complexity`
const FACTS: &str = include_str!("../../tests/data/commands.csv");

/// One line of the facts.
struct Fact {
    fields: Vec<String>,
}

impl Fact {
    fn name(&self) -> &str {
        &self.fields[0]
    }
    fn group(&self) -> String {
        self.fields[1].replace('_', "-")
    }
    fn flags(&self) -> BTreeSet<&str> {
        self.fields[5].split_ascii_whitespace().collect()
    }
    fn categories(&self) -> BTreeSet<String> {
        self.fields[6].split_ascii_whitespace().map(str::to_ascii_lowercase).collect()
    }
    /// Each with its flags sorted.
    fn key_specs(&self) -> Vec<String> {
        let specs = self.fields[7].split(" | ").filter(|spec| !spec.is_empty());
        specs.map(|spec| sort_last(spec, '/', '+')).collect()
    }
}

/// `a/b/Y+X` → `a/b/X+Y`
fn sort_last(text: &str, separator: char, joint: char) -> String {
    let (front, last) = text.rsplit_once(separator).expect("a specification has three parts");
    let mut parts: Vec<&str> = last.split(joint).collect();
    parts.sort_unstable();
    format!("{front}{separator}{}", parts.join(&joint.to_string()))
}

/// Splits at commas outside of quotes.
fn split_line(line: &str) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields.last_mut().unwrap().push(c),
        }
    }
    fields
}

fn facts() -> Vec<Fact> {
    FACTS.lines().skip(1).map(|line| Fact { fields: split_line(line) }).collect()
}

/// Every command that the facts are about, with its facts.
fn for_each(mut check: impl FnMut(Command, &Fact)) {
    let facts = facts();
    for command in registry().all() {
        if let Some(fact) = facts.iter().find(|fact| fact.name() == command.spec.name) {
            check(*command, fact);
        }
    }
}

/// The names of the flags that a row has.
fn flags_of(command: &Command) -> BTreeSet<&'static str> {
    let set = FLAGS.iter().filter(|(flag, _)| command.spec.has(*flag));
    set.map(|(_, name)| *name).collect()
}

/// Flags under the names by which the facts know them.
const FLAGS: &[(Flags, &str)] = &[
    (spec::WRITE, "WRITE"),
    (spec::READ, "READONLY"),
    (spec::DENY_OOM, "DENYOOM"),
    (spec::ADMIN, "ADMIN"),
    (spec::PUBSUB, "PUBSUB"),
    (spec::NOSCRIPT, "NOSCRIPT"),
    (spec::BLOCKING, "BLOCKING"),
    (spec::LOADING, "LOADING"),
    (spec::STALE, "STALE"),
    (spec::SKIP_MONITOR, "SKIP_MONITOR"),
    (spec::SKIP_SLOWLOG, "SKIP_SLOWLOG"),
    (spec::ASKING, "ASKING"),
    (spec::FAST, "FAST"),
    (spec::NO_AUTH, "NO_AUTH"),
    (spec::MAY_REPLICATE, "MAY_REPLICATE"),
    (spec::NO_MANDATORY_KEYS, "NO_MANDATORY_KEYS"),
    (spec::PROTECTED, "PROTECTED"),
    (spec::NO_ASYNC_LOADING, "NO_ASYNC_LOADING"),
    (spec::NO_MULTI, "NO_MULTI"),
    (spec::ALLOW_BUSY, "ALLOW_BUSY"),
    (spec::SENTINEL, "SENTINEL"),
    (spec::TOUCHES_ARBITRARY_KEYS, "TOUCHES_ARBITRARY_KEYS"),
];

#[test]
fn what_redis_does_not_have_is_listed() {
    let facts = facts();
    for command in registry().all() {
        let name = command.spec.name;
        let is_listed = NEWER.iter().any(|row| row.0 == name) || OWN.contains(&name);
        let is_redis_own = facts.iter().any(|fact| fact.name() == name);
        assert!(
            is_listed != is_redis_own,
            "{name}: what Redis 7.2 does not have belongs into OWN or NEWER in {}, and nothing else does",
            file!()
        );
    }
}

#[test]
fn rows_have_the_arity_group_and_age_of_redis() {
    for_each(|command, fact| {
        let name = command.spec.name;
        assert_eq!(command.spec.arity.to_string(), fact.fields[2], "{name}");
        assert_eq!(command.group, fact.group(), "{name}");
        assert_eq!(command.spec.doc.since, fact.fields[3], "{name}");
        let deprecated = command.spec.deprecation.as_ref().map_or("", |it| it.since);
        assert_eq!(deprecated, fact.fields[4], "{name}");
    });
}

#[test]
fn rows_have_the_flags_of_redis() {
    for_each(|command, fact| {
        assert_eq!(flags_of(&command), fact.flags(), "{}", command.spec.name);
    });
}

#[test]
fn commands_of_later_versions_are_as_they_are_there() {
    let (registry, facts) = (registry(), facts());
    for (name, group, arity, flags, key, since) in NEWER {
        assert!(facts.iter().all(|fact| fact.name() != *name), "{name} is among the facts");
        let command = registry.all().iter().find(|command| command.spec.name == *name);
        let command = command.unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!((command.group, command.spec.arity), (*group, *arity), "{name}");
        assert_eq!(flags_of(command), flags.split(' ').collect(), "{name}");
        assert_eq!(command.spec.doc.since, *since, "{name}");
        let keys: Vec<String> = command.spec.keys.iter().map(describe).collect();
        assert_eq!(keys, [format!("index:1/range:0,1,0/{key}")], "{name}");
        let speed = if flags.contains("FAST") { "fast" } else { "slow" };
        let access = if flags.contains("WRITE") { "write" } else { "read" };
        let categories: BTreeSet<&str> = command.categories().collect();
        assert_eq!(categories, BTreeSet::from([*group, access, speed]), "{name}");
    }
}

#[test]
fn categories_are_those_of_redis() {
    for_each(|command, fact| {
        let flags = fact.flags();
        let mut expected = fact.categories();
        let is_script = expected.contains("scripting");
        let implied: [(&str, bool); 8] = [
            ("write", flags.contains("WRITE") && !is_script),
            ("read", flags.contains("READONLY") && !is_script),
            ("admin", flags.contains("ADMIN")),
            ("dangerous", flags.contains("ADMIN")),
            ("pubsub", flags.contains("PUBSUB")),
            ("blocking", flags.contains("BLOCKING")),
            ("fast", flags.contains("FAST")),
            ("slow", !flags.contains("FAST")),
        ];
        expected.extend(implied.iter().filter(|(_, is)| *is).map(|(name, _)| (*name).to_owned()));
        let categories: BTreeSet<String> = command.categories().map(str::to_owned).collect();
        assert_eq!(categories, expected, "{}", command.spec.name);
    });
}

fn describe(key_spec: &KeySpec) -> String {
    let begin = match key_spec.begin {
        Begin::Unknown => "unknown".to_owned(),
        Begin::Index(index) => format!("index:{index}"),
        Begin::Keyword(word, from) => format!("keyword:{word}@{from}"),
    };
    let find = match key_spec.find {
        Find::Unknown => "unknown".to_owned(),
        Find::Range { last, step, limit } => format!("range:{last},{step},{limit}"),
        Find::KeyNum { count, first, step } => format!("keynum:{count},{first},{step}"),
    };
    let mut flags: Vec<String> = key_spec.flags.names().map(str::to_ascii_uppercase).collect();
    flags.sort_unstable();
    format!("{begin}/{find}/{}", flags.join("+"))
}

#[test]
fn keys_are_where_redis_has_them() {
    for_each(|command, fact| {
        let specs: Vec<String> = command.spec.keys.iter().map(describe).collect();
        assert_eq!(specs, fact.key_specs(), "{}", command.spec.name);
    });
}

#[test]
fn every_row_is_documented_and_its_syntax_can_be_read() {
    let facts = facts();
    for command in registry().all() {
        let (name, doc) = (command.spec.name, &command.spec.doc);
        assert!(doc.summary.ends_with('.'), "{name}: the summary is a sentence");
        assert!(!doc.since.is_empty(), "{name}: since");
        let is_unknown = facts.iter().any(|fact| fact.name() == name && fact.fields[8].is_empty());
        assert!(!doc.complexity.is_empty() || is_unknown, "{name}: complexity");
        let arguments = syntax::parse(name, doc.syntax, command.spec.keys.len());
        let arguments = arguments.unwrap_or_else(|| panic!("{name}: {}", doc.syntax));
        let takes_some = command.spec.arity.unsigned_abs() as usize > command.spec.words();
        let is_family = !command.spec.subcommands.is_empty();
        assert!(!arguments.is_empty() || !takes_some || is_family, "{name}: no syntax");
        let takes_none = command.spec.arity == command.spec.words() as i32;
        assert!(arguments.is_empty() || !takes_none, "{name}: takes no arguments");
    }
}

#[test]
fn subcommands_are_named_after_their_family() {
    for command in registry().all() {
        for subcommand in command.spec.subcommands {
            let short = subcommand.name.strip_prefix(command.spec.name);
            assert!(short.is_some_and(|short| short.starts_with(' ')), "{}", subcommand.name);
        }
    }
}

/// Commands on keys without an estimate of their work, although it is not constant, and why.
const UNESTIMATED: &[(&str, &str)] = &[
    (
        "as long as their arguments, which were received before",
        "BLPOP BRPOP DEL EXISTS HDEL HEXPIRE HEXPIREAT HEXPIRETIME HGETDEL HGETEX HMGET HMSET HPERSIST HPEXPIRE \
         HPEXPIREAT HPEXPIRETIME HPTTL HSET HSETEX HTTL LPUSH LPUSHX MGET MSET MSETNX RPUSH RPUSHX SMISMEMBER SREM \
         TOUCH ZMSCORE ZREM",
    ),
    (
        "constant or logarithmic here: values are shared, counted and freed elsewhere",
        "COPY LINDEX LSET MEMORY|USAGE XGROUP|DESTROY",
    ),
    ("of one HyperLogLog, which has a fixed size", "PFDEBUG"),
    ("may have to wait after all, and nobody waits in the slow lane", "BLMPOP BZMPOP XREADGROUP"),
    ("as long as there are subscribers", "SPUBLISH SSUBSCRIBE SUNSUBSCRIBE"),
];

#[test]
fn work_that_grows_with_what_is_stored_has_an_estimate_or_a_reason() {
    let registry = registry();
    let grows = |command: &&Command| {
        let spec = command.spec;
        let complexity = spec.doc.complexity;
        let is_bounded = complexity.starts_with("O(1)") || complexity.starts_with("O(log");
        !is_bounded && spec.work.is_none() && !spec.keys.is_empty()
    };
    let found: BTreeSet<String> =
        registry.all().iter().filter(grows).map(|it| it.spec.full_name()).collect();
    let names = UNESTIMATED.iter().flat_map(|(_, names)| names.split_ascii_whitespace());
    let listed: BTreeSet<String> = names.map(str::to_ascii_lowercase).collect();
    let missing: Vec<&String> = found.difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "{missing:?}: their work grows; give their rows an estimate with `work` (see `exec::work`), or a reason why \
         they need none in UNESTIMATED in {}",
        file!()
    );
    let idle: Vec<&String> = listed.difference(&found).collect();
    assert!(idle.is_empty(), "{idle:?}: listed in UNESTIMATED, but estimated, constant or gone");
}
