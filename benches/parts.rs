//! The parts of a request's way, each by itself: parsing, executing, encoding; and a snapshot's lines.
//!
//! ```text
//! cargo bench --bench parts -- [filter]
//! ```
//!
//! Everything runs in this process on one thread, without sockets: what is left of a request's cost when
//! the kernel's share is taken away. Keys are taken at random from a million, so that lookups pay for
//! their cache misses as they do in a server.

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

use sanderling::base::clock::Clock;
use sanderling::base::random::Random;
use sanderling::commands;
use sanderling::config::Config;
use sanderling::exec::{Engine, Executor};
use sanderling::persist::snapshot::{SnapshotWriter, write_entry};
use sanderling::resp::{Limits, Outbox, ParseState, Protocol, Reply, RequestParser};
use sanderling::session::{Origin, Session};
use sanderling::store::{Gate, Keyspace, SHARDS_DEFAULT, ValueRef};
use sanderling::value::hashed::Hashed;
use sanderling::value::tree::Tree;

const KEYS: usize = 1_000_000;
const VALUE: &[u8] = &[b'v'; 64];
/// Requests of a pipeline.
const PIPELINE: usize = 16;
/// Entries of a snapshot that is written to nowhere.
const SNAPSHOT_KEYS: usize = 10_000;
const LIMITS: Limits = Limits { bulk_bytes_max: 512 * 1024 * 1024, authenticated: true };

/// The allocator that the server runs with.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn resp_array(args: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Parses everything in `input` and returns how many requests that were.
fn parse_all(parser: &mut RequestParser, input: &[u8]) -> usize {
    let (mut position, mut count) = (0, 0);
    while position < input.len() {
        match parser.parse(&input[position..], &LIMITS) {
            Ok(ParseState::Complete(bytes)) => {
                black_box(parser.request().args(&input[position..]));
                position += bytes;
                count += 1;
            }
            other => panic!("the input consists of complete requests: {other:?}"),
        }
    }
    count
}

fn parsing(criterion: &mut Criterion) {
    let array = resp_array(&[b"SET", b"key:123456", VALUE]);
    let line = [b"SET key:123456 ".as_slice(), VALUE, b"\r\n"].concat();
    let quoted = [b"SET key:123456 \"".as_slice(), VALUE, b"\\x00\"\r\n"].concat();
    let inputs = [
        ("SET, RESP array", array.clone(), 1),
        ("SET, 16 RESP arrays", array.repeat(PIPELINE), PIPELINE),
        ("SET, text line", line, 1),
        ("SET, text line with quotes", quoted, 1),
    ];
    let mut group = criterion.benchmark_group("parse");
    for (name, input, requests) in inputs {
        group.throughput(Throughput::Elements(requests as u64));
        let mut parser = RequestParser::default();
        group.bench_function(name, |bencher| {
            bencher.iter(|| assert_eq!(parse_all(&mut parser, black_box(&input)), requests));
        });
    }
    group.finish();
}

fn encoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    let mut outbox = Outbox::default();
    let mut bench = |name: &str, encode: &dyn Fn(&mut Reply<'_>)| {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                encode(&mut Reply::new(&mut outbox, Protocol::Resp3));
                black_box(outbox.tail()).clear();
            });
        });
    };
    bench("OK", &|reply| reply.ok());
    bench("integer", &|reply| reply.integer(black_box(1_234_567)));
    bench("bulk string of 64 bytes", &|reply| reply.bulk(black_box(VALUE)));
    bench("double", &|reply| reply.double(black_box(3.25)));
    bench("array of 100 bulk strings", &|reply| {
        reply.array(100);
        (0..100).for_each(|_| reply.bulk(black_box(b"member:17")));
    });
    group.finish();
}

/// What a worker has, without its sockets.
struct Worker<'e> {
    gate: &'e Gate<'e>,
    executor: Executor,
    session: Session,
    parser: RequestParser,
    outbox: Outbox,
}

