//! The `sanderling` binary: flags → configuration → server → exit code.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use sanderling::base::clock::Clock;
use sanderling::base::random::Random;
use sanderling::config::flags::{self, CommandLine};
use sanderling::config::{Config, StartError, password};
use sanderling::server::{Server, logging};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The operator's environment is in the way: a port is taken, a directory is not writable.
const EXIT_ENVIRONMENT: u8 = 1;

fn main() -> ExitCode {
    let config = match configure() {
        Ok(Some(config)) => config,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sanderling: {error}");
            return ExitCode::from(StartError::EXIT_CODE);
        }
    };
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

/// Reads flags and file, and starts the log. `None`: there was only something to print.
fn configure() -> Result<Option<Config>, StartError> {
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
    Ok(Some(config))
}
