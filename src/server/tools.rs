//! What the binary does when it is no server: the tools of the command line, from arguments to exit code.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::import::{self, Imported};
use crate::config::Config;
use crate::config::flags::Flags;
use crate::config::tools::Tool;
use crate::persist::check::{self, Verdict};

/// A file is damaged, or holds what cannot be used.
const EXIT_DAMAGED: u8 = 2;
/// The work could not be done: wrong arguments, files that cannot be read or written.
const EXIT_CANNOT: u8 = 3;

/// Runs a tool. What it found goes to standard output, why it could not work to standard error.
pub fn run(tool: &Tool) -> ExitCode {
    match tool {
        Tool::Check { directory, repair } => check(directory, *repair),
        Tool::Import { files, truncate, flags } => import(files, *truncate, flags),
    }
}

fn check(directory: &Path, repair: bool) -> ExitCode {
    let checked = if repair { check::repair(directory) } else { check::check(directory) };
    match checked {
        Ok(report) => {
            print(&report);
            ExitCode::from(match report.verdict {
                Verdict::Sound => 0,
                Verdict::Torn => 1,
                Verdict::Damaged { .. } => EXIT_DAMAGED,
                Verdict::Newer => EXIT_CANNOT,
            })
        }
        Err(error) => cannot(&error),
    }
}

fn import(files: &[PathBuf], truncate: bool, flags: &Flags) -> ExitCode {
    let config = match Config::load(flags, None) {
        Ok((config, _)) => config,
        Err(error) => return cannot(&error),
    };
    match import::import(files, truncate, config) {
        Ok(imported) => {
            print(&Shown(&imported));
            ExitCode::SUCCESS
        }
        Err(error) if error.is_of_source() => {
            eprintln!("sanderling: {error}");
            ExitCode::from(EXIT_DAMAGED)
        }
        Err(error) => cannot(&error),
    }
}

fn cannot(error: &impl std::fmt::Display) -> ExitCode {
    eprintln!("sanderling: {error}");
    ExitCode::from(EXIT_CANNOT)
}

fn print(text: &impl std::fmt::Display) {
    // Whoever reads may have seen enough.
    let _ = writeln!(io::stdout(), "{text}");
}

/// What is said of an import.
struct Shown<'a>(&'a Imported);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Imported { files, commands, keys, left_out, snapshot, .. } = self.0;
        if let Some(left) = left_out {
            writeln!(
                f,
                "left out: the last {} bytes of {}, from offset {} on, were not completely written",
                left.bytes,
                left.path.display(),
                left.offset
            )?;
        }
        write!(
            f,
            "imported {commands} commands from {files} files: {keys} keys are in {}",
            snapshot.display()
        )
    }
}
