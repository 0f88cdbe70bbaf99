//! What the binary does when it is no server: the tools of the command line, from arguments to exit code.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::config::tools::Tool;
use crate::persist::check::{self, Verdict};

/// The work could not be done: wrong arguments, files that cannot be read or written.
const EXIT_CANNOT: u8 = 3;

/// Runs a tool. What it found goes to standard output, why it could not work to standard error.
pub fn run(tool: &Tool) -> ExitCode {
    match tool {
        Tool::Check { directory, repair } => check(directory, *repair),
    }
}

fn check(directory: &Path, repair: bool) -> ExitCode {
    let checked = if repair { check::repair(directory) } else { check::check(directory) };
    match checked {
        Ok(report) => {
            // Whoever reads may have seen enough.
            let _ = writeln!(io::stdout(), "{report}");
            ExitCode::from(match report.verdict {
                Verdict::Sound => 0,
                Verdict::Torn => 1,
                Verdict::Damaged { .. } => 2,
                Verdict::Newer => EXIT_CANNOT,
            })
        }
        Err(error) => {
            eprintln!("sanderling: {error}");
            ExitCode::from(EXIT_CANNOT)
        }
    }
}
