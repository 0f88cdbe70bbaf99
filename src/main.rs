//! The `sanderling` binary: flags → configuration → server, or a tool → exit code.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use sanderling::base::allocator;
use sanderling::base::random::Random;
use sanderling::config::flags::{self, CommandLine, Flags};
use sanderling::config::{Config, StartError, params, password};
use sanderling::persist::backup;
use sanderling::server::{Ended, Server, Surroundings, logging, tools};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Long enough for what a busy server takes and gives back all the time.
const EMPTY_PAGES_STAY_MS: isize = 1_000;

/// The operator's environment is in the way: a port is taken, a directory is not writable.
const EXIT_ENVIRONMENT: u8 = 1;
/// The server has stopped because of a bug in it. Whoever supervises it may start it again.
const EXIT_BROKEN: u8 = 70;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sanderling: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Does what the command line asks for.
fn run() -> Result<ExitCode, StartError> {
    Ok(match flags::parse(std::env::args_os())? {
        CommandLine::Run(flags) => serve(configure(&flags)?, flags.restore.as_deref()),
        CommandLine::Tool(tool) => tools::run(&tool),
        CommandLine::Print(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
    })
}

/// Serves until a shutdown, beginning with a backup if one is named.
fn serve(config: Config, backup: Option<&Path>) -> ExitCode {
    if let Some(file) = backup {
        let directory = config.text(params::DIR);
        if let Err(error) = backup::restore(file, Path::new(&*directory)) {
            eprintln!("sanderling: {error}");
            return ExitCode::from(EXIT_ENVIRONMENT);
        }
        log::info!("restored {} into {directory}", file.display());
    }
    if let Err(error) = allocator::keep_pages_for(EMPTY_PAGES_STAY_MS) {
        log::warn!("the allocator returns empty pages when it likes: {error}");
    }
    match Server::start(config, Surroundings::of_a_process()) {
        Ok(server) => match server.wait() {
            Ended::Asked => ExitCode::SUCCESS,
            Ended::Broken => ExitCode::from(EXIT_BROKEN),
        },
        Err(error) => {
            eprintln!("sanderling: {error}");
            // Threads may be serving already; they end with the process.
            std::process::exit(i32::from(EXIT_ENVIRONMENT));
        }
    }
}

/// Adds what the file and the environment say to the flags, and starts the log.
fn configure(flags: &Flags) -> Result<Config, StartError> {
    let secret = password::find(&flags.password, &mut Random::from_entropy())?;
    let (config, warnings) =
        Config::load(flags, secret.as_ref().map(|found| found.secret.as_str()))?;
    logging::install(&config);
    if let Some(notice) = secret.and_then(|found| found.notice) {
        eprintln!("{notice}");
    }
    warnings.iter().for_each(|warning| log::warn!("{warning}"));
    Ok(config)
}
