//! Layer 1: parameters. One table ([`params`]) says what there is; a [`Config`] holds the values.
//!
//! Values come from three places, each overriding the one before: the defaults in the table, the
//! configuration file ([`mod@file`]), the command line ([`flags`]). While the server runs, `CONFIG SET`
//! changes what is changeable and `CONFIG REWRITE` ([`rewrite`]) brings the file up to date.
//!
//! One `Config` is shared by all threads. A number is an atomic and reading it is one relaxed load
//! with a constant index; a text is a shared pointer behind a lock that is held for its clone.
//! Relaxed is enough: a parameter guards no other data, and each is read on its own.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use crate::base::sync::{Mutex, Rank, RwLock};

use crate::base::glob::glob_match;

pub mod choice;
pub mod docs;
mod error;
pub mod file;
pub mod flags;
pub mod history;
mod ignored;
pub mod kind;
pub mod params;
pub mod password;
pub mod rewrite;
pub mod special;
pub mod tools;

pub use error::{SetError, StartError};
pub use params::Param;

use choice::{Options, Permission};
use history::HistoryRule;
use kind::{Kind, Value};
use params::{COUNT, Mutability, PARAMS};
use special::{EventClasses, OutputLimits, SavePoint, ShutdownOptions};

/// The values of all parameters. See the module's text.
pub struct Config {
    /// By row of the table; 0 where the row stores a text.
    numbers: [AtomicI64; COUNT],
    /// By row of the table; empty where the row stores a number.
    texts: [RwLock<Arc<str>>; COUNT],
    /// Held while values change, so that one `CONFIG SET` is all or nothing to another.
    changing: Mutex<()>,
    /// What `CONFIG REWRITE` writes to.
    file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        let empty: Arc<str> = "".into();
        let config = Self {
            numbers: std::array::from_fn(|_| AtomicI64::new(0)),
            texts: std::array::from_fn(|_| RwLock::new(Rank::Leaf, 0, empty.clone())),
            changing: Mutex::new(Rank::Config, ()),
            file: None,
        };
        for param in &PARAMS {
            config.store(param, default_value(param));
        }
        config
    }
}

/// The table's default, read as any other value.
fn default_value(param: &Param) -> Value {
    param.kind.parse(param.default, None).expect("the table's defaults are valid")
}

/// Reading, each kind through the handle that fits it.
impl Config {
    pub fn int(&self, handle: params::Int) -> i64 {
        self.numbers[handle.index].load(Relaxed)
    }

    pub fn flag(&self, handle: params::Flag) -> bool {
        self.numbers[handle.index].load(Relaxed) != 0
    }

    pub fn choice<T: Options>(&self, handle: params::Choice<T>) -> T {
        T::ALL[self.numbers[handle.index].load(Relaxed) as usize]
    }

    /// What clients may take together, in bytes; `None` is any amount. As in Redis it is never so little that nobody
    /// could say `CONFIG SET` any more, and a percentage of no `maxmemory` is no limit.
    pub fn client_memory_limit(&self) -> Option<usize> {
        const LEAST: usize = 128 * 1024;
        let bytes = match self.int(params::MAXMEMORY_CLIENTS) {
            0 => return None,
            percent @ ..0 => match self.int(params::MAXMEMORY) {
                0 => return None,
                whole => (i128::from(whole) * i128::from(-percent) / 100) as usize,
            },
            bytes => bytes as usize,
        };
        Some(bytes.max(LEAST))
    }

    /// The operating system allows fewer clients than were asked for.
    pub fn lower_maxclients(&self, possible: i64) {
        self.numbers[params::MAXCLIENTS.index].store(possible, Relaxed);
    }

    /// Whether something dangerous is allowed to a client, which may be on this machine.
    pub fn allows(&self, handle: params::Choice<Permission>, is_local: bool) -> bool {
        match self.choice(handle) {
            Permission::No => false,
            Permission::Yes => true,
            Permission::Local => is_local,
        }
    }

    pub fn text(&self, handle: params::Text) -> Arc<str> {
        self.texts[handle.index].read().clone()
    }