impl<'e> Worker<'e> {
    fn new(engine: &Arc<Engine>, gate: &'e Gate<'e>) -> Worker<'e> {
        let client = engine.clients.internal(engine.clock.unix_millis());
        Worker {
            gate,
            executor: Executor::new(Arc::clone(engine), Random::seeded(1)),
            session: Session::new(client, Origin::Network, true),
            parser: RequestParser::default(),
            outbox: Outbox::default(),
        }
    }

    /// Stores `KEYS` strings and as many counters.
    fn load(&mut self) {
        for number in 0..KEYS {
            let (key, counter) = (format!("key:{number}"), format!("counter:{number}"));
            let mut input = resp_array(&[b"SET", key.as_bytes(), VALUE]);
            input.extend(resp_array(&[b"SET", counter.as_bytes(), b"0"]));
            self.serve(&input);
        }
    }

    /// Parses and executes what a client has sent, in one turn.
    fn serve(&mut self, input: &[u8]) {
        let mut turn = self.gate.enter();
        self.executor.begin_turn();
        let mut position = 0;
        while position < input.len() {
            let rest = &input[position..];
            let Ok(ParseState::Complete(bytes)) = self.parser.parse(rest, &LIMITS) else {
                panic!("the input consists of complete requests");
            };
            let args = self.parser.request().args(rest);
            let executed =
                self.executor.execute(&mut self.session, args, &mut self.outbox, &mut turn);
            assert_eq!(executed, Ok(()));
            position += bytes;
        }
        assert_ne!(self.outbox.tail().first(), Some(&b'-'), "no request is refused");
        black_box(self.outbox.tail()).clear();
    }
}

fn engine() -> Arc<Engine> {
    let keyspace = Keyspace::new(16, SHARDS_DEFAULT, 1, *b"not much secrecy");
    let (config, clock) = (Arc::new(Config::default()), Arc::new(Clock::system()));
    Arc::new(Engine::new(commands::registry(), keyspace, config, clock))
}

fn executing(criterion: &mut Criterion) {
    let engine = engine();
    let gate = engine.keyspace.gate();
    let mut worker = Worker::new(&engine, &gate);
    worker.load();
    let mut random = Random::seeded(2);
    let mut group = criterion.benchmark_group("parse and execute");
    group.throughput(Throughput::Elements(PIPELINE as u64));
    let mut bench = |name: &str, prefix: &str, request: &dyn Fn(&[u8]) -> Vec<u8>| {
        let mut requests = || -> Vec<u8> {
            let key = |number| format!("{prefix}{number}").into_bytes();
            (0..PIPELINE).flat_map(|_| request(&key(random.below(KEYS)))).collect()
        };
        group.bench_function(name, |bencher| {
            let input = || requests();
            bencher.iter_batched_ref(input, |input| worker.serve(input), BatchSize::SmallInput);
        });
    };
    bench("16 GETs", "key:", &|key| resp_array(&[b"GET", key]));
    bench("16 SETs", "key:", &|key| resp_array(&[b"SET", key, VALUE]));
    bench("16 INCRs", "counter:", &|key| resp_array(&[b"INCR", key]));
    bench("16 GETs of missing keys", "none:", &|key| resp_array(&[b"GET", key]));
    bench("16 EXPIREs", "key:", &|key| resp_array(&[b"EXPIRE", key, b"100000"]));
    group.finish();
}

fn snapshotting(criterion: &mut Criterion) {
    let entries = [
        ("64 letters", ValueRef::Short { bytes: VALUE, edited: false }),
        ("64 bytes to quote", ValueRef::Short { bytes: &[0xff; 64], edited: false }),
        ("integer", ValueRef::Integer(1_234_567)),
    ];
    let mut group = criterion.benchmark_group("snapshot");
    for (name, value) in entries {
        let mut line = Vec::new();
        group.bench_function(format!("line of {name}"), |bencher| {
            bencher.iter(|| {
                write_entry(&mut line, black_box(b"key:123456"), value, Some(1_790_000_000_000));
                black_box(&mut line).clear();
            });
        });
    }
    group.throughput(Throughput::Elements(SNAPSHOT_KEYS as u64));
    group.bench_function("10000 entries, with sections and checksums", |bencher| {
        bencher.iter(|| snapshot(ValueRef::Short { bytes: VALUE, edited: false }));
    });
    group.finish();
}

