//! The configuration file, in the syntax of `redis.conf`.
//!
//! ```text
//! # a comment
//! maxmemory 100mb            one parameter a line, its name in any case
//! requirepass "two words"    quoted as in inline commands
//! bind 127.0.0.1 ::1         several words make one value where the parameter is a list
//! save 3600 1                a list may go on in further lines
//! save 300 100
//! include other.conf         read here and now, relative to the working directory
//! ```
//!
//! A later line overrides an earlier one. What is wrong is told with file and line, and then the
//! server does not start; Redis's parameters that mean nothing here are passed over with a warning.

use std::fs;
use std::io;
use std::path::Path;

use super::error::StartError;
use super::ignored::is_ignored;
use super::kind::Kind;
use super::params::{self, PARAMS, Param};
use super::{Config, flags::Flags};
use crate::base::words::split_words;

/// How deep includes may nest; more is taken for a cycle.
const INCLUDE_DEPTH_MAX: usize = 16;

impl Config {
    /// The values at the start: defaults, then the file that the flags name, then the flags, then
    /// `password` if the flags asked for one. Also returns warnings for the log.
    pub fn load(flags: &Flags, password: Option<&str>) -> Result<(Self, Vec<String>), StartError> {
        let mut config = Self { file: flags.config_file.clone(), ..Self::default() };
        let mut warnings = Vec::new();
        if let Some(path) = &flags.config_file {
            let read = |path: &Path| fs::read_to_string(path);
            warnings = read_file(&mut config, path, &read)?;
        }
        let mut source = Source::new(&mut config);
        for (param, words) in &flags.settings {
            source
                .assign(param, words)
                .map_err(|problem| StartError::Flag { flag: param.flag, problem })?;
        }
        if let Some(password) = password {
            let param = params::find(b"requirepass").expect("the table has a password");
            config
                .set_at_start(param, password)
                .map_err(|problem| StartError::Flag { flag: param.flag, problem })?;
        }
        Ok((config, warnings))
    }
}

type Read<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// Reads the file and what it includes into `config`; returns warnings.
fn read_file(config: &mut Config, path: &Path, read: Read<'_>) -> Result<Vec<String>, StartError> {
    let mut warnings = Vec::new();
    let mut source = Source::new(config);
    include(&mut source, path, read, 0, &mut warnings)?;
    Ok(warnings)
}

fn include(
    source: &mut Source<'_>,
    path: &Path,
    read: Read<'_>,
    depth: usize,
    warnings: &mut Vec<String>,
) -> Result<(), StartError> {
    let text = read(path).map_err(|source| StartError::Read { path: path.to_owned(), source })?;
    for (number, line) in text.lines().enumerate() {
        let at = |problem| StartError::Line { path: path.to_owned(), line: number + 1, problem };
        let Some((name, words)) = split_line(line).map_err(at)? else {
            continue;
        };
        if name.eq_ignore_ascii_case("include") {
            let [included] = words.as_slice() else {
                return Err(at("include takes one file".to_owned()));
            };
            if depth == INCLUDE_DEPTH_MAX {
                return Err(at("includes nest too deeply; does a file include itself?".to_owned()));
            }
            include(source, Path::new(included), read, depth + 1, warnings)?;
        } else if let Some(param) = params::find(name.as_bytes()) {
            source.assign(param, &words).map_err(|problem| at(format!("{name}: {problem}")))?;
        } else if is_ignored(&name) {
            warnings.push(format!(
                "{}:{}: '{name}' has no meaning here and is ignored",
                path.display(),
                number + 1
            ));
        } else {
            return Err(at(format!("'{name}' is not a parameter; --help lists all of them")));
        }
    }
    Ok(())
}

/// Splits a line into its first word and the others; `None` if it is blank or a comment.
pub(super) fn split_line(line: &str) -> Result<Option<(String, Vec<String>)>, String> {
    if line.trim_start().starts_with('#') {
        return Ok(None);
    }
    let words = split_words(line.as_bytes()).ok_or("quotes are not balanced")?;
    let words: Result<Vec<_>, _> = words.into_iter().map(String::from_utf8).collect();
    let mut words = words.map_err(|_| "escapes must make up valid UTF-8")?.into_iter();
    Ok(words.next().map(|name| (name, words.collect())))
}

/// One place that values come from. It knows which lists it has begun, because the first line
/// replaces the value of an earlier source and further ones go on.
pub(super) struct Source<'a> {
    config: &'a mut Config,
    has_begun: [bool; PARAMS.len()],
}

impl<'a> Source<'a> {
    pub fn new(config: &'a mut Config) -> Self {
        Self { config, has_begun: [false; PARAMS.len()] }
    }

