//! What to measure, and how much of it.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::command_line::{self, count, flag};

/// One chapter of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Throughput,
    Latency,
    Memory,
    Growth,
    Churn,
    Limit,
    Idle,
    Snapshot,
    Expiry,
    Loading,
    Types,
    Giants,
    Fanout,
    Publish,
    Transactions,
    Events,
    Storm,
    Siege,
    Stalls,
}

const PARTS: [(&str, Part); 19] = [
    ("throughput", Part::Throughput),
    ("latency", Part::Latency),
    ("memory", Part::Memory),
    ("growth", Part::Growth),
    ("churn", Part::Churn),
    ("limit", Part::Limit),
    ("idle", Part::Idle),
    ("snapshot", Part::Snapshot),
    ("expiry", Part::Expiry),
    ("loading", Part::Loading),
    ("types", Part::Types),
    ("giants", Part::Giants),
    ("fanout", Part::Fanout),
    ("publish", Part::Publish),
    ("transactions", Part::Transactions),
    ("events", Part::Events),
    ("storm", Part::Storm),
    ("siege", Part::Siege),
    ("stalls", Part::Stalls),
];

/// How large a run is; flags override single figures.
struct Scale {
    keys: usize,
    snapshot_keys: usize,
    rounds: usize,
    /// Of one measurement.
    seconds: f64,
    /// Before idle connections are looked at for the second time.
    settle_seconds: f64,
    idle_connections: usize,
    clients: &'static [usize],
    /// How many listen to one channel.
    subscribers: &'static [usize],
    /// Requests per second where latency is measured at a fixed rate.
    rate: u64,
    /// How long values of changing sizes come, and how many of their bytes are alive.
    churn_seconds: f64,
    churn_megabytes: usize,
}

const FULL: Scale = Scale {
    keys: 1_000_000,
    snapshot_keys: 2_000_000,
    rounds: 5,
    seconds: 2.0,
    settle_seconds: 10.0,
    idle_connections: 10_000,
    clients: &[50, 1000],
    subscribers: &[1, 100, 1000],
    rate: 20_000,
    churn_seconds: 120.0,
    churn_megabytes: 200,
};

const QUICK: Scale = Scale {
    keys: 50_000,
    snapshot_keys: 200_000,
    rounds: 1,
    seconds: 0.25,
    settle_seconds: 1.0,
    idle_connections: 1000,
    clients: &[50],
    subscribers: &[1, 100, 1000],
    rate: 20_000,
    churn_seconds: 5.0,
    churn_megabytes: 20,
};

/// The least limit of the part limit: a server takes some of it for itself.
const LIMIT_MIN_MIB: usize = 8;

const SMOKE: Scale = Scale {
    keys: 2_000,
    snapshot_keys: 5_000,
    rounds: 1,
    seconds: 0.05,
    settle_seconds: 0.05,
    idle_connections: 50,
    clients: &[10],
    subscribers: &[1, 10],
    rate: 1_000,
    churn_seconds: 0.2,
    churn_megabytes: 2,
};

/// See the module's description.
#[derive(Debug)]
pub struct Options {
    pub parts: Vec<Part>,
    /// Only this server, nothing to compare it with.
    pub alone: bool,
    pub ours: PathBuf,
    pub against: PathBuf,
    /// `--workers` of this server; its default if `None`.
    pub workers: Option<usize>,
    /// `appendfsync` of both servers; `off` for no log.
    pub log: String,
    pub keys: usize,
    pub snapshot_keys: usize,
    pub value_bytes: usize,
    pub clients: Vec<usize>,
    pub subscribers: Vec<usize>,
    pub pipelines: Vec<usize>,
    /// Threads of the load generator.
    pub threads: usize,
    pub rounds: usize,
    pub duration: Duration,
    pub settle: Duration,
    pub idle_connections: usize,
    pub rate: u64,
    pub churn: Duration,
    pub churn_bytes: usize,
    /// The memory limit of the part limit, in bytes.
    pub limit: usize,
}

impl Options {
    /// See [`command_line::parse`].
    pub fn from_command_line() -> Options {
        Options::from_matches(&command_line::parse(command()))
    }