    pub fn event_classes(&self) -> EventClasses {
        EventClasses::from_bits(self.bits(params::NOTIFY_KEYSPACE_EVENTS))
    }

    /// `handle` is that of SIGINT or of SIGTERM.
    pub fn shutdown_options(&self, handle: params::Bits) -> ShutdownOptions {
        ShutdownOptions::from_bits(self.bits(handle))
    }

    fn bits(&self, handle: params::Bits) -> i64 {
        self.numbers[handle.index].load(Relaxed)
    }

    pub fn save_points(&self) -> Vec<SavePoint> {
        SavePoint::parse_list(&self.text(params::SAVE)).expect("stored texts are canonical")
    }

    pub fn history_rules(&self) -> Vec<HistoryRule> {
        HistoryRule::parse_list(&self.text(params::PUBSUB_HISTORY))
            .expect("stored texts are canonical")
    }

    pub fn output_limits(&self) -> OutputLimits {
        kind::output_limits(&self.text(params::CLIENT_OUTPUT_BUFFER_LIMIT))
    }

    /// The percentiles that INFO shows, 0 to 100.
    pub fn percentiles(&self) -> Vec<f64> {
        let text = self.text(params::LATENCY_TRACKING_INFO_PERCENTILES);
        special::parse_percentiles(&text).expect("stored texts are canonical")
    }

    pub fn bind_addresses(&self) -> Vec<String> {
        self.text(params::BIND).split_whitespace().map(str::to_owned).collect()
    }

    /// The file that was read at the start.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    fn value(&self, param: &Param) -> Value {
        if param.kind.is_number() {
            Value::Number(self.numbers[param.index].load(Relaxed))
        } else {
            Value::Text(self.texts[param.index].read().clone())
        }
    }

    fn store(&self, param: &Param, value: Value) {
        match value {
            Value::Number(number) => self.numbers[param.index].store(number, Relaxed),
            Value::Text(text) => *self.texts[param.index].write() = text,
        }
    }
}

/// What `CONFIG GET` and `CONFIG SET` do.
impl Config {
    /// The parameters that match any of the patterns, each once. A pattern without wildcards is
    /// answered under the name as it was asked for, as Redis does.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(String, String)> {
        let mut found: Vec<(&Param, String)> = Vec::new();
        for pattern in patterns {
            let is_glob = pattern.iter().any(|byte| b"*?[".contains(byte));
            for param in &PARAMS {
                let matches = if is_glob {
                    glob_match(pattern, param.name.as_bytes(), true)
                } else {
                    param.name.as_bytes().eq_ignore_ascii_case(pattern)
                };
                if matches && found.iter().all(|(other, _)| other.index != param.index) {
                    let name =
                        if is_glob { param.name.into() } else { String::from_utf8_lossy(pattern) };
                    found.push((param, name.into_owned()));
                }
            }
        }
        found
            .into_iter()
            .map(|(param, name)| (name, param.kind.print(&self.value(param))))
            .collect()
    }

    /// Changes all of these parameters or none, and returns those that now have another value.
    ///
    /// `may_set_protected` is what `enable-protected-configs` says of this client. `apply` is
    /// called with all that were named, once they are stored (setting `appendonly` to the value that it has
    /// may mean to do something again); when it refuses (with a name and a reason), it has done nothing, and the
    /// old values are put back. Other changes wait meanwhile, so it must not make any.
    pub fn set(
        &self,
        pairs: &[(&[u8], &[u8])],
        may_set_protected: bool,
        apply: impl FnOnce(&[&'static Param]) -> Result<(), (&'static str, String)>,
    ) -> Result<Vec<&'static Param>, SetError> {
        let rows = changeable_rows(pairs, may_set_protected)?;
        let _changing = self.changing.lock();
        let mut changes = Vec::new();
        for (&param, (_, text)) in rows.iter().zip(pairs) {
            let old = self.value(param);
            let new = std::str::from_utf8(text)
                .map_err(|_| "argument must be valid UTF-8".to_owned())
                .and_then(|text| param.kind.parse(text, Some(&old)))
                .map_err(|reason| SetError::failed(param.name, reason))?;
            if new != old {
                changes.push((param, old, new));
            }
        }
        for (param, _, new) in &changes {
            self.store(param, new.clone());
        }
        if let Err((name, reason)) = apply(&rows) {
            for (param, old, _) in changes {
                self.store(param, old);
            }
            return Err(SetError::failed(name, reason));
        }
        Ok(changes.into_iter().map(|(param, ..)| param).collect())
    }

    /// Sets any parameter before the server runs; says why a value is refused.
    pub fn set_at_start(&mut self, param: &Param, text: &str) -> Result<(), String> {
        let value = param.kind.parse(text, Some(&self.value(param)))?;
        self.store(param, value);
        Ok(())
    }
}