    /// Assigns the words of one line or flag; says what is wrong with them.
    pub fn assign(&mut self, param: &Param, words: &[String]) -> Result<(), String> {
        let mut value = join_words(param, words)?;
        if matches!(param.kind, Kind::Save | Kind::Addresses) {
            let is_more = std::mem::replace(&mut self.has_begun[param.index], true);
            let current = self.config.value(param);
            if is_more && !value.is_empty() && !current.text().is_empty() {
                value = format!("{} {value}", current.text());
            }
        }
        self.config.set_at_start(param, &value).map_err(|reason| match param.kind {
            Kind::Secret => reason,
            _ => format!("'{value}': {reason} (the default is '{}')", param.default),
        })
    }
}

fn join_words(param: &Param, words: &[String]) -> Result<String, String> {
    match words {
        [word] => Ok(word.clone()),
        [] => Err(format!("a value is missing (the default is '{}')", param.default)),
        _ if param.kind.is_list() => Ok(words.join(" ")),
        _ => Err("takes one value; put quotes around it if it contains blanks".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<(Config, Vec<String>), String> {
        let open = |path: &Path| {
            let file = files.iter().find(|(name, _)| Path::new(name) == path);
            file.map(|(_, text)| text.to_string()).ok_or(io::ErrorKind::NotFound.into())
        };
        let mut config = Config::default();
        match read_file(&mut config, Path::new(files[0].0), &open) {
            Ok(warnings) => Ok((config, warnings)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn read_text(text: &str) -> Result<(Config, Vec<String>), String> {
        read(&[("a.conf", text)])
    }

    #[test]
    fn lines_set_parameters() {
        let (config, warnings) = read_text(
            "# comment\n\n  MaxMemory 1mb\nrequirepass \"two words\"\nbind 127.0.0.1 ::1\r\n\tdir '/a b'\n",
        )
        .unwrap();
        assert_eq!(config.int(params::MAXMEMORY), 1 << 20);
        assert_eq!(&*config.text(params::REQUIREPASS), "two words");
        assert_eq!(config.bind_addresses(), ["127.0.0.1", "::1"]);
        assert_eq!(&*config.text(params::DIR), "/a b");
        assert!(warnings.is_empty());
    }

    #[test]
    fn lists_go_on_and_an_empty_value_ends_them() {
        let save = |text: &str| read_text(text).unwrap().0.text(params::SAVE).to_string();
        assert_eq!(save("save 900 1\nsave 300 10 60 10000\n"), "900 1 300 10 60 10000");
        assert_eq!(save("save \"\"\n"), "");
        assert_eq!(save("save 900 1\nsave \"\"\nsave 5 5\n"), "5 5");
        let limits =
            "client-output-buffer-limit normal 1 1 1\nclient-output-buffer-limit pubsub 2 2 2\n";
        let limits = read_text(limits).unwrap().0.output_limits();
        assert_eq!((limits.normal.hard_bytes, limits.pubsub.hard_bytes), (1, 2));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, message) in [
            ("\nfoo 1", "a.conf:2: 'foo' is not a parameter; --help lists all of them"),
            (
                "timeout abc",
                "a.conf:1: timeout: 'abc': argument couldn't be parsed into an integer (the default is '0')",
            ),
            ("timeout", "a.conf:1: timeout: a value is missing (the default is '0')"),
            (
                "dir a b",
                "a.conf:1: dir: takes one value; put quotes around it if it contains blanks",
            ),
            ("dir \"a", "a.conf:1: quotes are not balanced"),
            ("include b.conf", "cannot read the configuration file b.conf: entity not found"),
        ] {
            assert_eq!(read_text(text).unwrap_err(), message);
        }
    }

    #[test]
    fn parameters_without_meaning_are_passed_over_but_not_access_rules() {
        let (_, warnings) = read_text("daemonize yes\nhz 100\n").unwrap();
        assert_eq!(warnings[0], "a.conf:1: 'daemonize' has no meaning here and is ignored");
        assert_eq!(warnings.len(), 2);
        assert!(read_text("rename-command FLUSHALL \"\"").is_err());
    }

    #[test]
    fn included_files_are_read_in_place() {
        let (config, _) = read(&[
            ("a.conf", "timeout 1\ninclude b.conf\nmaxclients 7"),
            ("b.conf", "timeout 2\nmaxclients 3"),
        ])
        .unwrap();
        assert_eq!((config.int(params::TIMEOUT), config.int(params::MAXCLIENTS)), (2, 7));
        let error = read(&[("a.conf", "timeout 1"), ("b.conf", "")]);
        assert!(error.is_ok());
        assert!(read_text("include a.conf").unwrap_err().contains("includes nest too deeply"));
    }
}
