//! What to measure, and how much of it.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::command_line::{self, count, flag, path};
use crate::matrix::cells::command_names;

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
    Matrix,
    Scale,
}

const PARTS: [(&str, Part); 21] = [
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
    ("matrix", Part::Matrix),
    ("scale", Part::Scale),
];

/// These take so long that they are only measured if they are named, or tested.
const LONG_PARTS: [Part; 2] = [Part::Matrix, Part::Scale];

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
    matrix: AxesOf,
    /// How many keys there are in the part scale.
    scale_keys: &'static [usize],
}

/// What the matrix consists of, unless flags say otherwise.
struct AxesOf {
    logs: &'static [&'static str],
    clients: &'static [usize],
    pipelines: &'static [usize],
    values: &'static [usize],
    seconds: f64,
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
    matrix: AxesOf {
        logs: &["off", "everysec", "always"],
        clients: &[1, 50, 1000],
        pipelines: &[1, 16, 64],
        values: &[8, 64, 1024, 16_384],
        seconds: 0.5,
    },
    scale_keys: &[1_000_000, 10_000_000, 50_000_000],
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
    matrix: AxesOf {
        logs: &["off", "everysec"],
        clients: &[1, 50],
        pipelines: &[1, 16],
        values: &[64, 1024],
        seconds: 0.2,
    },
    scale_keys: &[100_000, 1_000_000],
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
    matrix: AxesOf {
        logs: &["off", "everysec", "always"],
        clients: &[10],
        pipelines: &[4],
        values: &[16],
        seconds: 0.05,
    },
    scale_keys: &[2_000, 5_000],
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
    pub matrix: Axes,
    pub scale: Sizes,
    /// Where the parts matrix and scale write their figures as they go.
    pub csv: Option<PathBuf>,
}

/// What is combined with what in the part matrix.
#[derive(Debug)]
pub struct Axes {
    pub logs: Vec<String>,
    pub commands: Vec<String>,
    pub clients: Vec<usize>,
    pub pipelines: Vec<usize>,
    pub values: Vec<usize>,
    pub rounds: usize,
    pub duration: Duration,
}

/// The same of the part scale.
#[derive(Debug)]
pub struct Sizes {
    pub keys: Vec<usize>,
    pub values: Vec<usize>,
    pub rounds: usize,
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
        let list = |name: &str, default: &[usize]| numbers(matches, name, default);
        let (ours, against) = command_line::programs(matches);
        let seconds = matches.get_one::<f64>("seconds").copied().unwrap_or(scale.seconds);
        Options {
            parts: parts(matches, smoke),
            alone: smoke || matches.get_flag("alone"),
            ours,
            against,
            workers: matches.get_one("workers").copied(),
            log: matches.get_one::<String>("log").cloned().unwrap_or_else(|| "off".to_owned()),
            matrix: axes(matches, &scale.matrix),
            scale: Sizes {
                keys: list("scale-keys", scale.scale_keys),
                values: list("values", &[8, 64]),
                rounds: number("rounds", 1),
            },
            csv: matches.get_one("csv").cloned(),
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

fn parts(matches: &ArgMatches, smoke: bool) -> Vec<Part> {
    let named: Vec<&String> = matches.get_many("part").into_iter().flatten().collect();
    let all = named.is_empty() || named.iter().any(|name| *name == "all");
    let chosen = |(name, part): &&(&str, Part)| {
        all && (smoke || !LONG_PARTS.contains(part)) || named.iter().any(|other| other == name)
    };
    let parts: Vec<Part> = PARTS.iter().filter(chosen).map(|(_, part)| *part).collect();
    let logs = matches.get_many::<String>("log").map_or(1, |logs| logs.len());
    if logs > 1 && parts != [Part::Matrix] {
        let message = "only the part matrix compares several policies of the log";
        command().error(ErrorKind::ArgumentConflict, message).exit();
    }
    parts
}

fn numbers(matches: &ArgMatches, name: &str, default: &[usize]) -> Vec<usize> {
    match matches.get_many(name) {
        Some(numbers) => numbers.copied().collect(),
        None => default.to_vec(),
    }
}

fn axes(matches: &ArgMatches, default: &AxesOf) -> Axes {
    let texts = |name: &str, default: Vec<&str>| match matches.get_many::<String>(name) {
        Some(texts) => texts.cloned().collect(),
        None => default.into_iter().map(str::to_owned).collect(),
    };
    let seconds = matches.get_one("seconds").copied().unwrap_or(default.seconds);
    Axes {
        logs: texts("log", default.logs.to_vec()),
        commands: texts("commands", command_names().collect()),
        clients: numbers(matches, "clients", default.clients),
        pipelines: numbers(matches, "pipeline", default.pipelines),
        values: numbers(matches, "values", default.values),
        rounds: command_line::number(matches, "rounds", 1),
        duration: Duration::from_secs_f64(seconds),
    }
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
                .help("What to measure; everything but matrix and scale if none is named"),
        )
        .arg(flag("quick", "Small data and one round: seconds, not minutes"))
        .arg(count("workers", "--workers for this server"))
        .arg(words(
            "log",
            "appendfsync of both servers, or no log (the default); the part matrix takes several",
            ["off", "no", "everysec", "always"].iter().copied(),
        ))
        .arg(words("commands", "Commands of the part matrix, with commas between", command_names()))
        .arg(list("values", "Bytes of a value in the parts matrix and scale, with commas between"))
        .arg(list("scale-keys", "Numbers of keys of the part scale, with commas between"))
        .arg(path("csv", "The parts matrix and scale write here as they go, and go on from it"))
        .arg(count("keys", "Keys loaded before the load begins"))
        .arg(count("snapshot-keys", "Keys of the snapshot part"))
        .arg(count("value", "Bytes of a value"))
        .arg(list("clients", "Numbers of clients, with commas between"))
        .arg(list("subscribers", "Numbers of subscribers of one channel, with commas between"))
        .arg(
            list("pipeline", "Requests that a client sends at once, with commas between")
                .alias("pipelines"),
        )
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

/// A flag that takes some of these words, with commas between.
fn words(name: &'static str, help: &'static str, words: impl Iterator<Item = &'static str>) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("NAME")
        .value_delimiter(',')
        .action(ArgAction::Append)
        .value_parser(PossibleValuesParser::new(words.collect::<Vec<_>>()))
        .help(help)
}
