//! What can be wrong with a value: told to a client (`CONFIG SET`) or to the operator (start).

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why `CONFIG SET` refuses; the text is the reply behind `ERR `.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SetError {
    #[error("Unknown option or number of arguments for CONFIG SET - '{0}'")]
    Unknown(String),
    #[error("CONFIG SET failed (possibly related to argument '{name}') - {reason}")]
    Failed { name: String, reason: String },
}

impl SetError {
    pub(super) fn failed(name: &str, reason: String) -> Self {
        Self::Failed { name: name.to_owned(), reason }
    }
}

/// Why the server does not start: one line that says where and what to do.
#[derive(Debug, Error)]
pub enum StartError {
    /// From the command line parser.
    #[error("{0}")]
    Usage(String),
    /// The same behind the name of a tool.
    #[error("{0}")]
    ToolUsage(String),
    #[error("--{flag}: {problem}")]
    Flag { flag: &'static str, problem: String },
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}:{line}: {problem}", path.display())]
    Line { path: PathBuf, line: usize, problem: String },
    #[error("no password: {0}")]
    Password(String),
}

impl StartError {
    /// The exit code of a server that was started wrongly, or of a tool.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, StartError::ToolUsage(_)) { 3 } else { 2 }
    }
}