/// Members of 10 to 12 bytes, in no order.
fn members() -> Vec<Vec<u8>> {
    let mut random = Random::seeded(3);
    let mut names: Vec<_> =
        (0..KEYS).map(|n| format!("member:{n:0width$}", width = 3 + n % 3).into_bytes()).collect();
    (1..names.len()).rev().for_each(|at| names.swap(at, random.below(at + 1)));
    names
}

/// The large form of collections, beside the standard library's maps.
fn trees(criterion: &mut Criterion) {
    let names = members();
    let mut group = criterion.benchmark_group("tree of a million");
    let mut hashed = Hashed::new();
    let hashes: HashMap<&[u8], ()> = names.iter().map(|name| (&name[..], ())).collect();
    names.iter().for_each(|name| assert!(hashed.insert(name, b"")));
    eprintln!("{} bytes a member", hashed.heap_bytes() as f64 / hashed.len() as f64);
    let mut random = Random::seeded(4);
    let mut each = |name: &str, work: &mut dyn FnMut(&[u8])| {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(|| random.below(KEYS), |n| work(&names[n]), BatchSize::SmallInput);
        });
    };
    each("get from a HashMap", &mut |name| assert!(hashes.contains_key(name)));
    each("get from Hashed", &mut |name| assert!(hashed.contains(name)));
    each("get what is missing", &mut |name| assert!(!hashed.contains(&name[1..])));
    each("remove and insert", &mut |name| {
        assert!(hashed.remove(name));
        assert!(hashed.insert(name, b""));
    });
    let mut held = hashed.clone();
    each("remove and insert while somebody holds all", &mut |name| {
        held.clone_from(&hashed);
        assert!(hashed.remove(name));
        assert!(hashed.insert(name, b""));
    });
    let mut order: BTreeMap<&[u8], ()> = names.iter().map(|name| (&name[..], ())).collect();
    let mut tree = Tree::new();
    names.iter().for_each(|name| assert!(tree.insert(name, b"")));
    each("get from a BTreeMap", &mut |name| assert!(order.contains_key(name)));
    each("get from a tree in the order of names", &mut |name| assert!(tree.get(name).is_some()));
    each("rank", &mut |name| {
        black_box(tree.rank(name));
    });
    group.bench_function("insert all into Hashed", |bencher| {
        bencher.iter(|| {
            let mut hashed = Hashed::new();
            names.iter().for_each(|name| assert!(hashed.insert(name, b"")));
            hashed
        });
    });
    group.bench_function("insert all into a BTreeMap", |bencher| {
        bencher.iter(|| {
            order = names.iter().map(|name| (&name[..], ())).collect();
        });
    });
    group.bench_function("append all in order", |bencher| {
        bencher.iter(|| {
            let mut tree = Tree::new();
            (0..KEYS as u64).for_each(|n| assert!(tree.insert(&n.to_be_bytes(), b"")));
            tree
        });
    });
    group.bench_function("walk all", |bencher| {
        bencher.iter(|| hashed.iter().map(|(member, _)| member.len()).sum::<usize>());
    });
    group.finish();
}

/// Writes a snapshot to nowhere and returns its length.
fn snapshot(value: ValueRef<'_>) -> u64 {
    let written = SnapshotWriter::new(std::io::sink()).and_then(|mut writer| {
        for number in 0..SNAPSHOT_KEYS {
            writer.add(0, itoa::Buffer::new().format(number).as_bytes(), black_box(value), None);
            writer.flush_if_large()?;
        }
        writer.finish()
    });
    written.expect("nowhere has room for everything").bytes
}

criterion_group! {
    name = parts;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = parsing, encoding, executing, snapshotting, trees
}
criterion_main!(parts);
