//! The `sanderling` binary: flags → configuration → server → exit code.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sanderling::base::clock::Clock;
use sanderling::base::random::Random;
use sanderling::config::flags::{self, CommandLine};
use sanderling::config::{Config, StartError, params, password};
use sanderling::persist::backup;
use sanderling::server::{Server, logging};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The operator's environment is in the way: a port is taken, a directory is not writable.
const EXIT_ENVIRONMENT: u8 = 1;

fn main() -> ExitCode {
    let (config, restore) = match configure() {
        Ok(Some(configured)) => configured,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sanderling: {error}");
            return ExitCode::from(StartError::EXIT_CODE);
        }
    };
    if let Some(file) = restore {
        let directory = config.text(params::DIR);
        if let Err(error) = backup::restore(&file, Path::new(&*directory)) {
            eprintln!("sanderling: {error}");
            return ExitCode::from(EXIT_ENVIRONMENT);
        }
        log::info!("restored {} into {directory}", file.display());
    }
    match Server::start(config, Clock::system()) {
        Ok(server) => {
            if let Err(error) = server.watch_signals() {
                log::warn!("signals will not stop the server in order: {error}");
            }
            server.wait();
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("sanderling: {error}");
            // Threads may be serving already; they end with the process.
            std::process::exit(i32::from(EXIT_ENVIRONMENT));
        }
    }
}

/// Reads flags and file, and starts the log; with what is to be restored first. `None`: there was only
/// something to print.
fn configure() -> Result<Option<(Config, Option<PathBuf>)>, StartError> {
    let flags = match flags::parse(std::env::args_os())? {
        CommandLine::Run(flags) => flags,
        CommandLine::Print(text) => {
            print!("{text}");
            return Ok(None);
        }
    };
    let secret = password::find(&flags.password, &mut Random::from_entropy())?;
    let (config, warnings) =
        Config::load(&flags, secret.as_ref().map(|found| found.secret.as_str()))?;
    logging::install(&config);
    if let Some(notice) = secret.and_then(|found| found.notice) {
        eprintln!("{notice}");
    }
    warnings.iter().for_each(|warning| log::warn!("{warning}"));
    Ok(Some((config, flags.restore)))
}