    fn from_matches(matches: &ArgMatches) -> Options {
        let smoke = command_line::is_smoke(matches);
        let scale = command_line::scale(matches, [&FULL, &QUICK, &SMOKE]);
        let number = |name: &str, default| command_line::number(matches, name, default);
        let list = |name: &str, default: &[usize]| match matches.get_many(name) {
            Some(numbers) => numbers.copied().collect(),
            None => default.to_vec(),
        };
        let (ours, against) = command_line::programs(matches);
        let seconds = matches.get_one::<f64>("seconds").copied().unwrap_or(scale.seconds);
        Options {
            parts: parts(matches),
            alone: smoke || matches.get_flag("alone"),
            ours,
            against,
            workers: matches.get_one("workers").copied(),
            log: matches.get_one::<String>("log").cloned().unwrap_or_else(|| "off".to_owned()),
            keys: number("keys", scale.keys),
            snapshot_keys: number("snapshot-keys", scale.snapshot_keys),
            value_bytes: number("value", 64),
            clients: list("clients", scale.clients),
            subscribers: list("subscribers", scale.subscribers),
            pipelines: list("pipeline", &[1, 16]),
            threads: number("threads", 1),
            rounds: number("rounds", scale.rounds),
            duration: Duration::from_secs_f64(seconds),
            settle: Duration::from_secs_f64(scale.settle_seconds),
            idle_connections: number("connections", scale.idle_connections),
            rate: matches.get_one("rate").copied().unwrap_or(scale.rate),
            churn: Duration::from_secs_f64(
                matches.get_one("churn-seconds").copied().unwrap_or(scale.churn_seconds),
            ),
            churn_bytes: number("churn-megabytes", scale.churn_megabytes) * 1_000_000,
            // As much as is alive under churn: both are about memory that is full.
            limit: number("churn-megabytes", scale.churn_megabytes).max(LIMIT_MIN_MIB) << 20,
        }
    }

    /// The indexes of `programs` in the order in which this round takes them.
    pub fn order(round: usize, programs: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..programs).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        order
    }
}

fn parts(matches: &ArgMatches) -> Vec<Part> {
    let named: Vec<&String> = matches.get_many("part").into_iter().flatten().collect();
    let all = named.is_empty() || named.iter().any(|name| *name == "all");
    let chosen = |name: &str| all || named.iter().any(|other| *other == name);
    PARTS.iter().filter(|(name, _)| chosen(name)).map(|(_, part)| *part).collect()
}

fn command() -> Command {
    let names = PARTS.iter().map(|(name, _)| *name).chain(["all"]);
    let list = |name, help| count(name, help).value_delimiter(',').action(ArgAction::Append);
    let seconds = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("SECONDS").value_parser(value_parser!(f64)).help(help)
    };
    Command::new("versus")
        .about("The same load against this server and redis-server, in turns")
        .arg(
            Arg::new("part")
                .value_name("PART")
                .num_args(0..)
                .value_parser(PossibleValuesParser::new(names))
                .help("What to measure; everything if none is named"),
        )
        .arg(flag("quick", "Small data and one round: seconds, not minutes"))
        .arg(count("workers", "--workers for this server"))
        .arg(
            Arg::new("log")
                .long("log")
                .value_name("POLICY")
                .value_parser(PossibleValuesParser::new(["off", "no", "everysec", "always"]))
                .help("appendfsync of both servers, or no log (the default)"),
        )
        .arg(count("keys", "Keys loaded before the load begins"))
        .arg(count("snapshot-keys", "Keys of the snapshot part"))
        .arg(count("value", "Bytes of a value"))
        .arg(list("clients", "Numbers of clients, with commas between"))
        .arg(list("subscribers", "Numbers of subscribers of one channel, with commas between"))
        .arg(list("pipeline", "Requests that a client sends at once, with commas between"))
        .arg(count("threads", "Threads of the load generator"))
        .arg(count("rounds", "How often everything is measured"))
        .arg(seconds("seconds", "Length of one measurement"))
        .arg(seconds("churn-seconds", "How long values of changing sizes come"))
        .arg(count(
            "churn-megabytes",
            "How many of their bytes are alive, in millions; the limit of the part limit in MiB",
        ))
        .arg(count("connections", "Connections of the parts idle and siege"))
        .arg(
            Arg::new("rate")
                .long("rate")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1000..))
                .help("Requests per second where the rate is fixed (latency, expiry, growth)"),
        )
        .args(command_line::common())
}
