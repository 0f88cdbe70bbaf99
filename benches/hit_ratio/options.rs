//! What to run, and how much of it.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command};

use crate::command_line::{self, count, flag, path};
use crate::traces::{KINDS, Kind};

/// How large a run is; flags override single figures.
struct Scale {
    universe: usize,
    requests: usize,
    capacity: usize,
    maxmemory_mb: usize,
}

const FULL: Scale =
    Scale { universe: 1_000_000, requests: 6_000_000, capacity: 100_000, maxmemory_mb: 16 };
const QUICK: Scale =
    Scale { universe: 200_000, requests: 800_000, capacity: 20_000, maxmemory_mb: 5 };
const SMOKE: Scale = Scale { universe: 40_000, requests: 40_000, capacity: 1_000, maxmemory_mb: 3 };

pub const POLICIES: [&str; 3] = ["allkeys-lru", "allkeys-lfu", "allkeys-random"];

/// See the module's description.
#[derive(Debug)]
pub struct Options {
    pub replays: bool,
    pub simulates: bool,
    /// Only this server, nothing to compare it with.
    pub alone: bool,
    pub ours: PathBuf,
    pub against: PathBuf,
    pub traces: Vec<Kind>,
    pub policies: Vec<String>,
    pub universe: usize,
    pub requests: usize,
    /// Requests before hits are counted.
    pub warm_up: usize,
    /// Of simulated caches, in keys.
    pub capacity: usize,
    /// Of servers, in bytes.
    pub maxmemory: usize,
    pub rate: Option<u64>,
    pub seed: u64,
    /// Where plots go; none are drawn without it.
    pub plots: Option<PathBuf>,
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
        let (ours, against) = command_line::programs(matches);
        let requests = number("requests", scale.requests);
        Options {
            replays: smoke || !matches.get_flag("simulate"),
            simulates: smoke || matches.get_flag("simulate"),
            alone: smoke || matches.get_flag("alone"),
            ours,
            against,
            traces: traces(matches),
            policies: policies(matches),
            universe: number("universe", scale.universe),
            requests,
            warm_up: requests / 4,
            capacity: number("capacity", scale.capacity),
            maxmemory: number("maxmemory", scale.maxmemory_mb) << 20,
            rate: matches.get_one::<usize>("rate").map(|rate| *rate as u64),
            seed: number("seed", 1) as u64,
            plots: matches.get_one("plots").cloned(),
        }
    }
}

fn traces(matches: &ArgMatches) -> Vec<Kind> {
    let named: Vec<&String> = matches.get_many("trace").into_iter().flatten().collect();
    let is_chosen = |name: &str| named.is_empty() || named.iter().any(|other| *other == name);
    KINDS.iter().filter(|(name, _)| is_chosen(name)).map(|(_, kind)| *kind).collect()
}

fn policies(matches: &ArgMatches) -> Vec<String> {
    match matches.get_many::<String>("policy") {
        Some(named) => named.cloned().collect(),
        None => POLICIES.map(str::to_owned).to_vec(),
    }
}

fn command() -> Command {
    let names = PossibleValuesParser::new(KINDS.map(|(name, _)| name));
    Command::new("hit_ratio")
        .about("How often a cache has what it is asked for: servers, and policies in a simulation")
        .arg(
            Arg::new("trace")
                .value_name("TRACE")
                .num_args(0..)
                .value_parser(names)
                .help("The traces; all if none is named"),
        )
        .arg(flag("simulate", "Simulate policies instead of asking servers"))
        .arg(flag("quick", "Small caches and few requests"))
        .arg(
            Arg::new("policy")
                .long("policy")
                .value_name("NAME")
                .value_delimiter(',')
                .value_parser(PossibleValuesParser::new(POLICIES))
                .help("maxmemory-policy of both servers, with commas between"),
        )
        .arg(count("universe", "Keys of which a trace chooses"))
        .arg(count("requests", "Requests of a trace; a quarter of them is the warm-up"))
        .arg(count("capacity", "Keys that a simulated cache holds"))
        .arg(count("maxmemory", "Megabytes that a server may use"))
        .arg(count("rate", "Requests per second; as fast as possible if it is not set"))
        .arg(count("seed", "Other numbers make other traces of the same kind"))
        .arg(path("plots", "Write SVG plots to this folder"))
        .args(command_line::common())
}