/// The rows that a `CONFIG SET` names, or what is wrong with the first name that may not be there.
fn changeable_rows(
    pairs: &[(&[u8], &[u8])],
    may_set_protected: bool,
) -> Result<Vec<&'static Param>, SetError> {
    let mut rows: Vec<&'static Param> = Vec::with_capacity(pairs.len());
    for (name, _) in pairs {
        let written = String::from_utf8_lossy(name);
        let param = params::find(name).ok_or_else(|| SetError::Unknown(written.to_string()))?;
        let refusal = match param.mutability {
            Mutability::Protected if !may_set_protected => Some("can't set protected config"),
            Mutability::Protected | Mutability::Fixed => Some("can't set immutable config"),
            Mutability::Changeable if rows.iter().any(|other| other.index == param.index) => {
                Some("duplicate parameter")
            }
            Mutability::Changeable => None,
        };
        if let Some(reason) = refusal {
            return Err(SetError::failed(&written, reason.to_owned()));
        }
        rows.push(param);
    }
    Ok(rows)
}

impl fmt::Debug for Config {
    /// All values but secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for param in &PARAMS {
            match param.kind {
                Kind::Secret => map.entry(&param.name, &"(hidden)"),
                _ => map.entry(&param.name, &param.kind.print(&self.value(param))),
            };
        }
        map.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::choice::EvictionPolicy;
    use super::*;

    fn set(config: &Config, pairs: &[(&str, &str)]) -> Result<Vec<&'static str>, String> {
        let pairs: Vec<_> =
            pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        match config.set(&pairs, false, |_| Ok(())) {
            Ok(changed) => Ok(changed.into_iter().map(|param| param.name).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn get(config: &Config, patterns: &[&str]) -> Vec<(String, String)> {
        let patterns: Vec<_> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        config.get(&patterns)
    }

    #[test]
    fn what_clients_may_take_is_an_amount_or_a_part_of_what_the_data_may_take() {
        let config = Config::default();
        for (whole, clients, limit) in [
            ("0", "0", None),
            ("0", "5%", None),
            ("0", "1mb", Some(1 << 20)),
            ("100mb", "5%", Some(5 << 20)),
            ("100mb", "100%", Some(100 << 20)),
            ("1mb", "1%", Some(128 << 10)),
            ("0", "1", Some(128 << 10)),
            ("100mb", "0%", None),
        ] {
            let pairs = [("maxmemory", whole), ("maxmemory-clients", clients)];
            let pairs = pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            config.set(&pairs, false, |_| Ok(())).unwrap();
            assert_eq!(config.client_memory_limit(), limit, "{clients} of {whole}");
        }
    }

    #[test]
    fn every_default_is_valid_and_canonical_in_the_file() {
        for param in &PARAMS {
            let value = param.kind.parse(param.default, None);
            assert!(value.is_ok(), "{}: {value:?}", param.name);
        }
        let config = Config::default();
        assert_eq!(config.int(params::PORT), 6380);
        assert_eq!(config.int(params::PROTO_MAX_BULK_LEN), 512 << 20);
        assert_eq!(config.choice(params::MAXMEMORY_POLICY), EvictionPolicy::NoEviction);
        assert_eq!(config.save_points().len(), 3);
        assert_eq!(config.bind_addresses(), ["127.0.0.1"]);
        assert_eq!(config.percentiles(), [50.0, 99.0, 99.9]);
        assert_eq!(config.output_limits().pubsub.soft_seconds, 60);
    }

    #[test]
    fn get_answers_globs_in_any_case_and_each_parameter_once() {
        let config = Config::default();
        let names: Vec<_> = get(&config, &["MAXMEM*", "maxmemory", "nothing"])
            .into_iter()
            .map(|pair| pair.0)
            .collect();
        assert_eq!(
            names,
            ["maxmemory-clients", "maxmemory", "maxmemory-policy", "maxmemory-samples"]
        );
        assert_eq!(get(&config, &["TimeOut", "timeout"]), [("TimeOut".to_owned(), "0".to_owned())]);
        assert_eq!(get(&config, &["*"]).len(), COUNT);
    }

    #[test]
    fn set_reports_what_changed() {
        let config = Config::default();
        let changed =
            set(&config, &[("timeout", "5"), ("MAXMEMORY", "1mb"), ("maxclients", "10000")]);
        assert_eq!(changed.unwrap(), ["timeout", "maxmemory"]);
        assert_eq!(config.int(params::MAXMEMORY), 1 << 20);
    }

    #[test]
    fn set_is_all_or_nothing() {
        let config = Config::default();
        for wrong in [("maxmemory", "x"), ("port", "1"), ("nope", "1"), ("timeout", "6")] {
            assert!(set(&config, &[("timeout", "5"), wrong]).is_err(), "{wrong:?}");
            assert_eq!(config.int(params::TIMEOUT), 0);
        }
    }

    #[test]
    fn refusals_are_in_the_words_of_redis() {
        let config = Config::default();
        let unknown =
            |name| format!("Unknown option or number of arguments for CONFIG SET - '{name}'");
        let failed = |name, reason| {
            format!("CONFIG SET failed (possibly related to argument '{name}') - {reason}")
        };
        assert_eq!(set(&config, &[("Foo", "1")]).unwrap_err(), unknown("Foo"));
        for (pairs, name, reason) in [
            (&[("Port", "1")][..], "Port", "can't set immutable config"),
            (&[("dir", "x")], "dir", "can't set protected config"),
            (&[("timeout", "1"), ("Timeout", "2")], "Timeout", "duplicate parameter"),
            (&[("TIMEOUT", "abc")], "timeout", "argument couldn't be parsed into an integer"),
            (
                &[("timeout", "-1")],
                "timeout",
                "argument must be between 0 and 2147483647 inclusive",
            ),
        ] {
            assert_eq!(set(&config, pairs).unwrap_err(), failed(name, reason));
        }
    }

    #[test]
    fn values_that_are_not_text_are_refused() {
        let error =
            Config::default().set(&[(b"requirepass", b"\xff")], false, |_| Ok(())).unwrap_err();
        assert!(error.to_string().ends_with("argument must be valid UTF-8"));
    }

    #[test]
    fn trusted_clients_learn_that_protected_parameters_are_fixed_as_well() {
        let error = Config::default().set(&[(b"dir", b"x")], true, |_| Ok(())).unwrap_err();
        assert!(error.to_string().ends_with("can't set immutable config"));
    }

    #[test]
    fn values_return_when_they_cannot_be_applied() {
        let config = Config::default();
        let error = config.set(&[(b"maxclients", b"20000")], false, |changed| {
            assert_eq!(config.int(params::MAXCLIENTS), 20000, "stored before it is applied");
            Err((changed[0].name, "too many".to_owned()))
        });
        assert!(error.unwrap_err().to_string().contains("'maxclients') - too many"));
        assert_eq!(config.int(params::MAXCLIENTS), 10000);
    }

    #[test]
    fn debug_hides_secrets() {
        let config = Config::default();
        set(&config, &[("requirepass", "hunter2")]).unwrap();
        let shown = format!("{config:?}");
        assert!(shown.contains("requirepass") && !shown.contains("hunter2"));
    }
}
